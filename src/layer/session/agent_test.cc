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
    AgentConfig config;
    config.reset_secret = crypto::SecretBytes<32>(authority.random.bytes<32>());
    agent = std::make_unique<Agent>(membership, config, random);
    agent->set_mtu(1360);
    name = membership.own().name;
    addresses = {name.octets, {100, 64, 0, number}};
  }
  membership::Identity identity;
  Bytes certificate, registration;
  membership::Membership membership;
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

}  // namespace
}  // namespace entresol::layer::session
