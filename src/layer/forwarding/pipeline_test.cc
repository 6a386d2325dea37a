#include "layer/forwarding/pipeline.h"

#include <gtest/gtest.h>

#include "layer/forwarding/test_bench.h"

namespace entresol::layer::forwarding {
namespace {

using test::Bench;
using test::Bytes;
using test::DropReason;
using test::header_of;
using test::message_of;
using test::name_of;
using test::PipelineTest;
using test::Sent;

TEST_F(PipelineTest, ForwardsToTheLinkOfTheDestinationAndLowersTheTtl) {
  const Bytes packet = bench.packet(10, 11);
  auto sent = bench.send(a, packet);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[b].link);
  Bytes expected = packet;
  expected[wire::offset::kTtl] -= 1;
  EXPECT_EQ(sent[0].packet, expected);
  EXPECT_EQ(bench.pipeline.counters().forwarded, 1u);
}

TEST_F(PipelineTest, AHostDoesNotLowerTheTtl) {
  Bench host(64, false);
  const std::size_t in = host.add_neighbour(10), out = host.add_neighbour(11);
  auto sent = host.send(in, host.packet(10, 11));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, host.neighbours[out].link);
  EXPECT_EQ(sent[0].packet[wire::offset::kTtl], 64);
}

TEST_F(PipelineTest, TheSecondPacketOfAFlowAsksNoService) {
  bench.send(a, bench.packet(10, 11));
  EXPECT_EQ(bench.decider.asked, 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bench.send(a, bench.packet(10, 11, 1, 60)).size(), 1u);
  EXPECT_EQ(bench.decider.asked, 1u);
  EXPECT_EQ(bench.decider.calls, 1u);
  EXPECT_EQ(bench.pipeline.counters().hits, 5u);
  bench.send(a, bench.packet(10, 11, 2));
  EXPECT_EQ(bench.decider.asked, 2u) << "another flow";
}

TEST_F(PipelineTest, TheSecondPacketOfABatchAsksNoServiceEither) {
  EXPECT_EQ(bench.send(a, std::vector<Bytes>(20, bench.packet(10, 11))).size(), 20u);
  EXPECT_EQ(bench.decider.asked, 1u);
}

TEST_F(PipelineTest, AVerdictThatIsNotKeptIsAskedForAgain) {
  bench.decider.keep = false;
  bench.send(a, bench.packet(10, 11));
  bench.send(a, bench.packet(10, 11));
  EXPECT_EQ(bench.decider.asked, 2u);
  EXPECT_EQ(bench.send(a, std::vector<Bytes>(3, bench.packet(10, 11))).size(), 3u);
  EXPECT_EQ(bench.decider.asked, 5u);
}

TEST_F(PipelineTest, ASourceNameIsAcceptedOnlyOnItsLink) {
  EXPECT_TRUE(bench.send(b, bench.packet(10, 12)).empty());
  EXPECT_EQ(bench.drops(DropReason::source_not_here), 1u);
  EXPECT_EQ(bench.decider.asked, 0u) << "no service is shown what is forged";
  // Nor once the true owner's flow with the same id has been decided.
  EXPECT_EQ(bench.send(a, bench.packet(10, 12)).size(), 1u);
  EXPECT_TRUE(bench.send(b, bench.packet(10, 12)).empty());
  EXPECT_EQ(bench.drops(DropReason::source_not_here), 2u);
  // The node's own name, and one that nobody has.
  EXPECT_TRUE(bench.send(b, bench.packet(1, 12)).empty());
  EXPECT_TRUE(bench.send(b, bench.packet(99, 12)).empty());
  EXPECT_EQ(bench.drops(DropReason::source_not_here), 4u);
  EXPECT_EQ(bench.send(b, bench.packet(11, 12)).size(), 1u) << "its own traffic goes on";
}

TEST_F(PipelineTest, AHostTakesAnySourceFromItsNodeButItsOwn) {
  bench.tables.links[bench.neighbours[a].link].any_source = true;
  EXPECT_TRUE(bench.send(a, bench.packet(77, 1)).empty());
  EXPECT_EQ(bench.local.self.size(), 1u);
  EXPECT_TRUE(bench.send(a, bench.packet(1, 1)).empty());
  EXPECT_EQ(bench.local.self.size(), 1u);
  EXPECT_EQ(bench.drops(DropReason::source_not_here), 1u);
}

// ---- what a kept decision rests on -----------------------------------------------------------------------------------

TEST_F(PipelineTest, AMovedSourceIsRefusedWhereItWas) {
  EXPECT_EQ(bench.send(a, bench.packet(10, 12)).size(), 1u);
  bench.tables.layers[0].names.place(name_of(10), bench.neighbours[b].link);
  bench.tables.links.changed();
  EXPECT_TRUE(bench.send(a, bench.packet(10, 12)).empty());
  EXPECT_EQ(bench.drops(DropReason::source_not_here), 1u);
  EXPECT_EQ(bench.send(b, bench.packet(10, 12)).size(), 1u);
}

TEST_F(PipelineTest, AMovedDestinationIsFollowed) {
  EXPECT_EQ(bench.send(a, bench.packet(10, 12))[0].link, bench.neighbours[c].link);
  bench.tables.layers[0].names.place(name_of(12), bench.neighbours[b].link);
  bench.tables.links.changed();
  auto sent = bench.send(a, bench.packet(10, 12));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[b].link);
  EXPECT_EQ(bench.decider.asked, 2u);
}

TEST_F(PipelineTest, ARemovedDestinationHasNoRouteAndComesBack) {
  bench.send(a, bench.packet(10, 12));
  bench.tables.layers[0].names.remove(name_of(12));
  bench.tables.links.changed();
  auto sent = bench.send(a, bench.packet(10, 12));
  ASSERT_EQ(sent.size(), 1u) << "the error";
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
  bench.tables.layers[0].names.place(name_of(12), bench.neighbours[c].link);
  bench.tables.links.changed();
  sent = bench.send(a, bench.packet(10, 12));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[c].link);
}

TEST_F(PipelineTest, AllNamesOfALinkGoAtOnce) {
  bench.send(a, bench.packet(10, 12));
  bench.tables.layers[0].names.remove_all(bench.neighbours[c].link);
  bench.tables.links.changed();
  EXPECT_EQ(message_of(bench.send(a, bench.packet(10, 12)).at(0).packet).type(),
            wire::ControlType::no_route);
}

TEST_F(PipelineTest, AChangeElsewhereKeepsTheDecision) {
  bench.send(a, bench.packet(10, 12));
  bench.tables.layers[0].names.place(name_of(50), bench.neighbours[b].link);
  bench.tables.links.changed();
  bench.tables.links.changed(bench.neighbours[b].link);
  bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.decider.asked, 1u);
  EXPECT_EQ(bench.pipeline.counters().refreshed, 1u);
  bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.pipeline.counters().refreshed, 1u) << "looked at once";
}

TEST_F(PipelineTest, ALinkThatChangedItsMeaningIsDecidedAnew) {
  bench.send(a, bench.packet(10, 12));
  bench.tables.links.changed(bench.neighbours[c].link);
  bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.decider.asked, 2u) << "egress";
  bench.tables.links.changed(bench.neighbours[a].link);
  bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.decider.asked, 3u) << "ingress";
}

TEST_F(PipelineTest, ANewPolicyIsAsked) {
  bench.send(a, bench.packet(10, 12));
  bench.decider.refuse = DropReason::refused_by_rule;
  ++bench.decider.version;
  auto sent = bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.decider.asked, 2u);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::refused_by_rule);
  EXPECT_EQ(sent[0].link, bench.neighbours[a].link);
  EXPECT_EQ(bench.drops(DropReason::refused_by_rule), 1u);
}

TEST_F(PipelineTest, ARefusalIsKeptToo) {
  bench.decider.refuse = DropReason::refused_by_service;
  bench.send(a, bench.packet(10, 12));
  bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.decider.asked, 1u);
  EXPECT_EQ(bench.drops(DropReason::refused_by_service), 2u);
}

TEST_F(PipelineTest, ClearingTheCacheChangesNothing) {
  for (int i = 0; i < 6; ++i) {
    if (i % 2 == 1) bench.pipeline.cache().clear();
    auto sent = bench.send(a, bench.packet(10, 12));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].link, bench.neighbours[c].link);
  }
  EXPECT_EQ(bench.decider.asked, 4u);
}

// The same packets, legal and illegal, through caches of any size, some of them emptied at random moments, have the same
// fate.
TEST(PipelineProperty, WhatTheCacheHoldsMattersToNobody) {
  auto run = [](std::size_t entries, bool clear) {
    Bench bench(entries);
    for (std::uint8_t n = 10; n < 16; ++n) bench.add_neighbour(n);
    security::SeededRandom random(5), clearing(6);
    std::vector<std::pair<std::uint32_t, Bytes>> fate;
    for (int i = 0; i < 3000; ++i) {
      const auto who = random.below(6);
      const auto source =
          static_cast<std::uint8_t>(random.chance(90) ? 10 + who : 10 + random.below(7));
      const auto destination =
          static_cast<std::uint8_t>(random.chance(90) ? 10 + random.below(6) : 1 + random.below(3));
      if (random.chance(2)) {
        const auto moved = static_cast<std::uint8_t>(10 + random.below(6));
        bench.tables.layers[0].names.place(name_of(moved), bench.neighbours[random.below(6)].link);
        bench.tables.links.changed();
      }
      bench.now += std::chrono::milliseconds(
          100);  // or the errors' rate limit would differ in nothing but time
      if (clear && clearing.chance(20)) bench.pipeline.cache().clear();
      for (Sent& sent : bench.send(who, bench.packet(source, destination,
                                                     static_cast<std::uint32_t>(random.below(40)))))
        fate.emplace_back(sent.link.value(), std::move(sent.packet));
    }
    for (Bytes& packet : bench.local.self) fate.emplace_back(0u, std::move(packet));
    return fate;
  };
  const auto expected = run(4096, false);
  EXPECT_GT(expected.size(), 1000u);
  EXPECT_EQ(run(8, false), expected);
  EXPECT_EQ(run(16, true), expected);
  EXPECT_EQ(run(4096, true), expected);
}

// ---- what is refused, and what its sender is told --------------------------------------------------------------------

TEST_F(PipelineTest, TtlThatRunsOutIsReported) {
  wire::Header header = bench.header(10, 12, 77);
  header.ttl = 1;
  const Bytes packet = wire::emit_packet(header, Bytes(100));
  auto sent = bench.send(a, packet);
  EXPECT_EQ(bench.drops(DropReason::ttl_exceeded), 1u);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[a].link);
  const wire::Header error = header_of(sent[0].packet);
  EXPECT_EQ(error.source, name_of(1));
  EXPECT_EQ(error.destination, name_of(10));
  EXPECT_EQ(error.service, wire::service::kIpDelivery);
  const wire::ControlView message = message_of(sent[0].packet);
  EXPECT_EQ(message.type(), wire::ControlType::ttl_exceeded);
  EXPECT_EQ(message.quote().flow_id(), 77u);
  EXPECT_EQ(message.quote().destination(), name_of(12));
  header.ttl = 2;
  sent = bench.send(a, wire::emit_packet(header, Bytes(100)));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].packet[wire::offset::kTtl], 1);
}

TEST_F(PipelineTest, TtlOfWhatIsDeliveredHereDoesNotMatter) {
  wire::Header header = bench.header(10, 1);
  header.ttl = 1;
  bench.send(a, wire::emit_packet(header, Bytes(100)));
  EXPECT_EQ(bench.local.self.size(), 1u);
}

TEST_F(PipelineTest, WhatIsTooLargeIsReportedWithTheSizeThatFits) {
  bench.tables.links[bench.neighbours[c].link].max_packet = 1400;
  EXPECT_EQ(bench.send(a, bench.packet(10, 12, 1, 1400 - 56)).size(), 1u);
  EXPECT_EQ(bench.drops(DropReason::too_big), 0u);
  auto sent = bench.send(a, bench.packet(10, 12, 1, 1401 - 56));
  EXPECT_EQ(bench.drops(DropReason::too_big), 1u);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[a].link);
  const wire::ControlView message = message_of(sent[0].packet);
  EXPECT_EQ(message.type(), wire::ControlType::too_big);
  EXPECT_EQ(message.info(), inner_mtu(1400));
}

TEST_F(PipelineTest, AnUnknownServiceIsReportedByItsNumber) {
  bench.decider.refuse = DropReason::service_unknown;
  wire::Header header = bench.header(10, 12);
  header.service = 4711;
  auto sent = bench.send(a, wire::emit_packet(header, Bytes(100)));
  ASSERT_EQ(sent.size(), 1u);
  const wire::ControlView message = message_of(sent[0].packet);
  EXPECT_EQ(message.type(), wire::ControlType::unknown_service);
  EXPECT_EQ(message.info(), 4711u);
}

TEST_F(PipelineTest, ADestinationThatNobodyRegisteredIsReported) {
  auto sent = bench.send(a, bench.packet(10, 200));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
  EXPECT_EQ(bench.drops(DropReason::no_route), 1u);
}

TEST_F(PipelineTest, ALinkWithoutKeysIsReportedAsNoRoute) {
  bench.send(a, bench.packet(10, 12));
  bench.tables.links[bench.neighbours[c].link].send.reset();
  auto sent = bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.drops(DropReason::link_down), 1u);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
}

wire::Option option(bool critical, bool end_to_end) {
  wire::Option out;
  out.option_class = wire::option_class::kTelemetry;
  out.type = 9;
  out.critical = critical;
  out.end_to_end = end_to_end;
  out.value = {1, 2, 3};
  return out;
}

TEST_F(PipelineTest, ACriticalOptionThatNobodyKnowsIsReported) {
  wire::Header header = bench.header(10, 12);
  header.options = {option(true, false)};
  auto sent = bench.send(a, wire::emit_packet(header, Bytes(100)));
  EXPECT_EQ(bench.drops(DropReason::option_critical_unknown), 1u);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[a].link);
  const wire::ControlView message = message_of(sent[0].packet);
  EXPECT_EQ(message.type(), wire::ControlType::critical_option_unknown);
  EXPECT_EQ(message.info(), wire::option_class::kTelemetry * 256u + 9u);
}

TEST_F(PipelineTest, OtherOptionsPassUnchanged) {
  for (const auto& [critical, end_to_end] :
       {std::pair(false, false), {false, true}, {true, true}}) {
    wire::Header header = bench.header(10, 12);
    header.options = {option(critical, end_to_end)};
    auto sent = bench.send(a, wire::emit_packet(header, Bytes(100)));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].link, bench.neighbours[c].link);
    EXPECT_EQ(header_of(sent[0].packet).options, header.options);
  }
}

TEST_F(PipelineTest, NoErrorIsSentAboutAnError) {
  wire::HeaderView offending;
  const Bytes quoted = bench.packet(12, 10);
  wire::HeaderView::parse(quoted, offending);
  wire::Header header;
  header.next_protocol = wire::next_protocol::kControl;
  header.layer = Bench::kLayer;
  header.source = name_of(10);
  header.destination = name_of(200);
  EXPECT_TRUE(bench
                  .send(a, wire::emit_packet(header, wire::emit_error(wire::ControlType::no_route,
                                                                      0, "", offending)))
                  .empty());
  EXPECT_EQ(bench.drops(DropReason::no_route), 1u);
  // Of an echo one is sent.
  EXPECT_EQ(bench
                .send(a, wire::emit_packet(
                             header, wire::emit_echo(wire::ControlType::echo_request, 1, 1, {})))
                .size(),
            1u);
}

TEST_F(PipelineTest, ErrorsComeAtALimitedRate) {
  std::size_t errors = 0;
  for (std::uint32_t flow = 0; flow < 40; ++flow) {
    errors += bench.send(a, std::vector<Bytes>(50, bench.packet(10, 200, flow))).size();
    EXPECT_LE(errors, 64u);
  }
  EXPECT_EQ(errors, 32u) << "at one moment no more than the burst";
  EXPECT_EQ(bench.drops(DropReason::no_route), 2000u);
  bench.now += std::chrono::milliseconds(10);
  EXPECT_EQ(bench.send(a, std::vector<Bytes>(50, bench.packet(10, 200))).size(), 10u)
      << "a thousand a second";
  EXPECT_EQ(bench.pipeline.counters().errors_sent, 42u);
}

TEST_F(PipelineTest, AForgedSourceBringsNoErrorToAnybody) {
  wire::Header header = bench.header(10, 200);
  header.ttl = 1;
  EXPECT_TRUE(bench.send(b, wire::emit_packet(header, Bytes(100))).empty());
}

TEST_F(PipelineTest, AMovedSourceGetsNoErrorWhereItWas) {
  bench.decider.refuse = DropReason::refused_by_rule;
  EXPECT_EQ(bench.send(a, bench.packet(10, 12)).size(), 1u);
  // Its name moves without anybody's having said so to the cache: the error goes to where the name is, or nowhere.
  bench.tables.layers[0].names.place(name_of(10), bench.neighbours[b].link);
  EXPECT_TRUE(bench.send(a, bench.packet(10, 12)).empty());
}

// ---- layers ----------------------------------------------------------------------------------------------------------

TEST_F(PipelineTest, ALinkCarriesItsOwnLayerAlone) {
  bench.add_layer(Bench::kLayer + 1, name_of(1));
  const std::size_t d = bench.add_neighbour(20, 1);
  wire::Header header = bench.header(10, 20);
  header.layer = Bench::kLayer + 1;  // under a link of the first layer
  EXPECT_TRUE(bench.send(a, wire::emit_packet(header, Bytes(100))).empty());
  EXPECT_EQ(bench.drops(DropReason::layer_unknown), 1u);
  header.layer = 77;
  EXPECT_TRUE(bench.send(a, wire::emit_packet(header, Bytes(100))).empty());
  EXPECT_EQ(bench.drops(DropReason::layer_unknown), 2u);
  // Names of the other layer are not known in this one.
  auto sent = bench.send(a, bench.packet(10, 20));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
  header = bench.header(20, 10);
  header.layer = Bench::kLayer + 1;
  sent = bench.send(d, wire::emit_packet(header, Bytes(100)));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[d].link);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
}

TEST_F(PipelineTest, OneNameInTwoLayersIsTwoNames) {
  bench.add_layer(Bench::kLayer + 1, name_of(1));
  const std::size_t d = bench.add_neighbour(10, 1), e = bench.add_neighbour(11, 1);
  wire::Header header = bench.header(10, 11);
  EXPECT_EQ(bench.send(a, wire::emit_packet(header, Bytes(100))).at(0).link,
            bench.neighbours[b].link);
  header.layer = Bench::kLayer + 1;
  EXPECT_EQ(bench.send(d, wire::emit_packet(header, Bytes(100))).at(0).link,
            bench.neighbours[e].link);
  EXPECT_EQ(bench.originate({wire::emit_packet(header, Bytes(100))}).at(0).link,
            bench.neighbours[e].link);
}

// ---- records ---------------------------------------------------------------------------------------------------------

TEST_F(PipelineTest, AReplayedRecordIsDroppedOnce) {
  const Bytes datagram = bench.seal(a, bench.packet(10, 12));
  EXPECT_EQ(bench.feed({datagram}, {a}).size(), 1u);
  EXPECT_TRUE(bench.feed({datagram}, {a}).empty());
  EXPECT_EQ(bench.drops(DropReason::record_replayed), 1u);
}

TEST_F(PipelineTest, EveryChangedBitOfARecordIsRefused) {
  const Bytes datagram = bench.seal(a, bench.packet(10, 12));
  for (std::size_t bit = 0; bit < datagram.size() * 8; ++bit) {
    Bytes changed = datagram;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_TRUE(bench.feed({changed}, {a}).empty()) << bit;
  }
  EXPECT_EQ(bench.feed({datagram}, {a}).size(), 1u);
}

TEST_F(PipelineTest, AnUnknownIndexGoesToTheControlSide) {
  Bytes datagram = bench.seal(a, bench.packet(10, 12));
  datagram[5] ^= 1;
  bench.feed({datagram}, {a});
  EXPECT_EQ(bench.drops(DropReason::record_index_unknown), 1u);
  ASSERT_EQ(bench.pipeline.control().size(), 1u);
  EXPECT_TRUE(bench.pipeline.control()[0].unknown_record);
  EXPECT_EQ(bench.pipeline.control()[0].bytes, datagram);
}

TEST_F(PipelineTest, RecordsThatNobodyCanPlaceLeaveRoomForHandshakes) {
  Bytes datagram = bench.seal(a, bench.packet(10, 12));
  datagram[5] ^= 1;
  for (int i = 0; i < 500; ++i) bench.feed({datagram}, {a});
  EXPECT_EQ(bench.pipeline.control().size(), 64u);
  bench.feed({Bytes(200, 0x10)}, {a});
  EXPECT_EQ(bench.pipeline.control().size(), 65u);
  EXPECT_EQ(bench.drops(DropReason::handshake_queue_full), 0u);
}

// Free slots of the table are marked by it.
TEST_F(PipelineTest, IndexZeroIsNobodys) {
  Bytes datagram = bench.seal(a, bench.packet(10, 12));
  std::fill_n(datagram.begin() + 4, 4, std::uint8_t{0});
  EXPECT_TRUE(bench.feed({datagram}, {a}).empty());
  datagram[0] = 4;
  EXPECT_TRUE(bench.feed({datagram}, {a}).empty());
  EXPECT_EQ(bench.drops(DropReason::record_index_unknown), 2u);
}

TEST_F(PipelineTest, HandshakesWaitInABoundedQueue) {
  for (int i = 0; i < 300; ++i) bench.feed({Bytes(200, 0x10)}, {a});
  EXPECT_EQ(bench.pipeline.control().size(), 256u);
  EXPECT_FALSE(bench.pipeline.control()[0].unknown_record);
  EXPECT_EQ(bench.drops(DropReason::handshake_queue_full), 44u);
}

TEST_F(PipelineTest, ProbesTakeNoHandshakesRoom) {
  for (const auto type : {std::uint8_t{0x17}, std::uint8_t{0x18}})
    for (int i = 0; i < 150; ++i) bench.feed({Bytes(28, type)}, {a});
  EXPECT_EQ(bench.pipeline.probes().size(), Pipeline::kMaxProbes);
  EXPECT_EQ(bench.drops(DropReason::probe_flood), 300u - Pipeline::kMaxProbes);
  EXPECT_TRUE(bench.pipeline.control().empty());
}

TEST_F(PipelineTest, NothingThatArrivesIsTrusted) {
  security::SeededRandom random(3);
  const std::uint8_t types[] = {0,    1,    2,    3,    4,    5,    0x10, 0x11,
                                0x12, 0x13, 0x14, 0x15, 0x17, 0x18, 0xff};
  for (int i = 0; i < 5000; ++i) {
    Bytes datagram(1 + random.below(100));
    random.fill(datagram);
    datagram[0] = types[random.below(std::size(types))];
    bench.pipeline.control().clear();
    bench.pipeline.probes().clear();
    EXPECT_TRUE(bench.feed({datagram}, {a}).empty());
  }
}

TEST_F(PipelineTest, ALinkThatWasTakenAwayIsNotWhatTookItsPlace) {
  bench.send(a, bench.packet(10, 12));
  const LinkId freed = bench.neighbours[c].link;
  bench.tables.layers[0].names.remove_all(freed);
  bench.tables.links.remove(freed);
  bench.neighbours[c].link = LinkId(999);
  const std::size_t d = bench.add_neighbour(40);
  ASSERT_EQ(bench.neighbours[d].link, freed) << "the slot is used again";
  auto sent = bench.send(a, bench.packet(10, 12));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(message_of(sent[0].packet).type(), wire::ControlType::no_route);
}

// ---- guests and this member itself -----------------------------------------------------------------------------------

TEST_F(PipelineTest, AGuestsPacketsBecomeTheLayersAndBack) {
  const std::size_t guest =
      bench.add_neighbour(30, 0, LinkKind::kGuest, security::Protocol::kWireGuard);
  bench.local.guest_header = bench.header(30, 12);
  const Bytes inner(64, 0x45);
  auto sent = bench.send(guest, inner);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[c].link);
  EXPECT_EQ(header_of(sent[0].packet).source, name_of(30));
  EXPECT_EQ(header_of(sent[0].packet).ttl, 63);
  sent = bench.send(c, wire::emit_packet(bench.header(12, 30), inner));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[guest].link);
  EXPECT_EQ(sent[0].packet, inner);
  // Made by its agent in another guest's name.
  bench.local.guest_header = bench.header(12, 10);
  EXPECT_TRUE(bench.send(guest, inner).empty());
  EXPECT_EQ(bench.drops(DropReason::source_not_here), 1u);
}

TEST_F(PipelineTest, WhatThisMemberDropsCounts) {
  bench.local.answer = DropReason::inside_differs;
  bench.send(a, bench.packet(10, 1));
  EXPECT_EQ(bench.drops(DropReason::inside_differs), 1u);
  EXPECT_EQ(bench.pipeline.counters().delivered, 1u);
}

TEST_F(PipelineTest, TrafficIsNotedForTheControlSide) {
  bench.neighbours[a].path.remote.port = 4444;  // it has moved
  bench.send(a, bench.packet(10, 12));
  bench.send(a, Bytes{});
  ASSERT_EQ(bench.pipeline.reports().size(), 2u);
  const LinkReport from = bench.pipeline.take_report(0);
  EXPECT_EQ(from.link, bench.neighbours[a].link);
  EXPECT_EQ(from.traffic.received_data, 1u);
  EXPECT_EQ(from.traffic.received_empty, 1u);
  ASSERT_TRUE(from.traffic.from);
  EXPECT_EQ(from.traffic.from->remote.port, 4444);
  const LinkReport to = bench.pipeline.take_report(1);
  EXPECT_EQ(to.link, bench.neighbours[c].link);
  EXPECT_EQ(to.traffic.sent_data, 1u);
  EXPECT_EQ(to.traffic.send_counter, 1u);
  EXPECT_FALSE(to.traffic.from);
  EXPECT_FALSE(to.wanted);

  bench.send(a, bench.packet(10, 12));
  ASSERT_EQ(bench.pipeline.reports().size(), 4u) << "those that were taken are left as they are";
  EXPECT_EQ(bench.pipeline.reports()[2].traffic.received_data, 1u);
  bench.pipeline.clear_reports();
  bench.send(a, bench.packet(10, 12));
  EXPECT_EQ(bench.pipeline.reports().size(), 2u);
}

TEST_F(PipelineTest, EmptyDatagramsCount) {
  std::uint8_t nothing = 0;
  InBurst burst;
  burst.data = &nothing;
  bench.pipeline.process(std::span(&burst, 1), bench.now, [](auto) {});
  EXPECT_EQ(bench.drops(DropReason::record_type_unknown), 1u);
  EXPECT_EQ(bench.pipeline.counters().received, 1u);
}

TEST_F(PipelineTest, TheDefaultWayMayChange) {
  bench.tables.layers[0].names.default_link = bench.neighbours[c].link;
  bench.tables.links.changed();
  auto sent = bench.send(a, bench.packet(10, 99));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[c].link);
  const std::size_t d = bench.add_neighbour(13);
  bench.tables.layers[0].names.default_link = bench.neighbours[d].link;
  bench.tables.links.changed();
  sent = bench.send(a, bench.packet(10, 99));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench.neighbours[d].link);
}

TEST_F(PipelineTest, ALinkWithoutKeysIsWanted) {
  Link& guest = bench.tables.links[bench.neighbours[c].link];
  guest.send.reset();
  guest.kind = LinkKind::kGuest;
  guest.path.remote.port = 0;
  EXPECT_EQ(bench.send(a, bench.packet(10, 12)).size(), 1u) << "told: it has never been seen";
  EXPECT_EQ(bench.drops(DropReason::link_down), 1u);
  const auto& reports = bench.pipeline.reports();
  auto found = std::find_if(reports.begin(), reports.end(), [&](const LinkReport& report) {
    return report.link == bench.neighbours[c].link;
  });
  ASSERT_NE(found, reports.end());
  EXPECT_TRUE(found->wanted);
  guest.path.remote.port = 51820;
  EXPECT_TRUE(bench.send(a, bench.packet(10, 12)).empty()) << "its keys may come";
}

}  // namespace
}  // namespace entresol::layer::forwarding
