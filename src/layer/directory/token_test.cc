#include "layer/directory/token.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/error_codes.h"
#include "layer/directory/base64url.h"

namespace entresol::layer::directory {
namespace {

JoinToken sample() {
  JoinToken token;
  token.endpoints = {{"192.0.2.7", 4851}};
  for (std::size_t i = 0; i < 32; ++i) token.controller[i] = static_cast<std::uint8_t>(i);
  for (std::size_t i = 0; i < 16; ++i) token.secret.data()[i] = static_cast<std::uint8_t>(0xa0 + i);
  return token;
}

std::string text_of(const base::Bytes& octets) {
  return "ent1." + to_base64url(octets);
}
base::Bytes octets_of(const JoinToken& token) {
  base::Bytes out;
  EXPECT_TRUE(from_base64url(std::string_view(*emit_token(token)).substr(5), out));
  return out;
}
std::string code_of(const base::Result<JoinToken>& result) {
  return result ? "" : result.error().code;
}

// Made with: python3 -c "import base64; print(base64.urlsafe_b64encode(bytes.fromhex('…')))"
TEST(Token, Vectors) {
  const JoinToken one = sample();
  EXPECT_EQ(*emit_token(one),
            "ent1.AQEEwAACBxLzAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-goaKjpKWmp6ipqqusra6v");
  JoinToken many = sample();
  many.endpoints = {{"2001:db8::1", 443}, {"ctl.example.org", 4851}, {"192.0.2.7", 65535}};
  EXPECT_EQ(*emit_token(many),
            "ent1.AQMGIAENuAAAAAAAAAAAAAAAAQG7AQ9jdGwuZXhhbXBsZS5vcmcS8wTAAAIH__"
            "8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH6ChoqOkpaanqKmqq6ytrq8");
  for (const JoinToken& token : {one, many}) {
    const auto back = parse_token(*emit_token(token));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, token);
  }
}

TEST(Token, WhiteSpaceAroundIsIgnoredAndInsideIsNot) {
  const std::string text = *emit_token(sample());
  EXPECT_TRUE(parse_token(" \t" + text + "\r\n").has_value());
  EXPECT_FALSE(parse_token(text.substr(0, 20) + "\n" + text.substr(20)).has_value());
}

TEST(Token, ErrorsSayWhatIsWrongAndNeverTheSecret) {
  const std::string text = *emit_token(sample());
  const std::pair<std::string, std::string> cases[] = {
      {"", "nothing"},
      {"  \n", "nothing"},
      {"hello", "does not begin"},
      {"ent2." + text.substr(5), "version 2"},
      {"Ent1." + text.substr(5), "does not begin"},
      {text.substr(0, text.size() - 4), "cut"},
      {text.substr(0, text.size() - 1), "cut"},
      {text + "AAAA", "more behind"},
      {text + "=", "character"},
      {"ent1." + std::string(3000, 'A'), "longer"},
      {"ent1.", "version is not 1"},
  };
  for (const auto& [given, said] : cases) {
    const auto result = parse_token(given);
    ASSERT_FALSE(result.has_value()) << given;
    EXPECT_EQ(result.error().code, base::code::kTokenMalformed);
    EXPECT_NE(result.error().message.find(said), std::string::npos) << result.error().message;
    EXPECT_EQ(result.error().message.find("q6ytrq"), std::string::npos);
  }
}

TEST(Token, EveryShorterTextAndEveryOtherEndpointCountIsRefused) {
  const base::Bytes whole = octets_of(sample());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const base::Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(code_of(parse_token(text_of(cut))), base::code::kTokenMalformed) << size;
  }
  for (int count : {0, 2, 3, 4, 5, 255}) {
    base::Bytes other = whole;
    other[1] = static_cast<std::uint8_t>(count);
    EXPECT_EQ(code_of(parse_token(text_of(other))), base::code::kTokenMalformed) << count;
  }
}

TEST(Token, HostsThatAreNone) {
  for (const char* host : {"",
                           ".",
                           "a..b",
                           "-a",
                           "a-",
                           "Example.org",
                           "example.org.",
                           "1.2.3",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1.2.3.4.5",
                           "1.2.3.",
                           "a b",
                           "::ffff:1.2.3.4",
                           "::ffff:102:304",
                           "1:2",
                           "[::1]",
                           "fe80::1%eth0",
                           "exa_mple",
                           "host.7"}) {
    JoinToken token = sample();
    token.endpoints[0].host = host;
    const auto text = emit_token(token);
    ASSERT_FALSE(text.has_value()) << host;
    EXPECT_EQ(text.error().code, base::code::kConfigBadValue);
  }
  JoinToken token = sample();
  token.endpoints[0].host = std::string(64, 'a');
  EXPECT_FALSE(emit_token(token).has_value());
  token.endpoints[0] = {"192.0.2.7", 0};
  EXPECT_FALSE(emit_token(token).has_value());
  token.endpoints.clear();
  EXPECT_FALSE(emit_token(token).has_value());
  token.endpoints.assign(5, {"192.0.2.7", 1});
  EXPECT_FALSE(emit_token(token).has_value());
}

TEST(Token, TheLongestHasRoom) {
  std::string name;
  while (name.size() < 240) name += (name.empty() ? "" : ".") + std::string(49, 'x');
  ASSERT_LE(name.size(), 253u);
  JoinToken token = sample();
  token.endpoints.assign(4, {name, 65535});
  const auto back = parse_token(*emit_token(token));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(*back, token);
}

TEST(Token, AnAddressIsNoDnsNameEvenIfItIsMarkedAsOne) {
  base::Bytes octets = {1, 1, 1, 9};
  for (char c : std::string("192.0.2.7")) octets.push_back(static_cast<std::uint8_t>(c));
  octets.insert(octets.end(), 2 + 32 + 16, 1);
  EXPECT_EQ(code_of(parse_token(text_of(octets))), base::code::kTokenMalformed);
  base::Bytes mapped = {1, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4};
  mapped.insert(mapped.end(), 2 + 32 + 16, 1);
  EXPECT_EQ(code_of(parse_token(text_of(mapped))), base::code::kTokenMalformed);
}

RC_GTEST_PROP(TokenProperty, WhatParsesHasThisTextOnly, ()) {
  base::Bytes octets = octets_of(sample());
  const auto flips = *rc::gen::inRange(0, 4);
  for (int i = 0; i < flips; ++i)
    octets[*rc::gen::inRange<std::size_t>(0, octets.size())] = *rc::gen::arbitrary<std::uint8_t>();
  const std::string text = text_of(octets);
  const auto token = parse_token(text);
  if (token) RC_ASSERT(*emit_token(*token) == text);
}

TEST(Base64Url, OneTextForEachValue) {
  base::Bytes out;
  EXPECT_TRUE(from_base64url("_-8", out));
  EXPECT_EQ(out, (base::Bytes{0xff, 0xef}));
  for (const char* other : {"_-9", "_-8=", "/+8", "_", "_-8 "})
    EXPECT_FALSE(from_base64url(other, out)) << other;
  EXPECT_TRUE(from_base64url("", out));
  EXPECT_TRUE(out.empty());
}

TEST(TokenSecret, TheStoreKeepsItsSha256) {
  TokenSecret zero;
  // sha256 of 16 zero octets: `head -c16 /dev/zero | sha256sum`
  EXPECT_EQ(base::to_hex(hash_of(zero)),
            "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb");
}

}  // namespace
}  // namespace entresol::layer::directory
