#include "service/rules.h"

#include "service/parties.h"

namespace entresol::service {
namespace {

using layer::forwarding::Miss;
using layer::membership::Membership;
using layer::policy::Flow;

}  // namespace

void Rules::set(LayerIndex layer, layer::policy::Policy policy, std::uint64_t revision,
                const Membership& members) {
  if (layers_.size() <= layer) layers_.resize(layer + 1u);
  const std::size_t counters = policy.default_rule() + 1u;
  layers_[layer] = std::make_unique<Held>(
      Held{std::move(policy), revision, &members, std::vector<std::uint64_t>(counters)});
  allowed_.resize(kAllowed);
  ++generation_;
}

Rules::Allowed& Rules::slot(const Allowed& flow) {
  const std::hash<wire::Name> hash;
  const std::size_t names = hash(flow.from) * 31 + hash(flow.to);
  return allowed_[(names ^ flow.port ^ (std::size_t{flow.protocol} << 16)) % kAllowed];
}

bool Rules::allow(Miss& miss) {
  const Held* rules = held(miss.layer);
  if (rules == nullptr || !is_flow(miss.view)) return true;
  const bool opener = miss.view.opener();
  const wire::Name from = opener ? miss.view.source() : miss.view.destination();
  const wire::Name to = opener ? miss.view.destination() : miss.view.source();
  // Who is known no longer has neither label nor tags any more.
  const auto now = generation() + static_cast<std::uint32_t>(rules->members->forgotten());
  const Allowed asked{from,
                      to,
                      now,
                      miss.view.service(),
                      miss.view.responder_port(),
                      miss.view.inner_protocol(),
                      miss.layer,
                      true};
  Allowed& known = slot(asked);
  if (known == asked) return true;
  Flow flow;
  flow.from = party_of(*rules->members, from);
  flow.to = party_of(*rules->members, to);
  flow.protocol = miss.view.inner_protocol();
  flow.responder_port = miss.view.responder_port();
  flow.service = miss.view.service();
  const layer::policy::Verdict verdict = rules->policy.decide(flow);
  if (verdict.allow) {
    known = asked;
    return true;
  }
  miss.drop = base::DropReason::refused_by_rule;
  miss.rule = static_cast<std::uint16_t>(verdict.rule);
  miss.keep = true;
  if (denials_.size() < kMaxDenials)
    denials_.push_back({miss.layer, std::string(rules->policy.rule_name(verdict.rule)), from, to,
                        flow.protocol, flow.responder_port});
  return false;
}

void Rules::count(LayerIndex layer, std::uint16_t rule) {
  if (layer < layers_.size() && layers_[layer] && rule < layers_[layer]->denied.size())
    ++layers_[layer]->denied[rule];
}

std::string_view Rules::name(LayerIndex layer, std::uint16_t rule) const {
  const Held* rules = held(layer);
  return rules == nullptr ? std::string_view() : rules->policy.rule_name(rule);
}

std::uint32_t Rules::generation() const {
  std::uint64_t sum = generation_;
  for (const auto& rules : layers_)
    if (rules) sum += rules->members->description_changes();
  return static_cast<std::uint32_t>(sum);
}

std::vector<Rules::Report> Rules::reports() const {
  std::vector<Report> out;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (!layers_[i]) continue;
    const Held& rules = *layers_[i];
    Report report{static_cast<LayerIndex>(i), rules.revision, rules.policy.rules().size(), {}};
    for (std::uint32_t rule = 0; rule < rules.denied.size(); ++rule)
      if (rules.denied[rule] > 0)
        report.denied.emplace_back(rules.policy.rule_name(rule), rules.denied[rule]);
    out.push_back(std::move(report));
  }
  return out;
}

}  // namespace entresol::service
