// One node serves two layers with two roots, and a host is in both: nothing crosses.
#include <gtest/gtest.h>

#include "layer/member/test_inner.h"
#include "layer/member/test_raw_host.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class TwoLayersTest : public testing::Test {
 protected:
  TwoLayersTest() {
    red.learn(both.in(0));
    both.learn(red.in(), 0);
    blue.learn(both.in(1));
    both.learn(blue.in(), 1);
    dial();
  }
  void dial() {
    red.dial(node, 0, 0);
    blue.dial(node, 0, 1);
    both.dial(node, 0, 0);
    both.dial(node, 1, 1);
  }
  void SetUp() override {
    world.run_for(seconds(1));
    ASSERT_TRUE(red->attached(0) && blue->attached(0) && both->attached(0) && both->attached(1));
  }
  static Joined member(Authority& authority, const char* label, std::uint8_t number) {
    return join(authority, number == 1 ? membership::Role::kNode : membership::Role::kHost, label,
                {100, 64, 0, number});
  }
  std::size_t through(Machine& from, const Joined& as, LayerIndex layer, const Joined& to_name,
                      Machine& to) {
    const std::size_t before = to.delivered.size();
    from.application(build({}, as.addresses, to_name.addresses), layer);
    world.run_for(seconds(1));
    return to.delivered.size() - before;
  }

  World world{21};
  Authority red_root{31}, blue_root{32};
  // The same addresses in both: each layer has a pool of its own.
  Machine node{world, 1, true, {member(red_root, "node", 1), member(blue_root, "node", 1)}};
  Machine both{world, 10, false, {member(red_root, "both", 10), member(blue_root, "both", 10)}};
  Machine red{world, 11, false, {member(red_root, "red", 11)}};
  Machine blue{world, 12, false, {member(blue_root, "blue", 11)}};
};

TEST_F(TwoLayersTest, AHostInBothReachesEachInItsOwn) {
  EXPECT_EQ(through(both, both.in(0), 0, red.in(), red), 1u);
  EXPECT_EQ(through(both, both.in(1), 1, blue.in(), blue), 1u);
  EXPECT_EQ(both.in(0).addresses.ipv4, both.in(1).addresses.ipv4);
  EXPECT_EQ(red.in().addresses.ipv4, blue.in().addresses.ipv4);
  EXPECT_EQ(red.delivered.size(), 1u) << "one address, two layers, two members";
  EXPECT_EQ(blue.delivered.size(), 1u);
  EXPECT_EQ(through(red, red.in(), 0, both.in(0), both), 1u);
  EXPECT_EQ(both.delivered.back().layer, 0);
  EXPECT_EQ(through(blue, blue.in(), 0, both.in(1), both), 1u);
  EXPECT_EQ(both.delivered.back().layer, 1);
}

TEST_F(TwoLayersTest, TheNodeIsBackInBothAfterARestart) {
  ASSERT_EQ(through(both, both.in(0), 0, red.in(), red), 1u);
  ASSERT_EQ(through(both, both.in(1), 1, blue.in(), blue), 1u);
  node.restart();
  for (int i = 0; i < 10; ++i) {
    through(both, both.in(0), 0, red.in(), red);
    through(both, both.in(1), 1, blue.in(), blue);
    through(red, red.in(), 0, both.in(0), both);
    through(blue, blue.in(), 0, both.in(1), both);
    if (i == 2) {  // a second each
      EXPECT_GT(red.delivered.size(), 1u);
      EXPECT_GT(blue.delivered.size(), 1u);
    }
  }
  EXPECT_EQ(through(both, both.in(0), 0, red.in(), red), 1u);
  EXPECT_EQ(through(both, both.in(1), 1, blue.in(), blue), 1u);
}

TEST_F(TwoLayersTest, APacketOfOneLayerIsRefusedUnderALinkOfTheOther) {
  Joined stranger = member(red_root, "mallory", 66);
  RawHost mallory(world, 66, node, stranger);
  ASSERT_TRUE(world.run_until([&] { return mallory.attached(); }, seconds(2)));
  wire::Header header = mallory.header_to(blue.in().name);
  auto refused = [&](DropReason reason) {
    const auto before = node.drops(reason);
    mallory.send_packet(wire::emit_packet(header, Bytes(60)));
    world.run_for(milliseconds(100));
    EXPECT_EQ(node.drops(reason), before + 1) << base::to_string(reason);
  };
  header.layer = wire::wire_layer(blue_root.trust.layer());
  refused(DropReason::layer_unknown);
  header.source = blue.in().name;
  refused(DropReason::layer_unknown);
  // Names of the other layer are nobody's here, as source and as destination.
  header.layer = wire::wire_layer(red_root.trust.layer());
  refused(DropReason::source_not_here);
  header.source = stranger.name;
  refused(DropReason::no_route);
  header.destination = both.in(1).name;
  refused(DropReason::no_route);
  EXPECT_TRUE(blue.delivered.empty());
  EXPECT_TRUE(both.delivered.empty());
}

TEST_F(TwoLayersTest, ACertificateOfOneLayerOpensNoLinkInTheOther) {
  // The keys are right, the certificate is the other root's.
  Joined confused = member(red_root, "confused", 67);
  const auto attached = [&](Joined files) {
    try {
      RawHost host(world, 67, node, std::move(files));
      return world.run_until([&] { return host.attached(); }, seconds(2));
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  EXPECT_TRUE(attached(confused));
  confused.authority = &blue_root;
  EXPECT_FALSE(attached(confused));
}

TEST_F(TwoLayersTest, TheFirstBitsOfALayersIdMakeItsNames) {
  EXPECT_EQ(base::load_be16(red.in().name.octets.data() + 2),
            base::load_be16(red_root.trust.layer().data()));
  EXPECT_NE(base::load_be16(red.in().name.octets.data() + 2),
            base::load_be16(blue.in().name.octets.data() + 2));
}

}  // namespace
}  // namespace entresol::layer::member
