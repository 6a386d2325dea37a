// Associations under faults, seeded and in virtual time. A failure names its seed.
#include <gtest/gtest.h>

#include "security/association_sim.h"

namespace entresol::security::sim {
namespace {

class AssociationSim : public testing::TestWithParam<Protocol> {};
INSTANTIATE_TEST_SUITE_P(Protocols, AssociationSim,
                         testing::Values(Protocol::kNative, Protocol::kWireGuard));

// Everybody knows everybody, and sends to everybody.
struct World {
  World(Protocol protocol, std::uint64_t seed, unsigned members) : net(seed) {
    for (unsigned i = 0; i < members; ++i) {
      nodes.push_back(std::make_unique<Node>(make_config(protocol, net.random), address(i + 1),
                                             net.random.next()));
      net.add(*nodes.back());
    }
    for (auto& node : nodes) introduce(*node);
    net.accepted = [this](Node& node, std::uint64_t number) {
      if (!seen.insert({&node, number}).second) twice = true;
    };
  }
  void introduce(Node& node) {
    for (auto& other : nodes) {
      if (other.get() == &node) continue;
      PeerConfig config;
      config.key = other->table->static_public();
      config.path = Path{other->here, node.here};
      node.table->add(config);
    }
  }
  PeerId peer(Node& from, Node& to) { return *from.table->find(to.table->static_public()); }
  bool send(Node& from, Node& to) {
    const std::uint64_t number = ++last;
    if (!from.send_data(peer(from, to), number, net.now)) return false;
    sent.insert({&to, number});
    return true;
  }
  void send_all() {
    for (auto& from : nodes) {
      for (auto& to : nodes) {
        if (from != to) send(*from, *to);
      }
    }
  }
  // Both directions of every pair carry a record.
  bool works() {
    sent.clear();
    bool had_keys = true;
    for (auto& from : nodes) {
      for (auto& to : nodes) {
        if (from != to) had_keys = send(*from, *to) && had_keys;
      }
    }
    net.run(seconds(1), seconds(10), {});
    return had_keys && std::includes(seen.begin(), seen.end(), sent.begin(), sent.end());
  }

  Network net;
  std::vector<std::unique_ptr<Node>> nodes;
  std::set<std::pair<Node*, std::uint64_t>> seen, sent;
  std::uint64_t last = 0;
  bool twice = false;
};

void survive(Protocol protocol, std::uint64_t seed, unsigned members) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  World world(protocol, seed, members);
  SeededRandom& random = world.net.random;
  for (int phase = 0; phase < 4; ++phase) {
    world.net.faults.loss = static_cast<unsigned>(random.below(80));
    world.net.faults.duplicate = static_cast<unsigned>(random.below(30));
    world.net.faults.jitter = milliseconds(1 + random.below(random.chance(20) ? 9000 : 200));
    const auto busy = static_cast<unsigned>(random.below(100));
    world.net.run(seconds(5 + random.below(120)), milliseconds(300 + random.below(900)), [&] {
      for (auto& from : world.nodes) {
        auto& to = world.nodes[random.below(world.nodes.size())];
        if (from != to && random.chance(busy)) world.send(*from, *to);
      }
      if (random.chance(1)) {
        auto& node = *world.nodes[random.below(world.nodes.size())];
        node.restart();
        world.introduce(node);
      }
    });
  }
  world.net.faults = Faults{};
  // The longest way to new keys: 15.3 s until silence is noticed, an initiation that crossed the
  // end of the faults, its retransmission, and late datagrams of up to 9 s.
  world.net.run(seconds(40), milliseconds(500), [&] { world.send_all(); });
  ASSERT_FALSE(world.twice);
  ASSERT_TRUE(world.works());
  for (auto& node : world.nodes) {
    Events events;
    for (PeerId peer : node->table->peers()) node->table->remove(peer, events);
    node->act(events);
    ASSERT_EQ(node->indices->in_use(), 0u);
  }
}

TEST_P(AssociationSim, TwoPartiesRecoverFromFaults) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    survive(GetParam(), seed, 2);
    if (HasFatalFailure()) return;
  }
}

TEST_P(AssociationSim, ManyPartiesRecoverFromFaults) {
  for (std::uint64_t seed = 1000; seed < 1020; ++seed) {
    survive(GetParam(), seed, 5);
    if (HasFatalFailure()) return;
  }
}

// Data flows all the time in both directions over links that reorder but lose nothing.
TEST_P(AssociationSim, RotationLosesNothing) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(GetParam(), seed, 2);
    world.net.faults.delay = milliseconds(10 + 40 * seed);
    world.net.faults.jitter = milliseconds(5 * seed);
    world.net.run(seconds(2), milliseconds(100),
                  [&] { world.send(*world.nodes[0], *world.nodes[1]); });
    world.sent.clear();
    world.net.run(std::chrono::minutes(16), milliseconds(40), [&] { world.send_all(); });
    world.net.run(seconds(1), seconds(5), {});
    EXPECT_FALSE(world.twice);
    EXPECT_EQ(world.sent.size(), 2 * 16 * 60 * 25u);
    EXPECT_TRUE(
        std::includes(world.seen.begin(), world.seen.end(), world.sent.begin(), world.sent.end()));
    const auto state = world.nodes[0]->table->state(world.peer(*world.nodes[0], *world.nodes[1]));
    EXPECT_GE(state->handshakes, 8u);
    EXPECT_LE(state->handshakes, 9u);
    EXPECT_EQ(world.nodes[0]->downs + world.nodes[1]->downs, 0);
  }
}

// One end only receives: its keepalives and the sender's rekeying keep the link whole for hours.
TEST_P(AssociationSim, HoursOfOneWayTrafficLoseNothing) {
  for (unsigned sender : {0u, 1u}) {
    World world(GetParam(), 77, 2);
    Node& from = *world.nodes[sender];
    Node& to = *world.nodes[1 - sender];
    Node& dialler = *world.nodes[0];
    dialler.connect(world.peer(dialler, *world.nodes[1]), world.net.now);
    world.net.run(seconds(1), seconds(1), {});
    world.net.run(std::chrono::hours(3), seconds(2), [&] { world.send(from, to); });
    world.net.run(seconds(1), seconds(5), {});
    EXPECT_EQ(world.sent.size(), 3 * 1800u);
    EXPECT_TRUE(
        std::includes(world.seen.begin(), world.seen.end(), world.sent.begin(), world.sent.end()));
  }
}

// Counters run out long before the keys' time does.
TEST_P(AssociationSim, KeysAreReplacedForTheirCountersToo) {
  SeededRandom random(9);
  Network net(9);
  std::vector<std::unique_ptr<Node>> nodes;
  for (unsigned i = 0; i < 2; ++i) {
    Config config = make_config(GetParam(), random);
    config.timing.rekey_after_messages = 500;
    nodes.push_back(std::make_unique<Node>(config, address(i + 1), i));
    net.add(*nodes.back());
  }
  PeerConfig far{
      nodes[1]->table->static_public(), {}, Path{nodes[1]->here, nodes[0]->here}, {}, {}};
  PeerConfig near{
      nodes[0]->table->static_public(), {}, Path{nodes[0]->here, nodes[1]->here}, {}, {}};
  const PeerId peer = nodes[0]->table->add(far);
  nodes[1]->table->add(near);
  std::uint64_t number = 0, got = 0, sent = 0;
  net.accepted = [&](Node&, std::uint64_t) { ++got; };
  net.run(seconds(60), milliseconds(5),
          [&] { sent += nodes[0]->send_data(peer, ++number, net.now); });
  net.run(seconds(1), seconds(2), {});
  EXPECT_GE(nodes[0]->table->state(peer)->handshakes, 10u);
  EXPECT_EQ(got, sent);
  EXPECT_GT(sent, 11900u);
}

TEST_P(AssociationSim, OneSeedOneTrace) {
  const auto trace = [&] {
    World world(GetParam(), 4711, 3);
    std::uint64_t hash = 0;
    world.net.tap = [&](Datagram& d) {
      for (std::uint8_t octet : d.bytes) hash = hash * 1099511628211u + octet;
      return true;
    };
    world.net.faults = {20, 10, milliseconds(30), milliseconds(500)};
    world.net.run(seconds(300), milliseconds(400), [&] { world.send_all(); });
    return hash;
  };
  EXPECT_EQ(trace(), trace());
}

}  // namespace
}  // namespace entresol::security::sim
