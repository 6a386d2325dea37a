// A node's policy, from one application to the other: what is denied is answered at once, whoever sends it and however, and
// what is allowed goes on.
#include <gtest/gtest.h>

#include "layer/member/test_guest.h"
#include "layer/member/test_inner.h"
#include "layer/member/test_raw_host.h"

namespace entresol::layer::member {
namespace {

using namespace test;

void hold(Star& star, std::string_view text) {
  star.node->services().rules().set(0, *policy::parse(text), 1, (*star.node)->membership(0));
}

std::uint64_t refused(Star& star) {
  return star.node->drops(DropReason::refused_by_rule);
}

InnerPacket tcp(std::uint16_t from, std::uint16_t to, int version = 6) {
  InnerPacket packet;
  packet.version = version;
  packet.protocol = inner::kProtocolTcp;
  packet.from_port = from;
  packet.to_port = to;
  return packet;
}

class PolicyTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(star.attach()); }
  Machine& a() { return star.host(0); }
  Machine& b() { return star.host(1); }
  // Exactly this packet arrives, once.
  bool arrives(Machine& from, Machine& to, const InnerPacket& packet) {
    const Bytes sent = build(packet, from.in().addresses, to.in().addresses);
    to.delivered.clear();
    from.application(sent);
    star.world.run_for(seconds(1));
    return to.delivered.size() == 1;
  }
  // Refused by a rule: the application is told, and the far end hears nothing.
  bool denied(Machine& from, Machine& to, const InnerPacket& packet) {
    from.replies.clear();
    if (arrives(from, to, packet)) return false;
    inner::IpPacket ip;
    if (from.replies.size() != 1 || inner::parse(from.replies[0].packet, ip) != DropReason::none)
      return false;
    // RFC 792, RFC 1812: communication administratively prohibited; RFC 4443 likewise.
    return ip.version == 4 ? ip.icmp_type == 3 && ip.icmp_code == 13
                           : ip.icmp_type == 1 && ip.icmp_code == 1;
  }

  Star star{21};
};

TEST_F(PolicyTest, WhatIsDeniedIsAnsweredAndTheOtherWayGoesOn) {
  hold(star, "quiet: deny host0 host1 tcp/80\nallow * *");
  for (int version : {4, 6}) {
    EXPECT_TRUE(denied(a(), b(), tcp(1000, 80, version))) << version;
    EXPECT_TRUE(arrives(a(), b(), tcp(1000, 81, version))) << version;
    EXPECT_TRUE(arrives(b(), a(), tcp(1001, 80, version))) << version;
    EXPECT_TRUE(arrives(a(), b(), tcp(80, 1001, version))) << "a reply " << version;
  }
  EXPECT_EQ(refused(star), 2u);
  const auto reports = star.node->services().rules().reports();
  ASSERT_EQ(reports.at(0).denied.size(), 1u);
  EXPECT_EQ(reports[0].denied[0], (std::pair<std::string, std::uint64_t>{"quiet", 2}));
}

TEST_F(PolicyTest, EveryPacketOfADeniedFlowIsCounted) {
  hold(star, "");
  const auto asked = [&] { return star.node->services().rules().take_denials().size(); };
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(denied(a(), b(), tcp(1000, 80)));
  EXPECT_EQ(asked(), 1u) << "the decision is kept";
  EXPECT_EQ(star.node->services().rules().reports().at(0).denied.at(0).second, 5u);
}

TEST_F(PolicyTest, RunningFlowsStopAndGoOn) {
  hold(star, "allow * *");
  ASSERT_TRUE(arrives(a(), b(), tcp(1000, 80)));
  ASSERT_TRUE(arrives(b(), a(), tcp(80, 1000)));
  hold(star, "allow host1 host0");
  EXPECT_TRUE(denied(a(), b(), tcp(1000, 80)));
  EXPECT_TRUE(denied(b(), a(), tcp(80, 1000))) << "its replies";
  hold(star, "allow * *");
  EXPECT_TRUE(arrives(a(), b(), tcp(1000, 80)));
  EXPECT_TRUE(arrives(b(), a(), tcp(80, 1000)));
}

// The end that has answered begins anew and claims to have opened; that is denied, and the far end's next packet sets it right.
TEST_F(PolicyTest, AnEndThatHasLostItsStateMayGoOnAnswering) {
  hold(star, "allow host0 host1\nallow host1 host0 udp");
  for (const bool swapped : {false, true}) {  // whichever name is lower
    Machine& asks = swapped ? b() : a();
    Machine& answers = swapped ? a() : b();
    hold(star, swapped ? "allow host1 host0" : "allow host0 host1");
    ASSERT_TRUE(arrives(asks, answers, tcp(1000, 80)));
    ASSERT_TRUE(arrives(answers, asks, tcp(80, 1000)));
    answers.restart();
    star.world.run_for(seconds(10));
    EXPECT_FALSE(arrives(answers, asks, tcp(80, 1000))) << "it claims to open";
    arrives(asks, answers, tcp(1000, 80));
    EXPECT_TRUE(arrives(asks, answers, tcp(1000, 80))) << swapped;
    EXPECT_TRUE(arrives(answers, asks, tcp(80, 1000))) << swapped;
  }
}

TEST_F(PolicyTest, IcmpErrorsAreOfWhoeverSendsThem) {
  InnerPacket error;
  error.version = 4;
  error.protocol = inner::kProtocolIcmp;
  error.icmp_type = 3;
  error.payload = build(tcp(1000, 80, 4), a().in().addresses, b().in().addresses);
  InnerPacket echo = error;
  echo.icmp_type = 8;
  echo.from_port = 0;  // an identifier as good as any
  hold(star, "allow * *");
  EXPECT_TRUE(arrives(a(), b(), echo));
  EXPECT_TRUE(arrives(a(), b(), error));
  EXPECT_TRUE(arrives(b(), a(), error)) << "both ways, without an agreement on who has opened";
  hold(star, "allow host0 host1");
  EXPECT_TRUE(arrives(a(), b(), error));
  EXPECT_FALSE(arrives(b(), a(), error));
}

// ---- a host that lies --------------------------------------------------------------------------------------------

class HostilePolicyTest : public PolicyTest {
 protected:
  void SetUp() override {
    PolicyTest::SetUp();
    b().learn(mallory.joined);
    mallory.learn(b().in());
    ASSERT_TRUE(star.world.run_until([&] { return mallory.attached(); }, seconds(5)));
    with_b = &mallory.session_with(b().in().name);
    // b may open flows to mallory; mallory may open none.
    hold(star, "allow host1 mallory\ndeny mallory *");
  }
  static Bytes udp(std::uint16_t from, std::uint16_t to) {
    Bytes out;
    base::ByteWriter w(out);
    w.u16(from);
    w.u16(to);
    w.u16(12);
    w.u16(0);
    w.u32(0xabcdef01);
    return out;
  }
  bool reaches_b(const wire::Header& outside, const Bytes& inside,
                 const wire::SealedPrefix& prefix = {}) {
    b().delivered.clear();
    mallory.send_packet(mallory.seal(*with_b, outside, RawHost::plaintext(prefix, inside)));
    star.world.run_for(seconds(1));
    return !b().delivered.empty();
  }

  RawHost mallory{star.world, 66, *star.node,
                  join(star.authority, membership::Role::kHost, "mallory", {100, 64, 0, 66})};
  session::Session* with_b = nullptr;
};

TEST_F(HostilePolicyTest, OpeningIsDeniedAtTheNode) {
  wire::Header header = mallory.header_to(b().in().name);
  EXPECT_FALSE(reaches_b(header, udp(1000, 2000)));
  EXPECT_EQ(refused(star), 1u);
  header.service = wire::service::kMember;  // which asks no service
  EXPECT_FALSE(reaches_b(header, udp(1000, 2000)));
  EXPECT_EQ(refused(star), 2u);
}

TEST_F(HostilePolicyTest, PretendingToAnswerIsRefusedAtTheFarEnd) {
  wire::Header header = mallory.header_to(b().in().name);
  header.opener = false;
  header.responder_port = 1000;
  EXPECT_FALSE(reaches_b(header, udp(1000, 2000)));
  EXPECT_EQ(refused(star), 0u) << "the node cannot know";
  EXPECT_EQ(b().drops(DropReason::not_opener), 1u);
}

TEST_F(HostilePolicyTest, PretendingToAnswerWithIcmpToo) {
  InnerPacket icmp;
  icmp.version = 4;
  icmp.protocol = inner::kProtocolIcmp;
  icmp.icmp_type = 13;  // timestamp: a question
  icmp.ip_options = {1, 1, 1, 0};
  wire::SealedPrefix whole;
  whole.ip_version = 4;
  whole.form = wire::InnerForm::whole_packet;
  wire::Header header = mallory.header_to(b().in().name);
  header.inner_protocol = inner::kProtocolIcmp;
  header.opener = false;
  header.responder_port = 0;
  const Bytes inside = build(icmp, mallory.joined.addresses, b().in().addresses);
  EXPECT_FALSE(reaches_b(header, inside, whole));
  EXPECT_EQ(b().drops(DropReason::not_opener), 1u);
  hold(star, "allow * *");
  header.opener = true;
  EXPECT_TRUE(reaches_b(header, inside, whole)) << "it is the claim that is refused";
}

TEST_F(HostilePolicyTest, ADeniedFlowIsNotOpenedByClaimsAboutIt) {
  // b asks mallory, and is answered: that much is allowed.
  b().application(build(tcp(1000, 80), b().in().addresses, mallory.joined.addresses));
  star.world.run_for(seconds(1));
  ASSERT_FALSE(mallory.packets.empty());
  wire::HeaderView asked;
  ASSERT_EQ(wire::HeaderView::parse(mallory.packets.back(), asked), DropReason::none);
  // mallory claims to have opened that flow, in the words of an agent that has not lost its state.
  wire::Header claim;
  claim.next_protocol = wire::next_protocol::kControl;
  claim.layer = asked.layer();
  claim.service = wire::service::kIpDelivery;
  claim.source = mallory.joined.name;
  claim.destination = b().in().name;
  mallory.send_packet(wire::emit_packet(
      claim, wire::emit_error(wire::ControlType::opened_from_other_side, 0, "", asked)));
  star.world.run_for(seconds(1));
  wire::Header header = mallory.header_to(b().in().name);
  header.inner_protocol = inner::kProtocolTcp;
  header.responder_port = 1000;
  EXPECT_FALSE(reaches_b(header, udp(80, 1000)));
  EXPECT_GE(refused(star), 1u);
}

// ---- guests ------------------------------------------------------------------------------------------------------

class GuestPolicyTest : public PolicyTest {
 protected:
  void SetUp() override {
    PolicyTest::SetUp();
    for (Guest* guest : {&first, &second}) {
      auto link =
          (*star.node)->add_guest(0, guest->grant, std::nullopt, 1420, star.world.unix_seconds());
      ASSERT_TRUE(link) << link.error().message;
      ASSERT_TRUE((*a()).learn_guest(0, guest->grant, star.world.unix_seconds()));
      guest->send({});  // it has to be there
    }
    star.world.run_for(seconds(1));
  }
  std::string name(const Guest& guest) { return wire::to_string(guest.name); }
  bool arrives(Guest& from, Guest& to, const InnerPacket& packet) {
    to.delivered.clear();
    from.send(build(packet, from.addresses, to.addresses));
    star.world.run_for(seconds(1));
    return to.delivered.size() == 1;
  }
  static bool told(const Guest& guest) {
    inner::IpPacket ip;
    return guest.delivered.size() == 1 &&
           inner::parse(guest.delivered[0], ip) == DropReason::none && ip.is_icmp;
  }

  Guest first{star.world, 40, *star.node, {100, 64, 0, 40}, star.authority, {}};
  Guest second{star.world, 41, *star.node, {100, 64, 0, 41}, star.authority, {}};
};

TEST_F(GuestPolicyTest, AGuestIsHeldToItAndTold) {
  hold(star, "allow host0 *");
  first.send(build(tcp(1000, 80), first.addresses, a().in().addresses));
  star.world.run_for(seconds(1));
  EXPECT_TRUE(a().delivered.empty());
  EXPECT_TRUE(told(first));
  first.delivered.clear();
  a().application(build(tcp(1001, 80), a().in().addresses, first.addresses));
  star.world.run_for(seconds(1));
  ASSERT_EQ(first.delivered.size(), 1u);
  first.send(build(tcp(80, 1001), first.addresses, a().in().addresses));
  star.world.run_for(seconds(1));
  EXPECT_EQ(a().delivered.size(), 1u) << "a reply";
}

TEST_F(GuestPolicyTest, BetweenGuestsOfOneNode) {
  hold(star, "allow " + name(second) + " " + name(first));
  // Both use one port, so that what one opens looks like the other's reply.
  const InnerPacket both = tcp(500, 500);
  first.delivered.clear();
  EXPECT_FALSE(arrives(first, second, both));
  EXPECT_TRUE(told(first));
  EXPECT_TRUE(arrives(second, first, both)) << "who may open, does";
  EXPECT_TRUE(arrives(first, second, both)) << "and is answered";
  hold(star, "");
  EXPECT_FALSE(arrives(second, first, both));
  EXPECT_FALSE(arrives(first, second, both));
}

}  // namespace
}  // namespace entresol::layer::member
