// Names that members share, through the API.
#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "controller/api.h"
#include "controller/test_api.h"

namespace entresol::controller {
namespace {

namespace code = base::code;
using directory::test::Person;
using test::ApiWorld;
using test::kNow;

class NamesApiTest : public ::testing::Test {
 protected:
  NamesApiTest() { w.admit(bob); }
  Json ask(const char* method, const std::string& target, const Json& body = nullptr) {
    const auto answer = w.ask(method, target, body, w.admin);
    return answer->answered->status == 200 ? answer->json() : Json(answer->error());
  }
  std::vector<Json> items() {
    std::vector<Json> out;
    const Json told = ask("GET", "/v1/directory");
    for (const Json& item : told["items"])
      if (item["kind"] == "name") out.push_back(item);
    return out;
  }

  ApiWorld w;
  Person bob = w.world.person("bob");
};

TEST_F(NamesApiTest, ANamesLife) {
  const Json made = ask("POST", "/v1/names", {{"label", "web"}, {"tags", {"front"}}});
  EXPECT_EQ(made["kind"], "shared");
  EXPECT_EQ(made["key_here"], true);
  EXPECT_FALSE(made.contains("secret"));
  EXPECT_EQ(ask("POST", "/v1/names", {{"label", "web"}, {"tags", {"front"}}}), made) << "a repeat";
  EXPECT_EQ(ask("GET", "/v1/names/web"), made);
  ASSERT_EQ(items().size(), 1u);
  EXPECT_TRUE(items()[0]["delegations"].empty());

  const Json given = ask("PUT", "/v1/names/web", {{"members", {"bob"}}, {"weight", 3}});
  ASSERT_EQ(given["delegates"].size(), 1u) << given;
  EXPECT_EQ(given["delegates"][0]["label"], "bob");
  EXPECT_EQ(given["delegates"][0]["weight"], 3);
  EXPECT_EQ(items()[0]["delegations"].size(), 1u);
  const Json taken = ask("PUT", "/v1/names/web", {{"members", {"bob"}}, {"weight", 0}});
  EXPECT_EQ(taken["delegates"][0]["weight"], 0);
  EXPECT_EQ(ask("GET", "/v1/names")["names"].size(), 1u);
  EXPECT_EQ(ask("GET", "/v1/status")["names"], 1);

  EXPECT_GT(ask("DELETE", "/v1/names/web")["revoked_at"], 0);
  EXPECT_TRUE(items().empty());
  EXPECT_EQ(ask("GET", "/v1/names/web"), code::kMemberUnknown);
}

TEST_F(NamesApiTest, NoAnswerHasASecret) {
  ask("POST", "/v1/names", {{"label", "web"}});
  const auto& name = w.world.authority->names().begin()->second;
  const std::string secret = octets_text(base::ByteView(*name.secret));
  for (const char* target : {"/v1/names", "/v1/names/web", "/v1/directory", "/v1/status"})
    EXPECT_EQ(w.ask("GET", target, nullptr, w.admin)->answered->body.find(secret),
              std::string::npos)
        << target;
}

TEST_F(NamesApiTest, AServicesNameAndAnOwnersKey) {
  const auto key = crypto::ed25519_keypair(w.world.random.bytes<32>());
  const Json made = ask("POST", "/v1/names",
                        {{"label", "cache"},
                         {"kind", "service"},
                         {"service", 4294967295},
                         {"key", octets_text(key.public_key)}});
  EXPECT_EQ(made["service"], 4294967295) << made;
  EXPECT_EQ(made["key_here"], false);
  EXPECT_EQ(ask("PUT", "/v1/names/cache", {{"members", {"bob"}}}), code::kNameKeyElsewhere);
  layer::membership::MemberDelegation body;
  body.layer = w.world.layer;
  body.name =
      layer::membership::name_of(w.world.layer, layer::membership::kSuiteShared, key.public_key);
  body.member = bob.name;
  body.sequence = 1;
  body.validity = {kNow - 1, kNow + 100};
  const auto handed_in = [&](const crypto::Ed25519KeyPair& by) {
    const base::Bytes object = layer::membership::sign(body, by)->octets();
    return ask("PUT", "/v1/names/cache", {{"delegation", octets_text(object)}});
  };
  EXPECT_EQ(handed_in(w.world.op), code::kCertificateUntrusted);
  EXPECT_EQ(handed_in(key)["delegates"][0]["label"], "bob");
}

TEST_F(NamesApiTest, WhatIsWrongIsSaid) {
  ask("POST", "/v1/names", {{"label", "web"}});
  for (const Json& body :
       {Json{{"label", "x"}, {"kind", "comet"}}, Json{{"label", "x"}, {"service", 7}},
        Json{{"label", "x"}, {"kind", "service"}}, Json{{"label", "x"}, {"service", -1}},
        Json{{"label", "x"}, {"kind", "service"}, {"service", 4294967296}},
        Json{{"label", "x"}, {"key", "AAAA"}}, Json{{"label", 3}}})
    EXPECT_EQ(ask("POST", "/v1/names", body), code::kConfigBadValue) << body;
  for (const Json& body :
       {Json::object(), Json{{"members", "bob"}}, Json{{"members", {"bob"}}, {"weight", 256}},
        Json{{"members", {"bob"}}, {"delegation", "AAAA"}}})
    EXPECT_EQ(ask("PUT", "/v1/names/web", body), code::kConfigBadValue) << body;
  EXPECT_EQ(ask("PUT", "/v1/names/web", {{"delegation", "AAAA"}}), code::kCertificateMalformed);
  EXPECT_EQ(ask("PUT", "/v1/names/nobody", {{"members", {"bob"}}}), code::kMemberUnknown);
  EXPECT_EQ(ask("DELETE", "/v1/names/nobody"), code::kMemberUnknown);
}

TEST_F(NamesApiTest, AdmitIsTheScope) {
  const std::string policy = w.new_token(static_cast<directory::Scopes>(directory::Scope::kPolicy));
  for (const std::string& who : {w.reader, policy}) {
    EXPECT_EQ(w.ask("POST", "/v1/names", {{"label", "web"}}, who)->error(), code::kScopeMissing);
    EXPECT_EQ(w.ask("PUT", "/v1/names/web", {{"members", {"bob"}}}, who)->error(),
              code::kScopeMissing);
    EXPECT_EQ(w.ask("DELETE", "/v1/names/web", nullptr, who)->error(), code::kScopeMissing);
  }
  EXPECT_EQ(w.ask_as(bob, "PUT", "/v1/names/web", {{"members", {"bob"}}})->error(),
            code::kRequestUnproved)
      << "a member is no person";
  const std::string admit = w.new_token(static_cast<directory::Scopes>(directory::Scope::kAdmit));
  EXPECT_EQ(w.ask("POST", "/v1/names", {{"label", "web"}}, admit)->answered->status, 200u);
}

TEST_F(NamesApiTest, UpkeepRenewsThem) {
  ask("POST", "/v1/names", {{"label", "web"}});
  ask("PUT", "/v1/names/web", {{"members", {"bob"}}});
  const base::UnixSeconds lifetime = w.world.settings.lifetime;
  const base::UnixSeconds later = kNow + lifetime * 2 / 3;
  ASSERT_TRUE(w.api->upkeep(later));
  const auto& name = w.world.authority->names().begin()->second;
  EXPECT_EQ(name.not_after, later + lifetime);
  EXPECT_EQ(name.delegates[0].not_after, later + lifetime);
  EXPECT_LE(w.api->upkeep_interval() * 3, std::chrono::seconds(lifetime / 3));
  w.world.store.failing = true;
  EXPECT_FALSE(w.api->upkeep(later + lifetime * 2 / 3));
  EXPECT_EQ(name.not_after, later + lifetime) << "nothing that is not on disk";
}

}  // namespace
}  // namespace entresol::controller
