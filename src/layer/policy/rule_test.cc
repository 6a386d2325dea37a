#include "layer/policy/rule.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::layer::policy {
namespace {

Rule only(std::string_view text) {
  auto rules = parse_rules(text);
  EXPECT_TRUE(rules) << text << ": " << rules.error().message;
  if (!rules || rules->size() != 1) {
    ADD_FAILURE() << text << " is not one rule";
    return {};
  }
  return rules->front();
}

// Where the error is, and what it says.
std::string error_of(std::string_view text) {
  auto rules = parse_rules(text);
  if (rules) return "none";
  EXPECT_EQ(rules.error().code, base::code::kConfigBadValue);
  return rules.error().message;
}

TEST(Rule, SaysWhoMayOpenWhat) {
  const Rule rule = only("web-in: allow tag:web fd35::1 tcp/80-443 service 1");
  EXPECT_EQ(rule.name, "web-in");
  EXPECT_TRUE(rule.allow);
  EXPECT_EQ(rule.from.kind, Subject::Kind::kTag);
  EXPECT_EQ(rule.from.text, "web");
  EXPECT_EQ(rule.to.kind, Subject::Kind::kName);
  EXPECT_EQ(rule.to.name, *wire::name_from_text("fd35::1"));
  EXPECT_FALSE(rule.any_protocol);
  EXPECT_TRUE(rule.takes(6, 80, 1));
  EXPECT_TRUE(rule.takes(6, 443, 1));
  EXPECT_FALSE(rule.takes(6, 79, 1));
  EXPECT_FALSE(rule.takes(6, 444, 1));
  EXPECT_FALSE(rule.takes(17, 80, 1));
  EXPECT_FALSE(rule.takes(6, 80, 2));
}

TEST(Rule, WithoutANameIsCalledByItsLine) {
  auto rules = parse_rules("# heading\n\n  \t\ndeny alice *   # why\r\nlast: allow * bob");
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 2u);
  EXPECT_EQ((*rules)[0].name, "line 4");
  EXPECT_FALSE((*rules)[0].allow);
  EXPECT_EQ((*rules)[0].from.text, "alice");
  EXPECT_EQ((*rules)[1].name, "last");
  EXPECT_EQ((*rules)[1].line, 5u);
}

TEST(Rule, ProtocolsAndTheirDefaults) {
  EXPECT_TRUE(only("allow * *").takes(200, 0, 7));
  EXPECT_TRUE(only("allow * * any").takes(200, 9, 7));
  const Rule icmp = only("allow * * icmp");
  EXPECT_TRUE(icmp.takes(1, 0, 1));
  EXPECT_TRUE(icmp.takes(58, 0, 1));
  EXPECT_FALSE(icmp.takes(6, 0, 1));
  EXPECT_TRUE(only("allow * * udp/53").takes(17, 53, 1));
  EXPECT_TRUE(only("allow * * sctp").takes(132, 65535, 1));
  EXPECT_TRUE(only("allow * * 136/9").takes(136, 9, 1));
  EXPECT_TRUE(only("allow * * 47").takes(47, 0, 1));
  EXPECT_TRUE(only("allow * * service 0x80000001").takes(6, 1, 0x80000001u));
  EXPECT_FALSE(only("allow * * service 2").takes(6, 1, 1));
  EXPECT_EQ(only("service: allow service any any service 3").to.text, "any");
}

TEST(Rule, AnEmptyTextHasNone) {
  EXPECT_TRUE(parse_rules("")->empty());
  EXPECT_TRUE(parse_rules("# nothing\n\n")->empty());
}

TEST(Rule, ErrorsNameLineAndColumnAndTheWayOut) {
  struct Case {
    const char* text;
    const char* begins;
    const char* mends;
  };
  for (const Case& c : {
           Case{"alow * *", "1:1: 'alow' is no action", "allow or deny"},
           Case{"allow * *\n  deny", "2:7: FROM is missing", "tag:TAG"},
           Case{"allow *", "1:8: TO is missing", "label"},
           Case{"a: b: allow * *", "1:4: 'b:' is no action", "allow or deny"},
           Case{"a:allow * *", "1:1: 'a:allow' is no action", "blank"},
           Case{"name:", "1:6: the action is missing", "allow or deny"},
           Case{"A: allow * *", "1:1: 'A' is no name", "a-z"},
           Case{": allow * *", "1:1: '' is no name", "a-z"},
           Case{"default: allow * *", "1:1: 'default'", "another name"},
           Case{"allow Alice *", "1:7: 'Alice' names nobody", "label"},
           Case{"allow tag: *", "1:7: 'tag:' names nobody", "tag is"},
           Case{"allow * fd35::/16", "1:9: 'fd35::/16' names nobody", "prefix"},
           Case{"allow * * http", "1:11: 'http' is no protocol", "tcp"},
           Case{"allow * * 256", "1:11: '256' is no protocol", "255"},
           Case{"allow * * icmp/8", "1:11: 'icmp' has no ports", "leave out"},
           Case{"allow * * any/80", "1:11: 'any' has no ports", "one for udp"},
           Case{"allow * * 47/1", "1:11: '47' has no ports", "leave out"},
           Case{"allow * * tcp/", "1:11: '' is no port", "65535"},
           Case{"allow * * tcp/0", "1:11: '0' is no port", "65535"},
           Case{"allow * * tcp/65536", "1:11: '65536' is no port", "65535"},
           Case{"allow * * tcp/80-", "1:11: '80-' is no port", "65535"},
           Case{"allow * * tcp/90-80", "1:11: ports '90-80' end", "lower one first"},
           Case{"allow * * tcp service", "1:22: the service's id is missing", "32 bits"},
           Case{"allow * * service 0x1ffffffff", "1:19: '0x1ffffffff' is no service's id", "32"},
           Case{"allow * * tcp udp", "1:15: 'udp' is more than a rule has", "[NAME:]"},
           Case{"a: allow * *\na: deny * *", "2:1: a rule before has the name 'a'", "another"},
           Case{"allow \x1b[31m *", "1:7: '?[31m' names nobody", "label"},
       }) {
    const std::string error = error_of(c.text);
    EXPECT_TRUE(error.starts_with(c.begins)) << c.text << ": " << error;
    EXPECT_NE(error.find(c.mends, error.find(';')), std::string::npos) << c.text << ": " << error;
  }
}

TEST(Rule, TextIsBounded) {
  EXPECT_EQ(error_of(std::string(kMaxText, '\n')), "none");
  EXPECT_TRUE(error_of(std::string(kMaxText + 1, '\n')).starts_with("1:1: "));
  std::string many;
  for (std::size_t i = 0; i < kMaxRules; ++i) many += "allow a b\n";
  EXPECT_EQ(parse_rules(many)->size(), kMaxRules);
  EXPECT_TRUE(error_of(many + "allow a b").starts_with("10001:1: "));
}

TEST(Rule, SubjectAlone) {
  EXPECT_EQ(parse_subject("*")->kind, Subject::Kind::kAny);
  EXPECT_EQ(parse_subject("tag:web")->text, "web");
  EXPECT_EQ(parse_subject("bob")->kind, Subject::Kind::kLabel);
  EXPECT_EQ(parse_subject("fd35::1")->kind, Subject::Kind::kName);
  for (const char* bad : {"", "bob alice", "Bob", "tag:", "bob\nalice"})
    EXPECT_FALSE(parse_subject(bad)) << bad;
}

TEST(Rule, ProtocolAlone) {
  EXPECT_EQ(parse_protocol("tcp/80")->first_port, 80);
  EXPECT_TRUE(parse_protocol("any")->any_protocol);
  EXPECT_FALSE(parse_protocol("tcp/80 x"));
  EXPECT_FALSE(parse_protocol("service 1"));
}

}  // namespace
}  // namespace entresol::layer::policy
