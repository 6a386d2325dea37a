#include "io/entropy.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "io/clock.h"

namespace entresol::io {
namespace {

TEST(SystemRandom, FillsTheWholeSpan) {
  SystemRandom random;
  std::vector<std::uint8_t> big(100'000, 0);
  random.fill(big);
  // Each 64-byte window of zeros has probability 2^-512.
  for (std::size_t at = 0; at + 64 <= big.size(); at += 64) {
    bool any = false;
    for (std::size_t i = 0; i < 64; ++i) any |= big[at + i] != 0;
    EXPECT_TRUE(any) << "untouched at " << at;
  }
}

TEST(SystemRandom, DoesNotRepeat) {
  SystemRandom random;
  std::set<std::array<std::uint8_t, 16>> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.bytes<16>());
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Clock, NeverRunsBackwards) {
  base::TimePoint last = now();
  for (int i = 0; i < 1000; ++i) {
    const base::TimePoint next = now();
    ASSERT_GE(next, last);
    last = next;
  }
}

TEST(Clock, CalendarIsOfThisCentury) {
  EXPECT_GT(unix_now(), 1'600'000'000);
}

}  // namespace
}  // namespace entresol::io
