#include "layer/membership/armor.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::layer::membership {
namespace {

base::Bytes numbers(std::size_t n) {
  base::Bytes out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(i * 7);
  return out;
}

void expect_error(std::string_view text, std::string_view message) {
  auto blocks = parse_armor(text, "file");
  ASSERT_FALSE(blocks) << text;
  EXPECT_EQ(blocks.error().code, base::code::kKeyMalformed);
  EXPECT_EQ(blocks.error().message, message);
}

TEST(Armor, LooksAsDocumented) {
  EXPECT_EQ(armor(kRootPublic, base::Bytes{1, 2, 3, 4}),
            "-----BEGIN ENTRESOL ROOT-----\nAQIDBA==\n-----END ENTRESOL ROOT-----\n");
}

TEST(Armor, BlocksComeBackInOrder) {
  for (std::size_t n : {0u, 1u, 2u, 3u, 47u, 48u, 49u, 500u}) {
    const std::string text = "a comment\n" + armor(kDelegation, numbers(n)) + "\nanother\n" +
                             armor(kCertificate, numbers(5));
    auto blocks = parse_armor(text, "file");
    ASSERT_TRUE(blocks) << n;
    ASSERT_EQ(blocks->size(), 2u);
    EXPECT_EQ((*blocks)[0].label, "DELEGATION");
    EXPECT_EQ((*blocks)[0].bytes, numbers(n));
    EXPECT_EQ((*blocks)[1].label, "CERTIFICATE");
    EXPECT_EQ((*blocks)[1].bytes, numbers(5));
  }
}

TEST(Armor, NoLineIsLongerThan64Characters) {
  const std::string text = armor(kCertificate, numbers(400));
  std::size_t start = 0;
  for (std::size_t end; (end = text.find('\n', start)) != std::string::npos; start = end + 1)
    EXPECT_LE(end - start, 64u);
}

TEST(Armor, TakesLinesOfOtherSystems) {
  auto blocks = parse_armor(
      "-----BEGIN ENTRESOL ROOT-----\r\nAQID \r\nBA==\r\n-----END ENTRESOL ROOT-----", "file");
  ASSERT_TRUE(blocks);
  ASSERT_EQ(blocks->size(), 1u);
  EXPECT_EQ((*blocks)[0].bytes, (base::Bytes{1, 2, 3, 4}));
}

TEST(Armor, WhatIsNoBlockIsComment) {
  for (std::string_view text :
       {"", "\n\n", "AQIDBA==\n", "-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n",
        "-----BEGIN ENTRESOL -----\n", "x-----BEGIN ENTRESOL ROOT-----\n"}) {
    auto blocks = parse_armor(text, "file");
    ASSERT_TRUE(blocks) << text;
    EXPECT_TRUE(blocks->empty()) << text;
  }
}

TEST(Armor, ErrorsNameTheLine) {
  expect_error("one\n-----BEGIN ENTRESOL ROOT-----\nAQ==\n-----END ENTRESOL CERTIFICATE-----\n",
               "file:4: END does not match BEGIN ROOT");
  expect_error("-----BEGIN ENTRESOL ROOT-----\nA*==\n-----END ENTRESOL ROOT-----\n",
               "file:3: not base64");
  expect_error("-----BEGIN ENTRESOL ROOT-----\nAQ==\n", "file:2: no END line for ROOT");
  // A block that was never closed does not swallow the next one.
  expect_error(
      "-----BEGIN ENTRESOL ROOT-----\nAQ==\n-----BEGIN ENTRESOL ROOT-----\nAQ==\n"
      "-----END ENTRESOL ROOT-----\n",
      "file:5: not base64");
}

}  // namespace
}  // namespace entresol::layer::membership
