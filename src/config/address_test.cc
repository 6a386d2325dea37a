#include "config/address.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::config {
namespace {

TEST(Address, ReadsAddressesAndNames) {
  const struct {
    std::string text;
    Address address;
    std::string back;
  } cases[] = {
      {"192.0.2.1:4851", {"192.0.2.1", 4851}, "192.0.2.1:4851"},
      {"[2001:DB8:0::1]:1", {"2001:db8::1", 1}, "[2001:db8::1]:1"},
      {"controller:65535", {"controller", 65535}, "controller:65535"},
      {"C-1.Example.Net:443", {"c-1.example.net", 443}, "c-1.example.net:443"},
      {"3com.example:443", {"3com.example", 443}, "3com.example:443"},
  };
  for (const auto& c : cases) {
    auto address = parse_address(c.text);
    ASSERT_TRUE(address.has_value()) << address.error().message;
    EXPECT_EQ(*address, c.address) << c.text;
    EXPECT_EQ(to_text(*address), c.back);
  }
}

TEST(Address, RefusesWhatNobodyCouldConnectTo) {
  for (const std::string text : {"",
                                 ":",
                                 ":4851",
                                 "192.0.2.1",
                                 "192.0.2.1:0",
                                 "192.0.2.1:65536",
                                 "192.0.2.1:x",
                                 "0.0.0.0:4851",
                                 "[::]:4851",
                                 "2001:db8::1:4851",
                                 "[2001:db8::1]",
                                 "192.0.2.256:1",
                                 "192.0.2:1",
                                 "a..b:1",
                                 ".a:1",
                                 "a.:1",
                                 "-a:1",
                                 "a-:1",
                                 "a_b:1",
                                 "a b:1",
                                 "a\nb:1",
                                 "h\xc3\xa9:1"}) {
    auto address = parse_address(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_EQ(address.error().code, base::code::kConfigBadValue);
  }
  EXPECT_FALSE(parse_address(std::string(64, 'a') + ".example:1"));
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  EXPECT_TRUE(parse_address(longest.substr(0, 253) + ":1"));
  EXPECT_FALSE(parse_address(longest + "a:1"));
}

}  // namespace
}  // namespace entresol::config
