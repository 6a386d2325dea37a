#include "service/manifest.h"

#include <gtest/gtest.h>

namespace entresol::service {
namespace {

Manifest manifest() {
  Manifest out;
  out.name = "hello";
  out.config = {{"limit", ConfigType::kInteger, "10", 1, 20, ""},
                {"strict", ConfigType::kBoolean, "false", 0, 0, ""},
                {"greeting", ConfigType::kText, "hi", 1, 5, ""}};
  return out;
}

TEST(Manifest, TakesValuesOfTheRightTypeAndRange) {
  EXPECT_EQ(manifest().wrong({}), "");
  EXPECT_EQ(manifest().wrong({{"limit", "20"}, {"strict", "true"}, {"greeting", "hello"}}), "");
}

TEST(Manifest, SaysWhatIsWrongWithAValue) {
  EXPECT_EQ(manifest().wrong({{"limit", "21"}}), "limit: expected a number from 1 to 20, not '21'");
  EXPECT_EQ(manifest().wrong({{"limit", "-1"}}), "limit: expected a number from 1 to 20, not '-1'");
  EXPECT_EQ(manifest().wrong({{"limit", "5x"}}), "limit: expected a number from 1 to 20, not '5x'");
  EXPECT_EQ(manifest().wrong({{"strict", "yes"}}), "strict: expected true or false, not 'yes'");
  EXPECT_EQ(manifest().wrong({{"greeting", "welcome"}}),
            "greeting: expected a text of 1 to 5 octets, not one of 7");
  EXPECT_EQ(manifest().wrong({{"limt", "1"}}),
            "service 'hello' has no configuration 'limt': it has limit, strict, greeting");
}

TEST(Manifest, WhatDiffersWithinAFlowCannotBeKept) {
  Manifest all = manifest();
  all.fields = fields_of({Field::kSource, Field::kDestination, Field::kFlow, Field::kPort,
                          Field::kInnerProtocol, Field::kInnerFlags, Field::kNextProtocol});
  EXPECT_TRUE(all.may_keep());
  for (const Field field : {Field::kLength, Field::kTrafficClass}) {
    Manifest one = all;
    one.fields |= static_cast<Fields>(field);
    EXPECT_FALSE(one.may_keep());
  }
  all.payload = true;
  EXPECT_FALSE(all.may_keep());
}

}  // namespace
}  // namespace entresol::service
