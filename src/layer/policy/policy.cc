#include "layer/policy/policy.h"

#include <algorithm>
#include <array>

namespace entresol::layer::policy {

bool means(const Subject& subject, const Party& party) {
  switch (subject.kind) {
    case Subject::Kind::kAny:
      return true;
    case Subject::Kind::kLabel:
      return party.label == subject.text;
    case Subject::Kind::kTag:
      return std::ranges::find(party.tags, subject.text) != party.tags.end();
    case Subject::Kind::kName:
      return party.name == subject.name;
  }
  return false;
}

Policy::Id Policy::Side::id_of(const Subject& subject) {
  const auto known = [this](auto& ids, const auto& key) {
    const auto [at, fresh] = ids.try_emplace(key, next);
    if (fresh) ++next;
    return at->second;
  };
  switch (subject.kind) {
    case Subject::Kind::kAny:
      return kAnybody;
    case Subject::Kind::kLabel:
      return known(labels, subject.text);
    case Subject::Kind::kTag:
      return known(tags, subject.text);
    case Subject::Kind::kName:
      return known(names, subject.name);
  }
  return kAnybody;
}

// All subjects that mean this party; how many.
std::size_t Policy::Side::find(const Party& party, std::span<Id, kMostIds> out) const {
  std::size_t n = 0;
  out[n++] = kAnybody;
  if (auto found = names.find(party.name); found != names.end()) out[n++] = found->second;
  if (auto found = labels.find(party.label); found != labels.end()) out[n++] = found->second;
  if (tags.empty()) return n;
  for (const std::string& tag : party.tags) {
    if (n == out.size()) break;
    if (auto found = tags.find(tag); found != tags.end()) out[n++] = found->second;
  }
  return n;
}

Policy::Policy(std::vector<Rule> rules) : rules_(std::move(rules)) {
  for (std::uint32_t i = 0; i < rules_.size(); ++i)
    by_pair_[pair_of(from_.id_of(rules_[i].from), to_.id_of(rules_[i].to))].push_back(i);
}

Verdict Policy::decide(const Flow& flow) const {
  std::array<Id, kMostIds> from, to;  // NOLINT: find() says how far they are written
  const std::size_t froms = from_.find(flow.from, from);
  const std::size_t tos = to_.find(flow.to, to);
  std::uint32_t first = default_rule();
  for (std::size_t f = 0; f < froms; ++f) {
    for (std::size_t t = 0; t < tos; ++t) {
      const auto found = by_pair_.find(pair_of(from[f], to[t]));
      if (found == by_pair_.end()) continue;
      for (const std::uint32_t rule : found->second) {
        if (rule >= first) break;
        if (!rules_[rule].takes(flow.protocol, flow.responder_port, flow.service)) continue;
        first = rule;
        break;
      }
    }
  }
  return {first < rules_.size() && rules_[first].allow, first};
}

base::Result<Policy> parse(std::string_view text) {
  auto rules = parse_rules(text);
  if (!rules) return tl::unexpected(rules.error());
  return Policy(std::move(*rules));
}

}  // namespace entresol::layer::policy
