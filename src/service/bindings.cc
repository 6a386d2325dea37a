#include "service/bindings.h"

#include <algorithm>

#include "service/parties.h"

namespace entresol::service {

void Bindings::set(std::uint8_t layer, std::vector<Binding> bindings,
                   const layer::membership::Membership& members) {
  if (layers_.size() <= layer) layers_.resize(layer + 1u);
  if (bindings.size() > kMaxOfLayer) bindings.resize(kMaxOfLayer);
  std::ranges::stable_sort(bindings, {}, &Binding::order);
  const std::size_t n = bindings.size();
  layers_[layer] =
      std::make_unique<Layer>(Layer{std::move(bindings), std::vector<std::uint64_t>(n), &members});
  ++generation_;
}

std::uint16_t Bindings::chain_of(const layer::forwarding::Miss& miss) {
  Layer* const of = miss.layer < layers_.size() ? layers_[miss.layer].get() : nullptr;
  if (of == nullptr || of->bindings.empty() || !is_flow(miss.view)) return 0;
  const bool opener = miss.view.opener();
  const auto source = party_of(*of->members, miss.view.source());
  const auto destination = party_of(*of->members, miss.view.destination());
  const auto& from = opener ? source : destination;
  const auto& to = opener ? destination : source;
  found_.clear();
  for (std::size_t i = 0; i < of->bindings.size(); ++i) {
    const Binding& each = of->bindings[i];
    if (!each.flows.takes(miss.view.inner_protocol(), miss.view.responder_port(),
                          miss.view.service()) ||
        !layer::policy::means(each.flows.from, from) || !layer::policy::means(each.flows.to, to))
      continue;
    ++of->flows[i];
    // Once is enough, and a packet that names the service as well is asked about where it is bound.
    if (std::ranges::find(found_, each.service) == found_.end()) found_.push_back(each.service);
  }
  if (found_.empty()) return 0;
  if (const auto known = numbers_.find(found_); known != numbers_.end()) return known->second;
  if (chains_.size() >= kMaxChains) return kTooMany;
  const auto number = static_cast<std::uint16_t>(chains_.size());
  numbers_.emplace(found_, number);
  chains_.push_back(found_);
  return number;
}

std::uint32_t Bindings::generation() const {
  std::uint64_t sum = generation_;
  for (const auto& each : layers_)
    if (each) sum += each->members->description_changes() + each->members->forgotten();
  return static_cast<std::uint32_t>(sum);
}

std::vector<Bindings::Report> Bindings::reports() const {
  std::vector<Report> out;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (!layers_[layer]) continue;
    const Layer& of = *layers_[layer];
    for (std::size_t i = 0; i < of.bindings.size(); ++i)
      out.push_back({static_cast<std::uint8_t>(layer), of.bindings[i].service, of.bindings[i].text,
                     of.bindings[i].order, of.flows[i]});
  }
  return out;
}

}  // namespace entresol::service
