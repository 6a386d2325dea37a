#include "service/rules.h"

#include <gtest/gtest.h>

#include <deque>

#include "layer/inner/ip.h"
#include "layer/membership/test_authority.h"
#include "service/dispatcher.h"
#include "service/trusted.h"
#include "services/ip_delivery/ip_delivery.h"

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;
using layer::membership::Identity;
using layer::membership::Membership;
using layer::membership::Role;
using layer::membership::test::Authority;
using layer::membership::test::kDay;
using layer::membership::test::kNow;

constexpr std::uint8_t kTcp = 6;

class RulesTest : public testing::Test {
 protected:
  RulesTest() : members_(authority_.trust, layer::membership::test::make_identity(random())) {
    auto own = authority_.certify(members_.identity(), Role::kNode, "node", {100, 64, 0, 1});
    EXPECT_TRUE(members_.set_own(own, 1, kNow + kDay, {}, kNow));
    dispatcher_.add(trusted(*entresol_service_ip_delivery(), "ip-delivery", 1,
                            fields_of({Field::kDestination}), random()));
    alice_ = add("alice", {}, 2);
    bob_ = add("bob", {"web"}, 3);
  }
  base::RandomSource& random() { return authority_.random; }

  wire::Name add(const std::string& label, std::vector<std::string> tags, std::uint8_t number) {
    identities_.push_back(layer::membership::test::make_identity(random()));
    return learn(identities_.back(), label, std::move(tags), number, 1);
  }
  wire::Name learn(const Identity& identity, const std::string& label,
                   std::vector<std::string> tags, std::uint8_t number, std::uint64_t sequence) {
    auto body = authority_.describe(identity, Role::kHost, label, {100, 64, 0, number});
    body.tags = std::move(tags);
    auto name = members_.learn(authority_.certify(body, authority_.validity),
                               authority_.registration(identity, sequence), kNow);
    EXPECT_TRUE(name) << name.error().message;
    return *name;
  }
  void set(std::string_view text) {
    dispatcher_.rules().set(0, *layer::policy::parse(text), 7, members_);
  }
  wire::Header flow(const wire::Name& from, const wire::Name& to, std::uint16_t port = 80) {
    wire::Header header;
    header.next_protocol = wire::next_protocol::kSealed;
    header.service = wire::service::kIpDelivery;
    header.inner_protocol = kTcp;
    header.opener = true;
    header.responder_port = port;
    header.source = from;
    header.destination = to;
    return header;
  }
  static wire::Header reply(wire::Header header) {
    std::swap(header.source, header.destination);
    header.opener = false;
    return header;
  }
  Miss ask(const wire::Header& header) {
    packets_.push_back(wire::emit_packet(header, base::Bytes(64)));
    Miss miss;
    EXPECT_EQ(wire::HeaderView::parse(packets_.back(), miss.view), DropReason::none);
    dispatcher_.decide(std::span(&miss, 1), {});
    return miss;
  }
  bool passes(const wire::Header& header) {
    const Miss miss = ask(header);
    EXPECT_EQ(miss.rule == layer::forwarding::kNoRule, miss.drop == DropReason::none);
    return miss.drop == DropReason::none;
  }

  Authority authority_{1};
  std::deque<Identity> identities_;
  Membership members_;
  Dispatcher dispatcher_;
  wire::Name alice_, bob_;
  std::deque<base::Bytes> packets_;
};

TEST_F(RulesTest, WithoutAPolicyEverythingPasses) {
  EXPECT_TRUE(passes(flow(alice_, bob_)));
  EXPECT_TRUE(dispatcher_.rules().reports().empty());
}

TEST_F(RulesTest, WhoOpensCountsWhicheverWayThePacketGoes) {
  set("web: allow * tag:web tcp/80");
  EXPECT_TRUE(passes(flow(alice_, bob_)));
  EXPECT_TRUE(passes(reply(flow(alice_, bob_))));
  EXPECT_FALSE(passes(flow(alice_, bob_, 81)));
  EXPECT_FALSE(passes(reply(flow(alice_, bob_, 81))));
  EXPECT_FALSE(passes(flow(bob_, alice_)));
}

TEST_F(RulesTest, ARefusalNamesItsRule) {
  set("quiet: deny bob alice\nallow alice bob");
  const Miss miss = ask(flow(bob_, alice_));
  EXPECT_EQ(miss.drop, DropReason::refused_by_rule);
  EXPECT_TRUE(miss.keep);
  EXPECT_EQ(miss.rule, 0);
  EXPECT_EQ(dispatcher_.rule_name(0, miss.rule), "quiet");
  EXPECT_EQ(dispatcher_.rule_name(0, ask(flow(bob_, bob_)).rule), "default");
  dispatcher_.refused(0, miss.rule);
  dispatcher_.refused(0, miss.rule);
  dispatcher_.refused(0, 2);
  dispatcher_.refused(0, 3);  // no such rule
  dispatcher_.refused(9, 0);  // no such layer
  const auto reports = dispatcher_.rules().reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].revision, 7u);
  EXPECT_EQ(reports[0].rules, 2u);
  using Counts = std::vector<std::pair<std::string, std::uint64_t>>;
  EXPECT_EQ(reports[0].denied, (Counts{{"quiet", 2}, {"default", 1}}));
  const auto denials = dispatcher_.rules().take_denials();
  ASSERT_EQ(denials.size(), 2u);
  EXPECT_EQ(denials[0].rule, "quiet");
  EXPECT_EQ(denials[0].from, bob_);
  EXPECT_EQ(denials[0].to, alice_);
  EXPECT_EQ(denials[0].port, 80);
  EXPECT_TRUE(dispatcher_.rules().take_denials().empty());
}

TEST_F(RulesTest, DenialsAreBounded) {
  set("");
  for (int i = 0; i < 100; ++i) ask(flow(bob_, alice_));
  EXPECT_EQ(dispatcher_.rules().take_denials().size(), Rules::kMaxDenials);
}

TEST_F(RulesTest, AnotherServiceIsNoWayAround) {
  set("quiet: deny bob alice\nallow * *");
  wire::Header header = flow(bob_, alice_);
  header.service = wire::service::kMember;
  EXPECT_FALSE(passes(header));
  header.service = 77;
  EXPECT_EQ(ask(header).drop, DropReason::refused_by_rule);
}

TEST_F(RulesTest, BetweenGuestsOfTheNodeToo) {
  set("");
  for (const std::uint8_t bare :
       {wire::next_protocol::kInnerIpv4, wire::next_protocol::kInnerIpv6}) {
    wire::Header header = flow(bob_, alice_);
    header.next_protocol = bare;
    EXPECT_FALSE(passes(header));
  }
}

TEST_F(RulesTest, WhatCarriesNothingPasses) {
  set("");
  wire::Header header = flow(bob_, alice_);
  header.inner_protocol = layer::inner::kProtocolNone;  // a keepalive
  EXPECT_TRUE(passes(header));
  header = wire::Header{};
  header.next_protocol = wire::next_protocol::kHandshake;
  header.service = wire::service::kIpDelivery;
  header.source = bob_;
  header.destination = alice_;
  EXPECT_TRUE(passes(header));
  header.next_protocol = wire::next_protocol::kControl;
  EXPECT_TRUE(passes(header));
}

TEST_F(RulesTest, AnotherPolicyMakesKeptDecisionsVoid) {
  const auto before = dispatcher_.generation();
  set("");
  const auto first = dispatcher_.generation();
  EXPECT_NE(first, before);
  set("allow * *");
  EXPECT_NE(dispatcher_.generation(), first);
  EXPECT_TRUE(passes(flow(alice_, bob_)));
  set("deny * *");
  EXPECT_FALSE(passes(flow(alice_, bob_))) << "what was allowed lately";
}

TEST_F(RulesTest, SoDoOtherTags) {
  set("allow alice tag:web");
  EXPECT_TRUE(passes(flow(alice_, bob_)));
  const auto before = dispatcher_.generation();
  learn(identities_[1], "bob", {"web"}, 3, 2);
  EXPECT_EQ(dispatcher_.generation(), before) << "a renewal that changes nothing";
  learn(identities_[1], "bob", {"db"}, 3, 3);
  EXPECT_NE(dispatcher_.generation(), before);
  EXPECT_FALSE(passes(flow(alice_, bob_)));
}

TEST_F(RulesTest, WhoIsKnownNoLongerHasNoTags) {
  set("allow * tag:web");
  EXPECT_TRUE(passes(flow(alice_, bob_)));
  members_.revoke(bob_, kNow + kDay);
  EXPECT_FALSE(passes(flow(alice_, bob_)));
}

TEST_F(RulesTest, StrangersHaveTheirNamesAlone) {
  const wire::Name stranger = *wire::name_from_text("fd35::77");
  set("deny tag:web *\nallow fd35::77 alice");
  EXPECT_TRUE(passes(flow(stranger, alice_)));
  EXPECT_FALSE(passes(flow(stranger, bob_)));
}

}  // namespace
}  // namespace entresol::service
