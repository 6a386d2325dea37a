#include "service/environment.h"

#include <gtest/gtest.h>

#include "security/test_random.h"

namespace entresol::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class EnvironmentTest : public ::testing::Test {
 protected:
  static Manifest manifest() {
    Manifest out;
    out.limits.timers = 2;
    out.limits.log_lines = 3;
    out.limits.withdrawals = 1;
    out.metrics = {{"hits", MetricKind::kCounter, ""},
                   {"load", MetricKind::kGauge, ""},
                   {"delay", MetricKind::kHistogram, ""}};
    out.config = {{.name = "limit", .otherwise = "10", .help = ""}};
    return out;
  }
  EnvironmentTest() { at(seconds(100)); }
  void at(base::Duration time) {
    now_ = base::TimePoint(time);
    environment_.at(now_, 7);
  }
  std::string config(std::string_view name, std::size_t room = 16) {
    base::Bytes out(room);
    const auto size = environment_.config(name, out);
    return size < 0 ? std::to_string(size) : std::string(out.begin(), out.begin() + size);
  }

  Manifest manifest_ = manifest();
  security::SeededRandom random_{5};
  std::vector<std::string> lines_;
  base::TimePoint now_;
  Environment environment_{manifest_, random_, [this](std::uint32_t level, std::string_view text) {
                             lines_.push_back(std::to_string(level) + std::string(text));
                           }};
};

TEST_F(EnvironmentTest, TimersComeInOrderOnceEach) {
  EXPECT_EQ(environment_.timer_set(1, 2'000'000'000), 0);
  EXPECT_EQ(environment_.timer_set(2, 1'000'000'000), 0);
  EXPECT_EQ(environment_.timer_set(3, 1), ENTRESOL_QUOTA);
  EXPECT_EQ(environment_.next_timer(), now_ + seconds(1));
  EXPECT_EQ(environment_.take_timer(now_), std::nullopt);
  EXPECT_EQ(environment_.take_timer(now_ + seconds(5)), 2u);
  EXPECT_EQ(environment_.take_timer(now_ + seconds(5)), 1u);
  EXPECT_EQ(environment_.take_timer(now_ + seconds(5)), std::nullopt);
}

TEST_F(EnvironmentTest, ATimerIsMovedAndCancelled) {
  environment_.timer_set(1, 1'000'000'000);
  environment_.timer_set(1, 3'000'000'000);
  EXPECT_EQ(environment_.next_timer(), now_ + seconds(3));
  EXPECT_EQ(environment_.timer_cancel(1), 0);
  EXPECT_EQ(environment_.timer_cancel(1), ENTRESOL_NOT_FOUND);
  EXPECT_EQ(environment_.next_timer(), base::kNever);
}

TEST_F(EnvironmentTest, ATimerOfAnyDelayIsInTheFuture) {
  environment_.timer_set(1, ~0ull);
  EXPECT_EQ(environment_.next_timer(), now_ + Environment::kLongest);
}

TEST_F(EnvironmentTest, LogLinesAreLimitedAndOneLineEach) {
  environment_.log(ENTRESOL_LOG_INFO, "two\nlines");
  environment_.log(99, std::string(1000, 'x'));
  environment_.log(0, "third");
  environment_.log(0, "fourth");
  ASSERT_EQ(lines_.size(), 3u);
  EXPECT_EQ(lines_[0], "2two lines");
  EXPECT_EQ(lines_[1], "3" + std::string(Environment::kMaxLine, 'x'));
  EXPECT_EQ(environment_.lines_left_out(), 1u);
  at(seconds(101));
  environment_.log(0, "later");
  EXPECT_EQ(lines_.back(), "0later");
}

TEST_F(EnvironmentTest, ConfigurationHasTheManifestsValuesUntilTheOperatorsCome) {
  EXPECT_EQ(config("limit"), "10");
  environment_.configure({{"limit", "20"}, {"unknown", "1"}});
  EXPECT_EQ(config("limit"), "20");
  EXPECT_EQ(config("unknown"), std::to_string(ENTRESOL_NOT_FOUND));
  EXPECT_EQ(config("limit", 1), std::to_string(ENTRESOL_TOO_SMALL));
  environment_.configure({});
  EXPECT_EQ(config("limit"), "10");
}

TEST_F(EnvironmentTest, Metrics) {
  environment_.metric(0, 2);
  environment_.metric(0, 3);
  environment_.metric(0, -9);
  environment_.metric(1, 4);
  environment_.metric(1, -5);
  environment_.metric(2, 0.01);
  environment_.metric(2, 3);
  environment_.metric(2, 1e30);
  environment_.metric(2, std::numeric_limits<double>::quiet_NaN());
  environment_.metric(3, 1);
  const auto& metrics = environment_.metrics();
  EXPECT_EQ(metrics[0].value, 5);
  EXPECT_EQ(metrics[1].value, -5);
  EXPECT_EQ(metrics[2].count, 3u);
  EXPECT_EQ(metrics[2].buckets[0], 1u);
  EXPECT_EQ(metrics[2].buckets[6], 1u) << "2 to 4";
  EXPECT_EQ(metrics[2].buckets[MetricValue::kBuckets], 1u) << "beyond all";
}

TEST_F(EnvironmentTest, OnlyHeldPacketsAreReleasedAndEachOnce) {
  const entresol_verdict deliver{.action = ENTRESOL_DELIVER};
  EXPECT_EQ(environment_.release(5, deliver), ENTRESOL_NOT_FOUND);
  environment_.held(5);
  EXPECT_EQ(environment_.release(5, {.action = ENTRESOL_HOLD}), ENTRESOL_INVALID);
  EXPECT_EQ(environment_.release(5, deliver), 0);
  EXPECT_EQ(environment_.release(5, deliver), ENTRESOL_NOT_FOUND);
  EXPECT_EQ(environment_.take_releases().size(), 1u);
  EXPECT_TRUE(environment_.take_releases().empty());
}

TEST_F(EnvironmentTest, WithdrawalsAreLimited) {
  EXPECT_FALSE(environment_.take_withdrawal());
  EXPECT_EQ(environment_.withdraw(), 0);
  EXPECT_EQ(environment_.withdraw(), ENTRESOL_QUOTA);
  EXPECT_TRUE(environment_.take_withdrawal());
  at(seconds(101));
  EXPECT_EQ(environment_.withdraw(), 0);
}

TEST_F(EnvironmentTest, AStoreThatIsNotThereIsDenied) {
  base::Bytes room(8);
  EXPECT_EQ(environment_.put(ENTRESOL_STABLE, "a", {}, 0), ENTRESOL_DENIED);
  EXPECT_EQ(environment_.get(7, "a", room), ENTRESOL_DENIED);
  EXPECT_EQ(environment_.put(ENTRESOL_EPHEMERAL, "a", room, 0), 0);
  EXPECT_EQ(environment_.get(ENTRESOL_EPHEMERAL, "a", room), 8);
  EXPECT_EQ(environment_.get(ENTRESOL_EPHEMERAL, "a", base::MutableBytes(room).first(7)),
            ENTRESOL_TOO_SMALL);
}

TEST_F(EnvironmentTest, ARestartForgetsTimersAndTheEphemeralStore) {
  environment_.timer_set(1, 1);
  environment_.put(ENTRESOL_EPHEMERAL, "a", {}, 0);
  environment_.metric(0, 1);
  environment_.restart();
  EXPECT_EQ(environment_.next_timer(), base::kNever);
  EXPECT_EQ(environment_.ephemeral().size(), 0u);
  EXPECT_EQ(environment_.metrics()[0].value, 1);
}

TEST(RateTest, SavesUpForASecondAndMayOwe) {
  Rate rate(10);
  base::TimePoint now{seconds(1)};
  EXPECT_TRUE(rate.take(now, 10));
  EXPECT_FALSE(rate.take(now));
  now += milliseconds(100);
  EXPECT_TRUE(rate.take(now));
  rate.charge(now, 20);
  EXPECT_FALSE(rate.left(now + seconds(2)));
  EXPECT_TRUE(rate.left(now + milliseconds(2100)));
}

}  // namespace
}  // namespace entresol::service
