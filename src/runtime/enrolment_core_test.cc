#include "runtime/enrolment_core.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error_codes.h"
#include "layer/directory/base64url.h"
#include "layer/membership/test_authority.h"
#include "service/dispatcher.h"

namespace entresol::runtime {
namespace {

namespace membership = layer::membership;
using layer::directory::Ask;
using membership::test::kDay;
using membership::test::kNow;

struct Silent final : layer::member::Output {
  void send(const layer::forwarding::OutBurst&, const security::Path&) override {}
  void flush() override {}
  void send_datagram(base::ByteView, const security::Path&) override {}
  void deliver(layer::member::LayerIndex, const layer::inner::InsidePacket&) override {}
  void deliver_reply(layer::member::LayerIndex, base::ByteView) override {}
};

struct Outside final : EnrolmentOutside {
  void ask(Ask ask, http::Request request, const http::Patience&) override {
    asked.emplace_back(ask, std::move(request));
  }
  void set_policy(layer::policy::Policy, std::uint64_t) override {}
  void set_services(std::vector<layer::directory::CatalogueEntry> catalogue,
                    std::uint64_t revision) override {
    services = std::move(catalogue);
    services_revision = revision;
  }
  void take_package(const crypto::Hash256& hash, base::Bytes octets) override {
    packages.emplace_back(hash, std::move(octets));
  }
  Json standing() const override { return {{"revision", services_revision}}; }
  void nodes_changed() override {}
  void keep_certificate(base::ByteView) override {}
  void keep_node(const std::string&, base::ByteView, base::ByteView) override {}
  void keep_learnt(base::Duration wait) override { kept_after = wait; }
  void tell(config::LogLevel, std::string_view, std::initializer_list<LogField>) override {}

  std::vector<std::pair<Ask, http::Request>> asked;
  std::optional<base::Duration> kept_after;
  std::vector<layer::directory::CatalogueEntry> services;
  std::uint64_t services_revision = 0;
  std::vector<std::pair<crypto::Hash256, base::Bytes>> packages;
};

// A node that is enrolled, and a host that is attached to it.
class EnrolmentCoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    node = membership::test::make_identity(authority.random);
    host = membership::test::make_identity(authority.random);
    host_certificate = authority.certify(host, membership::Role::kHost, "alice", {100, 64, 0, 2});
    ASSERT_TRUE(member.add_layer({.label = "edge",
                                  .trust = authority.trust,
                                  .identity = node,
                                  .certificate_chain = authority.certify(
                                      node, membership::Role::kNode, "gate", {100, 64, 0, 1}),
                                  .lease_end = kNow + kDay,
                                  .attachments = {},
                                  .reset_secret = {},
                                  .timing = {}},
                                 kNow));
    core.start({}, now());
    core.ask_due(now());
    ASSERT_EQ(outside.asked.size(), 2u) << "registration, watch";
    outside.asked.clear();
    core.answered(Ask::kRegister, http::Response{200, "{}"}, now());
  }
  static EnrolmentCore::Now now() { return {base::TimePoint{}, kNow * 1'000'000'000}; }
  base::Bytes registration(std::uint64_t sequence) const {
    auto body = authority.describe_registration(host, sequence);
    body.attachments = {member.membership(0).own().name};
    return membership::sign(body, host.identity)->octets();
  }
  Json item(const base::Bytes& registered) const {
    return {{"kind", "member"},
            {"certificate", layer::directory::to_base64url(host_certificate)},
            {"registration", layer::directory::to_base64url(registered)}};
  }
  void watch_says(const Json& items, bool more = false) {
    const Json answer{
        {"revision", "00c0ffee00c0ffee-1"}, {"whole", true}, {"more", more}, {"items", items}};
    core.answered(Ask::kWatch, http::Response{200, answer.dump()}, now());
    core.ask_due(now());
  }
  const http::Request* asked_for(Ask ask) const {
    const auto found = std::find_if(outside.asked.begin(), outside.asked.end(),
                                    [&](const auto& each) { return each.first == ask; });
    return found == outside.asked.end() ? nullptr : &found->second;
  }
  void attach(std::uint64_t sequence) {
    ASSERT_TRUE(member.learn(0, host_certificate, registration(sequence), kNow));
  }

  membership::test::Authority authority{7};
  membership::Identity node, host;
  base::Bytes host_certificate;
  Silent silent;
  Outside outside;
  service::Dispatcher services;
  static layer::member::MemberConfig of_node() {
    layer::member::MemberConfig config;
    config.node = true;
    return config;
  }
  layer::member::Member member{of_node(), services, silent, authority.random};
  Learnt learnt{""};
  EnrolmentCore core{member, 0, true, learnt, outside};
};

TEST_F(EnrolmentCoreTest, ARegistrationThatTheControllerHasAsItWasIsHandedIn) {
  attach(2);
  watch_says(Json::array({item(registration(1))}));
  const http::Request* request = asked_for(Ask::kHandIn);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->method, "PUT");
  EXPECT_EQ(request->target, "/v1/registration");
  EXPECT_NE(request->body.find(layer::directory::to_base64url(registration(2))), std::string::npos);
  core.answered(Ask::kHandIn, http::Response{200, "{}"}, now());
  outside.asked.clear();
  core.ask_due({base::TimePoint{}, (kNow + 600) * 1'000'000'000});
  EXPECT_EQ(asked_for(Ask::kHandIn), nullptr) << "once";
}

TEST_F(EnrolmentCoreTest, ARegistrationThatTheControllerHasLostIsHandedInUntilItIsThere) {
  attach(2);
  watch_says(Json::array(), true);
  EXPECT_EQ(asked_for(Ask::kHandIn), nullptr) << "there is more to come";
  watch_says(Json::array());
  ASSERT_NE(asked_for(Ask::kHandIn), nullptr);
  core.answered(Ask::kHandIn, base::fail(base::code::kHttpTimeout, "no answer"), now());
  outside.asked.clear();
  core.ask_due({base::TimePoint{}, (kNow + 60) * 1'000'000'000});
  ASSERT_NE(asked_for(Ask::kHandIn), nullptr) << "again";
  core.answered(Ask::kHandIn, base::fail(base::code::kRegistrationOld, "a newer one is known"),
                now());
  outside.asked.clear();
  core.ask_due({base::TimePoint{}, (kNow + 600) * 1'000'000'000});
  EXPECT_EQ(asked_for(Ask::kHandIn), nullptr) << "somebody else was faster";
}

TEST_F(EnrolmentCoreTest, WhatTheControllerHasIsNotHandedIn) {
  attach(2);
  watch_says(Json::array({item(registration(2))}));
  EXPECT_EQ(asked_for(Ask::kHandIn), nullptr);
}

TEST_F(EnrolmentCoreTest, WhoIsOutIsOnDiskBeforeItIsAcknowledged) {
  const auto name = wire::to_string(membership::name_of(
      authority.trust.layer(), membership::kSuiteEd25519, host.identity.public_key));
  watch_says(Json::array({{{"kind", "revoked"}, {"name", name}, {"until", kNow + 3600}}}));
  EXPECT_EQ(outside.kept_after, base::Duration(0));
  EXPECT_EQ(asked_for(Ask::kWatch), nullptr) << "it would say what has been seen";
  const EnrolmentCore::Mark mark = core.mark();
  core.kept({0, 0}, true, now());
  core.ask_due(now());
  EXPECT_EQ(asked_for(Ask::kWatch), nullptr) << "something older is on disk";
  core.kept(mark, true, now());
  core.ask_due(now());
  EXPECT_NE(asked_for(Ask::kWatch), nullptr);
}

// ---- services ----

class ServicesCoreTest : public EnrolmentCoreTest {
 protected:
  Json catalogue(std::uint64_t revision, base::UnixSeconds issued_at, std::uint32_t version,
                 bool by_root = true) {
    layer::directory::CatalogueEntry entry;
    entry.id = 0x80000001;
    entry.name = "hello";
    entry.current.version = version;
    const base::Bytes octets = layer::directory::emit_catalogue({entry});
    const auto& signer = by_root ? authority.root : host.identity;
    const membership::CatalogueStatement body{authority.trust.layer(), revision, issued_at,
                                              crypto::sha256(octets), signer.public_key};
    return {
        {"kind", "services"},
        {"revision", revision},
        {"catalogue", layer::directory::to_base64url(octets)},
        {"statement", layer::directory::to_base64url(membership::sign(body, signer)->octets())}};
  }
  std::uint32_t version() const {
    return outside.services.empty() ? 0 : outside.services[0].current.version;
  }
  void all_is_kept() {
    core.kept(core.mark(), true, now());
    core.ask_due(now());
  }
};

TEST_F(ServicesCoreTest, TheNewestThatAnOperatorHasSignedHolds) {
  watch_says(Json::array({catalogue(2, kNow, 7)}));
  EXPECT_EQ(outside.services_revision, 2u);
  EXPECT_EQ(version(), 7u);
  all_is_kept();
  watch_says(Json::array({catalogue(1, kNow - 5, 6)}));
  EXPECT_EQ(version(), 7u) << "an older one";
  watch_says(Json::array({catalogue(3, kNow + 1, 8, false)}));
  EXPECT_EQ(version(), 7u) << "nobody's";
  Json changed = catalogue(3, kNow + 1, 8);
  changed["catalogue"] = catalogue(3, kNow + 1, 9)["catalogue"];
  watch_says(Json::array({changed}));
  EXPECT_EQ(version(), 7u) << "another text than was signed";
  watch_says(Json::array({catalogue(3, kNow + 1, 8)}));
  EXPECT_EQ(version(), 8u);
}

TEST_F(ServicesCoreTest, APackageIsAskedForUntilThereIsAnAnswer) {
  const crypto::Hash256 one{1}, two{2};
  core.package_wanted(one);
  core.package_wanted(two);
  core.package_wanted(one);
  core.ask_due(now());
  ASSERT_NE(asked_for(Ask::kPackage), nullptr);
  EXPECT_EQ(asked_for(Ask::kPackage)->target, "/v1/packages/" + base::to_hex(one));
  core.answered(Ask::kPackage, base::fail(base::code::kHttpTimeout, "no answer"), now());
  EXPECT_TRUE(outside.packages.empty());
  outside.asked.clear();
  core.ask_due({base::TimePoint{}, (kNow + 60) * 1'000'000'000});
  ASSERT_NE(asked_for(Ask::kPackage), nullptr) << "again";
  core.answered(Ask::kPackage, http::Response{200, R"({"package":"AQID"})"}, now());
  outside.asked.clear();
  core.ask_due(now());
  EXPECT_EQ(asked_for(Ask::kPackage)->target, "/v1/packages/" + base::to_hex(two));
  core.answered(Ask::kPackage, base::fail(base::code::kServiceUnpublished, "none"), now());
  outside.asked.clear();
  core.ask_due({base::TimePoint{}, (kNow + 600) * 1'000'000'000});
  EXPECT_EQ(asked_for(Ask::kPackage), nullptr);
  ASSERT_EQ(outside.packages.size(), 2u);
  EXPECT_EQ(outside.packages[0].second, (base::Bytes{1, 2, 3}));
  EXPECT_TRUE(outside.packages[1].second.empty());
}

TEST_F(ServicesCoreTest, WhatRunsIsSaidOnceTheCatalogueIsOnDiskAndAgainToANewController) {
  core.standing_changed();
  watch_says(Json::array({catalogue(2, kNow, 7)}));
  EXPECT_EQ(asked_for(Ask::kReport), nullptr) << "not on disk yet";
  all_is_kept();
  const http::Request* request = asked_for(Ask::kReport);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->target, "/v1/standing");
  EXPECT_EQ(request->body, R"({"revision":2})");
  core.answered(Ask::kReport, http::Response{200, "{}"}, now());
  outside.asked.clear();
  core.ask_due(now());
  EXPECT_EQ(asked_for(Ask::kReport), nullptr);
  watch_says(Json::array({catalogue(2, kNow, 7)}));
  all_is_kept();
  EXPECT_NE(asked_for(Ask::kReport), nullptr) << "a controller that tells everything anew";
}

}  // namespace
}  // namespace entresol::runtime
