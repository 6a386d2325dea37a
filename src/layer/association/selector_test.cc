#include "layer/association/selector.h"

#include "layer/association/test_network.h"

namespace entresol::layer::association {
namespace {

using namespace test;

struct SelectorTest : ::testing::Test {
  void start(std::initializer_list<Duration> rtts) {
    for (const Duration rtt : rtts) net->add(rtt);
    net->know();
  }
  bool dials(Duration limit) {
    return net->run_until([&] { return net->dials > 0; }, limit);
  }
  void settle() {
    ASSERT_TRUE(net->run_until([&] { return net->link.up; }, seconds(10)));
    net->run_for(seconds(5));
  }
  Standing standing(std::size_t i) { return net->selector.reports().at(i).standing; }
  std::unique_ptr<Network> net = std::make_unique<Network>();
};

// ---- the first choice

TEST_F(SelectorTest, TheOnlyNodeIsDialledAtOnce) {
  start({milliseconds(80)});
  const TimePoint began = net->now;
  ASSERT_TRUE(dials(milliseconds(0)));
  EXPECT_EQ(net->now, began);
  EXPECT_EQ(net->selector.why(), Why::kOnly);
  net->run_for(seconds(1));
  EXPECT_EQ(net->selector.reports()[0].rtt, milliseconds(80)) << "and measured, for people";
}

TEST_F(SelectorTest, TheNearestIsDialledAsSoonAsAllHaveAnswered) {
  start({milliseconds(9), milliseconds(3), milliseconds(6)});
  const TimePoint began = net->now;
  ASSERT_TRUE(dials(seconds(1)));
  EXPECT_EQ(net->now - began, milliseconds(9));
  EXPECT_EQ(net->at(), 1u);
  EXPECT_EQ(net->selector.why(), Why::kNearest);
  EXPECT_EQ(net->selector.chosen_of(), 3u);
  EXPECT_EQ(standing(1), Standing::kAttached);
  EXPECT_EQ(standing(2), Standing::kNext);
  EXPECT_EQ(standing(0), Standing::kAnswers);
}

TEST_F(SelectorTest, OthersAreNotWaitedForBeyondFourTimesTheFirst) {
  start({milliseconds(300), milliseconds(10)});
  const TimePoint began = net->now;
  ASSERT_TRUE(dials(seconds(1)));
  EXPECT_EQ(net->now - began, milliseconds(50));
  EXPECT_EQ(net->at(), 1u);
}

TEST_F(SelectorTest, TheWindowHasALeastAndAMost) {
  start({milliseconds(300), microseconds(100)});
  TimePoint began = net->now;
  ASSERT_TRUE(dials(seconds(1)));
  EXPECT_EQ(net->now - began, microseconds(5100));
  net = std::make_unique<Network>();
  start({milliseconds(480), milliseconds(200)});
  began = net->now;
  ASSERT_TRUE(dials(seconds(1)));
  EXPECT_EQ(net->now - began, milliseconds(400));
}

TEST_F(SelectorTest, OfTwoThatAreAsNearThePreferredIsDialled) {
  start({milliseconds(7), milliseconds(7), milliseconds(7)});
  ASSERT_TRUE(dials(seconds(1)));
  EXPECT_EQ(net->at(), 0u);
}

TEST_F(SelectorTest, WhereNobodyAnswersTheyAreDialledInOrder) {
  start({milliseconds(5), milliseconds(5), milliseconds(5)});
  for (Node& node : net->nodes) node.answers = false;
  net->nodes[0].alive = net->nodes[1].alive = false;
  const TimePoint began = net->now;
  ASSERT_TRUE(dials(seconds(1)));
  EXPECT_EQ(net->now - began, milliseconds(500));
  EXPECT_EQ(net->at(), 0u);
  EXPECT_EQ(net->selector.why(), Why::kInOrder);
  ASSERT_TRUE(net->run_until([&] { return net->link.up; }, seconds(14)));
  EXPECT_EQ(net->at(), 2u);
  EXPECT_EQ(net->selector.why(), Why::kNoKeys);
  EXPECT_GE(net->wanted, 1u);
  net->run_for(minutes(60));
  EXPECT_EQ(net->dials, 3u) << "who never answers probes is not left for that";
}

TEST_F(SelectorTest, NodesThatStartAfterTheHostAreMeasuredWhenTheyAreThere) {
  start({milliseconds(5), milliseconds(9)});
  for (Node& node : net->nodes) node.alive = false;
  net->run_for(seconds(20));
  EXPECT_EQ(standing(net->at() == 0 ? 1 : 0), Standing::kSilent);
  for (Node& node : net->nodes) node.alive = true;
  ASSERT_TRUE(net->run_until([&] { return net->link.up; }, seconds(10)));
  net->run_for(seconds(3));
  for (const Report& report : net->selector.reports()) EXPECT_TRUE(report.rtt);
}

TEST_F(SelectorTest, WhoAnswersButGivesNoKeysIsLeft) {
  start({milliseconds(1), milliseconds(30)});
  net->nodes[0].admits = false;
  ASSERT_TRUE(net->run_until([&] { return net->link.up; }, seconds(8)));
  EXPECT_EQ(net->at(), 1u);
  net->run_for(minutes(50));
  EXPECT_EQ(net->dials, 2u) << "however near";
}

TEST_F(SelectorTest, EightAreAskedAtOnceAndNoMoreThanThereIsRoomFor) {
  std::vector<Candidate> many;
  for (int i = 0; i < 200; ++i) many.push_back(candidate(static_cast<std::uint8_t>(i)));
  net->selector.set_candidates(many, net->now);
  EXPECT_EQ(net->selector.reports().size(), Selector::kMaxCandidates);
  std::size_t most = 0, asked = 0;
  const TimePoint began = net->now;
  for (; asked < 64; net->now = net->selector.next()) {
    const Step step = net->selector.step({}, net->now);
    most = std::max(most, step.probes.size());
    asked += step.probes.size();
  }
  EXPECT_LE(most, 16u) << "those of two waves may meet";
  EXPECT_GT(net->now - began, milliseconds(20));
}

TEST_F(SelectorTest, WithoutNodesTheyAreAskedForAndWaitedFor) {
  net->run_for(seconds(30));
  EXPECT_EQ(net->wanted, 5u);
  EXPECT_LE(net->steps, 20u);
  start({milliseconds(4)});
  EXPECT_TRUE(dials(milliseconds(0)));
}

// ---- silence

TEST_F(SelectorTest, ADeadNodeIsLeftForTheNextNearest) {
  for (const bool talking : {true, false}) {
    net = std::make_unique<Network>();
    start({milliseconds(5), milliseconds(40), milliseconds(20)});
    settle();
    net->talking = talking;
    net->run_for(seconds(20));
    ASSERT_EQ(net->dials, 1u);
    net->nodes[0].alive = false;
    const TimePoint died = net->now;
    ASSERT_TRUE(net->run_until([&] { return net->dials == 2; }, seconds(20)));
    EXPECT_EQ(net->at(), 2u);
    EXPECT_EQ(net->selector.why(), Why::kSilent);
    EXPECT_LE(net->now - died, talking ? seconds(4) : seconds(9));
    net->run_for(seconds(1));
    EXPECT_EQ(standing(0), Standing::kSilent);
    EXPECT_EQ(standing(1), Standing::kNext);
    net->nodes[0].alive = true;
    net->run_for(minutes(5));
    EXPECT_EQ(net->dials, 2u) << "back is not forced";
    net->run_for(minutes(20));
    EXPECT_EQ(net->at(), 0u) << "but nearer it is";
    EXPECT_EQ(net->selector.why(), Why::kNearer);
  }
}

TEST_F(SelectorTest, WhoOnlyListensNoticesToo) {
  start({milliseconds(5), milliseconds(40)});
  settle();
  net->listening = true;
  net->run_for(seconds(20));
  net->nodes[0].alive = false;
  ASSERT_TRUE(net->run_until([&] { return net->dials == 2; }, seconds(4)));
  EXPECT_EQ(net->selector.why(), Why::kSilent);
}

TEST_F(SelectorTest, ANodeThatDiesBeforeItGaveKeysIsLeftToo) {
  start({milliseconds(5), milliseconds(40)});
  net->nodes[0].admits = false;
  ASSERT_TRUE(dials(seconds(1)));
  net->nodes[0].alive = false;
  ASSERT_TRUE(net->run_until([&] { return net->dials == 2; }, seconds(4)));
  EXPECT_EQ(net->at(), 1u);
}

TEST_F(SelectorTest, WhereAllAreSilentNobodyIsLeft) {
  start({milliseconds(5), milliseconds(40)});
  settle();
  net->talking = true;
  net->cut = true;
  net->run_for(minutes(2));
  EXPECT_EQ(net->dials, 1u);
  EXPECT_GE(net->wanted, 10u);
  EXPECT_LE(net->probes, 1000u);
  net->cut = false;
  net->run_for(minutes(2));
  EXPECT_EQ(net->dials, 1u);
}

TEST_F(SelectorTest, ALinkThatIsHeardIsNotDoubtedWhateverBecomesOfProbes) {
  start({milliseconds(5), milliseconds(40)});
  settle();
  net->talking = true;
  net->run_for(seconds(1));
  net->nodes[0].answers = false;
  net->run_for(minutes(2));
  EXPECT_EQ(net->dials, 1u);
}

TEST_F(SelectorTest, WhatIsHeardMeanwhileEndsACheck) {
  start({milliseconds(5), milliseconds(40)});
  settle();
  net->talking = true;
  net->run_for(seconds(5));
  const std::size_t before = net->probes;
  net->cut = true;
  ASSERT_TRUE(net->run_until([&] { return net->probes > before; }, seconds(3)));
  net->cut = false;
  net->run_for(seconds(3));
  EXPECT_EQ(net->probes, before + 1) << "the one that was lost";
}

TEST_F(SelectorTest, AnIdleLinkCostsAProbeForEachKeepalive) {
  start({milliseconds(5), milliseconds(40)});
  settle();
  const std::size_t before = net->probes;
  net->run_for(seconds(100));
  EXPECT_LE(net->probes - before, 21u);
  EXPECT_GE(net->probes - before, 19u);
}

// ---- nearer nodes

TEST_F(SelectorTest, AClearlyNearerNodeIsTakenAfterThreeRounds) {
  start({milliseconds(20), milliseconds(40)});
  settle();
  net->nodes[1].rtt = milliseconds(15);
  net->run_for(minutes(6));
  EXPECT_EQ(net->dials, 1u);
  net->run_for(minutes(10));
  EXPECT_EQ(net->at(), 1u);
  EXPECT_EQ(net->selector.why(), Why::kNearer);
  EXPECT_EQ(net->dials, 2u);
}

TEST_F(SelectorTest, ALittleNearerIsNotEnough) {
  start({milliseconds(20), milliseconds(40), milliseconds(50)});
  settle();
  net->nodes[1].rtt = microseconds(16100);
  net->run_for(minutes(60));
  EXPECT_EQ(net->dials, 1u) << "less than a fifth";
  net->nodes[0].rtt = microseconds(2500);
  net->nodes[1].rtt = microseconds(600);
  net->run_for(minutes(60));
  EXPECT_EQ(net->dials, 1u) << "less than 2 ms";
}

TEST_F(SelectorTest, RoundsHaveToBeInARow) {
  start({milliseconds(20), milliseconds(40)});
  settle();
  net->talking = true;  // so that there are no other probes
  for (int i = 0; i < 60; ++i) {
    net->nodes[1].rtt = milliseconds(i % 3 == 2 ? 40 : 5);
    const std::size_t before = net->probes;
    net->run_until([&] { return net->probes >= before + 6; }, minutes(6));
    net->run_for(minutes(1));
  }
  EXPECT_EQ(net->dials, 1u);
}

TEST_F(SelectorTest, HostsMeasureAtDifferentTimes) {
  std::set<Duration> seen;
  for (std::uint64_t seed = 1; seed < 100'000; seed += 9'999) {
    Network other(seed);
    other.add(milliseconds(5));
    other.add(milliseconds(8));
    other.know();
    other.run_for(seconds(20));
    const std::size_t before = other.probes;
    const TimePoint began = other.now;
    other.talking = true;
    ASSERT_TRUE(other.run_until([&] { return other.probes >= before + 6; }, minutes(6)));
    seen.insert(other.now - began);
  }
  EXPECT_GE(seen.size(), 10u);
}

// ---- nodes come and go

TEST_F(SelectorTest, ANodeThatIsNoLongerOneIsLeft) {
  start({milliseconds(5), milliseconds(40), milliseconds(20)});
  settle();
  net->selector.set_candidates(std::vector{candidate(2), candidate(3)}, net->now);
  ASSERT_TRUE(net->run_until([&] { return net->dials == 2; }, seconds(1)));
  EXPECT_EQ(net->at(), 2u);
  net->selector.set_candidates({}, net->now);
  net->run_for(minutes(5));
  EXPECT_EQ(net->dials, 2u) << "better than none";
}

TEST_F(SelectorTest, ANewNodeIsMeasuredAndTheLinkStays) {
  start({milliseconds(20)});
  settle();
  net->add(milliseconds(2));
  net->know();
  net->run_for(seconds(3));
  EXPECT_EQ(net->selector.reports()[1].rtt, milliseconds(2));
  EXPECT_EQ(standing(1), Standing::kNext);
  EXPECT_EQ(net->dials, 1u);
  net->run_for(minutes(20));
  EXPECT_EQ(net->at(), 1u);
}

TEST_F(SelectorTest, AnswersCountOnceAndOnlyToQuestions) {
  start({milliseconds(5), milliseconds(40)});
  const Step step = net->selector.step({}, net->now);
  ASSERT_EQ(step.probes.size(), 2u);
  net->selector.answered(1234, net->now + milliseconds(1));
  net->selector.answered(step.probes[1].nonce, net->now + milliseconds(2));
  net->selector.answered(step.probes[1].nonce, net->now + milliseconds(1));
  EXPECT_EQ(net->selector.reports()[1].rtt, milliseconds(2));
  EXPECT_EQ(net->selector.reports()[0].rtt, std::nullopt);
  EXPECT_NE(step.probes[0].nonce, step.probes[1].nonce);
}

}  // namespace
}  // namespace entresol::layer::association
