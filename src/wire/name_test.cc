#include "wire/name.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <unordered_set>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

Name name_of(std::string_view hex) {
  return load_name(sample::hex(hex).data());
}

// RFC 5952 sections 4 and 5, but for the dotted quads that names never have.
TEST(Name, TextIsAsRfc5952HasIt) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"20010db8000000000000000000000001", "2001:db8::1"},
      {"20010db8000000000000000000020001", "2001:db8::2:1"},
      {"20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"},
      {"20010000000000010000000000000001", "2001:0:0:1::1"},
      {"20010db8000000000001000000000001", "2001:db8::1:0:0:1"},
      {"00000000000000000000000000000000", "::"},
      {"00000000000000000000000000000001", "::1"},
      {"fd35abcd000000000000000000000000", "fd35:abcd::"},
      {"0000000000000000000000000a000001", "::a00:1"},
      {"fd35abcd0ab0100000010203040506ff", "fd35:abcd:ab0:1000:1:203:405:6ff"},
  };
  for (auto [hex, text] : cases) {
    EXPECT_EQ(to_string(name_of(hex)), text);
    EXPECT_EQ(name_from_text(text), name_of(hex)) << text;
  }
}

TEST(Name, OneOfSeveralTextsIsEnough) {
  const Name name = name_of("20010db8000000000000000000000001");
  for (std::string_view text : {"2001:DB8::1", "2001:0db8:0:0:0:0:0:1", "2001:db8:0::1",
                                "2001:0db8:0000:0000:0000:0000:0000:0001"}) {
    EXPECT_EQ(name_from_text(text), name) << text;
  }
}

TEST(Name, WhatIsNoAddressIsNoName) {
  for (std::string_view text : {"",
                                ":",
                                ":::",
                                "1",
                                "1::2::3",
                                "1:2:3:4:5:6:7",
                                "1:2:3:4:5:6:7:8:9",
                                "1:2:3:4:5:6:7:8:",
                                ":1:2:3:4:5:6:7:8",
                                "1:2:3:4::5:6:7:8",
                                "::1:",
                                ":1::",
                                "12345::",
                                "g::",
                                "::1.2.3.4",
                                " ::1",
                                "::1 ",
                                "fe80::1%eth0",
                                "::1/128",
                                "1:2:3:4:5:6:7:8::",
                                "::1:2:3:4:5:6:7:8"}) {
    EXPECT_FALSE(name_from_text(text)) << text;
  }
  EXPECT_FALSE(name_from_text(std::string_view("::1\0", 4)));
}

TEST(Name, TextAndBack) {
  EXPECT_TRUE(rc::check([] {
    Name name = sample::any_name();
    // Zero groups are what the text is about.
    const auto zeros = *rc::gen::arbitrary<std::uint8_t>();
    for (std::size_t i = 0; i < 8; ++i) {
      if (zeros >> i & 1) name.octets[2 * i] = name.octets[2 * i + 1] = 0;
    }
    const std::string text = to_string(name);
    RC_ASSERT(name_from_text(text) == name);
    in6_addr system;
    RC_ASSERT(inet_pton(AF_INET6, text.c_str(), &system) == 1);
    RC_ASSERT(load_name(system.s6_addr) == name);
  }));
}

TEST(Name, OrderIsThatOfTheOctets) {
  EXPECT_LT(name_of("fd35abcd000000000000000000000001"),
            name_of("fd35abcd000000000000000000000002"));
  EXPECT_LT(name_of("00ffffffffffffffffffffffffffffff"),
            name_of("01000000000000000000000000000000"));
}

TEST(Name, HashTellsNeighboursApart) {
  std::unordered_set<std::size_t> hashes;
  Name name = name_of("fd35abcd000000000000000000000000");
  for (unsigned i = 0; i < 256; ++i) {
    name.octets[15] = static_cast<std::uint8_t>(i);
    hashes.insert(std::hash<Name>{}(name));
  }
  EXPECT_EQ(hashes.size(), 256u);
}

}  // namespace
}  // namespace entresol::wire
