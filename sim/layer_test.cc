#include <gtest/gtest.h>

#include <cstdio>

#include "layer_run.h"

namespace entresol::sim {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif

void add(LayerCounts& sum, const LayerCounts& one) {
  sum.network.losses += one.network.losses;
  sum.network.duplicates += one.network.duplicates;
  sum.network.reorderings += one.network.reorderings;
  sum.network.partitions += one.network.partitions;
  sum.host_restarts += one.host_restarts;
  sum.node_restarts += one.node_restarts;
  sum.controller_restarts += one.controller_restarts;
  sum.registrations_lost += one.registrations_lost;
  sum.revocations += one.revocations;
  sum.policies += one.policies;
  sum.refused += one.refused;
  sum.delivered += one.delivered;
}

TEST(LayerSimulation, OneSeedIsOneRun) {
  const LayerOptions options{.seed = 1001, .hosts = 8, .trouble = std::chrono::minutes(1)};
  const LayerOutcome first = run_layer(options), second = run_layer(options);
  EXPECT_EQ(first.trace, second.trace);
  EXPECT_EQ(to_text(options, first), to_text(options, second));
  LayerOptions other = options;
  other.seed = 1002;
  EXPECT_NE(run_layer(other).trace, first.trace);
}

// Each failure says how to see it again.
TEST(LayerSimulation, WhateverFails) {
  const std::uint64_t seeds = kSlow ? 2 : 10;
  LayerCounts all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const LayerOptions options{.seed = seed};
    const LayerOutcome outcome = run_layer(options);
    EXPECT_TRUE(outcome.violations.empty()) << to_text(options, outcome);
    // Nodes hand in what the controller has lost: nobody waits for the next renewal.
    EXPECT_LT(outcome.counts.registered_after, 130) << to_text(options, outcome);
    add(all, outcome.counts);
  }
  // The failures were there, and did not keep everything from coming through.
  EXPECT_GT(all.network.losses, 500 * seeds);
  EXPECT_GT(all.network.duplicates, 100 * seeds);
  EXPECT_GT(all.network.reorderings, 300 * seeds);
  EXPECT_GT(all.network.partitions, 20 * seeds);
  EXPECT_GT(all.host_restarts, 20 * seeds);
  EXPECT_GT(all.node_restarts, 5 * seeds);
  EXPECT_GT(all.controller_restarts, 5 * seeds);
  EXPECT_GT(all.registrations_lost, seeds);
  EXPECT_GT(all.revocations, seeds);
  EXPECT_GT(all.policies, 5 * seeds);
  EXPECT_GT(all.refused, 5 * seeds);
  EXPECT_GT(all.delivered, 500 * seeds);
}

TEST(LayerSimulation, TwentyNodesAndAThousandHosts) {
  if (kSlow) GTEST_SKIP() << "too slow with sanitizers; the small layers run what this runs";
  const LayerOptions options{
      .seed = 1, .nodes = 20, .hosts = 1000, .trouble = std::chrono::seconds(60)};
  const LayerOutcome outcome = run_layer(options);
  EXPECT_TRUE(outcome.violations.empty()) << to_text(options, outcome);
  EXPECT_GE(outcome.counts.joins, 1000u);
}

TEST(LayerSimulation, TwoDays) {
  const LayerOptions options{.seed = 1,
                             .nodes = 2,
                             .hosts = kSlow ? std::size_t{3} : std::size_t{5},
                             .hours = kSlow ? 4.0 : 48.0,
                             .certificate_lifetime = 24 * 3600};
  const LayerOutcome outcome = run_layer(options);
  EXPECT_TRUE(outcome.violations.empty()) << to_text(options, outcome);
  EXPECT_GE(outcome.counts.hours, options.hours);
}

}  // namespace
}  // namespace entresol::sim
