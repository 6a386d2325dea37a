// Names that members share: a host asks its node about them, and what it is told proves itself.
#include <gtest/gtest.h>

#include "layer/member/test_inner.h"
#include "layer/member/test_world.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class SharedNamesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(star.attach()); }
  World& world() { return star.world; }
  Machine& a() { return star.host(0); }
  const membership::Membership& at_a() { return a()->membership(0); }
  Bytes certified(base::UnixSeconds end) const {
    membership::NameCertificate body;
    body.layer = star.authority.trust.layer();
    body.key = key.public_key;
    body.ipv4 = {100, 64, 0, 99};
    body.validity = {kNow - 10, end};
    body.label = "web";
    body.issuer = star.authority.root.public_key;
    return membership::sign(body, star.authority.root)->octets();
  }
  Bytes delegated(const wire::Name& member, std::uint64_t sequence, std::uint8_t weight) const {
    membership::MemberDelegation body{star.authority.trust.layer(), name, member, sequence, weight,
                                      {kNow - 10, kNow + kDay}};
    return membership::sign(body, key)->octets();
  }
  bool node_hears(const Bytes& delegations) {
    return (*star.node)->learn_name(0, certified(kNow + kDay), delegations, kNow).has_value();
  }
  bool asks(const session::Sought& sought) {
    a()->seek(0, sought, world().now, world().unix_nanos());
    world().run_for(seconds(1));
    return at_a().find_label("web") != nullptr;
  }

  Star star{21};
  crypto::Ed25519KeyPair key = crypto::ed25519_keypair(star.authority.random.bytes<32>());
  wire::Name name =
      membership::name_of(star.authority.trust.layer(), membership::kSuiteShared, key.public_key);
};

TEST_F(SharedNamesTest, AHostAsksItsNodeByLabelNameAndAddress) {
  EXPECT_FALSE(asks(std::string("web")));
  world().run_for(seconds(3));  // that nobody is called so is remembered for a moment
  ASSERT_TRUE(node_hears(delegated(star.host(1).in().name, 1, 1)));
  ASSERT_TRUE(asks(std::string("web")));
  EXPECT_EQ(at_a().find_label("web")->name, name);
  EXPECT_NE(at_a().delegate(name, star.host(1).in().name, world().unix_seconds()), nullptr);
}

TEST_F(SharedNamesTest, ByNameAndByAddressToo) {
  ASSERT_TRUE(node_hears({}));
  EXPECT_TRUE(asks(name));
  a()->revoke(0, name, kNow + kDay, world().now, world().unix_nanos());
  a()->readmit(0, name);
  ASSERT_EQ(at_a().find(name), nullptr);
  EXPECT_TRUE(asks(membership::Ipv4{100, 64, 0, 99}));
}

TEST_F(SharedNamesTest, WhatWasTakenBackIsToldToo) {
  const wire::Name bob = star.host(1).in().name;
  ASSERT_TRUE(node_hears(delegated(bob, 2, 0)));
  ASSERT_TRUE(asks(std::string("web")));
  ASSERT_TRUE(a()->learn_name(0, certified(kNow + kDay), delegated(bob, 1, 1), kNow));
  EXPECT_EQ(at_a().delegate(name, bob, world().unix_seconds()), nullptr) << "a replay";
}

// Nobody is its own: what is sent to it is answered at once, and is not asked about again and again.
TEST_F(SharedNamesTest, APacketToItIsAnsweredWithNoRoute) {
  ASSERT_TRUE(node_hears(delegated(star.host(1).in().name, 1, 1)));
  InnerPacket packet;
  packet.version = 6;
  const Bytes built = build(packet, a().in().addresses, {name.octets, {100, 64, 0, 99}});
  a().application(built);
  world().run_for(seconds(1));
  ASSERT_EQ(a().replies.size(), 1u);
  const std::uint64_t sent = world().sent;
  a().application(built);
  EXPECT_EQ(a().replies.size(), 2u);
  EXPECT_EQ(world().sent, sent);
}

TEST_F(SharedNamesTest, EndsWhenItsCertificateEnds) {
  ASSERT_TRUE((*star.node)->learn_name(0, certified(kNow + 60), {}, kNow));
  ASSERT_TRUE(asks(std::string("web")));
  world().run_for(seconds(61));
  EXPECT_EQ(at_a().find_label("web"), nullptr);
  EXPECT_EQ((*star.node)->membership(0).find_label("web"), nullptr);
}

}  // namespace
}  // namespace entresol::layer::member
