// Probes: hosts ask nodes how far they are, and nodes answer at once, within a budget.
#include <algorithm>

#include "layer/member/layer.h"
#include "layer/member/member.h"
#include "security/native/probe.h"

namespace entresol::layer::member {
namespace {

using base::DropReason;
namespace native = security::native;

constexpr std::size_t kMaxAsked = 256;
constexpr std::size_t kMaxAnswers = 256;
// Of one address, behind which there may be many hosts that start at once; and in all.
constexpr std::uint32_t kPerSource = 100, kSourceBurst = 100;
constexpr std::uint32_t kPerSecond = 10'000, kBurst = 1000;

}  // namespace

void Member::probe(LayerIndex index, const wire::Name& node, const base::Endpoint& endpoint,
                   std::uint64_t nonce) {
  Layer& layer = *layers_[index];
  const auto* member = layer.membership.find(node);
  if (member == nullptr || !layer.standing) return;
  if (layer.asked.size() >= kMaxAsked) layer.asked.pop_front();
  layer.asked.emplace_back(nonce, member->native_key);
  const native::ProbeKeys keys(member->native_key);
  output_.send_datagram(native::emit(keys.question(nonce)), security::Path{endpoint, {}});
}

std::vector<ProbeAnswer>& Member::probe_answers(LayerIndex layer) {
  return layers_[layer]->probe_answers;
}

void Member::take_probes(base::TimePoint now) {
  for (const forwarding::ControlDatagram& datagram : pipeline_.probes()) {
    const bool answer =
        datagram.bytes[0] == static_cast<std::uint8_t>(wire::DatagramType::native_probe_answer);
    const DropReason reason =
        answer ? take_probe_answer(datagram, now) : answer_probe(datagram, now);
    if (reason != DropReason::none) count_drop(reason);
  }
  pipeline_.probes().clear();
}

// Those for another are not counted against anybody, so a stranger cannot use the budget up. Hosts say nothing.
DropReason Member::answer_probe(const forwarding::ControlDatagram& datagram, base::TimePoint now) {
  native::Probe probe;
  if (const DropReason reason = native::parse(datagram.bytes, probe); reason != DropReason::none)
    return reason;
  if (!config_.node) return DropReason::handshake_unexpected;
  for (const auto& layer : layers_) {
    auto& keys = layer->probe_keys;
    if (!keys) keys.emplace(layer->native.machine->static_public());
    if (!layer->standing || !keys->proves(probe)) continue;
    if (!probe_sources_)
      probe_sources_ =
          std::make_unique<security::cookie::SourceLimiter>(random_, kPerSource, kSourceBurst);
    if (!probe_sources_->allow(datagram.path.remote, now) ||
        !probe_budget_.take(now, kPerSecond, kBurst))
      return DropReason::probe_flood;
    output_.send_datagram(native::emit(keys->answer(probe.nonce)), datagram.path);
    return DropReason::none;
  }
  return DropReason::handshake_mac1;
}

DropReason Member::take_probe_answer(const forwarding::ControlDatagram& datagram,
                                     base::TimePoint now) {
  native::Probe probe;
  if (const DropReason reason = native::parse(datagram.bytes, probe); reason != DropReason::none)
    return reason;
  for (const auto& layer : layers_) {
    const auto asked = std::find_if(layer->asked.begin(), layer->asked.end(),
                                    [&](const auto& each) { return each.first == probe.nonce; });
    if (asked == layer->asked.end()) continue;
    if (!native::ProbeKeys(asked->second).proves(probe)) return DropReason::handshake_forged;
    layer->asked.erase(asked);
    if (layer->probe_answers.size() < kMaxAnswers)
      layer->probe_answers.push_back({probe.nonce, now});
    return DropReason::none;
  }
  return DropReason::handshake_unexpected;
}

}  // namespace entresol::layer::member
