#include "layer/policy/policy.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace entresol::layer::policy {
namespace {

constexpr std::uint8_t kTcp = 6;

struct Person {
  std::string label;
  std::vector<std::string> tags;
  wire::Name name;
  Party party() const { return {name, label, tags}; }
};

Person person(std::string label, std::vector<std::string> tags = {}) {
  Person out{std::move(label), std::move(tags), {}};
  out.name.octets[0] = 0xfd;
  for (std::size_t i = 0; i < out.label.size() && i < 15; ++i)
    out.name.octets[i + 1] = static_cast<std::uint8_t>(out.label[i]);
  return out;
}

std::string asked(const Policy& policy, const Person& from, const Person& to,
                  std::uint16_t port = 80, std::uint8_t protocol = kTcp) {
  const Verdict verdict = policy.decide({from.party(), to.party(), protocol, port, 1});
  return std::string(verdict.allow ? "allow " : "deny ") +
         std::string(policy.rule_name(verdict.rule));
}

TEST(Policy, TheFirstMatchDecides) {
  const auto policy = parse(
      "quiet: deny bob alice tcp/80\n"
      "allow bob alice\n"
      "web: allow * tag:web tcp/80-81\n"
      "never: deny bob alice tcp\n");
  ASSERT_TRUE(policy);
  const Person alice = person("alice"), bob = person("bob"), www = person("www", {"x", "web"});
  EXPECT_EQ(asked(*policy, bob, alice), "deny quiet");
  EXPECT_EQ(asked(*policy, bob, alice, 22), "allow line 2");
  EXPECT_EQ(asked(*policy, alice, bob), "deny default");  // who opens counts
  EXPECT_EQ(asked(*policy, alice, www, 81), "allow web");
  EXPECT_EQ(asked(*policy, alice, www, 82), "deny default");
  EXPECT_EQ(asked(*policy, alice, www, 81, 17), "deny default");
}

TEST(Policy, WithoutRulesDenies) {
  const auto policy = parse("");
  EXPECT_EQ(policy->decide({}), (Verdict{false, 0}));
  EXPECT_EQ(policy->rule_name(policy->default_rule()), "default");
}

TEST(Policy, AnybodyIsAlsoWhoHasNoLabel) {
  Person nameless = person("zz");
  nameless.label.clear();
  const auto policy = parse("a: allow * bob\nb: deny * *");
  EXPECT_EQ(asked(*policy, nameless, person("bob")), "allow a");
  EXPECT_EQ(asked(*policy, person("bob"), nameless), "deny b");
}

TEST(Policy, TagsWithoutNumberAreAllLookedAt) {
  Person tagged = person("t");
  for (int i = 0; i < 255; ++i) tagged.tags.push_back("tag" + std::to_string(i));
  std::string text;
  for (int i = 0; i < 254; ++i) text += "allow tag:tag" + std::to_string(i) + " t udp\n";
  text += "last: allow tag:tag254 t tcp\n";
  EXPECT_EQ(asked(*parse(text), tagged, tagged), "allow last");
}

TEST(Policy, TenThousandRules) {
  std::string text;
  for (int i = 0; i < 9998; ++i)
    text += "allow h" + std::to_string(i) + " h" + std::to_string(i + 1) + " tcp/80\n";
  text += "tail: allow h5000 * udp\nrest: deny * *";
  const auto policy = parse(text);
  ASSERT_TRUE(policy);
  EXPECT_EQ(asked(*policy, person("h5000"), person("h5001")), "allow line 5001");
  EXPECT_EQ(asked(*policy, person("h5000"), person("h5001"), 81), "deny rest");
  EXPECT_EQ(asked(*policy, person("h5000"), person("h5001"), 81, 17), "allow tail");
}

// ---- against one rule after the other ----------------------------------------------------------------------------

bool meant(const Subject& subject, const Party& party) {
  switch (subject.kind) {
    case Subject::Kind::kAny:
      return true;
    case Subject::Kind::kLabel:
      return subject.text == party.label;
    case Subject::Kind::kTag:
      return std::ranges::find(party.tags, subject.text) != party.tags.end();
    case Subject::Kind::kName:
      return subject.name == party.name;
  }
  return false;
}

Verdict one_by_one(const std::vector<Rule>& rules, const Flow& flow) {
  for (std::uint32_t i = 0; i < rules.size(); ++i)
    if (meant(rules[i].from, flow.from) && meant(rules[i].to, flow.to) &&
        rules[i].takes(flow.protocol, flow.responder_port, flow.service))
      return {rules[i].allow, i};
  return {false, static_cast<std::uint32_t>(rules.size())};
}

// Of few words, so that they meet.
std::string random_text() {
  const auto subject = rc::gen::element<std::string>("*", "a", "b", "c", "tag:a", "tag:b", "tag:c",
                                                     "fd61::", "fd62::");
  const auto what = rc::gen::element<std::string>("", "", "tcp", "tcp/1-2", "tcp/2", "udp/2",
                                                  "icmp", "service 1", "tcp/2-3 service 2");
  std::string text;
  for (std::size_t n = *rc::gen::inRange<std::size_t>(0, 40); n > 0; --n)
    text += *rc::gen::element<std::string>("allow ", "deny ") + *subject + " " + *subject + " " +
            *what + "\n";
  return text;
}

Person random_person() {
  return person(*rc::gen::element<std::string>("", "a", "b", "c", "d"),
                *rc::gen::container<std::vector<std::string>>(
                    rc::gen::element<std::string>("a", "b", "c", "d")));
}

TEST(Policy, DecidesAsIfRulesWereReadFromTheTop) {
  EXPECT_TRUE(rc::check([] {
    const auto policy = parse(random_text());
    RC_ASSERT(policy.has_value());
    for (int i = 0; i < 20; ++i) {
      const Person from = random_person(), to = random_person();
      const Flow flow{from.party(), to.party(), *rc::gen::element<std::uint8_t>(1, 6, 17, 58),
                      *rc::gen::inRange<std::uint16_t>(0, 5),
                      *rc::gen::inRange<std::uint32_t>(0, 3)};
      RC_ASSERT(policy->decide(flow) == one_by_one(policy->rules(), flow));
      for (const Rule& rule : policy->rules())
        RC_ASSERT(means(rule.from, flow.from) == meant(rule.from, flow.from));
    }
  }));
}

}  // namespace
}  // namespace entresol::layer::policy
