// A plain WireGuard client at a node: its node's agent speaks for it, and checks what it says.
#include <gtest/gtest.h>

#include "layer/member/test_guest.h"
#include "layer/member/test_inner.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class GuestTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(star.attach());
    auto link =
        (*star.node)->add_guest(0, guest.grant, std::nullopt, 1420, star.world.unix_seconds());
    ASSERT_TRUE(link) << link.error().message;
    guest_link = *link;
    for (auto& host : star.hosts)
      ASSERT_TRUE((*host)->learn_guest(0, guest.grant, star.world.unix_seconds()));
  }
  Machine& a() { return star.host(0); }
  Bytes to_a(InnerPacket packet) { return build(packet, guest.addresses, a().in().addresses); }
  Bytes to_guest(InnerPacket packet) { return build(packet, a().in().addresses, guest.addresses); }
  bool reaches_a(const InnerPacket& packet) {
    a().delivered.clear();
    guest.send(to_a(packet));
    star.world.run_until([&] { return !a().delivered.empty(); }, seconds(3));
    return a().delivered.size() == 1;
  }
  bool reaches_guest(const InnerPacket& packet) {
    guest.delivered.clear();
    a().application(to_guest(packet));
    star.world.run_until([&] { return !guest.delivered.empty(); }, seconds(3));
    return guest.delivered.size() == 1;
  }
  static InnerPacket back(InnerPacket packet) {
    std::swap(packet.from_port, packet.to_port);
    return packet;
  }

  Star star{9};
  Guest guest{star.world, 40, *star.node, {100, 64, 0, 40}, star.authority, {star.node->in().name}};
  forwarding::LinkId guest_link{};
};

TEST_F(GuestTest, SpeaksWithAHostInBothVersions) {
  for (int version : {4, 6}) {
    InnerPacket packet;
    packet.version = version;
    packet.protocol = inner::kProtocolTcp;
    ASSERT_TRUE(reaches_a(packet));
    ASSERT_TRUE(reaches_guest(back(packet)));
    EXPECT_TRUE(inner::test::checksums_right(guest.delivered[0]));
    inner::IpPacket ip;
    ASSERT_EQ(inner::parse(guest.delivered[0], ip), DropReason::none);
    EXPECT_EQ(ip.ttl, 63);
  }
}

TEST_F(GuestTest, AHostMaySpeakFirst) {
  guest.send({});  // it has to be there
  star.world.run_for(seconds(1));
  EXPECT_TRUE(reaches_guest({}));
  EXPECT_TRUE(reaches_a(back({})));
}

TEST_F(GuestTest, AnUnfinishedChecksumIsCompletedForIt) {
  ASSERT_TRUE(reaches_a({}));
  for (int version : {4, 6}) {
    InnerPacket packet = back({});
    packet.version = version;
    packet.unfinished = true;
    inner::Offload offload;
    offload.needs_checksum = true;
    offload.checksum_start = version == 4 ? 20 : 40;
    offload.checksum_offset = 6;
    guest.delivered.clear();
    a().application(to_guest(packet), 0, offload);
    star.world.run_for(seconds(1));
    ASSERT_EQ(guest.delivered.size(), 1u);
    EXPECT_TRUE(inner::test::checksums_right(guest.delivered[0]));
  }
}

TEST_F(GuestTest, AnInnerSourceThatIsNotItsOwnIsRefused) {
  ASSERT_TRUE(reaches_a({}));
  a().delivered.clear();
  for (int version : {4, 6}) {
    InnerPacket packet;
    packet.version = version;
    guest.send(build(packet, star.host(1).in().addresses, a().in().addresses));
    guest.send(build(packet, star.node->in().addresses, a().in().addresses));
  }
  star.world.run_for(seconds(1));
  EXPECT_EQ(star.node->drops(DropReason::address_forged), 4u);
  EXPECT_TRUE(a().delivered.empty());
  guest.send(Bytes(60, 0xff));
  guest.send(Bytes(1, 0x45));
  star.world.run_for(seconds(1));
  EXPECT_EQ(star.node->drops(DropReason::inside_malformed), 2u);
  EXPECT_TRUE(reaches_a({}));
}

TEST_F(GuestTest, ItsErrorsAreIcmp) {
  ASSERT_TRUE(reaches_a({}));
  auto error = [&](const Bytes& packet) {
    guest.delivered.clear();
    guest.send(packet);
    star.world.run_for(seconds(6));
    EXPECT_EQ(guest.delivered.size(), 1u);
    inner::IpPacket ip{};
    EXPECT_TRUE(guest.delivered.empty() ||
                inner::parse(guest.delivered[0], ip) == DropReason::none);
    EXPECT_TRUE(ip.is_icmp);
    return std::pair<int, int>(ip.icmp_type, ip.icmp_code);
  };
  InnerPacket packet;
  packet.ttl = 1;
  EXPECT_EQ(error(to_a(packet)), std::pair(11, 0)) << "TTL";
  packet = {};
  packet.payload.assign(1380, 0);
  EXPECT_EQ(error(to_a(packet)), std::pair(3, 4)) << "too big";
  inner::MemberAddresses nobody;
  nobody.ipv4 = {100, 64, 0, 222};
  EXPECT_EQ(error(build({}, guest.addresses, nobody)), std::pair(3, 0)) << "nobody's address";
  const Joined away = join(star.authority, membership::Role::kHost, "away", {100, 64, 0, 99});
  star.node->learn(away);
  EXPECT_EQ(error(build({}, guest.addresses, away.addresses)), std::pair(3, 1)) << "not attached";
}

TEST_F(GuestTest, WhatIsTooLargeForItIsAnsweredToTheSender) {
  ASSERT_TRUE(reaches_a({}));
  const_cast<forwarding::Link&>((*star.node)->tables().links[guest_link]).max_packet = 1300;
  for (int version : {4, 6}) {
    a().replies.clear();
    guest.delivered.clear();
    InnerPacket packet = back({});
    packet.version = version;
    packet.payload.assign(1301 - (version == 4 ? 28 : 48), 1);
    a().application(to_guest(packet));
    star.world.run_for(seconds(1));
    EXPECT_TRUE(guest.delivered.empty());
    ASSERT_EQ(a().replies.size(), 1u);
    const Bytes& reply = a().replies[0].packet;
    const std::size_t icmp = version == 4 ? 20 : 40;
    EXPECT_EQ(reply[icmp], version == 4 ? 3 : 2);
    EXPECT_EQ(base::load_be32(reply.data() + icmp + 4), 1300u);
    packet.payload.pop_back();
    EXPECT_TRUE(reaches_guest(packet));
  }
}

TEST_F(GuestTest, NodeRestartAndRekeyAreSurvived) {
  ASSERT_TRUE(reaches_a({}));
  star.node->restart();
  ASSERT_TRUE(
      (*star.node)->add_guest(0, guest.grant, std::nullopt, 1420, star.world.unix_seconds()));
  bool reached = false;
  for (int i = 0; i < 60 && !reached; ++i) {
    reached = reaches_a({});
    star.world.run_for(seconds(1));
  }
  EXPECT_TRUE(reached);
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(reaches_a({})) << i;
    star.world.run_for(seconds(1));
  }
}

TEST_F(GuestTest, AGrantForAnotherNodeIsRefused) {
  Guest other(star.world, 41, *star.node, {100, 64, 0, 41}, star.authority, {a().in().name});
  auto link =
      (*star.node)->add_guest(0, other.grant, std::nullopt, 1420, star.world.unix_seconds());
  ASSERT_FALSE(link);
  other.send(build({}, other.addresses, a().in().addresses));
  star.world.run_for(seconds(1));
  EXPECT_TRUE(a().delivered.empty());
  EXPECT_GE(star.node->drops(DropReason::handshake_unknown_peer), 1u);
}

TEST_F(GuestTest, TwoGuestsOfOneNodeReachEachOther) {
  Guest other(star.world, 41, *star.node, {100, 64, 0, 41}, star.authority, {star.node->in().name});
  ASSERT_TRUE(
      (*star.node)->add_guest(0, other.grant, std::nullopt, 1420, star.world.unix_seconds()));
  other.send({});
  star.world.run_for(seconds(1));
  for (int version : {4, 6}) {
    InnerPacket packet;
    packet.version = version;
    other.delivered.clear();
    guest.send(build(packet, guest.addresses, other.addresses));
    star.world.run_for(seconds(1));
    ASSERT_EQ(other.delivered.size(), 1u);
    EXPECT_TRUE(inner::test::checksums_right(other.delivered[0]));
    guest.delivered.clear();
    other.send(build(back(packet), other.addresses, guest.addresses));
    star.world.run_for(seconds(1));
    ASSERT_EQ(guest.delivered.size(), 1u);
  }
}

}  // namespace
}  // namespace entresol::layer::member
