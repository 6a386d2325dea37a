// Any text as a policy: an error says where, and what parses decides like its rules one after the other.
// fuzzes: layer/policy/rule.h
// fuzzes: layer/policy/policy.h
#include "layer/policy/policy.h"

#include <cctype>
#include <cstdlib>

#include "layer/policy/rule.h"

namespace {

using namespace entresol;
using namespace entresol::layer::policy;

void require(bool holds) {
  if (!holds) std::abort();
}

bool meant(const Subject& subject, const Party& party) {
  return subject.kind == Subject::Kind::kAny ||
         (subject.kind == Subject::Kind::kLabel && subject.text == party.label) ||
         (subject.kind == Subject::Kind::kTag && subject.text == party.tags.front()) ||
         (subject.kind == Subject::Kind::kName && subject.name == party.name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_protocol(text);
  (void)parse_subject(text);
  const auto policy = parse(text);
  if (!policy) {
    const std::string& message = policy.error().message;
    require(!message.empty() && std::isdigit(message.front()));
    require(message.find('\n') == std::string::npos);
    return 0;
  }
  const auto& rules = policy->rules();
  require(rules.size() <= kMaxRules);
  // Somebody of the first rule to somebody of the last one.
  static const std::vector<std::string> none{"-"};
  Flow flow;
  std::vector<std::string> tags[2] = {none, none};
  Party* const parties[] = {&flow.from, &flow.to};
  if (!rules.empty()) {
    const Subject* const subjects[] = {&rules.front().from, &rules.back().to};
    for (int i = 0; i < 2; ++i) {
      parties[i]->name = subjects[i]->name;
      parties[i]->label = subjects[i]->text;
      if (subjects[i]->kind == Subject::Kind::kTag) tags[i] = {subjects[i]->text};
    }
    flow.protocol = rules.back().protocols[1];
    flow.responder_port = rules.back().last_port;
    flow.service = rules.back().service.value_or(1);
  }
  for (int i = 0; i < 2; ++i) parties[i]->tags = tags[i];
  std::uint32_t expected = 0;
  while (expected < rules.size() &&
         !(meant(rules[expected].from, flow.from) && meant(rules[expected].to, flow.to) &&
           rules[expected].takes(flow.protocol, flow.responder_port, flow.service)))
    ++expected;
  const Verdict verdict = policy->decide(flow);
  require(verdict.rule == expected);
  require(!policy->rule_name(verdict.rule).empty());
  return 0;
}
