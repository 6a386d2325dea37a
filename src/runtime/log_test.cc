#include "runtime/log.h"

#include <gtest/gtest.h>

namespace entresol::runtime {
namespace {

TEST(LogTest, FieldsAsText) {
  EXPECT_EQ(log_text("link_up", {{"name", "bob"}, {"port", 7}, {"up", true}}, 0),
            "link up name=bob port=7 up=true");
  EXPECT_EQ(log_text("link_up", {{"name", "a b\n2026 info x"}}, 3),
            "link up name=\"a b\\n2026 info x\" suppressed=3");
  EXPECT_EQ(log_text("link_up", {{"name", "\xff="}}, 0), "link up name=\"\\ufffd=\"");
  EXPECT_EQ(log_text("link_up", {{"name", ""}}, 0), "link up name=\"\"");
}

TEST(LogTest, FieldsAsJson) {
  const std::string line = "{" + log_members("link_up", {{"name", "a\"b\n"}, {"n", 1}}, 2) + "}";
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto value = nlohmann::json::parse(line);
  EXPECT_EQ(value["event"], "link_up");
  EXPECT_EQ(value["message"], "link up");
  EXPECT_EQ(value["name"], "a\"b\n");
  EXPECT_EQ(value["n"], 1);
  EXPECT_EQ(value["suppressed"], 2);
}

TEST(LogTest, ABudgetForEachEvent) {
  LogBudget budget;
  base::TimePoint now{std::chrono::seconds(1)};
  int taken = 0;
  for (int i = 0; i < 1000; ++i) taken += budget.take(now) ? 1 : 0;
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(budget.take_suppressed(), 990u);
  EXPECT_FALSE(budget.take(now));
  now += std::chrono::seconds(5);
  EXPECT_TRUE(budget.take(now));
  EXPECT_FALSE(budget.take(now));
}

}  // namespace
}  // namespace entresol::runtime
