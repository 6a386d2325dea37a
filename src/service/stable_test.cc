// The stable store of an instance, and a service thread that waits for its disk.
#include "service/stable.h"

#include <gtest/gtest.h>

#include "security/test_random.h"
#include "service/service_thread.h"
#include "service/test_program.h"

namespace entresol::service {
namespace {

using std::chrono::seconds;

// Writes when it is told to.
class FakeDisk final : public StableDisk {
 public:
  std::uint64_t write(std::vector<StableChange> changes) override {
    given.push_back(std::move(changes));
    return ++last;
  }
  std::uint64_t settled() const override { return done; }
  bool lost() const override { return is_lost; }
  void forgive() override {
    done = last;
    is_lost = false;
  }
  bool works() const override { return is_working; }

  std::vector<std::vector<StableChange>> given;
  std::uint64_t last = 0, done = 0;
  bool is_lost = false, is_working = true;
};

base::ByteView octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class StableTest : public ::testing::Test {
 protected:
  StableTest() { store_.open({{"old", {{'1'}, base::kNever}}}, &disk_); }
  std::string get(std::string_view key) const {
    const base::Bytes* value = store_.get(key, now_);
    return value == nullptr ? "-" : std::string(value->begin(), value->end());
  }
  std::int32_t put(std::string_view key, std::string_view value) {
    return store_.put(key, octets(value), {}, now_);
  }

  FakeDisk disk_;
  base::TimePoint now_{seconds(1'900'000'000)};
  StableStore store_{10000};
};

TEST_F(StableTest, HasWhatIsOnTheDiskAndWritesWhatHasChanged) {
  EXPECT_EQ(get("old"), "1");
  store_.commit();
  EXPECT_TRUE(disk_.given.empty()) << "nothing has changed";
  put("a", "1");
  put("a", "2");
  store_.remove("old", now_);
  store_.swap("b", std::nullopt, octets("3"), seconds(5), now_);
  EXPECT_TRUE(disk_.given.empty()) << "the call has not ended";
  store_.commit();
  ASSERT_EQ(disk_.given.size(), 1u);
  const auto& changes = disk_.given[0];
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key, "a");
  EXPECT_EQ(changes[0].entry->value, base::Bytes{'2'});
  EXPECT_EQ(changes[1].entry->end, now_ + seconds(5));
  EXPECT_EQ(changes[2].key, "old");
  EXPECT_FALSE(changes[2].entry);
}

TEST_F(StableTest, ACallThatFaultsHasWrittenNothing) {
  put("old", "2");
  put("new", "1");
  store_.remove("new", now_);
  store_.undo();
  EXPECT_EQ(get("old"), "1");
  EXPECT_EQ(get("new"), "-");
  store_.commit();
  EXPECT_TRUE(disk_.given.empty());
}

TEST_F(StableTest, WhatIsLostNeverWas) {
  put("kept", "1");
  store_.commit();
  put("old", "2");
  store_.commit();
  put("old", "3");
  put("more", "3");
  store_.commit();
  put("old", "4");
  EXPECT_EQ(store_.unsettled(), 3u);
  disk_.done = 1;
  disk_.is_lost = true;
  EXPECT_EQ(put("other", ""), ENTRESOL_FAILED);
  store_.revert();
  EXPECT_EQ(get("kept"), "1");
  EXPECT_EQ(get("old"), "1");
  EXPECT_EQ(get("more"), "-");
  EXPECT_EQ(store_.unsettled(), 0u);
  put("old", "5");
  store_.commit();
  EXPECT_EQ(store_.unsettled(), 4u);
}

TEST_F(StableTest, ADiskThatTakesNothingIsSaidAndCounted) {
  disk_.is_working = false;
  EXPECT_EQ(put("a", "1"), ENTRESOL_FAILED);
  EXPECT_EQ(store_.swap("a", std::nullopt, {}, {}, now_), ENTRESOL_FAILED);
  EXPECT_EQ(store_.remove("old", now_), ENTRESOL_FAILED);
  EXPECT_EQ(store_.refused(), 3u);
  EXPECT_EQ(get("a"), "-");
  EXPECT_EQ(get("old"), "1");
  disk_.is_working = true;
  EXPECT_EQ(put("a", "1"), 0);
}

TEST_F(StableTest, WhoIsFarAheadOfTheDiskWaits) {
  StableStore large(64 << 20);
  large.open({}, &disk_);
  const base::Bytes value(Store::kMaxValue);
  int taken = 0;
  for (; taken < 1000 && large.put("a", value, {}, now_) == 0; ++taken) large.commit();
  EXPECT_GT(taken, 60);
  EXPECT_LT(taken, 70);
  EXPECT_EQ(large.put("a", value, {}, now_), ENTRESOL_QUOTA);
  disk_.done = disk_.last;
  large.settle();
  EXPECT_EQ(large.put("a", value, {}, now_), 0);
}

TEST_F(StableTest, WhatHasEndedOnTheDiskIsNotThere) {
  StableStore other(1000);
  other.open({{"ends", {{}, now_}}, {"stays", {{}, now_ + seconds(1)}}}, &disk_);
  EXPECT_EQ(other.get("ends", now_), nullptr);
  EXPECT_NE(other.get("stays", now_), nullptr);
  EXPECT_EQ(*other.next("", "", now_), "stays");
}

// ---- what waits for the disk

class WaitingTest : public ::testing::Test {
 protected:
  WaitingTest() {
    crossing_.wake_worker = [] {};
    for (std::uint32_t number : {0u, 1u}) {
      Manifest manifest;
      manifest.id = number + 1;
      manifest.limits.stable = 1000;
      auto program = std::make_unique<test::ScriptedProgram>();
      programs_[number] = program.get();
      auto instance =
          std::make_unique<Instance>(manifest, std::move(program), random_, nullptr, nullptr);
      instance->environment().open_stable({}, &disks_[number]);
      thread_.add(number, std::move(instance), now_, 0);
    }
    programs_[0]->verdict = programs_[1]->verdict = {.action = ENTRESOL_DELIVER};
    // The first one writes.
    programs_[0]->on_packets = [](Environment& environment, const entresol_batch&) {
      environment.put(ENTRESOL_STABLE, "a", {}, 0);
    };
  }
  void send(std::uint32_t number, std::uint32_t slot) {
    Job& job = *crossing_.jobs.room();
    job = {slot, number, {}};
    job.packet.handle = 100 + slot;
    crossing_.jobs.push();
    crossing_.jobs.publish();
  }
  // What came back: V verdict, F fallback, R release, W withdrawal, with the slot.
  std::string pass() {
    thread_.pass(now_, 0);
    std::string out;
    const std::size_t n = crossing_.done.available();
    for (std::size_t i = 0; i < n; ++i)
      out += "VFRW"[static_cast<int>(crossing_.done[i].kind)] +
             std::to_string(crossing_.done[i].slot) + " ";
    crossing_.done.pop(n);
    return out;
  }
  const StableStore& store() { return thread_.find(0)->environment().stable(); }

  security::SeededRandom random_{5};
  base::TimePoint now_{seconds(100)};
  FakeDisk disks_[2];
  Crossing crossing_{64, 2048};
  ServiceThread thread_{crossing_};
  test::ScriptedProgram* programs_[2] = {};
};

TEST_F(WaitingTest, AVerdictIsSeenOnceWhatItRestsOnIsOnTheDisk) {
  send(0, 1);
  send(1, 2);
  EXPECT_EQ(pass(), "V2 ") << "others do not wait";
  programs_[0]->on_packets = nullptr;
  send(0, 3);
  EXPECT_EQ(pass(), "") << "it may rest on what was written before, though it wrote nothing itself";
  disks_[0].done = 1;
  EXPECT_EQ(pass(), "V1 V3 ");
  send(0, 4);
  EXPECT_EQ(pass(), "V4 ");
}

TEST_F(WaitingTest, ReleasesAndWithdrawalsWaitToo) {
  thread_.find(0)->environment().held(7);
  programs_[0]->on_packets = [](Environment& environment, const entresol_batch&) {
    environment.put(ENTRESOL_STABLE, "a", {}, 0);
    environment.release(7, {.action = ENTRESOL_DELIVER});
    environment.withdraw();
  };
  send(0, 1);
  EXPECT_EQ(pass(), "");
  disks_[0].done = 1;
  EXPECT_EQ(pass(), "V1 R0 W0 ");
}

TEST_F(WaitingTest, WhatCannotBeWrittenIsSeenByNobodyAndTheInstanceStartsAnew) {
  send(0, 1);
  EXPECT_EQ(pass(), "");
  EXPECT_EQ(store().size(), 1u);
  disks_[0].is_lost = true;
  disks_[0].is_working = false;
  EXPECT_EQ(pass(), "F1 ");
  EXPECT_EQ(store().size(), 0u);
  EXPECT_EQ(programs_[0]->starts, 2);
  EXPECT_EQ(thread_.find(0)->usage().lost, 1u);
  EXPECT_EQ(thread_.find(0)->usage().faults, 0u);
  EXPECT_EQ(thread_.find(0)->standing(), Standing::kRunning);
  send(0, 2);
  EXPECT_EQ(pass(), "V2 ") << "it was told, and says what it says without";
  EXPECT_EQ(store().refused(), 1u);
}

TEST_F(WaitingTest, WhoWroteAndSaidNothingStartsAnewToo) {
  programs_[0]->on_timer = [this] {
    thread_.find(0)->environment().put(ENTRESOL_STABLE, "t", {}, 0);
  };
  thread_.find(0)->environment().timer_set(1, 0);
  programs_[0]->on_packets = nullptr;
  send(0, 1);
  pass();
  pass();
  ASSERT_EQ(store().unsettled(), 1u);
  disks_[0].is_lost = true;
  pass();
  EXPECT_EQ(thread_.find(0)->usage().lost, 1u);
}

TEST_F(WaitingTest, WhoeverIsTakenAwayMeanwhileHasSaidNothing) {
  send(0, 1);
  EXPECT_EQ(pass(), "");
  thread_.post([](ServiceThread& thread) { thread.remove(0); });
  EXPECT_EQ(pass(), "F1 ");
  disks_[0].done = 1;
  EXPECT_EQ(pass(), "");
}

TEST_F(WaitingTest, AFaultTakesItsOwnCallBackAlone) {
  send(0, 1);
  pass();
  programs_[0]->on_packets = [](Environment& environment, const entresol_batch&) {
    environment.put(ENTRESOL_STABLE, "b", {}, 0);
  };
  programs_[0]->fault = true;
  send(0, 2);
  EXPECT_EQ(pass(), "");
  EXPECT_EQ(store().size(), 1u);
  disks_[0].done = 1;
  EXPECT_EQ(pass(), "V1 F2 ");
}

}  // namespace
}  // namespace entresol::service
