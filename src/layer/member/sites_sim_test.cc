// Several sites, everything at once: what the seed decides happens to all of them.
#include <gtest/gtest.h>

#include "layer/member/test_sites.h"

namespace entresol::layer::member {
namespace {

using namespace test;

// Three nodes, six hosts that talk and move between them, over a network that loses packets. Nothing goes round in
// circles, and in the end all reach all.
class Wandering {
 public:
  // `alone`: no controller tells anything after the beginning, and nodes do not start anew, which would need one.
  Wandering(std::uint64_t seed, bool alone) : sites_(seed, 3, 2), alone_(alone) {}
  void run() {
    ASSERT_TRUE(sites_.attach());
    sites_.publish();
    world().network = [this](Datagram& datagram) {
      return world().random.u32() % 10 != 0 && !cut_between(datagram);
    };
    const base::TimePoint end = world().now + seconds(200);
    while (world().now < end) {
      something_happens();
      world().run_for(milliseconds(20 + below(400)));
    }
    heal();
    for (auto& node : sites_.nodes) EXPECT_EQ(node->drops(DropReason::ttl_exceeded), 0u);
  }

 private:
  World& world() { return sites_.world; }
  std::uint32_t below(std::uint32_t n) { return world().random.u32() % n; }
  std::size_t any_host() { return below(6); }
  bool cut_between(const Datagram& datagram) const {
    return cut_ && (datagram.from == cut_->first || datagram.to == cut_->first) &&
           (datagram.from == cut_->second || datagram.to == cut_->second);
  }
  // Of a flow of this direction alone, or of the one that both ends use.
  void send(std::size_t from, std::size_t to, bool shared) {
    if (from == to) return;
    InnerPacket packet;
    packet.version = 6;
    if (shared) packet.from_port = packet.to_port = 500;
    sites_.host(from).application(
        build(packet, sites_.host(from).in().addresses, sites_.host(to).in().addresses));
  }
  void something_happens() {
    const std::uint32_t dice = below(100);
    if (dice < 8) {
      sites_.move(any_host(), below(3));
    } else if (dice < 10 && !alone_) {
      sites_.node(below(3)).restart();
    } else if (dice < 15) {
      cut_ = {sites_.node(below(3)).address(), sites_.node(below(3)).address()};
    } else if (dice < 20) {
      cut_.reset();
    } else if (dice < 25 && !alone_) {
      sites_.publish();
    } else if (dice < 27) {
      sites_.host(any_host()).restart();
    } else if (dice < 29) {
      sites_.node(below(3))->rekey(world().now, world().unix_nanos());
    } else {
      send(any_host(), any_host(), below(2) == 0);
    }
  }
  // Each pair on its own: what one has learnt to send does not help the other.
  bool all_reach_all() {
    for (std::size_t to = 0; to < 6; ++to)
      for (std::size_t from = 0; from < 6; ++from)
        for (const bool shared : {false, true})
          if (from != to && !arrives(from, to, shared)) return false;
    return true;
  }
  bool arrives(std::size_t from, std::size_t to, bool shared) {
    sites_.host(to).delivered.clear();
    send(from, to, shared);
    world().run_for(milliseconds(300));
    if (!sites_.host(to).delivered.empty()) return true;
    missed_ = std::to_string(from) + " to " + std::to_string(to) + (shared ? " (shared)" : "");
    return false;
  }
  void heal() {
    world().network = {};
    EXPECT_TRUE(sites_.attach());
    if (!alone_) sites_.publish();
    bool all = false;
    for (const base::TimePoint end = world().now + seconds(300); !all && world().now < end;)
      all = all_reach_all();
    std::string where;
    for (std::size_t i = 0; i < 6; ++i) where += sites_.whereabouts(i);
    EXPECT_TRUE(all) << missed_ << "\n" << where << sites_.drops();
  }

  Sites sites_;
  bool alone_;
  std::string missed_;
  std::optional<std::pair<base::Endpoint, base::Endpoint>> cut_;
};

TEST(SitesSimulation, WhoeverMovesWhereverIsFound) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Wandering(seed, false).run();
  }
}

TEST(SitesSimulation, AndWithoutAControllerToo) {
  for (std::uint64_t seed = 101; seed <= 112; ++seed) {
    SCOPED_TRACE(seed);
    Wandering(seed, true).run();
  }
}

}  // namespace
}  // namespace entresol::layer::member
