// Hostile modules, one kind after another, each beside a good one: who lost packets and why, and that it was never the good
// one. What each does is in testing/hostile/.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "service/modules/testing/hostile_scene.h"

namespace entresol::service::modules {
namespace {

using base::DropReason;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::HostileScene;

constexpr std::uint32_t kRounds = 20, kPackets = 8;

base::Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Sandbox& box() {
  static const auto made = Sandbox::create({.instances = 64});
  return **made;
}

HostileScene::Code code(const std::string& file) {
  auto prepared = box().prepare(read_file(std::string(ENTRESOL_MODULES) + "/" + file + ".wasm"));
  EXPECT_TRUE(prepared) << file << ": " << prepared.error().message;
  return prepared ? *prepared : nullptr;
}

struct Kind {
  const char* name;
  // Of its packets: the reason of those that are lost; none: nothing is.
  DropReason loss = DropReason::none;
  const char* fault = nullptr;  // part of what is said of its end; null: it goes on
  void (*limits)(Limits&) = nullptr;
  void (*also)(HostileScene&) = nullptr;  // what else holds afterwards
};

const Kind kKinds[] = {
    {"loop", DropReason::service_unavailable, "time"},
    {"fill", DropReason::service_unavailable, "time"},
    {"recursion", DropReason::service_unavailable, "stack"},
    {"lengths", DropReason::service_unavailable, "octets"},
    {"describe", DropReason::service_unavailable, "not in the module's memory"},
    {"calls", DropReason::service_unavailable, "time"},
    {"grow", DropReason::none, nullptr, nullptr,
     [](HostileScene& scene) {
       EXPECT_EQ(scene.hostile().report().memory, Limits{}.memory) << "all that it may have";
     }},
    {"store", DropReason::none, nullptr, nullptr,
     [](HostileScene& scene) {
       const std::size_t stored = scene.hostile().report().stored;
       EXPECT_LE(stored, Limits{}.ephemeral);
       EXPECT_GT(stored, Limits{}.ephemeral * 9 / 10);
     }},
    {"log", DropReason::none, nullptr, nullptr,
     [](HostileScene& scene) {
       EXPECT_LE(scene.lines(), 15u) << "ten, and ten a second";
       EXPECT_EQ(scene.lines() + scene.hostile().report().lines_left_out,
                 100u * kRounds * kPackets);
     }},
    {"verdicts", DropReason::refused_by_service, nullptr, nullptr,
     [](HostileScene& scene) {
       EXPECT_EQ(scene.hostile().usage().invalid, kRounds * kPackets) << "every one is counted";
     }},
    {"withdraw", DropReason::none, nullptr, nullptr,
     [](HostileScene& scene) {
       const std::uint32_t most = 15;
       EXPECT_LE(scene.remote(HostileScene::kHostile).withdrawals, most);
       EXPECT_EQ(scene.remote(HostileScene::kGood).withdrawals, 0u);
     }},
    {"replicate", DropReason::service_over_rate, nullptr,
     [](Limits& limits) { limits.packets = 2000; },
     [](HostileScene& scene) {
       const std::size_t delivered = scene.tally(HostileScene::kHostile).delivered;
       EXPECT_GE(delivered, 256u);
       EXPECT_LE(delivered, 3000u) << "two thousand, and as many a second";
     }},
    {"hold", DropReason::service_queue_full, nullptr, nullptr,
     [](HostileScene& scene) {
       EXPECT_EQ(scene.remote(HostileScene::kHostile).held, Limits{}.held);
     }},
    {"timers", DropReason::service_unavailable, nullptr,
     [](Limits& limits) {
       limits.timers = 4096;
       limits.cpu_permille = 10;
       limits.batch = milliseconds(100);
     },
     [](HostileScene& scene) { EXPECT_GT(scene.hostile().usage().throttled, 0u); }},
    {"busy", DropReason::service_unavailable, nullptr,
     [](Limits& limits) {
       limits.cpu_permille = 10;
       limits.batch = milliseconds(100);
     },
     [](HostileScene& scene) { EXPECT_GT(scene.hostile().usage().throttled, 0u); }},
    {"others"},
};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

class Hostile : public ::testing::TestWithParam<Kind> {};

TEST_P(Hostile, LosesItsOwnPacketsAndNobodyElses) {
  const Kind& kind = GetParam();
  HostileScene scene(code("modules_every_call"));
  Manifest manifest;
  if (kind.limits != nullptr) kind.limits(manifest.limits);
  const test::CpuTicker ticker(box().engine());
  scene.add_hostile(manifest, code(std::string("hostile_") + kind.name));
  scene.send(HostileScene::kGood, 4, 1);  // which the good one holds: nobody else lets it go
  for (std::uint32_t i = 0; i < kRounds; ++i) {
    scene.round(kPackets);
    scene.advance(milliseconds(20));
  }
  EXPECT_EQ(scene.harm(), "");
  EXPECT_EQ(scene.remote(HostileScene::kGood).held, 1u);
  const test::Tally& its = scene.tally(HostileScene::kHostile);
  const Report report = scene.hostile().report();
  for (const auto& [reason, packets] : its.drops)
    EXPECT_EQ(reason, kind.loss) << packets << " by " << to_string(reason);
  EXPECT_EQ(its.drops.empty(), kind.loss == DropReason::none);
  if (its.drops.empty()) {
    EXPECT_EQ(its.delivered, kRounds * kPackets);
  }
  EXPECT_LE(report.memory, manifest.limits.memory);
  EXPECT_LE(report.stored, manifest.limits.ephemeral);
  if (kind.fault == nullptr) {
    EXPECT_EQ(report.usage.faults, 0u) << report.last_fault->what;
    EXPECT_EQ(report.standing, Standing::kRunning);
  } else {
    EXPECT_GT(report.usage.faults, 0u);
    EXPECT_NE(report.last_fault->what.find(kind.fault), std::string::npos)
        << report.last_fault->what;
    EXPECT_NE(report.standing, Standing::kRunning);
  }
  if (kind.also != nullptr) kind.also(scene);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Hostile, ::testing::ValuesIn(kKinds),
                         [](const auto& each) { return std::string(each.param.name); });

// Whoever faults again and again is asked no more, until a person says so.
TEST(HostileTest, QuarantineEndsByAPersonAlone) {
  HostileScene scene(code("modules_every_call"));
  const test::CpuTicker ticker(box().engine());
  scene.add_hostile({}, code("hostile_recursion"));
  for (int i = 0; i < 12; ++i) {
    scene.round(kPackets);
    scene.advance(seconds(2));
  }
  EXPECT_EQ(scene.hostile().standing(), Standing::kQuarantined);
  EXPECT_EQ(scene.hostile().usage().faults, Instance::kFaultsBeforeQuarantine);
  scene.advance(seconds(10000));
  scene.round(kPackets);
  EXPECT_EQ(scene.hostile().usage().faults, Instance::kFaultsBeforeQuarantine);
  EXPECT_TRUE(scene.thread().restart(1, scene.now(), scene.unix_nanos()));
  EXPECT_EQ(scene.hostile().standing(), Standing::kRunning);
  scene.round(kPackets);
  EXPECT_EQ(scene.hostile().usage().faults, Instance::kFaultsBeforeQuarantine + 1);
  EXPECT_EQ(scene.hostile().standing(), Standing::kResting) << "it has all its chances again";
  EXPECT_FALSE(scene.thread().restart(9, scene.now(), scene.unix_nanos()));
  EXPECT_EQ(scene.harm(), "");
}

}  // namespace
}  // namespace entresol::service::modules
