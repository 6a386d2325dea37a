#include <gtest/gtest.h>

#include "layer/forwarding/test_bench.h"

namespace entresol::layer::forwarding::test {
namespace {

// a is a host; c and d are nodes, with a host each.
class BetweenNodesTest : public PipelineTest {
 protected:
  BetweenNodesTest() {
    for (auto [node, host] : {std::pair{c, 22}, std::pair{d, 23}}) {
      link(node).kind = LinkKind::kNode;
      place(static_cast<std::uint8_t>(host), node);
    }
  }
  Link& link(std::size_t who) { return bench.tables.links[bench.neighbours[who].link]; }
  void place(std::uint8_t name, std::size_t at) {
    bench.tables.layers[0].names.place(name_of(name), bench.neighbours[at].link);
    bench.tables.links.changed();
  }
  bool wanted(std::size_t who) {
    const auto& reports = bench.pipeline.reports();
    return std::any_of(reports.begin(), reports.end(), [&](const LinkReport& report) {
      return report.link == bench.neighbours[who].link && report.wanted;
    });
  }
  std::vector<Sent> release(std::size_t who) {
    std::vector<Sent> sent;
    bench.collect(bench.pipeline.release(bench.neighbours[who].link), sent);
    return sent;
  }

  std::size_t d = bench.add_neighbour(13);
};

TEST_F(BetweenNodesTest, AHostsPacketGoesToTheNodeOfItsDestinationAndBack) {
  auto sent = bench.send(a, bench.packet(10, 22));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[c].link);
  sent = bench.send(c, bench.packet(22, 10));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[a].link);
}

TEST_F(BetweenNodesTest, ANodesPacketGoesToNoOtherNode) {
  for (std::uint8_t to : {std::uint8_t{23}, std::uint8_t{13}, std::uint8_t{22}}) {
    const auto refused = bench.drops(DropReason::no_route);
    auto sent = bench.send(c, bench.packet(22, to));
    ASSERT_EQ(bench.drops(DropReason::no_route), refused + 1);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].link, bench.neighbours[c].link) << "an error";
    EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
  }
}

TEST_F(BetweenNodesTest, ANodeSendsForNamesThatArePlacedThere) {
  for (std::uint8_t from :
       {std::uint8_t{10}, std::uint8_t{23}, std::uint8_t{13}, std::uint8_t{1}, std::uint8_t{99}})
    EXPECT_TRUE(bench.send(c, bench.packet(from, 11)).empty()) << int{from};
  EXPECT_EQ(bench.drops(DropReason::source_not_here), 5u);
  EXPECT_EQ(bench.send(c, bench.packet(12, 11)).size(), 1u) << "the node itself";
}

TEST_F(BetweenNodesTest, WhatDoesNotFitIsMentioned) {
  auto& strays = bench.pipeline.strays();
  bench.send(c, bench.packet(99, 11));
  bench.send(c, bench.packet(22, 23));
  bench.send(a, bench.packet(99, 11));
  bench.send(a, bench.packet(10, 99));
  ASSERT_EQ(strays.size(), 3u) << "not what a host forges";
  EXPECT_EQ(strays[0].link, bench.neighbours[c].link);
  EXPECT_EQ(strays[0].name, name_of(99));
  EXPECT_TRUE(strays[0].source);
  EXPECT_EQ(strays[1].name, name_of(23));
  EXPECT_FALSE(strays[1].source);
  EXPECT_EQ(strays[2].link, bench.neighbours[a].link);
  EXPECT_EQ(strays[2].name, name_of(99)) << "a host's destination that is nowhere";
  EXPECT_FALSE(strays[2].source);
  for (std::uint32_t flow = 1; flow < 1000; ++flow) bench.send(a, bench.packet(10, 99, flow));
  EXPECT_LE(strays.size(), 32u) << "room is left for what nodes send";
  for (std::uint32_t flow = 1; flow < 1000; ++flow) bench.send(c, bench.packet(99, 11, flow));
  EXPECT_LE(strays.size(), 64u);
  bench.send(c, bench.packet(22, 11));
  bench.send(c, bench.packet(22, 11));
  bench.send(a, bench.packet(10, 11));
  ASSERT_EQ(bench.pipeline.met().size(), 1u) << "once a flow";
  EXPECT_EQ(bench.pipeline.met()[0].name, name_of(11));
}

TEST_F(BetweenNodesTest, TheFirstPacketsWaitForTheLink) {
  link(c).send.reset();
  EXPECT_TRUE(bench.send(a, bench.packet(10, 22)).empty());
  EXPECT_TRUE(wanted(c));
  EXPECT_EQ(bench.drops(DropReason::link_down), 0u);
  EXPECT_TRUE(release(d).empty());
  bench.give_keys(c);
  auto sent = release(c);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[c].link);
  EXPECT_EQ(header_of(sent[0].packet).ttl, 63);
  EXPECT_TRUE(release(c).empty()) << "once";
}

TEST_F(BetweenNodesTest, FewWaitAndNotForANodeThatIsSilent) {
  link(c).send.reset();
  for (std::uint32_t flow = 1; flow <= 100; ++flow) bench.send(a, bench.packet(10, 22, flow));
  EXPECT_EQ(bench.drops(DropReason::link_down), 84u);
  bench.pipeline.give_up(bench.neighbours[c].link);
  EXPECT_EQ(bench.drops(DropReason::link_down), 100u);
  link(c).path.remote.port = 0;
  auto sent = bench.send(a, bench.packet(10, 22));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
  bench.give_keys(c);
  EXPECT_TRUE(release(c).empty());
}

TEST_F(BetweenNodesTest, WhatWaitedForAnotherLinkOfTheSlotIsNotSent) {
  link(c).send.reset();
  bench.send(a, bench.packet(10, 22));
  bench.tables.links.changed(bench.neighbours[c].link);
  bench.give_keys(c);
  EXPECT_TRUE(release(c).empty());
  link(d).send.reset();
  bench.send(a, bench.packet(10, 23));
  link(d).max_packet = 100;
  bench.give_keys(d);
  EXPECT_TRUE(release(d).empty());
  EXPECT_EQ(bench.drops(DropReason::too_big), 1u);
}

TEST_F(BetweenNodesTest, TtlRunsOutWhileWaitingToo) {
  link(c).send.reset();
  wire::Header dying = bench.header(10, 22);
  dying.ttl = 1;
  auto sent = bench.send(a, wire::emit_packet(dying, Bytes(100)));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::ttl_exceeded);
}

// A host has one node, whatever kind of link that is.
TEST(HostPipeline, ALinkToANodeIsNothingSpecialToAHost) {
  Bench bench(64, false);
  const std::size_t node = bench.add_neighbour(20, 0, LinkKind::kNode);
  Link& link = bench.tables.links[bench.neighbours[node].link];
  bench.tables.layers[0].names.default_link = bench.neighbours[node].link;
  link.any_source = true;
  bench.send(node, bench.packet(9, 200));
  EXPECT_TRUE(bench.pipeline.strays().empty());
  link.send.reset();
  EXPECT_TRUE(bench.originate({bench.packet(1, 22)}).empty());
  EXPECT_EQ(bench.drops(DropReason::link_down), 1u);
}

}  // namespace
}  // namespace entresol::layer::forwarding::test
