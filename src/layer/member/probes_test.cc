// Probes between members, and a host that chooses its node by them.
#include <gtest/gtest.h>

#include "layer/association/selector.h"
#include "layer/member/test_sites.h"
#include "security/native/probe.h"

namespace entresol::layer::member {
namespace {

using namespace test;
namespace native = security::native;

class ProbesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(sites.attach());
    for (auto& node : sites.nodes) a().learn(node->in());
  }
  World& world() { return sites.world; }
  Machine& a() { return sites.host(0); }
  Machine& node(std::size_t i) { return sites.node(i); }
  void probe(std::size_t to, std::uint64_t nonce) {
    a()->probe(0, node(to).in().name, node(to).address(), nonce);
  }
  native::ProbeKeys keys(Machine& machine) {
    return native::ProbeKeys(machine.in().identity.native_public);
  }
  void send(const base::Endpoint& from, Machine& to, const native::Probe& probe) {
    world().send(from, to.address(), native::emit(probe), 0);
  }
  // Answers that an address gets.
  std::size_t answers_to(const base::Endpoint& address, const std::function<void()>& what) {
    std::size_t seen = 0;
    world().tap = [&](const Datagram& datagram) {
      seen += datagram.to == address && datagram.bytes[0] == 0x18;
    };
    what();
    world().tap = {};
    return seen;
  }
  Sites sites{1, 2};
};

TEST_F(ProbesTest, NodesAnswerAtOnce) {
  const base::TimePoint asked = world().now;
  probe(0, 11);
  probe(1, 12);
  world().run_for(seconds(1));
  ASSERT_EQ(a()->probe_answers(0).size(), 2u);
  std::uint64_t nonces = 0;
  for (const ProbeAnswer& answer : a()->probe_answers(0)) {
    EXPECT_EQ(answer.at - asked, 2 * world().latency);
    nonces += answer.nonce;
  }
  EXPECT_EQ(nonces, 23u);
}

TEST_F(ProbesTest, NobodyIsAskedWhoIsUnknownOrRevoked) {
  const auto sent = world().sent;
  a()->probe(0, wire::Name{}, node(0).address(), 1);
  a()->revoke(0, node(1).in().name, world().unix_seconds() + kDay, world().now,
              world().unix_nanos());
  probe(1, 2);
  EXPECT_EQ(world().sent, sent);
}

TEST_F(ProbesTest, OnlyNodesAnswerAndOnlyWhatIsForThem) {
  const base::Endpoint stranger = endpoint(77);
  const std::size_t seen = answers_to(stranger, [&] {
    send(stranger, a(), keys(a()).question(5));
    send(stranger, node(0), keys(node(1)).question(5));
    auto bad = keys(node(0)).question(5);
    bad.mac[0] ^= 1;
    send(stranger, node(0), bad);
    world().send(stranger, node(0).address(), Bytes(27, 0x17), 0);
    world().run_for(seconds(1));
  });
  EXPECT_EQ(seen, 0u);
  EXPECT_EQ(a().drops(DropReason::handshake_unexpected), 1u);
  EXPECT_EQ(node(0).drops(DropReason::handshake_mac1), 2u);
  EXPECT_EQ(node(0).drops(DropReason::handshake_malformed), 1u);
}

TEST_F(ProbesTest, AnswersAreBelievedOnceAndOnlyOfTheNodeThatWasAsked) {
  world().network = [&](Datagram& datagram) {
    return datagram.bytes[0] != 0x18 || datagram.from == endpoint(77);
  };
  probe(0, 11);
  world().run_for(seconds(1));
  const base::Endpoint other = endpoint(77);
  send(other, a(), keys(node(0)).answer(12));  // not asked
  send(other, a(), keys(node(1)).answer(11));  // another's
  world().run_for(seconds(1));
  EXPECT_TRUE(a()->probe_answers(0).empty());
  EXPECT_EQ(a().drops(DropReason::handshake_unexpected), 1u);
  EXPECT_EQ(a().drops(DropReason::handshake_forged), 1u);
  for (int i = 0; i < 3; ++i) send(other, a(), keys(node(0)).answer(11));
  world().run_for(seconds(1));
  EXPECT_EQ(a()->probe_answers(0).size(), 1u);
  EXPECT_EQ(a().drops(DropReason::handshake_unexpected), 3u);
}

TEST_F(ProbesTest, OneSourceIsAnsweredAtARate) {
  const base::Endpoint greedy = endpoint(77), modest = endpoint(78);
  const auto flood = [&] {
    for (std::uint64_t i = 0; i < 1000; ++i) {
      send(greedy, node(0), keys(node(0)).question(i));
      world().run_for(milliseconds(1));
    }
  };
  const std::size_t answered = answers_to(greedy, flood);
  EXPECT_GE(answered, 195u);
  EXPECT_LE(answered, 205u);
  EXPECT_GE(node(0).drops(DropReason::probe_flood), 790u);
  EXPECT_EQ(answers_to(modest,
                       [&] {
                         send(modest, node(0), keys(node(0)).question(1));
                         world().run_for(seconds(1));
                       }),
            1u);
}

TEST_F(ProbesTest, AllTogetherAreAnsweredAtARate) {
  std::size_t answered = 0;
  world().network = [&](Datagram& datagram) {
    answered += datagram.bytes[0] == 0x18;
    return true;
  };
  const native::ProbeKeys to = keys(node(0));
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    send(endpoint(static_cast<std::uint16_t>(50 + i % 200)), node(0), to.question(i));
    if (i % 20 == 19) world().run_for(milliseconds(1));
  }
  world().run_for(seconds(1));
  EXPECT_GE(answered, 5900u) << "a burst of 1000, and 10 each millisecond";
  EXPECT_LE(answered, 6100u);
}

TEST_F(ProbesTest, ANodeThatHasNoStandingDoesNotAnswer) {
  node(1)->revoke(0, node(1).in().name, world().unix_seconds() + kDay, world().now,
                  world().unix_nanos());
  probe(1, 11);
  world().run_for(seconds(1));
  EXPECT_TRUE(a()->probe_answers(0).empty());
}

TEST_F(ProbesTest, QuestionsAndAnswersThatNobodyTakesAreForgotten) {
  for (std::uint64_t i = 0; i < 1000; ++i) {
    probe(0, i);
    if (i % 20 == 19) world().run_for(milliseconds(500));
  }
  world().run_for(seconds(1));
  EXPECT_LE(a()->probe_answers(0).size(), 256u);
  EXPECT_GE(a()->probe_answers(0).size(), 250u);
}

// ---- a host that chooses

class Choosing {
 public:
  Choosing(Sites& sites, std::size_t host)
      : sites_(sites), host_(sites.host(host)), selector(sites.world.random, host) {
    host_->undial(host_->tables().layers[0].names.default_link);
    std::vector<association::Candidate> all;
    for (auto& node : sites.nodes) {
      host_.learn(node->in());
      all.push_back({node->in().name, node->address()});
    }
    selector.set_candidates(all, sites.world.now);
  }
  bool run_until(const std::function<bool()>& done, base::Duration limit) {
    const base::TimePoint end = sites_.world.now + limit;
    while (!done()) {
      if (sites_.world.now >= end) return false;
      act();
      sites_.world.run_for(milliseconds(1));
    }
    return true;
  }
  void run_for(base::Duration duration) {
    run_until([] { return false; }, duration);
  }
  std::size_t at() const {
    for (std::size_t i = 0; i < sites_.nodes.size(); ++i)
      if (selector.dialled() && selector.dialled()->node == sites_.node(i).in().name) return i;
    return 99;
  }
  std::size_t dials = 0;

 private:
  void act() {
    for (const ProbeAnswer& answer : host_->probe_answers(0))
      selector.answered(answer.nonce, answer.at);
    host_->probe_answers(0).clear();
    const auto& link = host_->tables().links[link_];
    const auto step =
        selector.step({host_->attached(0), link.rx_packets, link.tx_packets}, sites_.world.now);
    for (const auto& each : step.probes)
      host_->probe(0, each.at.node, each.at.endpoint, each.nonce);
    if (!step.dial) return;
    ++dials;
    host_->undial(link_);
    link_ = *host_->dial(0, step.dial->node, step.dial->endpoint, kMaxPacket);
  }
  Sites& sites_;
  Machine& host_;
  forwarding::LinkId link_ = forwarding::kSelf;

 public:
  association::Selector selector;
};

class ChoosingTest : public testing::Test {
 protected:
  World& world() { return sites.world; }
  // Datagrams of a node take so long more.
  void distances(base::Duration first, base::Duration second, bool first_is_dead = false) {
    world().network = [=, this](Datagram& datagram) {
      const bool of_first =
          datagram.from == sites.node(0).address() || datagram.to == sites.node(0).address();
      if (of_first && first_is_dead) return false;
      datagram.at += of_first ? first : second;
      return true;
    };
  }
  Sites sites{1, 2};
};

TEST_F(ChoosingTest, AttachesToTheNearestAndLeavesItWhenItIsSilent) {
  ASSERT_TRUE(sites.attach());
  distances(milliseconds(3), milliseconds(20));
  Choosing host(sites, 0);
  ASSERT_TRUE(host.run_until([&] { return sites.host(0)->attached(0); }, seconds(1)));
  EXPECT_EQ(host.at(), 0u);
  sites.publish();
  EXPECT_TRUE(sites.reaches(0, 1));
  host.run_for(seconds(120));
  EXPECT_EQ(host.dials, 1u);
  distances({}, milliseconds(20), true);
  ASSERT_TRUE(
      host.run_until([&] { return host.at() == 1 && sites.host(0)->attached(0); }, seconds(10)));
  EXPECT_EQ(host.selector.why(), association::Why::kSilent);
  sites.home[0] = 1;
  ASSERT_TRUE(host.run_until([&] { return sites.attached(0); }, seconds(5)));
  sites.publish();
  EXPECT_TRUE(sites.reaches(0, 1));
  EXPECT_TRUE(sites.reaches(1, 0));
}

// It has lost its keys, and says so with a reset: that is no silence.
TEST_F(ChoosingTest, ANodeThatStartsAnewIsKept) {
  ASSERT_TRUE(sites.attach());
  distances(milliseconds(3), milliseconds(20));
  Choosing host(sites, 0);
  ASSERT_TRUE(host.run_until([&] { return sites.host(0)->attached(0); }, seconds(1)));
  sites.node(0).restart();
  host.run_for(seconds(30));
  EXPECT_EQ(host.dials, 1u);
  EXPECT_TRUE(sites.attached(0));
}

}  // namespace
}  // namespace entresol::layer::member
