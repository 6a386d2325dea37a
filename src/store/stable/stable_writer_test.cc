// The machine dies at random writes while a service thread asks an instance that writes into its stable store. Each verdict
// that was published stands for what the instance had written by then: after the disk has forgotten what was not synced (or
// kept some of it, torn), the store has to be as some call has left it, and no earlier one than the last that was published.
// With syncing switched off it must not be: else this shows nothing.
#include "store/stable/stable_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "security/test_random.h"
#include "service/service_thread.h"
#include "service/test_program.h"
#include "store/file/test_disk.h"

namespace entresol::store {
namespace {

using service::Environment;

constexpr std::size_t kStable = 1 << 20;

std::unique_ptr<StableFile> open(test::Disk& disk, bool synchronous = true) {
  auto opened = StableFile::open({"services", disk.name(), synchronous});
  return opened ? std::move(*opened) : nullptr;
}

struct Count {
  int deaths = 0, published = 0, lost = 0, unreadable = 0;
};

using State = std::map<std::string, std::uint64_t>;

// What the instance does for packet n, and what is there afterwards.
struct Act {
  std::string put, removed;
};
Act act_of(std::uint64_t n) {
  return {"k" + std::to_string(n % 17), n % 3 == 0 ? "k" + std::to_string(n * 7 % 17) : ""};
}
void apply(State& state, std::uint64_t n) {
  const Act act = act_of(n);
  state[act.put] = n;
  if (!act.removed.empty()) state.erase(act.removed);
  state["last"] = n;
}
void apply(Environment& environment, std::uint64_t n) {
  const Act act = act_of(n);
  const base::ByteView value{reinterpret_cast<const std::uint8_t*>(&n), sizeof n};
  EXPECT_EQ(environment.put(ENTRESOL_STABLE, act.put, value, 0), 0);
  if (!act.removed.empty()) environment.remove(ENTRESOL_STABLE, act.removed);
  EXPECT_EQ(environment.put(ENTRESOL_STABLE, "last", value, 0), 0);
}

class Play {
 public:
  Play(std::uint64_t seed, bool synchronous)
      : random_(seed * 1'000'003), disk_(seed), synchronous_(synchronous) {
    crossing_.wake_worker = [] {};
    EXPECT_NE(open(disk_), nullptr);  // what may be lost comes after it
  }
  void run(int lives) {
    for (int life = 0; life < lives && count_.unreadable == 0; ++life) live();
  }
  const Count& count() const { return count_; }

 private:
  void live() {
    auto file = open(disk_, synchronous_);
    auto entries = file ? file->load("5") : base::fail("", "");
    if (!entries) {
      ++count_.unreadable;
      return;
    }
    compare(*entries);
    StableWriter writer(std::move(file), {[] { return std::int64_t{0}; }, nullptr, nullptr});
    service::ServiceThread thread(crossing_);
    service::Manifest manifest;
    manifest.limits.stable = kStable;
    auto program = std::make_unique<service::test::ScriptedProgram>();
    program->on_packets = [this](Environment& environment, const entresol_batch& batch) {
      if (dead_seen_) return;
      for (std::uint32_t i = 0; i < batch.count; ++i) {
        apply(environment, batch.packets[i].handle);
        called_.push_back(batch.packets[i].handle);
      }
      ends_.insert(batch.packets[batch.count - 1].handle);
    };
    auto instance = std::make_unique<service::Instance>(manifest, std::move(program), random_,
                                                        nullptr, nullptr);
    instance->environment().open_stable(std::move(*entries), &writer.disk("5"));
    thread.add(0, std::move(instance), {}, 0);
    dead_seen_ = false;
    disk_.die_at(random_.below(60));
    while (!disk_.dead()) {
      if (!writer.disk("5").works()) {
        EXPECT_FALSE(synchronous_) << "a file that was synced is broken";
        ++count_.unreadable;
        break;
      }
      for (std::uint64_t i = random_.below(4); i > 0; --i) {
        const auto number = static_cast<std::uint32_t>(++last_);
        *crossing_.jobs.room() = {number % 64, 0, {}};
        crossing_.jobs.room()->packet.handle = number;
        crossing_.jobs.push();
        crossing_.jobs.publish();
      }
      thread.pass({}, 0);
      if (random_.chance(30)) writer.step();
      take();
    }
    dead_seen_ = true;
    crossing_.jobs.pop(crossing_.jobs.available());
    thread.pass({}, 0);  // what the disk had taken is said; what it had not, is not
    take();
    ++count_.deaths;
    disk_.crash(random_.chance(50));
  }

  void take() {
    const std::size_t n = crossing_.done.available();
    for (std::size_t i = 0; i < n; ++i) {
      if (crossing_.done[i].kind != service::DoneKind::kVerdict) continue;
      ++count_.published;
      published_ = std::max<std::uint64_t>(published_, crossing_.done[i].handle);
    }
    crossing_.done.pop(n);
  }

  void compare(const std::vector<service::StableEntry>& entries) {
    State found;
    for (const auto& each : entries)
      if (each.entry.value.size() == sizeof(std::uint64_t))
        std::memcpy(&found[each.key], each.entry.value.data(), sizeof(std::uint64_t));
    const std::uint64_t last = found.contains("last") ? found["last"] : 0;
    State expected;
    std::erase_if(called_, [&](std::uint64_t n) { return n > last; });
    for (const std::uint64_t n : called_) apply(expected, n);
    const bool whole = last == 0 || ends_.contains(last);
    count_.lost += found != expected || !whole || last < published_;
    if (synchronous_) {
      EXPECT_EQ(found, expected);
      EXPECT_TRUE(whole) << "a part of call " << last;
      EXPECT_GE(last, published_);
    }
    published_ = last;  // what was lost is lost once
  }

  security::SeededRandom random_;
  test::Disk disk_;
  bool synchronous_, dead_seen_ = false;
  service::Crossing crossing_{64, 64};
  std::uint64_t last_ = 0, published_ = 0;
  std::vector<std::uint64_t> called_;  // packets, in order
  std::set<std::uint64_t> ends_;       // the last packet of each call
  Count count_;
};

Count play(bool synchronous, std::uint64_t seeds, int lives) {
  Count sum;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Play one(seed, synchronous);
    one.run(lives);
    sum.deaths += one.count().deaths;
    sum.published += one.count().published;
    sum.lost += one.count().lost;
    sum.unreadable += one.count().unreadable;
  }
  std::printf("syncing %s: %d deaths, %d verdicts, %d times something lost, %d unreadable\n",
              synchronous ? "on" : "off", sum.deaths, sum.published, sum.lost, sum.unreadable);
  return sum;
}

TEST(StableDurability, WhatAPublishedVerdictRestsOnIsThere) {
  const Count count = play(true, 40, 25);
  EXPECT_EQ(count.lost, 0);
  EXPECT_EQ(count.unreadable, 0);
  EXPECT_EQ(count.deaths, 40 * 25);
  EXPECT_GT(count.published, 5000);
}

TEST(StableDurability, WithoutSyncingItWouldNotBe) {
  const Count count = play(false, 40, 10);
  EXPECT_GE(count.lost + count.unreadable, 40);
}

// ---- a disk that fails and works again

class StableWriterTest : public ::testing::Test {
 protected:
  std::vector<service::StableChange> change(const std::string& key, std::size_t octets) {
    return {{key, service::Store::Entry{base::Bytes(octets), base::kNever}}};
  }
  std::size_t stored(const std::string& owner) { return writer_.load(owner)->size(); }

  test::Disk disk_{1};
  int wakes_ = 0;
  std::vector<std::string> failures_;
  StableWriter writer_{open(disk_),
                       {[] { return std::int64_t{0}; }, [this] { ++wakes_; },
                        [this](const base::Error& why) { failures_.push_back(why.code); }}};
  service::StableDisk& a_ = writer_.disk("a");
  service::StableDisk& b_ = writer_.disk("b");
};

TEST_F(StableWriterTest, WhatHasComeIsOneTransaction) {
  EXPECT_FALSE(writer_.step());
  const std::uint64_t before = disk_.syncs();
  for (int i = 0; i < 10; ++i) {
    a_.write(change("k" + std::to_string(i), 10));
    b_.write(change("k", 10));
  }
  EXPECT_EQ(a_.settled(), 0u);
  EXPECT_TRUE(writer_.step());
  EXPECT_EQ(disk_.syncs(), before + 1);
  EXPECT_EQ(a_.settled(), 10u);
  EXPECT_EQ(b_.settled(), 10u);
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(stored("a"), 10u);
  EXPECT_EQ(stored("b"), 1u);
}

TEST_F(StableWriterTest, WhatOneCannotHaveWrittenIsNotHeldAgainstTheOthers) {
  a_.write(change("a", 100));
  writer_.step();
  disk_.limit(disk_.used() + 40'000);
  a_.write(change("large", 60'000));
  b_.write(change("b", 100));
  a_.write(change("behind", 100));
  writer_.step();
  EXPECT_TRUE(a_.lost());
  EXPECT_FALSE(a_.works());
  EXPECT_EQ(a_.settled(), 1u);
  EXPECT_EQ(stored("a"), 1u) << "what came behind rests on what is lost";
  EXPECT_FALSE(b_.lost());
  EXPECT_TRUE(b_.works());
  EXPECT_EQ(b_.settled(), 1u);
  EXPECT_EQ(failures_, std::vector<std::string>{"E0531"});
  a_.write(change("later", 1));
  EXPECT_FALSE(writer_.step()) << "nothing is taken until it has gone back";
  a_.forgive();
  EXPECT_FALSE(a_.lost());
  writer_.try_again();
  EXPECT_FALSE(a_.works());
  disk_.limit(disk_.used() + 3'000'000);
  writer_.try_again();
  EXPECT_TRUE(a_.works());
  const std::uint64_t number = a_.write(change("again", 60'000));
  writer_.step();
  EXPECT_EQ(a_.settled(), number);
  EXPECT_EQ(stored("a"), 2u);
}

TEST_F(StableWriterTest, ItsThreadWritesAllBeforeItEnds) {
  std::thread thread([this] { writer_.run(); });
  for (int i = 0; i < 100; ++i) a_.write(change("k" + std::to_string(i), 10));
  writer_.stop();
  thread.join();
  EXPECT_EQ(a_.settled(), 100u);
  EXPECT_EQ(stored("a"), 100u);
}

}  // namespace
}  // namespace entresol::store
