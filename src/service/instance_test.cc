#include "service/instance.h"

#include <gtest/gtest.h>

#include <array>

#include "security/test_random.h"
#include "service/native_program.h"
#include "service/test_program.h"

namespace entresol::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class InstanceTest : public ::testing::Test {
 protected:
  InstanceTest() {
    manifest_.id = 5;
    manifest_.name = "test";
    manifest_.fields = fields_of({Field::kDestination});
    make();
  }
  void make() {
    auto program = std::make_unique<test::ScriptedProgram>();
    program_ = program.get();
    instance_ = std::make_unique<Instance>(
        manifest_, std::move(program), random_, [this] { return clock_; }, nullptr);
    program_->on_call = [this] { clock_ += cost_; };
    instance_->start(now_, 0);
  }
  bool ask(std::uint32_t count = 1) {
    verdicts_.fill({});
    const entresol_batch batch{count, 0, packets_.data(), verdicts_.data(), nullptr, out_.data()};
    return instance_->packets(batch, now_, 0);
  }
  void pass(base::Duration time) {
    now_ += time;
    instance_->run_due(now_, 0);
  }

  Manifest manifest_;
  security::SeededRandom random_{5};
  base::TimePoint now_{seconds(100)}, clock_{};
  base::Duration cost_{};
  test::ScriptedProgram* program_ = nullptr;
  std::unique_ptr<Instance> instance_;
  std::array<entresol_packet, 4> packets_{};
  std::array<entresol_verdict, 4> verdicts_{};
  std::array<std::uint8_t, ENTRESOL_OUT_SIZE> out_{};
};

TEST_F(InstanceTest, CountsWhatItWasAsked) {
  program_->verdict = {.action = ENTRESOL_DELIVER, .keep = 1};
  EXPECT_TRUE(ask(3));
  EXPECT_TRUE(ask(1));
  EXPECT_EQ(instance_->usage().packets, 4u);
  EXPECT_EQ(instance_->usage().batches, 2u);
  EXPECT_EQ(verdicts_[0].keep, 1);
}

TEST_F(InstanceTest, AFaultEndsItUntilItHasRested) {
  program_->fault = true;
  EXPECT_FALSE(ask());
  EXPECT_EQ(instance_->standing(), Standing::kResting);
  EXPECT_EQ(instance_->last_fault()->what, "scripted");
  program_->fault = false;
  EXPECT_FALSE(ask()) << "it rests";
  EXPECT_EQ(instance_->usage().fallbacks, 2u);
  EXPECT_EQ(instance_->next_timer(), now_ + Instance::kFirstRest);
  pass(Instance::kFirstRest);
  EXPECT_TRUE(ask());
  EXPECT_EQ(program_->starts, 2);
}

TEST_F(InstanceTest, RestsGrowAndRepeatedFaultsEndInQuarantine) {
  program_->fault = true;
  base::Duration rest = Instance::kFirstRest;
  for (unsigned i = 1; i < Instance::kFaultsBeforeQuarantine; ++i, rest *= 2) {
    ask();
    ASSERT_EQ(instance_->next_timer(), now_ + rest);
    program_->fault = false;
    pass(rest);
    program_->fault = true;
  }
  ask();
  EXPECT_EQ(instance_->standing(), Standing::kQuarantined);
  EXPECT_EQ(instance_->next_timer(), base::kNever);
  program_->fault = false;
  pass(seconds(1000));
  EXPECT_FALSE(ask()) << "only a person ends it";
  instance_->restart(now_, 0);
  EXPECT_TRUE(ask());
}

TEST_F(InstanceTest, FaultsFarApartAreNoneTooMany) {
  for (unsigned i = 0; i < 3 * Instance::kFaultsBeforeQuarantine; ++i) {
    program_->fault = true;
    ask();
    program_->fault = false;
    pass(Instance::kFaultsWithin);
    ASSERT_EQ(instance_->standing(), Standing::kRunning);
  }
}

TEST_F(InstanceTest, AFaultForgetsTheEphemeralStoreAndTimers) {
  instance_->environment().put(ENTRESOL_EPHEMERAL, "a", {}, 0);
  instance_->environment().timer_set(1, 1);
  program_->fault = true;
  ask();
  EXPECT_EQ(instance_->environment().ephemeral().size(), 0u);
  EXPECT_EQ(instance_->environment().next_timer(), base::kNever);
}

TEST_F(InstanceTest, AFaultAtTheStartIsAFault) {
  program_->fault = true;
  instance_->restart(now_, 0);
  EXPECT_EQ(instance_->standing(), Standing::kResting);
}

// A tenth of a core: what takes longer waits until that time has passed.
TEST_F(InstanceTest, WhoHasUsedUpItsTimeIsNotAsked) {
  cost_ = milliseconds(150);
  EXPECT_TRUE(ask());
  EXPECT_FALSE(ask());
  EXPECT_EQ(instance_->usage().throttled, 1u);
  EXPECT_EQ(instance_->standing(), Standing::kRunning);
  pass(milliseconds(499));
  EXPECT_FALSE(ask());
  pass(milliseconds(2));
  EXPECT_TRUE(ask());
}

// One that asks many in turn reads the clock once a call; each still pays for its own time, and not for a fault before.
TEST_F(InstanceTest, TheEndOfACallIsTheBeginningOfTheNext) {
  Instance::Lap lap;
  const auto ask_with = [&] {
    const entresol_batch batch{1, 0, packets_.data(), verdicts_.data(), nullptr, out_.data()};
    return instance_->packets(batch, now_, 0, &lap);
  };
  cost_ = milliseconds(5);
  EXPECT_TRUE(ask_with());
  EXPECT_EQ(instance_->usage().busy, milliseconds(5));
  EXPECT_EQ(lap, clock_);
  clock_ += milliseconds(1);  // on the way to the next
  EXPECT_TRUE(ask_with());
  EXPECT_EQ(instance_->usage().busy, milliseconds(11));
  program_->fault = true;
  EXPECT_FALSE(ask_with());
  EXPECT_FALSE(lap);
}

TEST_F(InstanceTest, TimersWaitToo) {
  cost_ = milliseconds(150);
  ask();
  instance_->environment().timer_set(1, 0);
  pass({});
  EXPECT_EQ(program_->timers.size(), 0u);
  EXPECT_GT(instance_->next_timer(), now_) << "nobody spins";
  pass(seconds(1));
  EXPECT_EQ(program_->timers, std::vector<std::uint64_t>{1});
}

TEST_F(InstanceTest, ATimerThatSetsItselfAgainEndsTheTurn) {
  program_->on_timer = [&] { instance_->environment().timer_set(1, 0); };
  instance_->environment().timer_set(1, 0);
  pass({});
  EXPECT_EQ(program_->timers.size(), manifest_.limits.timers);
}

TEST_F(InstanceTest, VerdictsThatCannotBeCarriedOutAreDrops) {
  const entresol_verdict wrong[] = {
      {.action = 17, .keep = 1},
      {.action = ENTRESOL_REPLICATE, .data = ENTRESOL_OUT_SIZE - 16, .count = 2},
      {.action = ENTRESOL_REPLICATE, .data = 0xffffffff, .count = 1},
      {.action = ENTRESOL_REPLICATE, .data = 0, .count = 0x10000001}};
  for (const entresol_verdict& verdict : wrong) {
    program_->verdict = verdict;
    EXPECT_TRUE(ask());
    EXPECT_EQ(verdicts_[0].action, ENTRESOL_DROP);
    EXPECT_EQ(verdicts_[0].keep, 0);
  }
  EXPECT_EQ(instance_->usage().invalid, 4u);
  program_->verdict = {.action = ENTRESOL_REPLICATE, .data = ENTRESOL_OUT_SIZE - 32, .count = 2};
  ask();
  EXPECT_EQ(verdicts_[0].action, ENTRESOL_REPLICATE);
}

// What differs among the packets of a flow cannot be behind a verdict for all of them.
TEST_F(InstanceTest, WhoSeesLengthsOrPayloadKeepsNothing) {
  program_->verdict = {.action = ENTRESOL_DELIVER, .keep = 1};
  for (int which = 0; which < 2; ++which) {
    manifest_.fields = which == 0 ? fields_of({Field::kLength}) : 0;
    manifest_.payload = which == 1;
    make();
    program_->verdict = {.action = ENTRESOL_DELIVER, .keep = 1};
    ask();
    EXPECT_EQ(verdicts_[0].action, ENTRESOL_DELIVER);
    EXPECT_EQ(verdicts_[0].keep, 0);
  }
}

// ---- native code

struct Counting {
  std::uint64_t seen;
  static int stopped;
};
int Counting::stopped = 0;

void count_packets(entresol_host* host, void* state, const entresol_batch* batch) {
  auto& own = *static_cast<Counting*>(state);
  own.seen += batch->count;
  entresol_put(host, ENTRESOL_EPHEMERAL, "seen", 4, &own.seen, sizeof own.seen, 0);
  for (std::uint32_t i = 0; i < batch->count; ++i) batch->verdicts[i].action = ENTRESOL_REFUSE;
}
void count_stop(entresol_host* host, void*) {
  entresol_remove(host, ENTRESOL_EPHEMERAL, "seen", 4);  // the node is still there
  ++Counting::stopped;
}

TEST(NativeProgram, StateIsZeroAtEachStartAndEndsWithStop) {
  static const entresol_service service{.abi = ENTRESOL_ABI,
                                        .state_size = sizeof(Counting),
                                        .start = nullptr,
                                        .configure = nullptr,
                                        .packets = count_packets,
                                        .timer = nullptr,
                                        .stop = count_stop};
  security::SeededRandom random(5);
  Counting::stopped = 0;
  {
    Instance instance(Manifest{}, std::make_unique<NativeProgram>(service), random, nullptr,
                      nullptr);
    instance.start({}, 0);
    const auto seen = [&] {
      std::array<entresol_packet, 2> packets{};
      std::array<entresol_verdict, 2> verdicts{};
      verdicts[1].reason = 7;  // of the batch before
      instance.packets({2, 0, packets.data(), verdicts.data(), nullptr, nullptr}, {}, 0);
      EXPECT_EQ(verdicts[1].action, ENTRESOL_REFUSE);
      EXPECT_EQ(verdicts[1].reason, 0);
      std::array<std::uint8_t, 8> value{};
      EXPECT_EQ(instance.environment().get(ENTRESOL_EPHEMERAL, "seen", value), 8);
      return static_cast<int>(value[0]);
    };
    EXPECT_EQ(seen(), 2);
    EXPECT_EQ(seen(), 4);
    instance.restart({}, 0);
    EXPECT_EQ(Counting::stopped, 1);
    EXPECT_EQ(seen(), 2);
  }
  EXPECT_EQ(Counting::stopped, 2);
}

}  // namespace
}  // namespace entresol::service
