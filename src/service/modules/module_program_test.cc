#include "service/modules/module_program.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include "security/test_random.h"
#include "service/instance.h"
#include "service/native_program.h"

extern "C" const entresol_service* entresol_service_every_call(void);

namespace entresol::service::modules {
namespace {

using std::chrono::seconds;

base::Bytes read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Ends what runs too long, as a role's timer does.
class Ticker {
 public:
  explicit Ticker(sandbox::Engine& engine)
      : thread_([this, &engine] {
          while (!done_) {
            engine.tick();
            std::this_thread::yield();
          }
        }) {}
  ~Ticker() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

class ModuleTest : public ::testing::Test {
 protected:
  static Sandbox& box() {
    static const auto made = Sandbox::create({.instances = 16});
    return **made;
  }
  static std::shared_ptr<const sandbox::Prepared> code() {
    static const auto made = box().prepare(read_file(ENTRESOL_EVERY_CALL_WASM));
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  static Manifest manifest() {
    Manifest out;
    out.name = "every-call";
    out.fields = fields_of({Field::kSource, Field::kDestination, Field::kFlow, Field::kPort});
    out.limits.log_lines = 100;
    out.metrics = {{"seen", MetricKind::kCounter, ""}};
    out.config = {{.name = "mode", .otherwise = "open", .help = ""}};
    return out;
  }
  void SetUp() override {
    instance_ = std::make_unique<Instance>(
        manifest(), std::make_unique<ModuleProgram>(code(), manifest().limits), random_, nullptr,
        [this](std::uint32_t, std::string_view text) { lines_.emplace_back(text); });
    instance_->start(now_, 50'000'000'000);
    ASSERT_EQ(instance_->standing(), Standing::kRunning) << instance_->last_fault()->what;
  }
  bool ask(std::uint32_t flow, std::uint32_t count = 1) {
    packets_.fill({});
    verdicts_.fill({});
    for (std::uint32_t i = 0; i < count; ++i) {
      packets_[i].flow = flow;
      packets_[i].handle = 70 + i;
      packets_[i].source.octets[0] = 1;
      packets_[i].destination.octets[0] = static_cast<std::uint8_t>(2 + i);
    }
    const entresol_batch batch{count, 0, packets_.data(), verdicts_.data(), nullptr, out_.data()};
    return instance_->packets(batch, now_, 50'000'000'000);
  }
  // The instance ends, and starts again after its rest.
  void expect_fault(std::uint32_t flow, std::string_view what, std::string_view where) {
    EXPECT_FALSE(ask(flow));
    ASSERT_TRUE(instance_->last_fault());
    EXPECT_NE(instance_->last_fault()->what.find(what), std::string::npos)
        << instance_->last_fault()->what;
    std::string all;
    for (const auto& line : instance_->last_fault()->backtrace) all += line + "\n";
    EXPECT_NE(all.find(where), std::string::npos) << all;
    EXPECT_EQ(instance_->standing(), Standing::kResting);
    now_ += seconds(100);
    instance_->run_due(now_, 0);
    EXPECT_TRUE(ask(0));
    EXPECT_EQ(verdicts_[0].action, ENTRESOL_DELIVER);
  }

  security::SeededRandom random_{5};
  base::TimePoint now_{seconds(40)};
  std::vector<std::string> lines_;
  std::unique_ptr<Instance> instance_;
  std::array<entresol_packet, ENTRESOL_BATCH> packets_{};
  std::array<entresol_verdict, ENTRESOL_BATCH> verdicts_{};
  std::array<std::uint8_t, ENTRESOL_OUT_SIZE> out_{};
};

TEST_F(ModuleTest, PacketsGoInAndVerdictsComeOut) {
  EXPECT_TRUE(ask(0, ENTRESOL_BATCH));
  for (std::uint32_t i = 0; i < ENTRESOL_BATCH; ++i) {
    EXPECT_EQ(verdicts_[i].action, ENTRESOL_DELIVER);
    EXPECT_EQ(verdicts_[i].keep, 1);
    EXPECT_EQ(verdicts_[i].to.octets[0], 2 + i);
  }
}

TEST_F(ModuleTest, StateStoreAndRestart) {
  ask(0, 3);
  ask(1, 2);
  std::array<std::uint8_t, 8> value{};
  EXPECT_EQ(instance_->environment().get(ENTRESOL_EPHEMERAL, "seen", value), 8);
  EXPECT_EQ(value[0], 5);
  instance_->restart(now_, 0);
  ask(1);
  instance_->environment().get(ENTRESOL_EPHEMERAL, "seen", value);
  EXPECT_EQ(value[0], 1);
}

TEST_F(ModuleTest, Configuration) {
  ask(2);
  EXPECT_EQ(verdicts_[0].action, ENTRESOL_DELIVER);
  instance_->configure({{"mode", "shut"}}, now_, 0);
  ask(2);
  EXPECT_EQ(verdicts_[0].action, ENTRESOL_REFUSE);
}

TEST_F(ModuleTest, LogAndMetrics) {
  ask(3, 2);
  EXPECT_EQ(lines_, (std::vector<std::string>{"hello", "hello"}));
  EXPECT_EQ(instance_->environment().metrics()[0].value, 4);
}

TEST_F(ModuleTest, HoldsAndReleasesByATimer) {
  ask(4, 2);
  EXPECT_EQ(verdicts_[1].action, ENTRESOL_HOLD);
  instance_->environment().held(70);
  instance_->environment().held(71);
  now_ += seconds(1);
  instance_->run_due(now_, 0);
  EXPECT_EQ(instance_->environment().take_releases().size(), 2u);
}

TEST_F(ModuleTest, NamesToReplicateTo) {
  ask(5);
  ASSERT_EQ(verdicts_[0].action, ENTRESOL_REPLICATE);
  EXPECT_EQ(out_[verdicts_[0].data], 1);
  EXPECT_EQ(out_[verdicts_[0].data + 16], 2);
}

TEST_F(ModuleTest, Withdraws) {
  ask(6);
  EXPECT_TRUE(instance_->environment().take_withdrawal());
}

TEST_F(ModuleTest, ClocksAndRandomness) {
  ask(7);
  EXPECT_EQ(verdicts_[0].to.octets[0], 40);
  EXPECT_EQ(verdicts_[0].to.octets[1], 50);
  const auto first = verdicts_[0].to.octets[2] << 8 | verdicts_[0].to.octets[3];
  ask(7);
  EXPECT_NE(first, verdicts_[0].to.octets[2] << 8 | verdicts_[0].to.octets[3]);
}

TEST_F(ModuleTest, ListsAndSwaps) {
  ask(8);
  EXPECT_EQ(verdicts_[0].to.octets[0], 2 + 2);
  ask(9);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(verdicts_[0].to.octets[i], 1) << i;
}

// ---- what a module does wrong ends it alone, and says where

TEST_F(ModuleTest, AWildPointer) {
  expect_fault(10, "memory", "every_call.c");
}
TEST_F(ModuleTest, AnEndlessLoop) {
  const Ticker ticker(box().engine());
  EXPECT_FALSE(ask(11));
  EXPECT_TRUE(instance_->last_fault()->over_budget);
}
TEST_F(ModuleTest, ATrap) {
  expect_fault(12, "cannot be reached", "every_call.c");
}
TEST_F(ModuleTest, AWildPointerForTheHost) {
  expect_fault(13, "not in the module's memory", "every_call.c");
}
TEST_F(ModuleTest, ASizeBeyondTheMemory) {
  expect_fault(14, "not in the module's memory", "every_call.c");
}
TEST_F(ModuleTest, MoreRandomnessThanIsGivenAtOnce) {
  expect_fault(17, "65537 octets", "every_call.c");
}
// Its room is 100 octets: the third does not fit, and no length says that it did.
TEST_F(ModuleTest, PayloadThatDoesNotFitIsNotShown) {
  const base::Bytes payload(120, 7);
  for (std::uint32_t i = 0; i < 3; ++i) {
    packets_[i].flow = 16;
    packets_[i].payload = i * 40;
    packets_[i].payload_size = 40;
  }
  ASSERT_TRUE(instance_->packets(
      {3, 120, packets_.data(), verdicts_.data(), payload.data(), out_.data()}, now_, 0));
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(verdicts_[i].lifetime_ms, i < 2 ? 40u : 0u) << i;
    EXPECT_EQ(verdicts_[i].reason, i < 2 ? 7 : 0) << i;
    EXPECT_EQ(verdicts_[i].data, 100u);
  }
}
TEST_F(ModuleTest, DeepRecursion) {
  expect_fault(15, "", "deep");
}

TEST_F(ModuleTest, WhatIsNoServiceIsRefusedWithTheReason) {
  // (module): no exports at all.
  const base::Bytes empty{0, 'a', 's', 'm', 1, 0, 0, 0};
  const auto refused = box().prepare(empty);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "E0703");
  EXPECT_NE(refused.error().message.find("entresol_packets"), std::string::npos)
      << refused.error().message;
}

// ---- the same source, native

TEST(SameSource, NativeAndModuleAnswerAlike) {
  const auto box = Sandbox::create({.instances = 4});
  ASSERT_TRUE(box);
  const auto code = (*box)->prepare(read_file(ENTRESOL_EVERY_CALL_WASM));
  ASSERT_TRUE(code) << code.error().message;
  Manifest manifest;
  manifest.fields = ~0u;
  security::SeededRandom random_a(5), random_b(5), random(9);
  Instance native(manifest, std::make_unique<NativeProgram>(*entresol_service_every_call()),
                  random_a, nullptr, nullptr);
  Instance module(manifest, std::make_unique<ModuleProgram>(*code, manifest.limits), random_b,
                  nullptr, nullptr);
  base::TimePoint now{seconds(9)};
  native.start(now, 7);
  module.start(now, 7);
  for (int round = 0; round < 2000; ++round) {
    std::array<entresol_packet, ENTRESOL_BATCH> packets{};
    const auto count = 1 + random.u32() % ENTRESOL_BATCH;
    for (std::uint32_t i = 0; i < count; ++i) {
      random.fill({reinterpret_cast<std::uint8_t*>(&packets[i]), sizeof packets[i]});
      packets[i].flow = random.u32() % 10;
      packets[i].handle = static_cast<std::uint32_t>(round) * 100 + i + 1;
    }
    std::array<entresol_verdict, ENTRESOL_BATCH> a{}, b{};
    std::array<std::uint8_t, ENTRESOL_OUT_SIZE> out_a{}, out_b{};
    ASSERT_TRUE(
        native.packets({count, 0, packets.data(), a.data(), nullptr, out_a.data()}, now, 7));
    ASSERT_TRUE(module.packets({count, 0, packets.data(), b.data(), nullptr, out_b.data()}, now, 7))
        << module.last_fault()->what;
    ASSERT_EQ(std::memcmp(a.data(), b.data(), sizeof a), 0) << "round " << round;
    now += std::chrono::milliseconds(random.u32() % 500);
    native.run_due(now, 7);
    module.run_due(now, 7);
    ASSERT_EQ(native.environment().take_releases().size(),
              module.environment().take_releases().size());
  }
}

}  // namespace
}  // namespace entresol::service::modules
