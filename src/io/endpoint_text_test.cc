#include "io/endpoint_text.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::io {
namespace {

TEST(EndpointText, RoundTrips) {
  for (const char* text : {"1.2.3.4:4850", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:4850",
                           "[2001:db8::1]:1", "[fe80::1:2]:53", "[::]:4850"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text << ": " << endpoint.error().message;
    EXPECT_EQ(to_text(*endpoint), text);
  }
}

TEST(EndpointText, V4IsStoredMapped) {
  const auto endpoint = parse_endpoint("1.2.3.4:4850");
  ASSERT_TRUE(endpoint);
  const Address expected = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4};
  EXPECT_EQ(endpoint->address, expected);
  EXPECT_EQ(endpoint->port, 4850);
}

TEST(EndpointText, NoHostMeansAnyAddress) {
  const auto endpoint = parse_endpoint(":4850");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->address, Address{});
  EXPECT_EQ(endpoint->port, 4850);
  EXPECT_TRUE(is_unspecified(endpoint->address));
}

TEST(EndpointText, RefusesWhatIsNoEndpoint) {
  for (const char* text : {"",
                           ":",
                           "1.2.3.4",
                           "1.2.3.4:",
                           "1.2.3.4:65536",
                           "1.2.3.4:-1",
                           "1.2.3.4:+1",
                           "1.2.3.4: 1",
                           "1.2.3.4:1 ",
                           "1.2.3:1",
                           "1.2.3.4.5:1",
                           "01.2.3.4:1",
                           "1.2.3.256:1",
                           "::1:4850",
                           "[::1]",
                           "[::1:4850",
                           "::1]:4850",
                           "[]:1",
                           "[1.2.3.4]:1",
                           "[fe80::1%lo]:1",
                           "host:1",
                           "[2001:db8:1:2:3:4:5:6:7]:1",
                           "1.2.3.4:99999999999999999999"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().code, base::code::kConfigBadValue);
  }
  EXPECT_FALSE(parse_endpoint(std::string_view("1.2.3.4\0:1", 10)));
  EXPECT_FALSE(parse_endpoint(std::string_view("[::1\0]:1", 8)));
}

TEST(PrefixText, RoundTrips) {
  for (const char* text : {"10.1.2.0/24", "0.0.0.0/0", "10.1.2.3/32", "fd35::/16", "::/0",
                           "2001:db8::1/128", "10.128.0.0/9"}) {
    const auto prefix = parse_prefix(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(to_text(*prefix), text);
  }
  EXPECT_EQ(parse_prefix("10.1.2.3")->length, 32);
  EXPECT_EQ(parse_prefix("fd35::1")->length, 128);
}

TEST(PrefixText, RefusesWhatIsNoPrefix) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.1/24",
                           "fd35::1/16", "10.0.0.0/8/8", "10.64.0.0/9"}) {
    EXPECT_FALSE(parse_prefix(text)) << text;
  }
}

TEST(PrefixText, OverlapIsContainmentWithinOneFamily) {
  const auto prefix = [](const char* text) { return *parse_prefix(text); };
  EXPECT_TRUE(overlap(prefix("10.0.0.0/8"), prefix("10.1.0.0/16")));
  EXPECT_TRUE(overlap(prefix("10.1.0.0/16"), prefix("10.0.0.0/8")));
  EXPECT_TRUE(overlap(prefix("10.1.0.0/16"), prefix("10.1.0.0/16")));
  EXPECT_FALSE(overlap(prefix("10.1.0.0/16"), prefix("10.2.0.0/16")));
  EXPECT_FALSE(overlap(prefix("10.128.0.0/9"), prefix("10.0.0.0/9")));
  EXPECT_TRUE(overlap(prefix("0.0.0.0/0"), prefix("10.0.0.0/9")));
  EXPECT_FALSE(overlap(prefix("::/0"), prefix("10.0.0.0/8")));
  EXPECT_TRUE(contains(prefix("fd35:1::/32"), *parse_address("fd35:1:2::3")));
  EXPECT_FALSE(contains(prefix("fd35:1::/32"), *parse_address("fd35:2::3")));
}

}  // namespace
}  // namespace entresol::io
