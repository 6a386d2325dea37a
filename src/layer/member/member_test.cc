// Hosts and a node, joined by a network in memory: what applications see.
#include "layer/member/member.h"

#include <gtest/gtest.h>

#include <set>

#include "layer/member/test_inner.h"
#include "layer/member/test_world.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class MemberTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(star.attach()); }
  Machine& a() { return star.host(0); }
  Machine& b() { return star.host(1); }
  World& world() { return star.world; }
  Bytes from_a(const InnerPacket& packet) {
    return build(packet, a().in().addresses, b().in().addresses);
  }
  Bytes from_b(const InnerPacket& packet) {
    return build(packet, b().in().addresses, a().in().addresses);
  }
  // Sends, waits, and requires that exactly this arrives.
  void expect_through(Machine& from, const Bytes& packet, Machine& to) {
    to.delivered.clear();
    ASSERT_EQ(from.application(packet), DropReason::none);
    world().run_until([&] { return !to.delivered.empty(); }, seconds(2));
    ASSERT_EQ(to.delivered.size(), 1u);
    Bytes expected = packet;
    lower_ttl(expected);
    EXPECT_TRUE(same_inside(to.delivered[0].packet, expected))
        << base::to_hex(to.delivered[0].packet) << "\n"
        << base::to_hex(expected);
    inner::IpPacket ip;
    ASSERT_EQ(inner::parse(to.delivered[0].packet, ip), DropReason::none);
    EXPECT_TRUE(ip.is_fragment || inner::test::checksums_right(to.delivered[0].packet));
  }
  // As one node on the way does.
  static void lower_ttl(Bytes& packet) {
    if (packet[0] >> 4 == 6) {
      --packet[7];
      return;
    }
    --packet[8];
    base::store_be16(packet.data() + 10, 0);
    const std::size_t header = (packet[0] & 15u) * 4;
    base::store_be16(
        packet.data() + 10,
        static_cast<std::uint16_t>(~inner::test::slow_sum(base::ByteView(packet).first(header))));
  }
  // What answers InnerPacket{}.
  static InnerPacket answer() {
    InnerPacket packet;
    std::swap(packet.from_port, packet.to_port);
    return packet;
  }
  Star star{1};
};

// Type and code of an ICMP error, and the packet that it quotes.
struct Icmp {
  int version = 0;
  std::uint8_t type = 0, code = 0;
  std::uint32_t info = 0;
  Bytes quote;
};
Icmp icmp_of(const Bytes& packet) {
  Icmp out;
  inner::IpPacket ip;
  EXPECT_EQ(inner::parse(packet, ip), DropReason::none);
  EXPECT_TRUE(ip.is_icmp);
  out.version = ip.version;
  const auto body = ip.payload();
  out.type = body[0];
  out.code = body[1];
  out.info = base::load_be32(body.data() + 4);
  out.quote.assign(body.begin() + 8, body.end());
  return out;
}

TEST_F(MemberTest, UdpTcpAndPingGoBothWaysInBothVersions) {
  for (int version : {4, 6}) {
    for (std::uint8_t protocol : {inner::kProtocolUdp, inner::kProtocolTcp,
                                  version == 4 ? inner::kProtocolIcmp : inner::kProtocolIcmp6}) {
      InnerPacket there;
      there.version = version;
      there.protocol = protocol;
      if (protocol == inner::kProtocolIcmp6) there.icmp_type = 128;
      // ICMPv6 has a pseudo-header; the tunnel does not look at it.
      InnerPacket back = there;
      const bool ping = protocol == inner::kProtocolIcmp || protocol == inner::kProtocolIcmp6;
      if (ping) {
        back.icmp_type = version == 4 ? 0 : 129;
      } else {
        std::swap(back.from_port, back.to_port);
      }
      for (int i = 0; i < 3; ++i) {
        expect_through(a(), from_a(there), b());
        expect_through(b(), from_b(back), a());
      }
    }
  }
  EXPECT_EQ(a().drops(DropReason::not_opener) + b().drops(DropReason::not_opener), 0u);
}

TEST_F(MemberTest, TheFirstPacketOfAPairWaitsForItsSessionAndTheSecondOfAFlowAsksNoService) {
  const auto asked = [&] {
    return star.node->services().find(wire::service::kIpDelivery)->usage().packets;
  };
  InnerPacket packet;
  expect_through(a(), from_a(packet), b());
  EXPECT_EQ(a()->agent(0).sessions().all().size(), 1u);
  const auto before = asked();
  for (int i = 0; i < 10; ++i) expect_through(a(), from_a(packet), b());
  EXPECT_EQ(asked(), before);
  packet.from_port = 4;
  expect_through(a(), from_a(packet), b());
  EXPECT_EQ(asked(), before + 1);
}

TEST_F(MemberTest, TheNodeNeverSeesThePayload) {
  InnerPacket packet;
  packet.payload.assign(32, 0);
  world().random.fill(packet.payload);
  std::size_t seen = 0;
  world().tap = [&](const Datagram& datagram) {
    seen += std::search(datagram.bytes.begin(), datagram.bytes.end(), packet.payload.begin(),
                        packet.payload.end()) != datagram.bytes.end();
  };
  expect_through(a(), from_a(packet), b());
  EXPECT_EQ(seen, 0u);
  EXPECT_TRUE((*star.node)->agent(0).sessions().all().empty());
}

TEST_F(MemberTest, TtlIsLoweredOnceAndTrafficClassKept) {
  InnerPacket packet;
  packet.ttl = 2;
  packet.traffic_class = 0xb8;
  expect_through(a(), from_a(packet), b());
  EXPECT_EQ(b().delivered[0].packet[8], 1);
  EXPECT_EQ(b().delivered[0].packet[1], 0xb8);
}

TEST_F(MemberTest, AFlowLabelIsKept) {
  InnerPacket packet;
  packet.version = 6;
  packet.protocol = inner::kProtocolTcp;
  for (std::uint32_t label : {0x12345u, 0xfffffu, 0x00001u}) {
    packet.flow_label = label;
    expect_through(a(), from_a(packet), b());
    EXPECT_EQ(base::load_be32(b().delivered[0].packet.data()) & 0xfffff, label);
  }
}

TEST_F(MemberTest, FragmentsAndOptionsTravel) {
  InnerPacket first;
  first.fragment = 0x2000;
  first.payload.assign(64, 1);
  InnerPacket later = first;
  later.fragment = 0x2000 | 9;
  InnerPacket last = first;
  last.fragment = 18;
  for (int round = 0; round < 2; ++round) {
    for (InnerPacket* packet : {&first, &later, &last}) {
      packet->identification = static_cast<std::uint16_t>(0x100 + round);
      expect_through(a(), from_a(*packet), b());
      EXPECT_EQ(base::load_be16(b().delivered[0].packet.data() + 4), packet->identification);
    }
  }
  InnerPacket with_options;
  with_options.ip_options = {1, 1, 1, 0};
  expect_through(a(), from_a(with_options), b());
  InnerPacket without_df;
  without_df.fragment = 0;
  without_df.identification = 0x4242;
  expect_through(a(), from_a(without_df), b());
  EXPECT_EQ(base::load_be16(b().delivered[0].packet.data() + 4), 0x4242);
}

// The flow's header is made anew when keys change, also if that happens between a ping's fragments.
TEST_F(MemberTest, KeysThatChangeBetweenFragmentsOfAPingLeaveThePingAlone) {
  InnerPacket first;
  first.protocol = inner::kProtocolIcmp;
  first.fragment = 0x2000;
  first.payload.assign(56, 1);
  InnerPacket last = first;
  last.fragment = 8;
  InnerPacket whole;
  whole.protocol = inner::kProtocolIcmp;
  expect_through(a(), from_a(first), b());
  a()->rekey(world().now, world().unix_nanos());
  world().run_for(seconds(1));
  expect_through(a(), from_a(last), b());
  expect_through(a(), from_a(whole), b());
}

TEST_F(MemberTest, ATrainIsCutIntoSegmentsThatFit) {
  for (int version : {4, 6}) {
    InnerPacket train;
    train.version = version;
    train.protocol = inner::kProtocolTcp;
    train.unfinished = true;
    train.payload.assign(40000, 0);
    world().random.fill(train.payload);
    inner::Offload offload;
    offload.needs_checksum = true;
    offload.gso = version == 4 ? inner::Gso::kTcp4 : inner::Gso::kTcp6;
    offload.gso_size = 1240;
    offload.checksum_start = version == 4 ? 20 : 40;
    offload.checksum_offset = 16;
    b().delivered.clear();
    ASSERT_EQ(a().application(from_a(train), 0, offload), DropReason::none);
    world().run_for(seconds(1));
    Bytes got;
    ASSERT_EQ(b().delivered.size(), 33u);
    for (const Delivered& delivered : b().delivered) {
      EXPECT_LE(delivered.packet.size(), 1300u);
      EXPECT_TRUE(delivered.unfinished);
      inner::IpPacket ip;
      ASSERT_EQ(inner::parse(delivered.packet, ip), DropReason::none);
      const std::size_t start = ip.header_length + ip.l4_header_length;
      EXPECT_EQ(base::load_be32(delivered.packet.data() + ip.header_length + 4), 1 + got.size());
      got.insert(got.end(), delivered.packet.begin() + static_cast<std::ptrdiff_t>(start),
                 delivered.packet.end());
    }
    EXPECT_EQ(got, train.payload);
  }
}

// More than one batch of the pipeline, on links as large as they come.
TEST(MemberSizes, FullBatchesOfLargePacketsGoThrough) {
  Star star(3);
  for (auto& host : star.hosts) host->dial(*star.node, 0, 0, 9000);
  (*star.node)->set_accepted_max_packet(9000, 9000);
  ASSERT_TRUE(star.attach());
  InnerPacket packet;
  star.host(0).application(build(packet, star.host(0).in().addresses, star.host(1).in().addresses));
  star.world.run_for(seconds(1));
  star.host(1).delivered.clear();
  packet.payload.assign(8700, 7);
  const Bytes large = build(packet, star.host(0).in().addresses, star.host(1).in().addresses);
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(star.host(0).application_no_flush(large), DropReason::none);
  star.host(0)->flush(star.world.now, star.world.unix_nanos());
  star.world.run_for(seconds(1));
  EXPECT_EQ(star.host(1).delivered.size(), 200u);
}

TEST_F(MemberTest, AnUnfinishedChecksumIsSaidToTheFarEnd) {
  InnerPacket packet;
  packet.unfinished = true;
  inner::Offload offload;
  offload.needs_checksum = true;
  offload.checksum_start = 20;
  offload.checksum_offset = 6;
  ASSERT_EQ(a().application(from_a(packet), 0, offload), DropReason::none);
  world().run_for(seconds(1));
  ASSERT_EQ(b().delivered.size(), 1u);
  EXPECT_TRUE(b().delivered[0].unfinished);
}

// ---- errors that applications see --------------------------------------------------------------------------------------

TEST_F(MemberTest, WhatIsTooLargeIsAnsweredAtOnce) {
  for (int version : {4, 6}) {
    InnerPacket packet;
    packet.version = version;
    packet.payload.assign(1400, 0);
    EXPECT_EQ(a().application(from_a(packet)), DropReason::too_big);
    ASSERT_EQ(a().replies.size(), 1u);
    const Icmp icmp = icmp_of(a().replies[0].packet);
    EXPECT_EQ(icmp.type, version == 4 ? 3 : 2);
    EXPECT_EQ(icmp.code, version == 4 ? 4 : 0);
    EXPECT_EQ(icmp.info, forwarding::inner_mtu(kMaxPacket));
    a().replies.clear();
  }
  InnerPacket fits;
  fits.payload.assign(forwarding::inner_mtu(kMaxPacket) - 28u, 1);
  expect_through(a(), from_a(fits), b());
}

TEST_F(MemberTest, WhatIsTooLargeForTheFarLinkIsAnsweredByTheNode) {
  expect_through(a(), from_a({}), b());
  const auto* place = (*star.node)->tables().layers[0].names.find(b().in().name);
  const_cast<forwarding::Link&>((*star.node)->tables().links[place->link]).max_packet = 1400;
  InnerPacket packet;
  packet.payload.assign(forwarding::inner_mtu(kMaxPacket) - 28u, 1);
  EXPECT_EQ(a().application(from_a(packet)), DropReason::none);
  world().run_for(seconds(1));
  ASSERT_EQ(a().replies.size(), 1u);
  const Icmp icmp = icmp_of(a().replies[0].packet);
  EXPECT_EQ(icmp.type, 3);
  EXPECT_EQ(icmp.code, 4);
  EXPECT_EQ(icmp.info, forwarding::inner_mtu(1400));
  EXPECT_TRUE(std::equal(icmp.quote.begin(), icmp.quote.begin() + 20, from_a(packet).begin()));
}

TEST_F(MemberTest, TtlThatRunsOutAtTheNodeIsAnsweredFromItsAddress) {
  expect_through(a(), from_a({}), b());
  for (int version : {4, 6}) {
    a().replies.clear();
    InnerPacket packet;
    packet.version = version;
    packet.ttl = 1;
    a().application(from_a(packet));
    world().run_for(seconds(1));
    ASSERT_EQ(a().replies.size(), 1u);
    const Icmp icmp = icmp_of(a().replies[0].packet);
    EXPECT_EQ(icmp.type, version == 4 ? 11 : 3);
    EXPECT_EQ(icmp.code, 0);
    const Bytes& reply = a().replies[0].packet;
    const auto& node = star.node->in().addresses;
    const bool from_node = version == 4
                               ? std::equal(node.ipv4.begin(), node.ipv4.end(), reply.begin() + 12)
                               : std::equal(node.ipv6.begin(), node.ipv6.end(), reply.begin() + 8);
    EXPECT_TRUE(from_node);
  }
}

// The node is asked once; while it is remembered that it knows nobody, the answer comes at once.
TEST_F(MemberTest, AnAddressThatNobodyHasIsAnsweredAtOnce) {
  inner::MemberAddresses nobody;
  nobody.ipv4 = {100, 64, 0, 250};
  nobody.ipv6 = b().in().addresses.ipv6;
  nobody.ipv6[15] ^= 1;
  for (int version : {4, 6}) {
    a().replies.clear();
    InnerPacket packet;
    packet.version = version;
    const base::TimePoint sent = world().now;
    EXPECT_EQ(a().application(build(packet, a().in().addresses, nobody)), DropReason::none);
    EXPECT_TRUE(world().run_until([&] { return !a().replies.empty(); }, seconds(10)));
    EXPECT_LT(world().now - sent, milliseconds(100));
    EXPECT_EQ(a().application(build(packet, a().in().addresses, nobody)),
              DropReason::destination_unknown);
    ASSERT_EQ(a().replies.size(), 2u);
    for (const auto& reply : a().replies)
      EXPECT_EQ(icmp_of(reply.packet).type, version == 4 ? 3 : 1);
  }
}

// The node's answer may lead nowhere: a guest of another node, whom nobody knows here. Who asks for it is told so, each time.
TEST(LookupTest, AnAnswerThatLeadsNowhereEndsTheQuestion) {
  Star star(78, 1);
  ASSERT_TRUE(star.attach());
  const Joined elsewhere =
      join(star.authority, membership::Role::kNode, "elsewhere", {100, 64, 0, 70});
  inner::MemberAddresses dave;
  dave.ipv4 = {100, 64, 0, 71};
  const auto grant = star.authority.grant({9}, "dave", dave.ipv4, {elsewhere.name});
  ASSERT_TRUE((*star.node)->learn_guest(0, grant, star.world.unix_seconds()));
  auto& host = star.host(0);
  EXPECT_EQ(host.application(build({}, host.in().addresses, dave)), DropReason::none);
  EXPECT_TRUE(star.world.run_until([&] { return !host.replies.empty(); }, seconds(10)));
  host.replies.clear();
  EXPECT_EQ(host.application(build({}, host.in().addresses, dave)), DropReason::none);
  EXPECT_TRUE(star.world.run_until([&] { return !host.replies.empty(); }, seconds(10)));
}

// Nobody has told them of each other: the node does.
TEST(LookupTest, HostsFindEachOtherThroughTheirNode) {
  Star star(77, 3);
  for (auto& host : star.hosts) {
    host->teach = [&star](Machine& self) { self.dial(*star.node); };
    host->restart();
  }
  ASSERT_TRUE(star.attach());
  auto reaches = [&](std::size_t from, std::size_t to, int version) {
    InnerPacket packet;
    packet.version = version;
    auto& far = star.host(to);
    far.delivered.clear();
    EXPECT_EQ(star.host(from).application(
                  build(packet, star.host(from).in().addresses, far.in().addresses)),
              DropReason::none);
    return star.world.run_until([&] { return !far.delivered.empty(); }, seconds(10));
  };
  EXPECT_TRUE(reaches(0, 1, 4));
  EXPECT_TRUE(reaches(1, 0, 4)) << "who calls has shown all that is needed";
  EXPECT_TRUE(reaches(0, 2, 6));
  EXPECT_TRUE(reaches(2, 1, 6));
}

TEST_F(MemberTest, ASourceThatIsNotOnesOwnIsRefused) {
  for (int version : {4, 6}) {
    InnerPacket packet;
    packet.version = version;
    EXPECT_EQ(a().application(build(packet, star.node->in().addresses, b().in().addresses)),
              DropReason::inside_not_ours);
  }
  world().run_for(seconds(1));
  EXPECT_TRUE(b().delivered.empty());
}

// In the directory, but not attached: whoever waits for the session is told by the node's answer to its handshake.
TEST_F(MemberTest, AMemberThatIsAwayIsAnsweredAtOnce) {
  const Joined away = join(star.authority, membership::Role::kHost, "away", {100, 64, 0, 99});
  a().learn(away);
  for (int version : {4, 6}) {
    a().replies.clear();
    InnerPacket packet;
    packet.version = version;
    const base::TimePoint sent = world().now;
    a().application(build(packet, a().in().addresses, away.addresses));
    EXPECT_TRUE(world().run_until([&] { return !a().replies.empty(); }, seconds(10)));
    EXPECT_LT(world().now - sent,
              version == 4 ? base::Duration(milliseconds(100)) : base::Duration(seconds(6)));
    ASSERT_EQ(a().replies.size(), 1u);
    EXPECT_EQ(icmp_of(a().replies[0].packet).type, version == 4 ? 3 : 1);
  }
}

TEST_F(MemberTest, ANodeThatIsGoneIsAnsweredForAndComesBack) {
  expect_through(a(), from_a({}), b());
  world().remove(star.node->address());
  for (int i = 0; i < 20; ++i) {
    a().application(from_a({}));
    world().run_for(seconds(10));
  }
  EXPECT_FALSE(a()->attached(0));
  a().replies.clear();
  EXPECT_EQ(a().application(from_a({})), DropReason::link_down);
  EXPECT_EQ(a().replies.size(), 1u);
  world().add(star.node.get());
  world().run_for(seconds(60));
  EXPECT_TRUE(star.attach());
  world().run_for(seconds(10));
  expect_through(a(), from_a({}), b());
}

// What an application sends before its host has found the node waits for no more than that.
TEST(MemberStart, PacketsThatComeTooEarlyAreSentWhenTheLinkIsThere) {
  Star star(4);
  ASSERT_TRUE(star.attach());
  star.world.run_for(seconds(1));
  star.host(0).restart();
  InnerPacket packet;
  const Bytes early = build(packet, star.host(0).in().addresses, star.host(1).in().addresses);
  EXPECT_EQ(star.host(0).application(early), DropReason::none);
  EXPECT_TRUE(star.world.run_until([&] { return !star.host(1).delivered.empty(); }, seconds(1)));
  EXPECT_TRUE(star.host(0).replies.empty());
}

// ---- restarts ----------------------------------------------------------------------------------------------------------

TEST_F(MemberTest, ANodeThatLostItsStateIsBackWithinASecond) {
  expect_through(a(), from_a({}), b());
  star.node->restart();
  b().delivered.clear();
  const base::TimePoint restarted = world().now;
  while (b().delivered.empty() && world().now < restarted + seconds(5)) {
    a().application(from_a({}));
    b().application(from_b(answer()));
    world().run_for(milliseconds(100));
  }
  EXPECT_LE(world().now - restarted, seconds(1));
  expect_through(a(), from_a({}), b());
}

TEST_F(MemberTest, AHostThatLostItsStateIsBackWithinTwoSeconds) {
  expect_through(a(), from_a({}), b());
  for (int round = 0; round < 3; ++round) {
    b().restart();
    b().delivered.clear();
    const base::TimePoint restarted = world().now;
    while (b().delivered.empty() && world().now < restarted + seconds(20)) {
      a().application(from_a({}));
      world().run_for(milliseconds(100));
    }
    EXPECT_LE(world().now - restarted, seconds(2));
    expect_through(a(), from_a({}), b());
  }
}

// A flow outlives the loss of what either end knew of it: whoever opened it is agreed anew.
TEST_F(MemberTest, AFlowSurvivesTheLossOfStateAtEitherEnd) {
  InnerPacket there, back;
  there.protocol = back.protocol = inner::kProtocolTcp;
  std::swap(back.from_port, back.to_port);
  for (Machine* loser : {&a(), &b()}) {
    for (bool opener_speaks : {true, false}) {
      expect_through(a(), from_a(there), b());
      expect_through(b(), from_b(back), a());
      loser->restart();
      ASSERT_TRUE(star.attach());
      Machine& speaker = opener_speaks ? a() : b();
      Machine& listener = opener_speaks ? b() : a();
      listener.delivered.clear();
      const base::TimePoint start = world().now;
      while (listener.delivered.empty() && world().now < start + seconds(5)) {
        speaker.application(opener_speaks ? from_a(there) : from_b(back));
        world().run_for(milliseconds(200));
      }
      EXPECT_LE(world().now - start, seconds(2))
          << "loser " << (loser == &b()) << " speaker " << opener_speaks;
      expect_through(a(), from_a(there), b());
      expect_through(b(), from_b(back), a());
    }
  }
}

// Both ends claim the flow at the same moment, again and again.
TEST_F(MemberTest, TwoThatOpenOneFlowAtOnceAgree) {
  InnerPacket there, back;
  there.from_port = there.to_port = back.from_port = back.to_port = 5000;
  expect_through(a(), from_a({}), b());  // the session
  for (int i = 0; i < 20; ++i) {
    a().application(from_a(there));
    b().application(from_b(back));
    world().run_for(milliseconds(5));
  }
  world().run_for(seconds(1));
  expect_through(a(), from_a(there), b());
  expect_through(b(), from_b(back), a());
  EXPECT_LE(a().drops(DropReason::not_opener) + b().drops(DropReason::not_opener), 4u);
}

// A far end may not answer what was never asked; its agent, once told, has to open the flow itself.
TEST_F(MemberTest, BothEndsLosingTheirStateAgreeAnew) {
  InnerPacket there, back;
  there.protocol = back.protocol = inner::kProtocolTcp;
  std::swap(back.from_port, back.to_port);
  expect_through(a(), from_a(there), b());
  a().restart();
  b().restart();
  ASSERT_TRUE(star.attach());
  for (int i = 0; i < 80;
       ++i) {  // a handshake that the restart has cost is repeated after five seconds
    a().application(from_a(there));
    b().application(from_b(back));
    world().run_for(milliseconds(100));
  }
  expect_through(a(), from_a(there), b());
  expect_through(b(), from_b(back), a());
}

TEST_F(MemberTest, AMemberWithNewKeysIsReachedUnderItsName) {
  expect_through(a(), from_a({}), b());
  const crypto::X25519KeyPair fresh = crypto::x25519_keypair(world().random.bytes<32>());
  b().joined[0].identity.native_public = fresh.public_key;
  b().joined[0].identity.native_private = fresh.secret;
  b().joined[0].reset_secret = crypto::SecretBytes<32>(world().random.bytes<32>());
  world().run_for(seconds(2));
  b().restart();
  // It speaks first: from its new keys everybody learns.
  ASSERT_TRUE(star.attach());
  b().application(from_b(answer()));
  world().run_for(seconds(2));
  a().delivered.clear();
  b().application(from_b(answer()));
  world().run_for(seconds(1));
  EXPECT_EQ(a().delivered.size(), 1u);
  expect_through(a(), from_a({}), b());
}

TEST_F(MemberTest, KeysChangeUnderTrafficWithoutALoss) {
  expect_through(a(), from_a({}), b());
  b().delivered.clear();
  a().delivered.clear();
  const int kPackets = 4000;
  InnerPacket there, back;
  std::swap(back.from_port, back.to_port);
  const auto handshakes = [&] {
    return a()
        ->agent(0)
        .sessions()
        .machine()
        .state(a()->agent(0).sessions().all().begin()->second->peer)
        ->handshakes;
  };
  const auto before = handshakes();
  for (int i = 0; i < kPackets; ++i) {
    base::store_be32(there.payload.data(), static_cast<std::uint32_t>(i));
    a().application(from_a(there));
    b().application(from_b(back));
    if (i % 500 == 250) a()->rekey(world().now, world().unix_nanos());
    if (i % 500 == 450) (*star.node)->rekey(world().now, world().unix_nanos());
    world().run_for(milliseconds(100));  // 400 s in all: keys age out, too
  }
  world().run_for(seconds(1));
  EXPECT_GE(handshakes(), before + 8);
  ASSERT_EQ(b().delivered.size(), static_cast<std::size_t>(kPackets));
  EXPECT_EQ(a().delivered.size(), static_cast<std::size_t>(kPackets));
  for (int i = 0; i < kPackets; ++i)
    EXPECT_EQ(base::load_be32(b().delivered[static_cast<std::size_t>(i)].packet.data() + 28),
              static_cast<std::uint32_t>(i));
}

TEST_F(MemberTest, EchoesGoToTheNodeAndToAHost) {
  a()->send_echo(0, star.node->in().name, 64, 7, 1, world().now, world().unix_nanos());
  a()->send_echo(0, b().in().name, 64, 7, 2, world().now, world().unix_nanos());
  a()->send_echo(0, b().in().name, 1, 7, 3, world().now, world().unix_nanos());
  wire::Name nobody = b().in().name;
  nobody.octets[15] ^= 1;
  a()->send_echo(0, nobody, 64, 7, 4, world().now, world().unix_nanos());
  world().run_for(seconds(1));
  const auto& echoes = a()->echoes(0);
  ASSERT_EQ(echoes.size(), 4u);
  std::map<std::uint16_t, session::EchoResult> by_sequence;
  for (const auto& echo : echoes) by_sequence[echo.sequence] = echo;
  EXPECT_TRUE(by_sequence[1].reply);
  EXPECT_EQ(by_sequence[1].from, star.node->in().name);
  EXPECT_TRUE(by_sequence[2].reply);
  EXPECT_EQ(by_sequence[2].from, b().in().name);
  EXPECT_FALSE(by_sequence[3].reply);
  EXPECT_EQ(by_sequence[3].error, wire::ControlType::ttl_exceeded);
  EXPECT_EQ(by_sequence[3].from, star.node->in().name);
  EXPECT_EQ(by_sequence[4].error, wire::ControlType::no_route);
}

TEST(Member, TwoLayersThatLookAlikeOnTheWireAreRefused) {
  World world(2);
  Authority authority(1);
  EXPECT_THROW(Machine(world, 1, false,
                       {join(authority, membership::Role::kHost, "a", {}),
                        join(authority, membership::Role::kHost, "b", {})}),
               std::runtime_error);
}

}  // namespace
}  // namespace entresol::layer::member
