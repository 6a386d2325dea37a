#include "layer/directory/registrar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace entresol::layer::directory {
namespace {

constexpr base::UnixSeconds kNow = 1'700'000'000;

wire::Name name_of(std::uint8_t octet) {
  wire::Name name;
  name.octets.fill(octet);
  return name;
}

bool has(const std::vector<Ask>& asks, Ask ask) {
  return std::find(asks.begin(), asks.end(), ask) != asks.end();
}

TEST(RegistrarTest, AHostRegistersAndANodeWatchesToo) {
  Registrar host(name_of(1), false, true, kNow);
  EXPECT_EQ(host.due(kNow), std::vector{Ask::kRegister});
  Registrar node(name_of(2), true, false, kNow);
  EXPECT_EQ(node.due(kNow), (std::vector{Ask::kRegister, Ask::kWatch}));
  EXPECT_TRUE(node.due(kNow).empty()) << "each once at a time";
  node.done(Ask::kWatch, true, kNow);
  EXPECT_EQ(node.due(kNow), std::vector{Ask::kWatch});
}

TEST(RegistrarTest, AHostThatKnowsNoNodeAsks) {
  Registrar host(name_of(1), false, false, kNow);
  EXPECT_TRUE(has(host.due(kNow), Ask::kNodes));
  host.done(Ask::kNodes, true, kNow);
  EXPECT_FALSE(has(host.due(kNow + 3600), Ask::kNodes));
  host.nodes_wanted();
  EXPECT_TRUE(has(host.due(kNow + 3601), Ask::kNodes));
}

TEST(RegistrarTest, CertificatesAreRenewedInTimeAndNotTogether) {
  std::map<base::UnixSeconds, int> when;
  for (int i = 0; i < 256; ++i) {
    Registrar member(name_of(static_cast<std::uint8_t>(i)), false, true, kNow);
    (void)member.due(kNow);
    member.done(Ask::kRegister, true, kNow);
    member.certified(kNow, kNow + 86400);
    EXPECT_EQ(member.next_timer(), member.renews_at());
    EXPECT_GE(member.renews_at(), kNow + 86400 / 2);
    EXPECT_LE(member.renews_at(), kNow + 86400 * 8 / 10);
    ++when[member.renews_at() / 600];
  }
  EXPECT_GT(when.size(), 10u);
}

TEST(RegistrarTest, ARenewalThatFailsIsTriedUntilTheEnd) {
  Registrar member(name_of(7), false, true, kNow);
  (void)member.due(kNow);
  member.done(Ask::kRegister, true, kNow);
  member.certified(kNow, kNow + 60);
  int tries = 0;
  for (base::UnixSeconds now = kNow; now < kNow + 60; ++now) {
    for (const Ask ask : member.due(now)) {
      ++tries;
      member.done(ask, false, now);
    }
  }
  EXPECT_GE(tries, 8);
  EXPECT_EQ(member.failures(Ask::kRenew), static_cast<unsigned>(tries));
  // It goes on afterwards, at the longest pause.
  EXPECT_LE(member.next_timer(), kNow + 60 + 60);
}

TEST(RegistrarTest, TheSameCertificateAgainIsNoLoop) {
  Registrar member(name_of(7), false, true, kNow);
  (void)member.due(kNow);
  member.done(Ask::kRegister, true, kNow);
  member.certified(kNow, kNow + 60);
  int tries = 0;
  for (base::UnixSeconds now = kNow; now < kNow + 60; ++now) {
    for (const Ask ask : member.due(now)) {
      ++tries;
      member.done(ask, true, now);
    }
  }
  EXPECT_GE(tries, 2);
  EXPECT_LE(tries, 12);
}

TEST(RegistrarTest, PausesGrowAndWhatIsWantedMeanwhileWaitsForThem) {
  Registrar member(name_of(3), false, true, kNow);
  base::UnixSeconds now = kNow;
  base::UnixSeconds last = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(has(member.due(now), Ask::kRegister));
    member.registration_changed();
    member.done(Ask::kRegister, false, now);
    member.registration_changed();
    ASSERT_GT(member.next_timer(), now);
    last = member.next_timer() - now;
    EXPECT_LE(last, 60);
    now = member.next_timer();
  }
  EXPECT_GE(last, 30);
}

TEST(RegistrarTest, WhatChangesDuringARequestIsSentAfterIt) {
  Registrar member(name_of(3), false, true, kNow);
  ASSERT_TRUE(has(member.due(kNow), Ask::kRegister));
  member.registration_changed();
  EXPECT_TRUE(member.due(kNow).empty());
  member.done(Ask::kRegister, true, kNow);
  EXPECT_TRUE(has(member.due(kNow), Ask::kRegister));
}

}  // namespace
}  // namespace entresol::layer::directory
