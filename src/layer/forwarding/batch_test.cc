// Batches in, bursts out: sizes, order, classes, congestion marks.
#include <gtest/gtest.h>

#include <map>

#include "layer/forwarding/test_bench.h"

namespace entresol::layer::forwarding {
namespace {

using test::Bytes;
using test::header_of;
using test::Sent;
using BatchTest = test::PipelineTest;

// ---- batches ---------------------------------------------------------------------------------------------------------

TEST_F(BatchTest, EqualSizesLeaveAsOneBurstAndAShorterOneMayEndIt) {
  std::vector<Bytes> packets(10, bench.packet(10, 12, 1, 1000));
  packets.push_back(bench.packet(10, 12, 1, 300));
  packets.push_back(bench.packet(10, 12, 1, 1000));
  auto sent = bench.send(a, packets);
  ASSERT_EQ(sent.size(), 12u);
  for (std::size_t i = 0; i < 11; ++i) EXPECT_EQ(sent[i].burst, sent[0].burst) << i;
  EXPECT_NE(sent[11].burst, sent[0].burst);
}

TEST_F(BatchTest, ABurstHoldsAtMost64SegmentsAnd65000Octets) {
  std::map<std::size_t, std::size_t> small, large;
  for (const Sent& sent : bench.send(a, std::vector<Bytes>(200, bench.packet(10, 12, 1, 30))))
    ++small[sent.burst];
  for (const auto& [burst, n] : small) EXPECT_LE(n, 64u);
  EXPECT_EQ(small.size(), 4u);
  for (const Sent& sent : bench.send(a, std::vector<Bytes>(150, bench.packet(10, 12, 1, 1388))))
    ++large[sent.burst];
  for (const auto& [burst, n] : large) EXPECT_LE(n * (1388 + 56 + 28), 65000u);
}

TEST_F(BatchTest, TheOrderOfAFlowIsKept) {
  security::SeededRandom random(11);
  std::vector<Bytes> datagrams;
  std::vector<std::size_t> from;
  std::map<std::pair<std::size_t, std::uint32_t>, std::uint32_t> next;
  for (int i = 0; i < 900; ++i) {
    const std::size_t who = random.below(2);
    const auto flow = static_cast<std::uint32_t>(random.below(5));
    Bytes payload(30 + random.below(200));
    base::store_be32(payload.data(), next[{who, flow}]++);
    datagrams.push_back(bench.seal(
        who,
        wire::emit_packet(bench.header(static_cast<std::uint8_t>(10 + who), 12, flow), payload)));
    from.push_back(who);
  }
  std::map<std::pair<wire::Name, std::uint32_t>, std::uint32_t> seen;
  auto sent = bench.feed(std::move(datagrams), from);
  ASSERT_EQ(sent.size(), 900u);
  for (const Sent& packet : sent) {
    const wire::Header header = header_of(packet.packet);
    EXPECT_EQ(base::load_be32(packet.packet.data() + wire::kHeaderSize),
              (seen[{header.source, header.flow_id}]++));
  }
}

TEST_F(BatchTest, ThePriorityClassLeavesFirst) {
  wire::Header urgent = bench.header(10, 12, 2);
  urgent.traffic_class = 46 << 2;
  std::vector<Bytes> packets(5, bench.packet(10, 12, 1));
  packets.push_back(wire::emit_packet(urgent, Bytes(100)));
  packets.push_back(bench.packet(10, 12, 1));
  auto sent = bench.send(a, packets);
  ASSERT_EQ(sent.size(), 7u);
  EXPECT_EQ(header_of(sent[0].packet).flow_id, 2u);
  EXPECT_EQ(sent[0].traffic_class, 46 << 2) << "the outer packet has the inner one's class";
  EXPECT_NE(sent[1].burst, sent[0].burst) << "a burst is of one class";
}

TEST_F(BatchTest, ManyMoreThanABatchComeThrough) {
  std::size_t n = 0;
  for (const Sent& sent : bench.send(a, std::vector<Bytes>(1000, bench.packet(10, 12, 1, 500))))
    n += sent.link == bench.neighbours[c].link;
  EXPECT_EQ(n, 1000u);
}

TEST_F(BatchTest, OneBurstOfManySegmentsIsTakenApart) {
  Bytes burst;
  std::uint32_t segment = 0;
  for (int i = 0; i < 40; ++i) {
    const Bytes datagram = bench.seal(a, bench.packet(10, 12, 1, i == 39 ? 60 : 1200));
    if (i == 0) segment = static_cast<std::uint32_t>(datagram.size());
    burst.insert(burst.end(), datagram.begin(), datagram.end());
  }
  const InBurst in{burst.data(), static_cast<std::uint32_t>(burst.size()), segment, 0,
                   bench.neighbours[a].path};
  std::vector<Sent> sent;
  bench.pipeline.process(std::span(&in, 1), bench.now,
                         [&](std::span<const OutBurst> out) { bench.collect(out, sent); });
  EXPECT_EQ(sent.size(), 40u);
}

// ---- congestion marks (RFC 6040) -------------------------------------------------------------------------------------

TEST_F(BatchTest, AMarkOnTheOuterPacketGoesInside) {
  bench.outer_class = 3;
  for (std::uint8_t inner = 0; inner < 4; ++inner) {
    wire::Header header = bench.header(10, 12);
    header.traffic_class = static_cast<std::uint8_t>(0x28 | inner);
    auto sent = bench.send(a, wire::emit_packet(header, Bytes(100)));
    if (inner == 0) {
      EXPECT_TRUE(sent.empty()) << "its sender would not understand the mark";
      continue;
    }
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(header_of(sent[0].packet).traffic_class, 0x28 | 3);
    EXPECT_EQ(sent[0].traffic_class, 0x28 | 3);
  }
}

TEST_F(BatchTest, OtherOuterClassesLeaveTheInnerOneAlone) {
  bench.outer_class = 0xb8 | 2;
  wire::Header header = bench.header(10, 12);
  header.traffic_class = 0x28 | 1;
  EXPECT_EQ(
      header_of(bench.send(a, wire::emit_packet(header, Bytes(100))).at(0).packet).traffic_class,
      0x28 | 1);
}

}  // namespace
}  // namespace entresol::layer::forwarding
