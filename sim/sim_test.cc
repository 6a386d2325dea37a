#include <gtest/gtest.h>

#include <set>

#include "simulation.h"

namespace entresol::sim {
namespace {

TEST(Simulation, OneSeedIsOneRun) {
  std::set<std::uint64_t> traces;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Outcome first = run(seed), second = run(seed);
    EXPECT_EQ(first.trace, second.trace) << "seed " << seed;
    EXPECT_EQ(to_text(seed, first), to_text(seed, second));
    traces.insert(first.trace);
  }
  EXPECT_EQ(traces.size(), 5u) << "seeds differ";
}

// Replay one with: sim/entresol_sim --seed N
TEST(Simulation, WhateverTheNetworkDoes) {
  Counts all;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const Outcome outcome = run(seed);
    EXPECT_TRUE(outcome.violations.empty()) << to_text(seed, outcome);
    all.losses += outcome.counts.losses;
    all.duplicates += outcome.counts.duplicates;
    all.reorderings += outcome.counts.reorderings;
    all.partitions += outcome.counts.partitions;
    all.restarts += outcome.counts.restarts;
    all.delivered += outcome.counts.delivered;
    all.sent += outcome.counts.sent;
  }
  // The faults were there, and did not keep everything from coming through.
  EXPECT_GT(all.losses, 10000u);
  EXPECT_GT(all.duplicates, 10000u);
  EXPECT_GT(all.reorderings, 10000u);
  EXPECT_GT(all.partitions, 300u);
  EXPECT_GT(all.restarts, 1000u);
  EXPECT_GT(all.delivered, all.sent / 5);
}

}  // namespace
}  // namespace entresol::sim
