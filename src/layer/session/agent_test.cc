// Two agents that hand each other their packets, without links between them; flows and fragments by themselves.
#include "layer/session/agent.h"

#include <gtest/gtest.h>

#include "layer/member/test_inner.h"
#include "layer/membership/test_authority.h"

namespace entresol::layer::session {
namespace {

using base::Bytes;
using base::DropReason;
using member::test::build;
using member::test::InnerPacket;
using membership::test::Authority;
using membership::test::kDay;
using membership::test::kNow;
using std::chrono::minutes;
using std::chrono::seconds;

FlowKey key_of(std::uint16_t port) {
  FlowKey key;
  key.local_port = port;
  key.far_port = 443;
  key.protocol = inner::kProtocolTcp;
  return key;
}

class FlowTableTest : public testing::Test {
 protected:
  security::SeededRandom random{1};
  FlowTable flows{random, 4};
};

TEST_F(FlowTableTest, FindsByKeyAndById) {
  const Flow& flow = flows.add(key_of(1), true, 0, {});
  EXPECT_EQ(flows.find(key_of(1)), &flow);
  EXPECT_EQ(flows.find_id(flow.id), &flow);
  EXPECT_EQ(flows.find(key_of(2)), nullptr);
  EXPECT_EQ(flows.find_id(flow.id ^ 1), nullptr);
}

TEST_F(FlowTableTest, EachPartOfTheKeyCounts) {
  flows.add(key_of(1), true, 0, {});
  std::vector<FlowKey> others(6, key_of(1));
  others[0].far_port = 444;
  others[1].protocol = inner::kProtocolUdp;
  others[2].version = 4;
  others[3].local.octets[0] = 1;
  others[4].far.octets[15] = 1;
  others[5].local_port = 2;
  for (const FlowKey& other : others) EXPECT_EQ(flows.find(other), nullptr);
}

TEST_F(FlowTableTest, TheOneUnusedForLongestMakesRoom) {
  const std::uint32_t second = [&] {
    flows.add(key_of(1), true, 0, {});
    const std::uint32_t id = flows.add(key_of(2), true, 0, {}).id;
    flows.add(key_of(3), true, 0, {});
    flows.add(key_of(4), true, 0, {});
    return id;
  }();
  EXPECT_NE(flows.find(key_of(1)), nullptr);  // used
  flows.add(key_of(5), true, 0, {});
  EXPECT_EQ(flows.size(), 4u);
  EXPECT_EQ(flows.find(key_of(2)), nullptr);
  EXPECT_EQ(flows.find_id(second), nullptr);
  for (std::uint16_t port : std::array<std::uint16_t, 4>{1, 3, 4, 5})
    EXPECT_NE(flows.find(key_of(port)), nullptr);
}

TEST_F(FlowTableTest, AFlowLabelIsTheLowBitsOfTheId) {
  Flow& flow = flows.add(key_of(1), true, 0xabcde, {});
  EXPECT_EQ(flow.id & 0xfffff, 0xabcdeu);
  const std::uint32_t old = flow.id;
  flows.relabel(flow, 0x12345);
  EXPECT_EQ(flow.id & 0xfffff, 0x12345u);
  EXPECT_EQ(flows.find_id(flow.id), &flow);
  EXPECT_EQ(flows.find_id(old), nullptr);
}

TEST_F(FlowTableTest, IdleFlowsEndAndTcpLastsLonger) {
  FlowKey udp = key_of(1);
  udp.protocol = inner::kProtocolUdp;
  flows.add(udp, true, 0, base::TimePoint{});
  flows.add(key_of(2), true, 0, base::TimePoint{});
  flows.expire(base::TimePoint{minutes(5)});
  EXPECT_EQ(flows.size(), 2u);
  flows.expire(base::TimePoint{minutes(5) + seconds(1)});
  EXPECT_EQ(flows.find(udp), nullptr);
  EXPECT_NE(flows.find(key_of(2)), nullptr);
  flows.expire(base::TimePoint{minutes(124) + seconds(1)});
  EXPECT_EQ(flows.size(), 0u);
}

TEST(FragmentTable, TheNewestFirstFragmentCounts) {
  FragmentTable fragments;
  inner::IpPacket first{};
  first.identification = 7;
  first.protocol = inner::kProtocolUdp;
  EXPECT_EQ(fragments.find(first), nullptr);
  fragments.remember(first, key_of(1));
  ASSERT_NE(fragments.find(first), nullptr);
  EXPECT_EQ(fragments.find(first)->local_port, 1);
  fragments.remember(first, key_of(2));
  EXPECT_EQ(fragments.find(first)->local_port, 2);
  inner::IpPacket other = first;
  other.identification = 8;
  EXPECT_EQ(fragments.find(other), nullptr);
  for (std::uint32_t i = 0; i < 64; ++i) {
    other.identification = 100 + i;
    fragments.remember(other, key_of(3));
  }
  EXPECT_EQ(fragments.find(first), nullptr) << "bounded";
}

// ---- agents ----------------------------------------------------------------------------------------------------------

struct End {
  End(Authority& authority, const char* label, std::uint8_t number, base::RandomSource& random)
      : identity(membership::test::make_identity(authority.random)),
        certificate(
            authority.certify(identity, membership::Role::kHost, label, {100, 64, 0, number})),
        registration(authority.registration(identity, 9)),
        membership(authority.trust, identity) {
    if (!membership.set_own(certificate, 9, kNow + kDay, {}, kNow)) std::abort();
    config.reset_secret = crypto::SecretBytes<32>(authority.random.bytes<32>());
    restart(random);
    name = membership.own().name;
    addresses = {name.octets, {100, 64, 0, number}};
  }
  void restart(base::RandomSource& random) {
    agent = std::make_unique<Agent>(membership, config, random);
    agent->set_mtu(1360);
  }
  membership::Identity identity;
  Bytes certificate, registration;
  membership::Membership membership;
  AgentConfig config;
  std::unique_ptr<Agent> agent;
  wire::Name name;
  inner::MemberAddresses addresses;
  std::vector<Bytes> delivered;
  std::vector<DropReason> dropped;
};

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    EXPECT_TRUE(a.membership.learn(b.certificate, b.registration, kNow));
    EXPECT_TRUE(b.membership.learn(a.certificate, a.registration, kNow));
  }
  DropReason send(End& from, const Bytes& packet) {
    Bytes room(64);
    room.insert(room.end(), packet.begin(), packet.end());
    const auto bytes = base::MutableBytes(room).subspan(64);
    inner::IpPacket ip;
    EXPECT_EQ(inner::parse(bytes, ip), DropReason::none);
    return from.agent->outbound(bytes, ip, {}, from.name, now, unix_nanos());
  }
  std::int64_t unix_nanos() const { return kNow * 1'000'000'000 + now.time_since_epoch().count(); }
  // Until neither has anything to say.
  void exchange() {
    for (bool quiet = false; !quiet;) {
      quiet = true;
      for (auto [from, to] : {std::pair(&a, &b), {&b, &a}}) {
        from->agent->after_batch(now, unix_nanos());
        std::vector<Bytes> packets;
        for (const auto& packet : from->agent->packets())
          packets.emplace_back(packet.begin(), packet.end());
        from->agent->begin();
        for (Bytes& packet : packets) {
          quiet = false;
          take(*to, packet);
        }
      }
    }
  }
  void take(End& at, Bytes& packet) {
    wire::HeaderView view;
    ASSERT_EQ(wire::HeaderView::parse(packet, view), DropReason::none);
    DropReason reason = DropReason::none;
    inner::InsidePacket inside;
    if (view.next_protocol() == wire::next_protocol::kHandshake) {
      reason = at.agent->handshake(view, now, unix_nanos());
    } else if (view.next_protocol() == wire::next_protocol::kControl) {
      reason = at.agent->control(view, {}, now, unix_nanos());
    } else {
      reason = at.agent->inbound(view, now, inside);
    }
    if (reason != DropReason::none) at.dropped.push_back(reason);
    if (!inside.bytes.empty() && reason == DropReason::none)
      at.delivered.emplace_back(inside.bytes.begin(), inside.bytes.end());
  }
  Bytes to_b(InnerPacket packet = {}) { return build(packet, a.addresses, b.addresses); }

  Authority authority{1};
  security::SeededRandom random{2};
  base::TimePoint now{seconds(100)};
  End a{authority, "a", 1, random};
  End b{authority, "b", 2, random};
};

TEST_F(AgentTest, PacketsWaitForTheirSessionAndArriveInOrder) {
  for (std::uint8_t i = 0; i < 10; ++i) {
    InnerPacket packet;
    packet.payload = {i};
    EXPECT_EQ(send(a, to_b(packet)), DropReason::none);
  }
  EXPECT_TRUE(a.agent->packets().empty());
  exchange();
  ASSERT_EQ(b.delivered.size(), 10u);
  for (std::uint8_t i = 0; i < 10; ++i) EXPECT_EQ(b.delivered[i].back(), i);
  EXPECT_EQ(send(a, to_b()), DropReason::none);
  EXPECT_EQ(a.agent->packets().size(), 1u) << "now at once";
}

TEST_F(AgentTest, WhatWaitsIsBounded) {
  std::size_t taken = 0;
  for (int i = 0; i < 200; ++i) taken += send(a, to_b()) == DropReason::none;
  EXPECT_EQ(taken, 64u);
  EXPECT_EQ(send(a, to_b()), DropReason::session_pending);
  exchange();
  EXPECT_EQ(b.delivered.size(), 64u);
}

TEST_F(AgentTest, WhoeverWaitsForASessionThatNeverComesIsTold) {
  EXPECT_EQ(send(a, to_b()), DropReason::none);
  for (int i = 0; i < 120 && a.agent->replies().empty(); ++i) {
    now += seconds(1);
    a.agent->on_timer(now, unix_nanos());
  }
  ASSERT_EQ(a.agent->replies().size(), 1u);
  EXPECT_EQ(a.agent->replies()[0].local, a.name);
  EXPECT_LE(now, base::TimePoint{seconds(100 + 100)});
}

TEST_F(AgentTest, SessionsAreMadeBeforeThereIsAPacket) {
  EXPECT_TRUE(a.agent->prepare(a.name, b.name, now, unix_nanos()));
  exchange();
  EXPECT_EQ(send(a, to_b()), DropReason::none);
  EXPECT_EQ(a.agent->packets().size(), 1u);
  EXPECT_FALSE(a.agent->prepare(a.name, wire::Name{}, now, unix_nanos()));
}

TEST_F(AgentTest, OneselfIsNoDestination) {
  EXPECT_EQ(send(a, build({}, a.addresses, a.addresses)), DropReason::destination_unknown);
}

TEST_F(AgentTest, WithoutAWayInEverybodyIsToldAtOnce) {
  EXPECT_EQ(send(a, to_b()), DropReason::none);
  a.agent->set_unreachable(true);
  EXPECT_EQ(a.agent->replies().size(), 1u) << "who waited";
  EXPECT_EQ(send(a, to_b()), DropReason::link_down);
  EXPECT_EQ(a.agent->replies().size(), 2u);
  a.agent->set_unreachable(false);
  EXPECT_EQ(send(a, to_b()), DropReason::none);
}

TEST_F(AgentTest, WithoutACarrierNoHandshakeIsWasted) {
  a.agent->set_carrier(false, now, unix_nanos());
  EXPECT_EQ(send(a, to_b()), DropReason::none);
  a.agent->after_batch(now, unix_nanos());
  EXPECT_TRUE(a.agent->packets().empty());
  a.agent->set_carrier(true, now, unix_nanos());
  exchange();
  EXPECT_EQ(b.delivered.size(), 1u);
}

// A question that cannot be put is no reason to wake up again and again.
TEST_F(AgentTest, WithoutACarrierQuestionsWaitAndAreGivenUpWithTheWayIn) {
  inner::MemberAddresses somebody;
  somebody.ipv4 = {100, 64, 0, 77};
  a.agent->set_resolver(b.name);
  a.agent->set_carrier(false, now, unix_nanos());
  a.agent->on_timer(now, unix_nanos());
  EXPECT_EQ(send(a, build({}, a.addresses, somebody)), DropReason::none);
  a.agent->after_batch(now, unix_nanos());
  EXPECT_GT(a.agent->next_timer(), now);
  EXPECT_TRUE(a.agent->packets().empty());
  a.agent->set_carrier(true, now, unix_nanos());
  EXPECT_LE(a.agent->next_timer(), now);
  a.agent->after_batch(now, unix_nanos());
  EXPECT_EQ(a.agent->packets().size(), 1u) << "the question";
  a.agent->set_unreachable(true);
  EXPECT_EQ(a.agent->replies().size(), 1u);
  EXPECT_EQ(a.agent->take_refused(), 1u);
}

TEST_F(AgentTest, EndedSessionsAreForgottenAndMadeAnew) {
  send(a, to_b());
  exchange();
  ASSERT_EQ(b.delivered.size(), 1u);
  const auto& machine = a.agent->sessions().machine();
  EXPECT_EQ(a.agent->end([&](const Session& session) { return session.far == a.name; }), 0u);
  EXPECT_EQ(a.agent->sessions().all().size(), 1u);
  EXPECT_EQ(a.agent->end([&](const Session& session) { return session.far == b.name; }), 0u);
  EXPECT_TRUE(a.agent->sessions().all().empty());
  EXPECT_TRUE(machine.peers().empty());
  now += seconds(1);
  send(a, to_b());
  EXPECT_EQ(a.agent->end([](const Session&) { return true; }), 1u) << "a packet that waited";
  EXPECT_EQ(a.agent->replies().size(), 1u);
  a.agent->begin();
  now += seconds(1);
  // The flow is the same, its session is not: nothing of the old one's headers is sent.
  send(a, to_b());
  exchange();
  ASSERT_EQ(b.delivered.size(), 2u);
  send(a, to_b());
  exchange();
  EXPECT_EQ(b.delivered.size(), 3u);
  EXPECT_TRUE(b.dropped.empty());
}

TEST_F(AgentTest, OneSessionServesManyFlowsAndBothVersions) {
  for (std::uint16_t port = 1; port <= 50; ++port) {
    InnerPacket packet;
    packet.version = port % 2 == 0 ? 4 : 6;
    packet.from_port = port;
    send(a, to_b(packet));
  }
  exchange();
  EXPECT_EQ(b.delivered.size(), 50u);
  EXPECT_EQ(a.agent->sessions().all().size(), 1u);
  EXPECT_EQ(a.agent->flows().size(), 50u);
  EXPECT_EQ(b.agent->flows().size(), 50u);
}

TEST_F(AgentTest, IcmpErrorsBetweenApplicationsNeedNoFlow) {
  send(a, to_b());
  exchange();
  InnerPacket unreachable;
  unreachable.protocol = inner::kProtocolIcmp;
  unreachable.icmp_type = 3;
  unreachable.payload.assign(28, 0);
  unreachable.payload[0] = 0x45;
  EXPECT_EQ(send(b, build(unreachable, b.addresses, a.addresses)), DropReason::none);
  exchange();
  EXPECT_EQ(a.delivered.size(), 1u);
  EXPECT_TRUE(a.dropped.empty());
}

TEST_F(AgentTest, APairOfKeysThatIsGoneIsAnsweredWithAResetThatCounts) {
  send(a, to_b());
  exchange();
  End fresh(authority, "b2", 3, random);  // somebody else in its place knows no session
  ASSERT_EQ(b.delivered.size(), 1u);
  send(a, to_b());
  ASSERT_EQ(a.agent->packets().size(), 1u);
  Bytes packet(a.agent->packets()[0].begin(), a.agent->packets()[0].end());
  a.agent->begin();
  take(fresh, packet);
  ASSERT_EQ(fresh.dropped, std::vector{DropReason::session_unknown});
  fresh.agent->after_batch(now, unix_nanos());
  ASSERT_EQ(fresh.agent->packets().size(), 1u);
  Bytes reset(fresh.agent->packets()[0].begin(), fresh.agent->packets()[0].end());
  take(a, reset);
  EXPECT_EQ(a.dropped, std::vector{DropReason::handshake_unexpected})
      << "another's token ends nothing";
  send(a, to_b());
  exchange();
  EXPECT_EQ(b.delivered.size(), 2u);
}

// ---- who has opened a flow -------------------------------------------------------------------------------------------

TEST(Flow, OneThatHasJustBegunGivesWayToTheHigherName) {
  Flow flow;
  flow.believe(true);
  EXPECT_TRUE(flow.gives_way(true, base::TimePoint{}));
  EXPECT_FALSE(flow.gives_way(false, base::TimePoint{}));
  flow.confirmed = true;
  EXPECT_FALSE(flow.gives_way(true, base::TimePoint{}));
}

TEST(Flow, WhatARuleHasRefusedGivesWay) {
  Flow flow;
  flow.believe(true);
  flow.refused = true;
  EXPECT_TRUE(flow.gives_way(false, base::TimePoint{}));
}

TEST(Flow, NobodyInsistsForEver) {
  const base::TimePoint first{seconds(7)};
  for (const bool lower : {false, true})
    for (const bool confirmed : {false, true}) {
      if (lower && !confirmed) continue;
      Flow flow;
      flow.believe(true);
      flow.confirmed = confirmed;
      EXPECT_FALSE(flow.gives_way(lower, first));
      EXPECT_FALSE(flow.gives_way(lower, first + kInsists - std::chrono::nanoseconds(1)));
      // Who was confirmed is as one that has just begun, so that of two such ends one gives way first.
      EXPECT_EQ(flow.gives_way(lower, first + kInsists), lower || !confirmed);
      EXPECT_TRUE(flow.gives_way(lower, first + 2 * kInsists));
    }
}

// Both ends of one flow, by the order of their names; the packets between them are carried one by one.
class OpenerTest : public AgentTest {
 protected:
  OpenerTest() {
    EXPECT_TRUE(a.agent->prepare(a.name, b.name, now, unix_nanos()));
    exchange();
  }
  // What an agent has to say now: it is not on its way yet.
  std::vector<Bytes> taken(End& from) {
    std::vector<Bytes> packets;
    from.agent->after_batch(now, unix_nanos());
    for (const auto& packet : from.agent->packets())
      packets.emplace_back(packet.begin(), packet.end());
    from.agent->begin();
    return packets;
  }
  Bytes says(End& from) {
    InnerPacket packet;
    packet.from_port = packet.to_port = 500;
    EXPECT_EQ(send(from, build(packet, from.addresses, other(from).addresses)), DropReason::none);
    std::vector<Bytes> packets = taken(from);
    EXPECT_EQ(packets.size(), 1u);
    return packets.at(0);
  }
  bool arrives(Bytes packet, End& at) {
    const std::size_t before = at.delivered.size();
    take(at, packet);
    return at.delivered.size() > before;
  }
  // What is said of a packet that does not arrive.
  Bytes contradicted(Bytes packet, End& at) {
    EXPECT_FALSE(arrives(std::move(packet), at));
    std::vector<Bytes> packets = taken(at);
    EXPECT_EQ(packets.size(), 1u);
    return packets.at(0);
  }
  bool talk(End& from, End& to) {
    const std::size_t before = to.delivered.size();
    Bytes packet = says(from);
    take(to, packet);
    exchange();
    return to.delivered.size() > before;
  }
  void restart(End& end) {
    end.restart(random);
    now += seconds(10);
    EXPECT_TRUE(end.agent->prepare(end.name, other(end).name, now, unix_nanos()));
    exchange();
  }
  End& other(End& end) { return &end == &a ? b : a; }
  bool claims(End& end) {
    Bytes packet = says(end);
    wire::HeaderView view;
    EXPECT_EQ(wire::HeaderView::parse(packet, view), DropReason::none);
    return view.opener();
  }
  // As a node would refuse it.
  Bytes refusal(const Bytes& packet, const wire::Name& node) {
    wire::HeaderView view;
    EXPECT_EQ(wire::HeaderView::parse(packet, view), DropReason::none);
    wire::Header header;
    header.next_protocol = wire::next_protocol::kControl;
    header.layer = view.layer();
    header.service = view.service();
    header.source = node;
    header.destination = view.source();
    return wire::emit_packet(header,
                             wire::emit_error(wire::ControlType::refused_by_rule, 1, "rule", view));
  }
  End& low = a.name < b.name ? a : b;
  End& high = a.name < b.name ? b : a;
};

TEST_F(OpenerTest, AnEndThatHasForgottenGivesWayToOneThatKnowsBetterAndHearsNothing) {
  ASSERT_TRUE(talk(low, high));
  ASSERT_TRUE(talk(high, low));
  restart(high);
  (void)says(high);  // is lost, and it says no more
  EXPECT_FALSE(talk(low, high));
  EXPECT_FALSE(talk(low, high)) << "low knows better, high insists";
  now += kInsists;
  EXPECT_TRUE(talk(low, high));
  EXPECT_TRUE(talk(high, low));
  EXPECT_TRUE(claims(low));
}

TEST_F(OpenerTest, ItGivesWayAtOnceWhenItIsToldSo) {
  for (End* end : {&low, &high}) {
    End& forgets = other(*end);
    ASSERT_TRUE(talk(*end, forgets));
    ASSERT_TRUE(talk(forgets, *end));
    restart(forgets);
    EXPECT_FALSE(talk(forgets, *end));
    EXPECT_TRUE(talk(forgets, *end));
    EXPECT_TRUE(talk(*end, forgets));
    EXPECT_TRUE(claims(*end));
    low.restart(random);
    restart(high);
  }
}

TEST_F(OpenerTest, AnAgreementIsContestedAnew) {
  ASSERT_TRUE(talk(low, high));
  ASSERT_TRUE(talk(high, low));
  for (int i = 0; i < 3; ++i) {
    restart(high);  // which takes longer than anybody insists
    EXPECT_FALSE(talk(high, low)) << i;
    EXPECT_TRUE(talk(high, low)) << i;
  }
  EXPECT_TRUE(claims(low));
}

// Each has heard an answer of the other that was on its way while they changed their minds.
TEST_F(OpenerTest, TwoThatBothKnowBetterAgree) {
  ASSERT_TRUE(talk(low, high));
  ASSERT_TRUE(talk(high, low));
  restart(high);
  Bytes told_high = contradicted(says(high), low);
  restart(low);
  ASSERT_TRUE(arrives(says(high), low));
  take(high, told_high);
  // Both believe to answer.
  Bytes of_high = says(high), late_of_high = says(high);
  Bytes of_low = says(low), late_of_low = says(low);
  told_high = contradicted(of_high, low);
  Bytes told_low = contradicted(of_low, high);
  take(high, told_high);
  take(low, told_low);
  ASSERT_TRUE(arrives(late_of_high, low));
  ASSERT_TRUE(arrives(late_of_low, high));
  EXPECT_FALSE(talk(low, high));
  EXPECT_FALSE(talk(high, low));
  now += kInsists;
  EXPECT_FALSE(talk(low, high)) << "it has the higher name";
  EXPECT_TRUE(talk(high, low));
  EXPECT_TRUE(talk(low, high));
  EXPECT_TRUE(claims(high));
}

// Low was told to answer by an end that may not open.
TEST_F(OpenerTest, WhoMayNotAnswerOpens) {
  const wire::Name& node = high.name;
  const Bytes claim = says(high);  // the node refuses it, which high has not heard yet
  Bytes told = contradicted(says(low), high);
  take(low, told);
  Bytes refused = refusal(says(low), node);
  take(low, refused);
  EXPECT_TRUE(low.agent->replies().empty()) << "its next packet may well arrive";
  EXPECT_TRUE(claims(low));
  refused = refusal(claim, low.name);
  take(high, refused);
  EXPECT_TRUE(talk(low, high));
  EXPECT_TRUE(talk(high, low));
}

// Whom the far end has asked goes on answering: it is this flow that a rule denies now.
TEST_F(OpenerTest, ARefusalTurnsNoClaimThatIsAgreedUpon) {
  ASSERT_TRUE(talk(low, high));
  Bytes refused = refusal(says(high), low.name);
  take(high, refused);
  EXPECT_EQ(high.agent->replies().size(), 1u);
  EXPECT_FALSE(claims(high));
}

// What is refused late, of a claim that is another by now, changes nothing.
TEST_F(OpenerTest, ARefusalIsOfTheClaimThatItQuotes) {
  const Bytes claim = says(low);
  (void)says(high);
  Bytes told = contradicted(claim, high);
  take(low, told);
  Bytes refused = refusal(claim, high.name);
  take(low, refused);
  EXPECT_EQ(low.agent->replies().size(), 1u);
  EXPECT_FALSE(claims(low));
}

}  // namespace
}  // namespace entresol::layer::session
