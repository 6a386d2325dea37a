#include "dns/zone.h"

#include <gtest/gtest.h>

#include <map>

#include "dns/test_messages.h"

namespace entresol::dns {
namespace {

const Ipv6 kAlice{0xfd, 0x35, 0x12, 0x34, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd};
const std::string kAliceReverse =
    "d.c.b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.4.3.2.1.5.3.d.f.ip6.arpa";
const std::string kReverse = "4.3.2.1.5.3.d.f.ip6.arpa";

class World : public Lookup {
 public:
  Found alice{"alice", kAlice, {100, 64, 0, 2}, 1000};
  bool later = false;
  Known tell(bool is_she, Found& out) {
    if (later) return Known::kLater;
    if (is_she) out = alice;
    return is_she ? Known::kFound : Known::kUnknown;
  }
  Known by_label(std::string_view label, Found& out) override {
    return tell(label == "alice", out);
  }
  Known by_name(const Ipv6& name, Found& out) override { return tell(name == kAlice, out); }
  Known by_ipv4(const Ipv4& address, Found& out) override {
    return tell(address == alice.ipv4, out);
  }
};

class ZoneTest : public ::testing::Test {
 protected:
  World world;
  ZoneConfig config{
      *name_from_text("edge.internal"), {0xfd, 0x35, 0x12, 0x34}, Ipv4Prefix{{100, 64, 0, 0}, 10}};
  Read ask(const std::string& name, std::uint16_t kind) {
    const Zone zone(config, world);
    const base::Bytes message = query({.name = name, .type = kind});
    Query parsed;
    EXPECT_EQ(parse_query(message, parsed), Parsed::kQuery);
    EXPECT_TRUE(zone.has(parsed.name)) << name;
    const auto out = zone.answer(message, parsed);
    EXPECT_TRUE(out.has_value());
    const Read answer = out ? read(*out) : Read{};
    EXPECT_TRUE(answer.whole) << name;
    EXPECT_TRUE(answer.has(kAa));
    EXPECT_EQ(answer.name, name);
    return answer;
  }
  bool has(const std::string& name) { return Zone(config, world).has(wire_name(name)); }
  void expect_negative(const Read& answer, Rcode rcode, const std::string& apex) {
    EXPECT_EQ(answer.rcode(), static_cast<int>(rcode)) << answer.name;
    EXPECT_TRUE(answer.answers.empty()) << answer.name;
    ASSERT_EQ(answer.authority.size(), 1u) << answer.name;
    EXPECT_EQ(answer.authority[0].type, type::kSoa);
    EXPECT_EQ(answer.authority[0].owner, apex);
    EXPECT_EQ(answer.authority[0].ttl, kNegativeTtl);
    EXPECT_EQ(base::load_be32(&*(answer.authority[0].data.end() - 4)), kNegativeTtl);
  }
};

TEST_F(ZoneTest, ALabelHasBothAddresses) {
  const Read aaaa = ask("ALICE.edge.Internal", type::kAaaa),
             a = ask("alice.edge.internal", type::kA);
  ASSERT_EQ(aaaa.answers.size(), 1u);
  EXPECT_EQ(aaaa.answers[0].owner, "ALICE.edge.Internal");
  EXPECT_EQ(aaaa.answers[0].data, base::Bytes(kAlice.begin(), kAlice.end()));
  EXPECT_EQ(aaaa.answers[0].ttl, kLongestTtl);
  ASSERT_EQ(a.answers.size(), 1u);
  EXPECT_EQ(a.answers[0].data, (base::Bytes{100, 64, 0, 2}));
  ASSERT_EQ(ask("alice.edge.internal", type::kAny).answers.size(), 1u);
}

TEST_F(ZoneTest, ATtlIsNoLongerThanWhatWasVerified) {
  world.alice.seconds = 7;
  EXPECT_EQ(ask("alice.edge.internal", type::kAaaa).answers.at(0).ttl, 7u);
  world.alice.seconds = -3;
  EXPECT_EQ(ask("alice.edge.internal", type::kAaaa).answers.at(0).ttl, 0u);
}

TEST_F(ZoneTest, WithoutAPoolThereIsNoIpv4) {
  config.ipv4.reset();
  expect_negative(ask("alice.edge.internal", type::kA), Rcode::kNoError, "edge.internal");
  EXPECT_FALSE(has("2.0.64.100.in-addr.arpa"));
  EXPECT_EQ(Zone(config, world).domains(), (std::vector<std::string>{"edge.internal", kReverse}));
}

TEST_F(ZoneTest, WhatIsNotThereIsNameErrorOrNoData) {
  expect_negative(ask("bob.edge.internal", type::kAaaa), Rcode::kNameError, "edge.internal");
  expect_negative(ask("x.alice.edge.internal", type::kAaaa), Rcode::kNameError, "edge.internal");
  expect_negative(ask("alice.alice.edge.internal", type::kAaaa), Rcode::kNameError,
                  "edge.internal");
  expect_negative(ask("alice.edge.internal", 15), Rcode::kNoError, "edge.internal");
  expect_negative(ask("alice.edge.internal", type::kPtr), Rcode::kNoError, "edge.internal");
  expect_negative(ask("edge.internal", type::kAaaa), Rcode::kNoError, "edge.internal");
  world.alice.ipv4 = {};
  expect_negative(ask("alice.edge.internal", type::kA), Rcode::kNoError, "edge.internal");
}

TEST_F(ZoneTest, TheZoneHasItsOwnRecords) {
  EXPECT_EQ(ask("edge.internal", type::kSoa).answers.at(0).type, type::kSoa);
  EXPECT_EQ(ask("edge.internal", type::kNs).answers.at(0).type, type::kNs);
  EXPECT_EQ(ask("edge.internal", type::kAny).answers.size(), 1u);
  EXPECT_EQ(ask(kReverse, type::kSoa).answers.at(0).owner, kReverse);
  EXPECT_EQ(ask("64.100.in-addr.arpa", type::kSoa).answers.size(), 1u);
}

TEST_F(ZoneTest, AddressesHaveNames) {
  for (const std::string& name : {kAliceReverse, std::string("2.0.64.100.in-addr.arpa")}) {
    const Read answer = ask(name, type::kPtr);
    ASSERT_EQ(answer.answers.size(), 1u) << name;
    EXPECT_EQ(answer.answers[0].data, *name_from_text("alice.edge.internal"));
    EXPECT_EQ(answer.answers[0].ttl, kLongestTtl);
  }
  expect_negative(ask(kAliceReverse, type::kA), Rcode::kNoError, kReverse);
  expect_negative(ask("e" + kAliceReverse.substr(1), type::kPtr), Rcode::kNameError, kReverse);
  expect_negative(ask("D" + kAliceReverse.substr(1), type::kAaaa), Rcode::kNoError, kReverse);
  expect_negative(ask("3.0.64.100.in-addr.arpa", type::kPtr), Rcode::kNameError,
                  "64.100.in-addr.arpa");
  // Above an address: there may be something below (RFC 8020).
  expect_negative(ask(kAliceReverse.substr(4), type::kPtr), Rcode::kNoError, kReverse);
  expect_negative(ask("0.64.100.in-addr.arpa", type::kPtr), Rcode::kNoError, "64.100.in-addr.arpa");
}

TEST_F(ZoneTest, ALabelThatIsNoneInDnsIsNoAddressesName) {
  for (const char* label : {"a.b", "a b", ""}) {
    world.alice.label = label;
    expect_negative(ask(kAliceReverse, type::kPtr), Rcode::kNoError, kReverse);
  }
}

TEST_F(ZoneTest, NoAddressAtAll) {
  for (const std::string& name : {"g." + kReverse, "aa." + kReverse, "1." + kAliceReverse})
    expect_negative(ask(name, type::kPtr), Rcode::kNameError, kReverse);
  for (const std::string name :
       {"256.0.64.100.in-addr.arpa", "02.0.64.100.in-addr.arpa", "x.64.100.in-addr.arpa",
        "1.2.0.64.100.in-addr.arpa", "1000.0.64.100.in-addr.arpa"})
    expect_negative(ask(name, type::kPtr), Rcode::kNameError, "64.100.in-addr.arpa");
}

TEST_F(ZoneTest, OtherNamesAreOthers) {
  for (const std::string name :
       {"internal", "other.internal", "ledge.internal", "edge.internal.org", "arpa",
        "100.in-addr.arpa", "128.100.in-addr.arpa", "1.0.128.100.in-addr.arpa",
        "63.100.in-addr.arpa", "in-addr.arpa", "3.2.1.5.3.d.f.ip6.arpa", ""})
    EXPECT_FALSE(has(name)) << name;
  EXPECT_TRUE(has("255.255.127.100.in-addr.arpa"));
}

TEST_F(ZoneTest, DomainsOfThePool) {
  auto domains = Zone(config, world).domains();
  EXPECT_EQ(domains.size(), 2u + 64u);
  EXPECT_EQ(domains[2], "64.100.in-addr.arpa");
  EXPECT_EQ(domains.back(), "127.100.in-addr.arpa");
  config.ipv4 = Ipv4Prefix{{10, 1, 2, 0}, 24};
  EXPECT_EQ(Zone(config, world).domains().back(), "2.1.10.in-addr.arpa");
  config.ipv4 = Ipv4Prefix{{10, 1, 2, 3}, 32};
  EXPECT_EQ(Zone(config, world).domains().back(), "3.2.1.10.in-addr.arpa");
  EXPECT_TRUE(has("3.2.1.10.in-addr.arpa"));
  EXPECT_FALSE(has("4.2.1.10.in-addr.arpa"));
}

TEST_F(ZoneTest, WhoeverIsAskedForAnswersLater) {
  world.later = true;
  const Zone zone(config, world);
  const base::Bytes message = query({.name = "alice.edge.internal"});
  Query parsed;
  ASSERT_EQ(parse_query(message, parsed), Parsed::kQuery);
  EXPECT_FALSE(zone.answer(message, parsed).has_value());
}

}  // namespace
}  // namespace entresol::dns
