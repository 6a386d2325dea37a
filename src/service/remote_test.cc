// Both sides of a crossing, stepped by one thread: what travels, in which order, and what is bounded.
#include "service/remote.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "security/test_random.h"
#include "service/dispatcher.h"
#include "service/service_thread.h"
#include "service/test_program.h"

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;
using layer::forwarding::Returned;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kSlots = 64;
constexpr ServiceId kService = 5;

entresol_name name(std::uint8_t octet) {
  entresol_name out;
  std::memset(out.octets, octet, sizeof out.octets);
  return out;
}

class RemoteTest : public ::testing::Test {
 protected:
  RemoteTest() : crossing_(kSlots, 2048), remote_(crossing_, kSlots), thread_(crossing_) {
    limits_.limits.waiting = 24;
    crossing_.wake_thread = [this] { ++thread_wakes_; };
    crossing_.wake_worker = [this] { ++worker_wakes_; };
    program_ = &add(kService, 0);
    program_->verdict = {.action = ENTRESOL_DELIVER, .to = name(9)};
  }
  test::ScriptedProgram& add(ServiceId id, std::uint32_t number,
                             Fallback fallback = Fallback::kDrop) {
    Manifest manifest = limits_;
    manifest.id = id;
    manifest.fields = fields_of({Field::kFlow});
    manifest.fallback = fallback;
    manifest.limits.held = 2;
    auto program = std::make_unique<test::ScriptedProgram>();
    test::ScriptedProgram& out = *program;
    thread_.add(number,
                std::make_unique<Instance>(manifest, std::move(program), random_, nullptr, nullptr),
                now_, 0);
    dispatcher_.add(manifest, remote_, number);
    return out;
  }
  // A packet with a number in its payload.
  Miss send(std::uint32_t flow, std::uint8_t number = 0, ServiceId service = kService,
            std::uint32_t link = 1) {
    wire::Header header;
    header.service = service;
    header.next_protocol = wire::next_protocol::kSealed;
    header.flow_id = flow;
    header.destination.octets.fill(2);
    base::Bytes payload(40, number);
    packets_.push_back(wire::emit_packet(header, payload));
    Miss miss;
    EXPECT_EQ(wire::HeaderView::parse(packets_.back(), miss.view), DropReason::none);
    miss.ingress = layer::forwarding::LinkId(link);
    miss.ingress_generation = 3;
    dispatcher_.decide(std::span(&miss, 1), now_);
    return miss;
  }
  void pass() { thread_.pass(now_, 0); }
  std::vector<Returned> returned() {
    const auto out = dispatcher_.returned(now_, 0);
    for (const Returned& each : out) order_ += std::to_string(each.packet.back());
    return {out.begin(), out.end()};
  }

  security::SeededRandom random_{5};
  base::TimePoint now_{seconds(100)};
  Manifest limits_;  // of services that are added
  Crossing crossing_;
  Remote remote_;
  ServiceThread thread_;
  Dispatcher dispatcher_;
  test::ScriptedProgram* program_ = nullptr;
  std::deque<base::Bytes> packets_;
  std::string order_;  // numbers of packets that came back
  int thread_wakes_ = 0, worker_wakes_ = 0;
};

TEST_F(RemoteTest, APacketCrossesAndComesBack) {
  const Miss miss = send(1, 7);
  EXPECT_TRUE(miss.taken);
  EXPECT_TRUE(returned().empty());
  pass();
  ASSERT_EQ(program_->seen.size(), 1u);
  EXPECT_EQ(program_->seen[0].flow, 1u);
  EXPECT_TRUE(dispatcher_.returns_wait());
  const auto back = returned();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].to.octets[0], 9);
  EXPECT_EQ(back[0].ingress_generation, 3u);
  EXPECT_TRUE(std::equal(back[0].packet.begin(), back[0].packet.end(), packets_[0].begin(),
                         packets_[0].end()));
  EXPECT_FALSE(dispatcher_.returns_wait());
  returned();
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(RemoteTest, WhoSleepsIsWoken) {
  send(1);
  EXPECT_EQ(thread_wakes_, 0);
  crossing_.thread_sleeps = true;
  crossing_.worker_sleeps = true;
  EXPECT_FALSE(thread_.idle());
  send(1);
  EXPECT_EQ(thread_wakes_, 1);
  EXPECT_FALSE(crossing_.thread_sleeps);
  pass();
  EXPECT_EQ(worker_wakes_, 1);
  EXPECT_TRUE(thread_.idle());
}

TEST_F(RemoteTest, AVerdictForAFlowCountsOnceNothingOfItIsAway) {
  program_->verdict.keep = 1;
  send(1, 1);
  send(1, 2);
  pass();
  const auto back = returned();
  ASSERT_EQ(back.size(), 2u);
  EXPECT_FALSE(back[0].keep) << "the second would be overtaken by a third";
  EXPECT_TRUE(back[1].keep);
}

// The verdict of the first is known while the second is at the other side and a third arrives.
TEST_F(RemoteTest, LaterPacketsQueueBehindThoseThatAreAway) {
  program_->verdict.keep = 1;
  send(1, 1);
  pass();
  send(1, 2);
  auto first = returned();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_FALSE(first[0].keep);
  send(1, 3);
  EXPECT_TRUE(returned().empty()) << "3 waits for 2";
  pass();
  send(1, 4);
  const auto rest = returned();
  EXPECT_EQ(order_, "1234");
  EXPECT_EQ(program_->seen.size(), 2u) << "the service was not asked about 3 and 4";
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_FALSE(rest[1].keep);
  EXPECT_TRUE(rest[2].keep);
  returned();
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(RemoteTest, OtherFlowsDoNotWait) {
  program_->verdict.keep = 1;
  send(1, 1);
  pass();
  send(1, 2);
  returned();
  send(2, 3);
  pass();
  returned();
  EXPECT_EQ(order_, "123");
}

// Whatever happens in between: of each flow, what goes in first comes back first, and all of it comes back.
TEST_F(RemoteTest, TheOrderOfFlowsHoldsInAnyInterleaving) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    security::SeededRandom random(seed);
    std::array<std::uint8_t, 3> sent{}, seen{};
    std::array<bool, 3> kept{};
    const auto take = [&] {
      for (const Returned& each : dispatcher_.returned(now_, 0)) {
        wire::HeaderView view;
        wire::HeaderView::parse(each.packet, view);
        const std::uint32_t flow = view.flow_id();
        ASSERT_EQ(each.packet.back(), ++seen[flow]) << "seed " << seed << " flow " << flow;
        kept[flow] = each.keep;
      }
    };
    for (int step = 0; step < 200; ++step) {
      const auto dice = random.u32() % 10;
      program_->verdict.keep = random.u32() % 2;
      const std::uint32_t flow = random.u32() % 3;
      if (dice < 5) {
        // Once a verdict is kept and nothing is away, the cache answers, and no packet comes here.
        if (kept[flow] && sent[flow] == seen[flow]) kept[flow] = false;
        if (send(flow, static_cast<std::uint8_t>(sent[flow] + 1)).taken) ++sent[flow];
      } else if (dice < 8) {
        pass();
      } else {
        take();
      }
      ASSERT_FALSE(::testing::Test::HasFatalFailure());
    }
    for (int i = 0; i < 5; ++i) {
      pass();
      take();
    }
    EXPECT_EQ(sent, seen) << "seed " << seed;
    ASSERT_EQ(remote_.away(), 0u) << "seed " << seed;
    packets_.clear();
  }
}

TEST_F(RemoteTest, AServiceHasNoMoreOnItsWayThanItMay) {
  int taken = 0;
  for (std::uint32_t link = 1; link <= 50; ++link)
    for (int i = 0; i < 2; ++i) taken += send(1, 0, kService, link).taken;
  EXPECT_LE(taken, 24);
  EXPECT_GE(taken, 22) << "a link alone leaves room, all together next to none";
  EXPECT_EQ(send(1, 0, kService, 1).drop, DropReason::service_queue_full);
  add(6, 1);
  EXPECT_TRUE(send(1, 0, 6).taken) << "another one has room";
  pass();
  returned();
  returned();
  EXPECT_TRUE(send(1).taken);
}

TEST_F(RemoteTest, ALinkThatFillsAServiceLeavesRoomForTheOthers) {
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += send(1).taken;
  EXPECT_EQ(taken, 12) << "half";
  EXPECT_EQ(dispatcher_.find_remote(kService)->queue_full, 88u);
  for (std::uint32_t link = 2; link < 6; ++link)
    EXPECT_TRUE(send(1, 0, kService, link).taken) << "link " << link;
  for (int i = 0; i < 100; ++i) send(1, 0, kService, 2);
  EXPECT_TRUE(send(1, 0, kService, 7).taken) << "two that fill it leave room too";
  pass();
  while (!returned().empty()) {
  }
  taken = 0;
  for (int i = 0; i < 100; ++i) taken += send(1).taken;
  EXPECT_EQ(taken, 12) << "its share is there again";
}

TEST_F(RemoteTest, AServiceThatFillsTheBuffersLeavesSomeForTheOthers) {
  limits_.limits.waiting = 1000;
  add(6, 1);
  add(7, 2);
  int first = 0, second = 0;
  for (int i = 0; i < 100; ++i) first += send(1, 0, 6).taken;
  for (int i = 0; i < 100; ++i) second += send(1, 0, 7).taken;
  EXPECT_EQ(first, static_cast<int>(kSlots / 2));
  EXPECT_EQ(second, static_cast<int>(kSlots / 4));
  EXPECT_TRUE(send(1).taken);
}

TEST_F(RemoteTest, PacketsASecond) {
  limits_.limits.packets = 5;
  add(6, 1);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(send(1, 0, 6).taken);
  EXPECT_EQ(send(1, 0, 6).drop, DropReason::service_over_rate);
  EXPECT_EQ(dispatcher_.find_remote(6)->over_rate, 1u);
  EXPECT_TRUE(send(1).taken) << "another one's rate is its own";
  now_ += milliseconds(200);
  EXPECT_TRUE(send(1, 0, 6).taken);
  EXPECT_EQ(send(1, 0, 6).drop, DropReason::service_over_rate);
}

TEST_F(RemoteTest, OctetsASecond) {
  send(1);
  const std::uint64_t size = packets_.back().size();
  limits_.limits.octets = 3 * size + 1;
  limits_.limits.packets = 4;
  add(6, 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(send(1, 0, 6).taken);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send(1, 0, 6).drop, DropReason::service_over_rate);
  now_ += milliseconds(500);
  EXPECT_TRUE(send(1, 0, 6).taken) << "what was refused has used up nothing";
}

TEST_F(RemoteTest, CopiesAreOfTheRate) {
  limits_.limits.packets = 10;
  auto& program = add(6, 1);
  program.verdict = {.action = ENTRESOL_REPLICATE, .data = 0, .count = 6};
  send(1, 1, 6);
  send(2, 2, 6);
  send(3, 3, 6);
  pass();
  const auto back = returned();
  ASSERT_EQ(back.size(), 8u) << "6 of the first; 2 of the rate are left for 5 more copies";
  EXPECT_EQ(order_, "11111123");
  EXPECT_EQ(back[6].drop, DropReason::service_over_rate);
  EXPECT_EQ(back[7].drop, DropReason::service_over_rate);
  EXPECT_EQ(dispatcher_.find_remote(6)->over_rate, 2u);
  returned();
  EXPECT_EQ(remote_.away(), 0u);
}

// 256 copies of each packet of one service do not stand before the packets of another, and its own keep their order.
TEST_F(RemoteTest, CopiesTakeTurnsWithOthersPackets) {
  auto& program = add(6, 1);
  program.verdict = {.action = ENTRESOL_REPLICATE, .data = 0, .count = 256};
  for (std::uint8_t i = 0; i < 4; ++i) send(1, 1, 6);
  pass();
  program.verdict = {.action = ENTRESOL_DELIVER};
  send(1, 2, 6);
  for (std::uint8_t i = 0; i < 4; ++i) send(1, 3);
  pass();
  returned();
  EXPECT_EQ(std::count(order_.begin(), order_.end(), '3'), 4) << order_;
  while (!returned().empty()) {
  }
  EXPECT_EQ(order_.size(), 4u * 256 + 1 + 4);
  EXPECT_EQ(order_.back(), '2') << "behind the copies of the packets before it";
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(RemoteTest, AFaultFallsBack) {
  add(6, 1, Fallback::kDeliver).fault = true;
  program_->fault = true;
  send(1, 1);
  send(1, 2, 6);
  pass();
  const auto back = returned();
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].drop, DropReason::service_unavailable);
  EXPECT_EQ(back[1].drop, DropReason::none);
  EXPECT_EQ(back[1].to.octets[0], 2) << "its destination";
}

TEST_F(RemoteTest, HoldsAndReleases) {
  program_->verdict = {.action = ENTRESOL_HOLD, .lifetime_ms = 5000};
  send(1, 1);
  send(2, 2);
  send(3, 3);
  pass();
  auto back = returned();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].drop, DropReason::service_queue_full) << "it may hold two";
  Environment& environment = thread_.find(0)->environment();
  environment.release(program_->seen[1].handle, {.action = ENTRESOL_DELIVER, .to = name(4)});
  environment.timer_set(1, 0);
  program_->verdict = {};
  now_ += milliseconds(1);
  send(4);
  pass();
  back = returned();
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(order_, "302");
  EXPECT_EQ(back[1].to.octets[0], 4);
  EXPECT_EQ(dispatcher_.next_timer(), now_ - milliseconds(1) + seconds(5));
  now_ += seconds(5);
  back = returned();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].drop, DropReason::service_hold_ended);
  returned();
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(RemoteTest, ReplicatesWithCopies) {
  program_->verdict = {.action = ENTRESOL_REPLICATE, .data = 0, .count = 3};
  program_->on_packets = [](Environment&, const entresol_batch& batch) {
    const entresol_name names[] = {name(5), name(6), name(7)};
    std::memcpy(batch.out, names, sizeof names);
  };
  send(1, 1);
  pass();
  const auto back = returned();
  ASSERT_EQ(back.size(), 3u);
  EXPECT_EQ(back[2].to.octets[0], 7);
  back[0].packet[1] = 77;
  EXPECT_NE(back[1].packet[1], 77);
  EXPECT_NE(back[2].packet[1], 77);
}

// What comes back at once exceeds what the pipeline takes at once; what comes meanwhile stays behind it.
TEST_F(RemoteTest, MoreThanAGroupComesBackInItsOrder) {
  constexpr std::uint32_t kNames = 200;
  program_->verdict = {.action = ENTRESOL_REPLICATE, .data = 0, .count = kNames};
  program_->on_packets = [](Environment&, const entresol_batch& batch) {
    for (std::uint32_t i = 0; i < kNames; ++i) {
      const entresol_name to = name(static_cast<std::uint8_t>(i));
      std::memcpy(batch.out + i * sizeof to, &to, sizeof to);
    }
  };
  std::uint32_t next = 0;
  const auto take = [&] {
    const auto group = returned();
    for (const Returned& each : group)
      ASSERT_EQ(each.to.octets[0], static_cast<std::uint8_t>(next++ % kNames));
    EXPECT_LE(group.size(), 128u);
  };
  for (int i = 0; i < 3; ++i) {
    send(1);
    pass();
    take();
  }
  for (int i = 0; i < 5; ++i) take();
  EXPECT_EQ(next, 3 * kNames);
  EXPECT_FALSE(dispatcher_.returns_wait());
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(RemoteTest, AWithdrawalComesAcross) {
  program_->on_packets = [](Environment& environment, const entresol_batch&) {
    environment.withdraw();
  };
  const auto all = dispatcher_.generation(), own = dispatcher_.generation_of(kService, 0);
  send(1);
  pass();
  returned();
  EXPECT_NE(dispatcher_.generation(), all);
  EXPECT_NE(dispatcher_.generation_of(kService, 0), own);
}

TEST_F(RemoteTest, WhatIsAwayWhenAServiceGoesComesBackAsDrops) {
  program_->verdict = {.action = ENTRESOL_HOLD};
  send(1, 1);
  pass();
  returned();
  send(2, 2);
  dispatcher_.remove(kService, now_);
  thread_.remove(0);
  pass();
  const auto back = returned();
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].drop, DropReason::service_hold_ended);
  EXPECT_EQ(back[1].drop, DropReason::service_unavailable);
  returned();
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(RemoteTest, ManyInstancesInOnePassKeepTheirOwnOrder) {
  auto& other = add(6, 1);
  other.verdict = {.action = ENTRESOL_DELIVER};
  for (std::uint8_t i = 0; i < 8; ++i) send(1, i, i % 2 == 0 ? kService : 6);
  pass();
  returned();
  EXPECT_EQ(order_, "02461357");
  EXPECT_EQ(program_->seen.size(), 4u);
}

TEST_F(RemoteTest, TimersAndPosts) {
  thread_.find(0)->environment().at(now_, 0);
  thread_.find(0)->environment().timer_set(3, 1'000'000'000);
  send(1);
  pass();
  EXPECT_EQ(thread_.next_timer(), now_ + seconds(1));
  now_ += seconds(1);
  pass();
  EXPECT_EQ(program_->timers, std::vector<std::uint64_t>{3});
  bool called = false;
  thread_.post([&](ServiceThread& thread) { called = &thread == &thread_; });
  EXPECT_FALSE(thread_.idle());
  pass();
  EXPECT_TRUE(called);
}

// ---- one instance after another ----

class ReplaceTest : public RemoteTest {
 protected:
  static Manifest second() {
    Manifest manifest;
    manifest.id = kService;
    manifest.version = 2;
    manifest.fields = fields_of({Field::kFlow, Field::kDestination});
    manifest.limits.waiting = 40;
    return manifest;
  }
  // As the role does it: the instance with number 1 takes the place of that with number 0.
  void begin(bool fault = false, Manifest manifest = second()) {
    dispatcher_.pause(kService);
    auto program = std::make_unique<test::ScriptedProgram>();
    program->fault = fault;
    program->verdict = {.action = ENTRESOL_DELIVER, .to = name(10)};
    after_ = program.get();
    auto shared = std::make_shared<std::unique_ptr<Instance>>(
        std::make_unique<Instance>(manifest, std::move(program), random_, nullptr, nullptr));
    thread_.post_after(remote_.pushed(), 0, [this, shared](ServiceThread& thread) {
      outcome_.emplace(thread.take_over(1, std::move(*shared), 0));
    });
  }
  void finish() {
    ASSERT_TRUE(outcome_.has_value());
    if (*outcome_) {
      dispatcher_.go_on(kService);
    } else {
      dispatcher_.replace(second(), 1, now_);
    }
  }

  test::ScriptedProgram* after_ = nullptr;
  std::optional<std::optional<Fault>> outcome_;
};

TEST_F(ReplaceTest, EachPacketIsAskedAboutOnceInItsOrder) {
  send(1, 1);
  send(1, 2);
  begin();
  send(1, 3);
  send(2, 4);
  pass();
  EXPECT_FALSE(outcome_.has_value()) << "what came before is asked about first";
  EXPECT_EQ(program_->seen.size(), 2u);
  pass();
  ASSERT_TRUE(outcome_.has_value());
  send(1, 5);
  finish();
  send(1, 6);
  pass();
  for (const Returned& each : returned())
    EXPECT_EQ(each.to.octets[0], each.packet.back() <= 2 ? 9 : 10) << int{each.packet.back()};
  EXPECT_EQ(order_, "123456");
  ASSERT_EQ(after_->seen.size(), 4u);
  EXPECT_EQ(after_->seen[0].destination.octets[0], 2) << "what the new manifest lists";
  returned();
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(ReplaceTest, OneThatFaultsAtItsStartChangesNothing) {
  const std::uint32_t before = dispatcher_.generation_of(kService, 0);
  send(1, 1);
  begin(true);
  send(1, 2);
  pass();
  pass();
  finish();
  EXPECT_TRUE(*outcome_);
  send(1, 3);
  pass();
  for (const Returned& each : returned()) EXPECT_EQ(each.to.octets[0], 9);
  EXPECT_EQ(order_, "123");
  EXPECT_EQ(program_->seen.size(), 3u);
  EXPECT_EQ(dispatcher_.generation_of(kService, 0), before);
}

TEST_F(ReplaceTest, TheEphemeralStoreGoesAlongAsItIsAtThatTime) {
  const base::Bytes value{1, 2, 3};
  thread_.find(0)->environment().put(ENTRESOL_EPHEMERAL, "count", value, 0);
  begin();
  pass();
  finish();
  base::Bytes found(3);
  EXPECT_EQ(thread_.find(0), nullptr);
  ASSERT_EQ(thread_.find(1)->environment().get(ENTRESOL_EPHEMERAL, "count", found), 3);
  EXPECT_EQ(found, value);
}

TEST_F(ReplaceTest, WhatIsStoredForGoodGoesAlongToo) {
  Manifest storing = second();
  storing.limits.stable = 1000;
  auto old = std::make_unique<Instance>(storing, std::make_unique<test::ScriptedProgram>(), random_,
                                        nullptr, nullptr);
  old->environment().open_stable({}, nullptr);
  thread_.add(0, std::move(old), now_, 0);
  const base::Bytes value{1, 2, 3};
  ASSERT_EQ(thread_.find(0)->environment().put(ENTRESOL_STABLE, "count", value, 0), 0);
  begin(false, storing);
  pass();
  finish();
  base::Bytes found(3);
  ASSERT_EQ(thread_.find(1)->environment().get(ENTRESOL_STABLE, "count", found), 3);
  EXPECT_EQ(found, value);
}

TEST_F(ReplaceTest, AStoreThatDoesNotFitIsAReasonNotToTakeOver) {
  thread_.find(0)->environment().put(ENTRESOL_EPHEMERAL, "count", base::Bytes(100), 0);
  Manifest small = second();
  small.limits.ephemeral = 50;
  begin(false, small);
  pass();
  finish();
  ASSERT_TRUE(*outcome_);
  EXPECT_NE((*outcome_)->what.find("stores"), std::string::npos);
  EXPECT_NE(thread_.find(0), nullptr);
}

TEST_F(ReplaceTest, WhatTheOldOneHeldTheNewOneIsAsked) {
  program_->verdict = {.action = ENTRESOL_HOLD, .lifetime_ms = 1000};
  send(1, 1);
  send(2, 2);
  pass();
  returned();
  program_->verdict = {.action = ENTRESOL_DELIVER, .to = name(9)};
  send(3, 3);
  begin();
  send(4, 4);
  pass();
  pass();
  finish();
  pass();
  returned();
  EXPECT_EQ(order_, "3124");
  now_ += seconds(2);
  returned();
  EXPECT_EQ(order_, "3124") << "its hold has not ended as well";
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(ReplaceTest, AVerdictOfTheOldOneBindsNoPacketOfTheNewOne) {
  program_->verdict.keep = 1;
  send(1, 1);
  send(1, 2);
  begin();
  pass();
  pass();
  send(1, 3);
  finish();
  send(1, 4);
  pass();
  const std::uint32_t generation = dispatcher_.generation_of(kService, 0);
  for (const Returned& each : returned())
    EXPECT_EQ(each.to.octets[0], each.packet.back() <= 2 ? 9 : 10) << int{each.packet.back()};
  EXPECT_EQ(order_, "1234");
  EXPECT_EQ(after_->seen.size(), 2u);
  EXPECT_EQ(dispatcher_.generation_of(kService, 0), generation);
}

TEST_F(ReplaceTest, MoreThanMayWaitOtherwiseWaitsMeanwhile) {
  remote_.find(0)->manifest.limits.waiting = 10;
  begin();
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(send(static_cast<std::uint32_t>(i)).taken) << i;
  pass();
  finish();
  EXPECT_EQ(send(99).drop, DropReason::service_queue_full) << "the limit holds again";
  pass();
  EXPECT_EQ(after_->seen.size(), 30u);
  EXPECT_EQ(returned().size(), 30u);
  EXPECT_TRUE(send(99).taken);
}

TEST_F(ReplaceTest, NumbersAreUsedAgain) {
  begin();
  pass();
  finish();
  dispatcher_.pause(kService);
  auto shared = std::make_shared<std::unique_ptr<Instance>>(std::make_unique<Instance>(
      second(), std::make_unique<test::ScriptedProgram>(), random_, nullptr, nullptr));
  send(1, 1);
  std::optional<Fault> fault;
  thread_.post_after(remote_.pushed(), 1, [&](ServiceThread& thread) {
    fault = thread.take_over(0, std::move(*shared), 1);
  });
  pass();
  dispatcher_.replace(second(), 0, now_);
  pass();
  returned();
  EXPECT_EQ(order_, "1");
  returned();
  EXPECT_EQ(remote_.away(), 0u);
  EXPECT_EQ(remote_.find(0)->waiting, 0u);
}

}  // namespace
}  // namespace entresol::service
