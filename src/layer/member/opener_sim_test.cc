// One flow that both of its ends use, over a network that loses, delays and reorders, and ends that forget: whatever they
// have come to believe about who opened it, whoever may send gets through in the end, even if the other is silent.
#include <gtest/gtest.h>

#include "layer/member/test_inner.h"
#include "layer/member/test_world.h"

namespace entresol::layer::member {
namespace {

using namespace test;

constexpr std::uint16_t kPort = 500;

class Quarrel {
 public:
  // `opener`: who alone may open by the node's policy; none: both.
  Quarrel(std::uint64_t seed, std::optional<std::size_t> opener) : star_(seed, 2), opener_(opener) {
    const std::string_view policies[] = {"allow host0 host1", "allow host1 host0"};
    star_.node->services().rules().set(0, *policy::parse(opener ? policies[*opener] : "allow * *"),
                                       1, (*star_.node)->membership(0));
  }
  void run() {
    ASSERT_TRUE(star_.attach());
    world().network = [this](Datagram& datagram) {
      if (below(4) == 0) datagram.at += milliseconds(below(150));
      return below(10) >= lost_in_ten_;
    };
    for (int i = 0; i < 15; ++i) {
      something_happens();
      world().run_for(milliseconds(below(100)));
    }
    heal();
  }

 private:
  World& world() { return star_.world; }
  std::uint32_t below(std::uint32_t n) { return world().random.u32() % n; }
  void send(std::size_t from) {
    InnerPacket packet;
    packet.version = 6;
    packet.from_port = packet.to_port = kPort;
    star_.host(from).application(
        build(packet, star_.host(from).in().addresses, star_.host(1 - from).in().addresses));
  }
  void something_happens() {
    const std::uint32_t dice = below(20);
    if (dice < 4) {
      star_.host(below(2)).restart();
    } else if (dice < 6) {
      lost_in_ten_ = below(2) * below(8);
    } else {
      const std::size_t from = below(2);
      for (std::uint32_t n = 1 + below(4); n > 0; --n) send(from);
    }
  }
  bool gets_through(std::size_t from) {
    Machine& to = star_.host(1 - from);
    to.delivered.clear();
    for (const base::TimePoint end = world().now + seconds(15);
         to.delivered.empty() && world().now < end;) {
      send(from);
      world().run_for(milliseconds(200));
    }
    return !to.delivered.empty();
  }
  void heal() {
    world().network = {};
    world().run_for(
        seconds(10));  // links that were given up come back, and nothing is on its way any more
    const std::size_t first = opener_.value_or(below(2));
    for (const std::size_t from : {first, 1 - first, first})
      EXPECT_TRUE(gets_through(from)) << from << (from == first ? "" : " in answer") << ", name "
                                      << (lower(from) ? "lower" : "higher") << state();
  }
  bool lower(std::size_t i) { return star_.host(i).in().name < star_.host(1 - i).in().name; }
  std::string state() {
    std::string out;
    for (std::size_t i = 0; i < 2; ++i)
      out += "; " + std::to_string(star_.host(i).drops(DropReason::not_opener)) + " not_opener";
    return out;
  }

  Star star_;
  std::optional<std::size_t> opener_;
  std::uint32_t lost_in_ten_ = 0;
};

TEST(OpenerSimulation, WhoeverMaySendGetsThroughInTheEnd) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Quarrel(seed, {}).run();
  }
}

TEST(OpenerSimulation, AlsoWhereOneEndAloneMayOpen) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Quarrel(seed, seed % 2).run();
  }
}

}  // namespace
}  // namespace entresol::layer::member
