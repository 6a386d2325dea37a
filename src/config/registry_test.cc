#include "config/registry.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::config {
namespace {

namespace code = base::code;

const std::string kKey(64, 'a');

TEST(Registry, NamesWhoMayPublishUnderAnId) {
  const auto entries = parse_registry("services:\n  - {id: 40, name: cache, publisher: " + kKey +
                                          "}\n  - {id: 41, name: tap, publisher: " + kKey + "}\n",
                                      "r.yaml");
  ASSERT_TRUE(entries) << entries.error().message;
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].id, 40u);
  EXPECT_EQ((*entries)[1].name, "tap");
  EXPECT_EQ((*entries)[1].publisher[31], 0xaa);
  EXPECT_TRUE(parse_registry("services: []\n", "r.yaml"));
}

TEST(Registry, RefusesWhatIsNoEntry) {
  const auto error = [](const std::string& entry) {
    const auto entries = parse_registry("services:\n  - " + entry + "\n", "r.yaml");
    return entries ? std::string("fine") : entries.error().code;
  };
  EXPECT_EQ(error("{id: 40, name: cache, publisher: aa}"), code::kConfigBadValue);
  EXPECT_EQ(error("{id: 2147483648, name: cache, publisher: " + kKey + "}"), code::kConfigBadValue)
      << "a private id";
  EXPECT_EQ(error("{name: cache, publisher: " + kKey + "}"), code::kConfigMissingKey);
  EXPECT_EQ(error("{id: 40, name: a, publisher: " + kKey +
                  "}\n  - {id: 40, name: b, publisher: " + kKey + "}"),
            code::kConfigBadValue);
  EXPECT_EQ(error("{id: 40, name: a, key: b}"), code::kConfigUnknownKey);
  EXPECT_EQ(error("{id: 40, name: a}"), code::kConfigMissingKey);
}

}  // namespace
}  // namespace entresol::config
