#include "http/sources.h"

#include <gtest/gtest.h>

#include <chrono>

namespace entresol::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

base::Endpoint v4(std::uint8_t last, std::uint16_t port = 1) {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last}, port};
}
base::Endpoint v6(std::uint8_t network, std::uint8_t host) {
  return {{0x20, 1, 0xd, 0xb8, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, host}, 1};
}

class SourceBudgetTest : public testing::Test {
 protected:
  int taken(SourceBudget& budget, const base::Endpoint& from, int tries = 100) {
    int n = 0;
    for (int i = 0; i < tries; ++i) n += budget.take(source_of(from), now) ? 1 : 0;
    return n;
  }
  base::TimePoint now{seconds(1000)};
};

TEST(SourceTest, AnIpv4AddressOrANetwork) {
  EXPECT_EQ(source_of(v4(1, 1)), source_of(v4(1, 2)));
  EXPECT_NE(source_of(v4(1)), source_of(v4(2)));
  EXPECT_EQ(source_of(v6(1, 1)), source_of(v6(1, 2)));
  EXPECT_NE(source_of(v6(1, 1)), source_of(v6(2, 1)));
}

TEST_F(SourceBudgetTest, EachSourceHasABurstAndThenARate) {
  SourceBudget budget({.per_second = 2, .burst = 5});
  EXPECT_EQ(taken(budget, v4(1)), 5);
  EXPECT_FALSE(budget.has(source_of(v4(1)), now));
  EXPECT_TRUE(budget.has(source_of(v4(2)), now));
  EXPECT_EQ(taken(budget, v4(2)), 5) << "another source";
  now += milliseconds(500);
  EXPECT_EQ(taken(budget, v4(1)), 1);
  now += seconds(60);
  EXPECT_EQ(taken(budget, v4(1)), 5);
}

TEST_F(SourceBudgetTest, WhoAsksInVainDoesNotWaitLonger) {
  SourceBudget budget({.per_second = 1, .burst = 1});
  EXPECT_EQ(taken(budget, v4(1), 1000), 1);
  now += seconds(1);
  EXPECT_EQ(taken(budget, v4(1)), 1);
}

TEST_F(SourceBudgetTest, AClockThatGoesBackKeepsNobodyOut) {
  SourceBudget budget({.per_second = 1, .burst = 3});
  EXPECT_EQ(taken(budget, v4(1)), 3);
  now -= seconds(900);
  EXPECT_EQ(taken(budget, v4(1)), 0);
  now += seconds(3);
  EXPECT_EQ(taken(budget, v4(1)), 3);
}

TEST_F(SourceBudgetTest, ManySourcesTakeNoMoreMemory) {
  SourceBudget budget({.per_second = 1, .burst = 2}, 3);
  for (std::uint8_t i = 1; i <= 3; ++i) EXPECT_EQ(taken(budget, v4(i), 1), 1);
  EXPECT_EQ(taken(budget, v4(10)) + taken(budget, v4(11)), 2) << "what one has, for all of them";
  EXPECT_EQ(taken(budget, v4(1)), 1) << "who was there keeps what it has";
  EXPECT_EQ(budget.size(), 3u);
  now += seconds(2);
  EXPECT_EQ(taken(budget, v4(12)), 2)
      << "those before have all their tokens again, and are forgotten";
  EXPECT_EQ(budget.size(), 1u);
}

}  // namespace
}  // namespace entresol::http
