#include "io/timer_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace entresol::io {
namespace {

base::TimePoint at(std::int64_t ns) {
  return base::TimePoint(base::Duration(ns));
}

TEST(TimerHeap, FiresInOrderOfTimeThenOfArming) {
  TimerHeap heap;
  std::string fired;
  const TimerId a = heap.add([&] { fired += 'a'; });
  const TimerId b = heap.add([&] { fired += 'b'; });
  const TimerId c = heap.add([&] { fired += 'c'; });
  const TimerId d = heap.add([&] { fired += 'd'; });
  heap.arm(d, at(20));
  heap.arm(b, at(10));
  heap.arm(a, at(10));
  heap.arm(c, at(5));
  EXPECT_EQ(heap.next(), at(5));
  EXPECT_EQ(heap.run(at(4)), 0u);
  EXPECT_EQ(heap.run(at(10)), 3u);
  EXPECT_EQ(fired, "cba");
  EXPECT_EQ(heap.next(), at(20));
  heap.run(at(100));
  EXPECT_EQ(fired, "cbad");
  EXPECT_EQ(heap.next(), base::kNever);
}

TEST(TimerHeap, FiringDisarms) {
  TimerHeap heap;
  int fired = 0;
  const TimerId id = heap.add([&] { ++fired; });
  heap.arm(id, at(1));
  EXPECT_TRUE(heap.armed(id));
  heap.run(at(1));
  heap.run(at(2));
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(heap.armed(id));
}

TEST(TimerHeap, MovesAndDisarms) {
  TimerHeap heap;
  int fired = 0;
  const TimerId id = heap.add([&] { ++fired; });
  heap.arm(id, at(1));
  heap.arm(id, at(10));
  heap.run(at(9));
  EXPECT_EQ(fired, 0);
  heap.arm(id, at(3));
  EXPECT_EQ(heap.next(), at(3));
  heap.arm(id, base::kNever);
  EXPECT_EQ(heap.next(), base::kNever);
  heap.run(at(100));
  EXPECT_EQ(fired, 0);
}

TEST(TimerHeap, WhatACallbackArmsInThePastWaitsForTheNextRun) {
  TimerHeap heap;
  int fired = 0;
  TimerId id;
  id = heap.add([&] {
    ++fired;
    heap.arm(id, at(0));
  });
  heap.arm(id, at(0));
  EXPECT_EQ(heap.run(at(5)), 1u);
  EXPECT_TRUE(heap.armed(id));
  EXPECT_EQ(heap.next(), at(0));
  EXPECT_EQ(heap.run(at(5)), 1u);
  EXPECT_EQ(fired, 2);
}

TEST(TimerHeap, ACallbackMayDisarmWhatAnotherHasDeferred) {
  TimerHeap heap;
  int fired = 0;
  const TimerId victim = heap.add([&] { ++fired; });
  const TimerId first = heap.add([&] { heap.arm(victim, at(0)); });
  const TimerId second = heap.add([&] { heap.arm(victim, base::kNever); });
  heap.arm(first, at(1));
  heap.arm(second, at(2));
  EXPECT_EQ(heap.run(at(5)), 2u);
  EXPECT_EQ(heap.next(), base::kNever);
  EXPECT_EQ(heap.run(at(5)), 0u);
  EXPECT_EQ(fired, 0);
}

TEST(TimerHeap, ACallbackMayRemoveItselfAndOthers) {
  TimerHeap heap;
  int fired = 0;
  TimerId self;
  const TimerId other = heap.add([&] { ++fired; });
  auto resource = std::make_shared<int>(7);
  self = heap.add([&heap, &self, other, resource] {
    heap.remove(self);
    heap.remove(other);
    EXPECT_EQ(*resource, 7);  // captures live to the end of the call
  });
  heap.arm(self, at(1));
  heap.arm(other, at(2));
  heap.run(at(10));
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(heap.size(), 0u);
  EXPECT_EQ(resource.use_count(), 1);
}

TEST(TimerHeap, OldIdsAreHarmless) {
  TimerHeap heap;
  int fired = 0;
  const TimerId old = heap.add([] {});
  heap.remove(old);
  const TimerId fresh = heap.add([&] { ++fired; });
  EXPECT_NE(old, fresh);
  heap.arm(old, at(1));
  heap.remove(old);
  EXPECT_EQ(heap.next(), base::kNever);
  heap.arm(fresh, at(1));
  heap.run(at(1));
  EXPECT_EQ(fired, 1);
}

TEST(TimerHeap, AgreesWithASortedListUnderRandomUse) {
  std::mt19937 random(7);
  TimerHeap heap;
  std::vector<TimerId> ids;
  std::vector<base::TimePoint> model(200, base::kNever);
  std::vector<base::TimePoint> fired;
  for (std::size_t i = 0; i < model.size(); ++i) {
    ids.push_back(heap.add([&, i] {
      fired.push_back(model[i]);
      model[i] = base::kNever;
    }));
  }
  std::int64_t now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t i = random() % model.size();
    const auto when = random() % 4 == 0 ? base::kNever : at(now + 1 + random() % 1000);
    heap.arm(ids[i], when);
    model[i] = when;
    ASSERT_EQ(heap.next(), *std::min_element(model.begin(), model.end()));
    if (step % 10 == 0) {
      now += random() % 100;
      const auto due =
          std::count_if(model.begin(), model.end(), [&](auto t) { return t <= at(now); });
      fired.clear();
      ASSERT_EQ(heap.run(at(now)), static_cast<std::size_t>(due));
      ASSERT_TRUE(std::is_sorted(fired.begin(), fired.end()));
    }
  }
}

}  // namespace
}  // namespace entresol::io
