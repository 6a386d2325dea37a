#include "layer/session/lookups.h"

#include <gtest/gtest.h>

#include "security/test_random.h"

namespace entresol::layer::session {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

wire::Name name_of(std::uint8_t number) {
  wire::Name name;
  name.octets[15] = number;
  return name;
}

class LookupsTest : public testing::Test {
 protected:
  Lookups::Asked ask(const Sought& sought, std::size_t octets = 100) {
    return lookups.ask(sought, {name_of(1), base::Bytes(octets), {}}, now);
  }
  security::SeededRandom random{5};
  Lookups lookups{random};
  base::TimePoint now{seconds(1)};
};

TEST_F(LookupsTest, OneQuestionForAllPackets) {
  EXPECT_EQ(lookups.next_timer(), base::kNever);
  EXPECT_EQ(ask(name_of(9)), Lookups::Asked::kWaits);
  EXPECT_EQ(ask(name_of(9)), Lookups::Asked::kWaits);
  EXPECT_EQ(lookups.next_timer(), now);
  const auto questions = lookups.due(now);
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(std::get<wire::Name>(questions[0].sought), name_of(9));
  EXPECT_TRUE(lookups.due(now).empty());
  EXPECT_FALSE(lookups.answered(questions[0].id + 1, true, now));
  EXPECT_EQ(lookups.open(questions[0].id + 1), nullptr);
  ASSERT_NE(lookups.open(questions[0].id), nullptr);
  EXPECT_EQ(*lookups.open(questions[0].id), Sought(name_of(9)));
  const auto waiting = lookups.answered(questions[0].id, true, now);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->size(), 2u);
  EXPECT_FALSE(lookups.answered(questions[0].id, true, now)) << "once";
  EXPECT_EQ(lookups.open(questions[0].id), nullptr);
  EXPECT_EQ(lookups.next_timer(), base::kNever);
}

TEST_F(LookupsTest, AsksAgainAndGivesUp) {
  const membership::Ipv4 address{100, 64, 0, 9};
  ask(address);
  int asked = 0;
  std::vector<Lookups::Waiting> lost;
  while (lookups.next_timer() != base::kNever) {
    now = lookups.next_timer();
    for (const auto& question : lookups.due(now)) {
      EXPECT_EQ(std::get<membership::Ipv4>(question.sought), address);
      ++asked;
    }
    for (auto& each : lookups.expired(now)) lost.push_back(std::move(each));
  }
  EXPECT_EQ(asked, 5);
  EXPECT_EQ(lost.size(), 1u);
}

TEST_F(LookupsTest, WhereNobodyCanBeAskedAnyMoreAllIsGivenUp) {
  ask(name_of(9));
  ask(name_of(9));
  ask(name_of(8));
  const auto question = lookups.due(now).front();
  EXPECT_EQ(lookups.abandon().size(), 3u);
  EXPECT_EQ(lookups.next_timer(), base::kNever);
  EXPECT_EQ(lookups.open(question.id), nullptr);
  EXPECT_EQ(ask(name_of(7), 1024 * 1024), Lookups::Asked::kWaits) << "their octets are free again";
}

TEST_F(LookupsTest, WhatIsUnknownIsNotAskedForEachPacket) {
  ask(name_of(9));
  const auto questions = lookups.due(now);
  EXPECT_EQ(lookups.answered(questions[0].id, false, now)->size(), 1u);
  EXPECT_EQ(ask(name_of(9)), Lookups::Asked::kUnknown);
  EXPECT_TRUE(lookups.due(now).empty());
  now = lookups.next_timer();
  EXPECT_TRUE(lookups.expired(now).empty());
  EXPECT_EQ(ask(name_of(9)), Lookups::Asked::kWaits);
  EXPECT_EQ(lookups.due(now).size(), 1u);
}

TEST_F(LookupsTest, Bounded) {
  for (int i = 0; i < 16; ++i) EXPECT_EQ(ask(name_of(1)), Lookups::Asked::kWaits);
  EXPECT_EQ(ask(name_of(1)), Lookups::Asked::kFull) << "packets of one question";
  int taken = 0;
  for (int i = 2; i < 200; ++i)
    if (ask(name_of(static_cast<std::uint8_t>(i)), 65000) == Lookups::Asked::kWaits) ++taken;
  EXPECT_LT(taken, 17) << "octets of all";
  int questions = 0;
  for (std::uint16_t i = 0; i < 1000; ++i)
    if (ask(membership::Ipv4{1, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)},
            0) == Lookups::Asked::kWaits)
      ++questions;
  EXPECT_LE(questions, 256);
}

}  // namespace
}  // namespace entresol::layer::session
