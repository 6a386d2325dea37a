// Hours of a host's life: nodes die and return, come nearer and go farther, over a network that loses packets.
#include "layer/association/test_network.h"

namespace entresol::layer::association {
namespace {

using namespace test;

class Life {
 public:
  explicit Life(std::uint64_t seed) : net_(seed) {
    const std::size_t count = 2 + below(5);
    for (std::size_t i = 0; i < count; ++i) net_.add(any_rtt());
    net_.loss = below(6);
    net_.know();
  }
  void run() {
    for (int i = 0; i < 30; ++i) {
      something_happens();
      net_.run_for(seconds(1 + below(600)));
    }
    net_.loss = 0;
    net_.nodes[below(net_.nodes.size())].alive = true;
    net_.run_for(minutes(70));  // who failed is looked at again
    ends_well();
    const std::size_t settled = net_.dials;
    net_.run_for(minutes(120));
    EXPECT_EQ(net_.dials, settled) << "it stays";
    EXPECT_LE(net_.left_alive, happened_) << "each change has a cause";
  }

 private:
  std::uint32_t below(std::size_t n) { return net_.random.u32() % static_cast<std::uint32_t>(n); }
  Duration any_rtt() { return microseconds(300 + below(60'000)); }
  void something_happens() {
    ++happened_;
    Node& node = net_.nodes[below(net_.nodes.size())];
    const std::uint32_t dice = below(100);
    if (dice < 30) {
      node.alive = !node.alive;
      ++happened_;
    } else if (dice < 60) {
      node.rtt = any_rtt();
    } else if (dice < 70) {
      if (Node* dialled = net_.dialled(); dialled != nullptr) dialled->alive = false;
    } else if (dice < 80) {
      net_.talking = !net_.talking;
    } else if (dice < 90) {
      net_.cut = !net_.cut;
    } else {
      net_.know();
    }
    if (dice >= 90) net_.cut = false;
  }
  void ends_well() {
    net_.cut = false;
    net_.run_for(minutes(30));
    const Node* dialled = net_.dialled();
    ASSERT_NE(dialled, nullptr);
    EXPECT_TRUE(dialled->alive);
    EXPECT_TRUE(net_.link.up);
    for (const Node& other : net_.nodes) {
      if (!other.alive) continue;
      EXPECT_GT(other.rtt + std::max(dialled->rtt / 5, Duration(milliseconds(2))), dialled->rtt)
          << "node " << static_cast<int>(other.at.node.octets[15]) << " is clearly nearer";
    }
  }

  Network net_;
  std::size_t happened_ = 0;
};

TEST(SelectorSimulation, EndsAtTheNearestThatLivesAndStays) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    Life(seed).run();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace entresol::layer::association
