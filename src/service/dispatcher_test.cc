#include "service/dispatcher.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "security/test_random.h"
#include "service/test_program.h"

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;
using std::chrono::milliseconds;
using std::chrono::seconds;

class DispatcherTest : public ::testing::Test {
 protected:
  test::ScriptedProgram& add(ServiceId id, Fields fields = 0, Fallback fallback = Fallback::kDrop) {
    Manifest manifest;
    manifest.id = id;
    manifest.name = "test";
    manifest.fields = fields;
    manifest.fallback = fallback;
    manifest.limits.held = 2;
    auto program = std::make_unique<test::ScriptedProgram>();
    test::ScriptedProgram& out = *program;
    auto instance = std::make_unique<Instance>(std::move(manifest), std::move(program), random_,
                                               nullptr, nullptr);
    instance->start(now_, 0);
    dispatcher_.add(std::move(instance));
    return out;
  }
  Miss miss_for(std::uint32_t service) {
    wire::Header header;
    header.service = service;
    header.flow_id = 77;
    header.source.octets.fill(1);
    header.destination.octets.fill(2);
    packets_.push_back(wire::emit_packet(header, {}));
    Miss miss;
    EXPECT_EQ(wire::HeaderView::parse(packets_.back(), miss.view), DropReason::none);
    miss.ingress_generation = 9;
    return miss;
  }
  Miss decide(std::uint32_t service) {
    Miss miss = miss_for(service);
    dispatcher_.decide(std::span(&miss, 1), now_);
    return miss;
  }
  static entresol_name name(std::uint8_t octet) {
    entresol_name out;
    std::memset(out.octets, octet, sizeof out.octets);
    return out;
  }
  std::vector<layer::forwarding::Returned> returned() {
    const auto out = dispatcher_.returned(now_, 0);
    return {out.begin(), out.end()};
  }

  security::SeededRandom random_{5};
  base::TimePoint now_{seconds(100)};
  std::deque<base::Bytes> packets_;
  Dispatcher dispatcher_;
};

TEST_F(DispatcherTest, ShowsOnlyWhatTheManifestLists) {
  auto& program = add(5, fields_of({Field::kDestination}));
  program.verdict = {.action = ENTRESOL_DELIVER, .keep = 1, .lifetime_ms = 70, .to = name(9)};
  const Miss miss = decide(5);
  ASSERT_EQ(program.seen.size(), 1u);
  EXPECT_EQ(program.seen[0].destination.octets[0], 2);
  EXPECT_EQ(program.seen[0].source.octets[0], 0) << "a field that was not asked for";
  EXPECT_EQ(program.seen[0].flow, 0u);
  EXPECT_EQ(miss.to.octets[0], 9);
  EXPECT_TRUE(miss.keep);
  EXPECT_EQ(miss.lifetime_ms, 70u);
}

TEST_F(DispatcherTest, UnknownServiceIsRefused) {
  EXPECT_EQ(decide(5).drop, DropReason::service_unknown);
}

TEST_F(DispatcherTest, AHostLeavesServicesThatItHasNotToItsNode) {
  dispatcher_.leave_unknown_to_node();
  const Miss miss = decide(5);
  EXPECT_EQ(miss.drop, DropReason::none);
  EXPECT_EQ(miss.to.octets[0], 2);
  EXPECT_TRUE(miss.keep);
}

TEST_F(DispatcherTest, WhatNamesTheMemberAsksNoService) {
  auto& program = add(0);
  const Miss miss = decide(wire::service::kMember);
  EXPECT_TRUE(program.seen.empty());
  EXPECT_EQ(miss.drop, DropReason::none);
  EXPECT_EQ(miss.to.octets[0], 2);
}

TEST_F(DispatcherTest, DropAndRefuseHaveReasonsOfTheirOwn) {
  add(5).verdict = {.action = ENTRESOL_DROP};
  add(6).verdict = {.action = ENTRESOL_REFUSE};
  std::array<Miss, 2> misses{miss_for(5), miss_for(6)};
  dispatcher_.decide(misses, now_);
  EXPECT_EQ(misses[0].drop, DropReason::refused_by_service);
  EXPECT_EQ(misses[1].drop, DropReason::refused_by_rule);
}

TEST_F(DispatcherTest, LargeGroupsAreAskedInBatches) {
  auto& program = add(5);
  std::vector<Miss> misses;
  for (int i = 0; i < 150; ++i) misses.push_back(miss_for(5));
  dispatcher_.decide(misses, now_);
  EXPECT_EQ(program.seen.size(), 150u);
  EXPECT_EQ(dispatcher_.find(5)->usage().batches, 3u);
}

TEST_F(DispatcherTest, ServicesThatComeAndGoMakeKeptDecisionsVoid) {
  auto before = dispatcher_.generation_of(6, 0);
  add(5);
  EXPECT_NE(dispatcher_.generation_of(6, 0), before);
  before = dispatcher_.generation_of(6, 0);
  EXPECT_TRUE(dispatcher_.remove(5, now_));
  EXPECT_FALSE(dispatcher_.remove(5, now_));
  EXPECT_NE(dispatcher_.generation_of(6, 0), before);
  EXPECT_EQ(decide(5).drop, DropReason::service_unknown);
}

TEST_F(DispatcherTest, AWithdrawalConcernsItsServiceAlone) {
  auto& program = add(5);
  add(6);
  program.on_packets = [](Environment& environment, const entresol_batch&) {
    environment.withdraw();
  };
  const auto all = dispatcher_.generation(), own = dispatcher_.generation_of(5, 0),
             other = dispatcher_.generation_of(6, 0);
  decide(5);
  EXPECT_NE(dispatcher_.generation(), all) << "decisions are looked at again";
  EXPECT_NE(dispatcher_.generation_of(5, 0), own);
  EXPECT_EQ(dispatcher_.generation_of(6, 0), other);
}

TEST_F(DispatcherTest, WhatCannotBeAskedFallsBackAsItsManifestSays) {
  add(5).fault = true;
  add(6, 0, Fallback::kDeliver).fault = true;
  EXPECT_EQ(decide(5).drop, DropReason::service_unavailable);
  const Miss delivered = decide(6);
  EXPECT_EQ(delivered.drop, DropReason::none);
  EXPECT_EQ(delivered.to.octets[0], 2) << "its destination";
  EXPECT_FALSE(delivered.keep);
}

TEST_F(DispatcherTest, EachNameGetsACopy) {
  auto& program = add(5);
  program.verdict = {.action = ENTRESOL_REPLICATE, .data = 16, .count = 2};
  program.on_packets = [](Environment&, const entresol_batch& batch) {
    const entresol_name names[] = {name(7), name(8)};
    std::memcpy(batch.out + 16, names, sizeof names);
  };
  const Miss miss = decide(5);
  EXPECT_TRUE(miss.taken);
  EXPECT_TRUE(dispatcher_.returns_wait());
  const auto copies = returned();
  ASSERT_EQ(copies.size(), 2u);
  EXPECT_EQ(copies[0].to.octets[0], 7);
  EXPECT_EQ(copies[1].to.octets[0], 8);
  EXPECT_EQ(copies[0].ingress_generation, 9u);
  EXPECT_TRUE(std::equal(copies[0].packet.begin(), copies[0].packet.end(), packets_.back().begin(),
                         packets_.back().end()));
  EXPECT_TRUE(returned().empty());
}

TEST_F(DispatcherTest, WhatReturnsIsBounded) {
  auto& program = add(5);
  program.verdict = {.action = ENTRESOL_REPLICATE, .count = 250};
  std::size_t dropped = 0;
  for (int i = 0; i < 20; ++i) dropped += decide(5).drop == DropReason::service_queue_full;
  EXPECT_EQ(dropped, 4u);
  std::size_t n = 0;
  for (std::size_t group = 1; group > 0; n += group) {
    group = returned().size();
    EXPECT_LE(group, layer::forwarding::kBatch);
  }
  EXPECT_EQ(n, Dispatcher::kMaxReturning);
}

TEST_F(DispatcherTest, AHeldPacketIsReleasedByATimer) {
  auto& program = add(5);
  program.verdict = {.action = ENTRESOL_HOLD, .lifetime_ms = 5000};
  program.on_packets = [](Environment& environment, const entresol_batch&) {
    environment.timer_set(1, 1'000'000'000);
  };
  EXPECT_TRUE(decide(5).taken);
  const std::uint32_t handle = program.seen[0].handle;
  EXPECT_NE(handle, 0u);
  program.on_timer = [&] {
    dispatcher_.find(5)->environment().release(
        handle, {.action = ENTRESOL_DELIVER, .keep = 1, .to = name(3)});
  };
  EXPECT_TRUE(returned().empty());
  EXPECT_EQ(dispatcher_.next_timer(), now_ + seconds(1));
  now_ += seconds(1);
  const auto back = returned();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].to.octets[0], 3);
  EXPECT_TRUE(back[0].keep);
  EXPECT_EQ(back[0].drop, DropReason::none);
}

TEST_F(DispatcherTest, AHoldEndsAndIsCounted) {
  add(5).verdict = {.action = ENTRESOL_HOLD, .lifetime_ms = 500};
  decide(5);
  EXPECT_EQ(dispatcher_.next_timer(), now_ + milliseconds(500));
  now_ += milliseconds(500);
  const auto back = returned();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].drop, DropReason::service_hold_ended);
  EXPECT_EQ(dispatcher_.find(5)->environment().held(), 0u);
}

TEST_F(DispatcherTest, AnInstanceHoldsNoMoreThanItMay) {
  add(5).verdict = {.action = ENTRESOL_HOLD};
  EXPECT_TRUE(decide(5).taken);
  EXPECT_TRUE(decide(5).taken);
  EXPECT_EQ(decide(5).drop, DropReason::service_queue_full);
}

TEST_F(DispatcherTest, WhatAServiceHoldsEndsWithIt) {
  add(5).verdict = {.action = ENTRESOL_HOLD};
  decide(5);
  dispatcher_.remove(5, now_);
  const auto back = returned();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].drop, DropReason::service_hold_ended);
}

}  // namespace
}  // namespace entresol::service
