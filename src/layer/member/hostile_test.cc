// A host with valid keys of its own that lies: about whose packets it sends, what is in them, and who asked for them.
// Nothing of it arrives, each lie has its reason, and everybody else's traffic goes on.
#include <gtest/gtest.h>

#include "layer/member/test_inner.h"
#include "layer/member/test_raw_host.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class HostileTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(star.attach());
    for (std::size_t i : {0u, 1u}) {
      star.host(i).learn(mallory.joined);
      mallory.learn(star.host(i).in());
    }
    ASSERT_TRUE(star.world.run_until([&] { return mallory.attached(); }, seconds(5)));
    ASSERT_TRUE(honest());
    with_b = &mallory.session_with(b().in().name);
    b().delivered.clear();
  }
  // Another transfer goes on, whatever happens.
  void TearDown() override { EXPECT_TRUE(honest()); }
  bool honest() {
    const std::size_t before = b().delivered.size();
    a().application(build({}, a().in().addresses, b().in().addresses));
    star.world.run_for(seconds(1));
    return b().delivered.size() == before + 1;
  }

  Machine& a() { return star.host(0); }
  Machine& b() { return star.host(1); }
  const Joined& m() { return mallory.joined; }
  wire::Header header() { return mallory.header_to(b().in().name); }
  // An inner UDP datagram, from 1000 to 2000, without its IP header.
  static Bytes udp(std::uint16_t from = 1000, std::uint16_t to = 2000) {
    Bytes out;
    base::ByteWriter w(out);
    w.u16(from);
    w.u16(to);
    w.u16(12);
    w.u16(0);
    w.u32(0xabcdef01);
    return out;
  }
  static wire::SealedPrefix v6() { return {}; }
  static wire::SealedPrefix whole(std::uint8_t version) {
    wire::SealedPrefix prefix;
    prefix.ip_version = version;
    prefix.form = wire::InnerForm::whole_packet;
    return prefix;
  }
  void expect_refused(Machine& by, DropReason reason, const Bytes& packet) {
    const auto before = by.drops(reason);
    const auto delivered = b().delivered.size();
    mallory.send_packet(packet);
    star.world.run_for(seconds(1));
    EXPECT_EQ(by.drops(reason), before + 1) << base::to_string(reason);
    EXPECT_EQ(b().delivered.size(), delivered);
  }
  void expect_refused(DropReason reason, const wire::Header& outside,
                      const wire::SealedPrefix& prefix, const Bytes& inside) {
    expect_refused(b(), reason, mallory.seal(*with_b, outside, RawHost::plaintext(prefix, inside)));
  }
  // The flow of honest().
  const session::Flow& flow_of_a() {
    session::FlowKey key;
    key.local = a().in().name;
    key.far = b().in().name;
    key.local_port = 1000;
    key.far_port = 2000;
    key.protocol = inner::kProtocolUdp;
    key.version = 4;
    const session::Flow* flow = const_cast<session::FlowTable&>(a()->agent(0).flows()).find(key);
    if (flow == nullptr) throw std::runtime_error("no flow");
    return *flow;
  }
  bool arrives(const wire::Header& outside, const wire::SealedPrefix& prefix, const Bytes& inside) {
    const auto before = b().delivered.size();
    mallory.send_packet(mallory.seal(*with_b, outside, RawHost::plaintext(prefix, inside)));
    star.world.run_for(seconds(1));
    return b().delivered.size() == before + 1;
  }

  Star star{5};
  RawHost mallory{star.world, 66, *star.node,
                  join(star.authority, membership::Role::kHost, "mallory", {100, 64, 0, 66})};
  session::Session* with_b = nullptr;
};

TEST_F(HostileTest, WhatItMaySendArrives) {
  EXPECT_TRUE(arrives(header(), v6(), udp()));
  InnerPacket packet;
  packet.ip_options = {1, 1, 1, 0};
  EXPECT_TRUE(arrives(header(), whole(4), build(packet, m().addresses, b().in().addresses)));
}

TEST_F(HostileTest, AnotherHostsNameIsRefusedAtTheNode) {
  wire::Header lie = header();
  for (const wire::Name& name :
       {a().in().name, b().in().name, star.node->in().name, wire::Name{}}) {
    lie.source = name;
    expect_refused(*star.node, DropReason::source_not_here,
                   mallory.seal(*with_b, lie, RawHost::plaintext(v6(), udp())));
  }
}

TEST_F(HostileTest, AnotherHostsFlowIdAndSessionOpenNothing) {
  const session::Session* victims = nullptr;
  for (const auto& [names, session] : a()->agent(0).sessions().all())
    if (session->far == b().in().name) victims = session.get();
  ASSERT_NE(victims, nullptr);
  // Under its own name, with the id of the session between a and b.
  Bytes packet = mallory.seal(*with_b, header(), RawHost::plaintext(v6(), udp()));
  base::store_be32(packet.data() + wire::kHeaderSize, victims->send->wire_id);
  expect_refused(b(), DropReason::session_names, packet);
  // The flow id of a's flow is of no use: flows are told apart by their source.
  wire::Header same = header();
  same.flow_id = flow_of_a().id;
  EXPECT_TRUE(arrives(same, v6(), udp()));
  inner::IpPacket ip;
  ASSERT_EQ(inner::parse(b().delivered.back().packet, ip), DropReason::none);
  EXPECT_EQ(ip.source, m().addresses.ipv6) << "it is mallory's, and says so";
}

TEST_F(HostileTest, ASessionThatIsNotThereOpensNothing) {
  for (std::uint32_t wire_id : {0x00ff0000u, 0u, 1u, 0xffffffffu}) {
    Bytes packet = mallory.seal(*with_b, header(), RawHost::plaintext(v6(), udp()));
    base::store_be32(packet.data() + wire::kHeaderSize, wire_id);
    expect_refused(b(), DropReason::session_unknown, packet);
  }
}

TEST_F(HostileTest, ThePortOutsideIsThePortInside) {
  wire::Header lie = header();
  for (std::uint16_t port : std::array<std::uint16_t, 4>{0, 443, 2001, 1000}) {
    lie.responder_port = port;
    expect_refused(DropReason::inside_differs, lie, v6(), udp());
  }
  lie.responder_port = 2000;
  expect_refused(DropReason::inside_differs, lie, v6(), udp(2000, 2001));
}

TEST_F(HostileTest, TheProtocolOutsideIsTheProtocolInside) {
  InnerPacket packet;
  packet.ip_options = {1, 1, 1, 0};
  wire::Header lie = header();
  lie.inner_protocol = inner::kProtocolTcp;
  expect_refused(DropReason::inside_differs, lie, whole(4),
                 build(packet, m().addresses, b().in().addresses));
  packet.version = 6;
  packet.ip_options.clear();
  expect_refused(DropReason::inside_differs, lie, whole(6),
                 build(packet, m().addresses, b().in().addresses));
  // Ports where the protocol has none.
  lie.inner_protocol = 47;
  expect_refused(DropReason::inside_differs, lie, v6(), udp());
  // The inner version is not the one that is announced.
  expect_refused(DropReason::inside_differs, header(), whole(4),
                 build(packet, m().addresses, b().in().addresses));
}

TEST_F(HostileTest, InnerAddressesAreThoseOfTheNames) {
  InnerPacket packet;
  for (int version : {4, 6}) {
    packet.version = version;
    packet.ip_options = version == 4 ? Bytes{1, 1, 1, 0} : Bytes{};
    const auto form = whole(static_cast<std::uint8_t>(version));
    EXPECT_TRUE(arrives(header(), form, build(packet, m().addresses, b().in().addresses)));
    expect_refused(DropReason::inside_differs, header(), form,
                   build(packet, a().in().addresses, b().in().addresses));
    expect_refused(DropReason::inside_differs, header(), form,
                   build(packet, m().addresses, a().in().addresses));
    expect_refused(DropReason::inside_differs, header(), form,
                   build(packet, b().in().addresses, m().addresses));
    expect_refused(DropReason::inside_differs, header(), form,
                   build(packet, b().in().addresses, b().in().addresses));
  }
}

TEST_F(HostileTest, LengthsInsideHaveToAddUp) {
  InnerPacket packet;
  packet.ip_options = {1, 1, 1, 0};
  const Bytes good = build(packet, m().addresses, b().in().addresses);
  Bytes lie = good;
  lie.push_back(0);
  expect_refused(DropReason::inside_malformed, header(), whole(4), lie);
  lie = good;
  lie.pop_back();
  expect_refused(DropReason::inside_malformed, header(), whole(4), lie);
  lie = good;
  lie[0] = 0x4f;
  expect_refused(DropReason::inside_malformed, header(), whole(4), lie);
  expect_refused(DropReason::inside_malformed, header(), whole(4), {});
  expect_refused(DropReason::inside_malformed, header(), v6(), Bytes(3));
  expect_refused(DropReason::inside_malformed, header(), v6(), {});
}

TEST_F(HostileTest, ThePrefixHasToFollowItsRules) {
  const Bytes plain[] = {
      {0x80, 0x06, 1, 2}, {0x00, 0x05, 1, 2}, {0x00, 0x36, 1, 2}, {0x00, 0x46, 1, 2},
      {0x00, 0x34, 1, 2}, {0x00, 0x86, 1, 2}, {0x00, 0x14, 1, 2}, {0x00, 0x04, 1, 2},
  };
  for (const Bytes& plaintext : plain)
    expect_refused(b(), DropReason::inside_malformed, mallory.seal(*with_b, header(), plaintext));
  // An unfinished checksum where there is none.
  wire::Header icmp = header();
  icmp.inner_protocol = inner::kProtocolIcmp6;
  icmp.responder_port = 0;
  wire::SealedPrefix unfinished = v6();
  unfinished.checksum_unfinished = true;
  expect_refused(DropReason::inside_malformed, icmp, unfinished, {128, 0, 0, 0, 0, 1, 0, 1});
}

TEST_F(HostileTest, TheFragmentFlagIsTrue) {
  wire::Header lie = header();
  lie.fragment = true;
  expect_refused(DropReason::inside_differs, lie, v6(), udp());
  InnerPacket fragment;
  fragment.fragment = 0x2000;
  fragment.payload.assign(32, 0);
  expect_refused(DropReason::inside_differs, header(), whole(4),
                 build(fragment, m().addresses, b().in().addresses));
}

TEST_F(HostileTest, AnAnswerThatNobodyAskedForIsRefused) {
  wire::Header lie = header();
  lie.opener = false;
  lie.responder_port = 1000;
  expect_refused(DropReason::not_opener, lie, v6(), udp());
}

TEST_F(HostileTest, AFlowThatTheVictimOpenedStaysTheVictims) {
  InnerPacket packet;
  packet.version = 6;
  packet.from_port = 2000;
  packet.to_port = 1000;
  ASSERT_EQ(b().application(build(packet, b().in().addresses, m().addresses)), DropReason::none);
  star.world.run_for(seconds(1));
  wire::Header answer = header();
  answer.opener = false;
  answer.responder_port = 1000;
  ASSERT_TRUE(arrives(answer, v6(), udp()));
  expect_refused(DropReason::not_opener, header(), v6(), udp());
  EXPECT_TRUE(arrives(answer, v6(), udp()));
}

// What a node on the way, or anybody, could change of a sealed packet.
TEST_F(HostileTest, EveryFieldOfTheHeaderThatCountsIsAuthenticated) {
  for (std::size_t offset :
       {wire::offset::kService + 3, wire::offset::kFlowId, wire::offset::kInnerProtocol,
        wire::offset::kInnerFlags, wire::offset::kResponderPort + 1, wire::kHeaderSize + 7,
        wire::kHeaderSize + 12}) {
    Bytes packet = mallory.seal(*with_b, header(), RawHost::plaintext(v6(), udp()));
    packet[offset] ^= 1;
    const auto reason =
        offset == wire::offset::kService + 3 ? DropReason::none : DropReason::record_forged;
    if (reason == DropReason::none) {  // another service: the node has none of that number
      mallory.send_packet(packet);
      star.world.run_for(seconds(1));
      EXPECT_TRUE(b().delivered.empty());
      continue;
    }
    expect_refused(b(), reason, packet);
  }
  // TTL and traffic class are the network's to change.
  Bytes packet = mallory.seal(*with_b, header(), RawHost::plaintext(v6(), udp()));
  packet[wire::offset::kTtl] = 9;
  packet[wire::offset::kTrafficClass] = 0x20;
  mallory.send_packet(packet);
  star.world.run_for(seconds(1));
  EXPECT_EQ(b().delivered.size(), 1u);
}

TEST_F(HostileTest, ASealedPacketCountsOnce) {
  const Bytes packet = mallory.seal(*with_b, header(), RawHost::plaintext(v6(), udp()));
  mallory.send_packet(packet);
  star.world.run_for(seconds(1));
  ASSERT_EQ(b().delivered.size(), 1u);
  expect_refused(b(), DropReason::record_replayed, packet);
}

TEST_F(HostileTest, WhatIsNoDeliveryEndsThere) {
  wire::Header header_of_4 = header();
  header_of_4.next_protocol = 4;
  expect_refused(b(), DropReason::header_reserved,
                 wire::emit_packet(header_of_4, build({}, m().addresses, b().in().addresses)));
  wire::Header control = header();
  control.next_protocol = wire::next_protocol::kControl;
  control.service = wire::service::kMember;
  control.inner_protocol = 0;
  control.opener = false;
  control.responder_port = 0;
  expect_refused(b(), DropReason::control_malformed, wire::emit_packet(control, Bytes(7)));
  wire::Header handshake = control;
  handshake.next_protocol = wire::next_protocol::kHandshake;
  expect_refused(b(), DropReason::handshake_malformed,
                 wire::emit_packet(handshake, Bytes(100, 0x10)));
}

// Errors are believed only about what was sent, and only from the node or the flow's far end.
TEST_F(HostileTest, ItsErrorsAboutOthersFlowsAreNotBelieved) {
  // What a sends: as the node sees it (mallory might guess or overhear every field).
  wire::Header of_a;
  of_a.next_protocol = wire::next_protocol::kSealed;
  of_a.layer = header().layer;
  of_a.service = wire::service::kIpDelivery;
  of_a.inner_protocol = inner::kProtocolUdp;
  of_a.opener = true;
  of_a.responder_port = 2000;
  of_a.source = a().in().name;
  of_a.destination = b().in().name;
  const session::Flow& flow = flow_of_a();
  of_a.flow_id = flow.id;
  const Bytes quoted = wire::emit_packet(of_a, Bytes(40));
  wire::HeaderView offending;
  ASSERT_EQ(wire::HeaderView::parse(quoted, offending), DropReason::none);
  wire::Header error;
  error.next_protocol = wire::next_protocol::kControl;
  error.layer = of_a.layer;
  error.service = of_a.service;
  error.source = m().name;
  error.destination = a().in().name;
  for (auto type :
       {wire::ControlType::no_route, wire::ControlType::too_big, wire::ControlType::refused_by_rule,
        wire::ControlType::opened_from_other_side}) {
    mallory.send_packet(wire::emit_packet(error, wire::emit_error(type, 1280, "", offending)));
    star.world.run_for(seconds(1));
    EXPECT_TRUE(a().replies.empty());
    EXPECT_TRUE(flow.opened_here);
  }
  // The node's word counts.
  error.source = star.node->in().name;
  mallory.send_packet(
      wire::emit_packet(error, wire::emit_error(wire::ControlType::no_route, 0, "", offending)));
  star.world.run_for(seconds(1));
  EXPECT_TRUE(a().replies.empty()) << "under the node's name";
}

TEST_F(HostileTest, EchoesThatNobodyTakesDoNotPileUp) {
  wire::Header echo;
  echo.next_protocol = wire::next_protocol::kControl;
  echo.layer = header().layer;
  echo.source = m().name;
  echo.destination = b().in().name;
  for (int i = 0; i < 2000; ++i)
    mallory.send_packet(wire::emit_packet(
        echo,
        wire::emit_echo(wire::ControlType::echo_reply, 1, static_cast<std::uint16_t>(i), {})));
  star.world.run_for(seconds(1));
  EXPECT_LE(b()->echoes(0).size(), 256u);
}

// A scan for sessions and flows fills no memory without bound.
TEST_F(HostileTest, ManyFlowsAreBounded) {
  for (std::uint32_t port = 1; port <= 20000; ++port) {
    wire::Header flood = header();
    flood.flow_id = port;
    flood.responder_port = static_cast<std::uint16_t>(port);
    mallory.send_packet(mallory.seal(
        *with_b, flood, RawHost::plaintext(v6(), udp(9, static_cast<std::uint16_t>(port)))));
    if (port % 500 == 0) star.world.run_for(milliseconds(10));
  }
  star.world.run_for(seconds(1));
  EXPECT_EQ(b().delivered.size(), 20000u);
  EXPECT_LE(b()->agent(0).flows().size(), 16384u);
}

TEST_F(HostileTest, ACertificateThatHasEndedOpensNoLink) {
  Joined brief = join(star.authority, membership::Role::kHost, "brief", {});
  membership::Certificate certificate =
      star.authority.describe(brief.identity, membership::Role::kHost, "brief", {});
  certificate.validity.not_after = star.world.unix_seconds() + 10;
  brief.certificate = membership::sign(certificate, star.authority.root)->octets();
  RawHost guest(star.world, 67, *star.node, brief);
  ASSERT_TRUE(star.world.run_until([&] { return guest.attached(); }, seconds(1)));
  const auto before = star.node->drops(DropReason::handshake_certificate);
  star.world.run_for(seconds(11));
  guest.rekey();
  star.world.run_for(seconds(1));
  EXPECT_EQ(star.node->drops(DropReason::handshake_certificate), before + 1);
}

}  // namespace
}  // namespace entresol::layer::member
