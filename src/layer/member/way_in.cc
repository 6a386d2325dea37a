#include "layer/member/way_in.h"

#include "base/bytes.h"

namespace entresol::layer::member {

WayIn::WayIn(Member& member, LayerIndex layer, base::RandomSource& random, MaxPacket max_packet)
    : member_(member),
      layer_(layer),
      max_packet_(std::move(max_packet)),
      selector_(random, base::load_be64(member.membership(layer).own().name.octets.data() + 8)) {}

void WayIn::add(const wire::Name& node, const base::Endpoint& endpoint) {
  configured_.push_back({node, endpoint});
}

void WayIn::follow_directory(std::function<void()> nodes_wanted) {
  nodes_wanted_ = std::move(nodes_wanted);
}

std::vector<WayIn::Candidate> WayIn::candidates() const {
  std::vector<Candidate> out = configured_;
  if (!nodes_wanted_) return out;
  for (const auto& [name, member] : member_.membership(layer_).all()) {
    if (!member.is_node()) continue;
    for (const base::Endpoint& endpoint : member.endpoints) out.push_back({name, endpoint});
  }
  return out;
}

base::Result<void> WayIn::start(base::TimePoint now) {
  started_ = true;
  for (const Candidate& each : configured_)
    if (auto size = max_packet_(each.endpoint); !size) return tl::unexpected(size.error());
  selector_.set_candidates(candidates(), now);
  return act(now);
}

base::Result<void> WayIn::dial(const Candidate& candidate) {
  auto max_packet = max_packet_(candidate.endpoint);
  if (!max_packet) return tl::unexpected(max_packet.error());
  if (link_ != forwarding::kSelf) member_.undial(link_);
  link_ = forwarding::kSelf;
  auto link = member_.dial(layer_, candidate.node, candidate.endpoint, *max_packet);
  if (!link) return tl::unexpected(link.error());
  link_ = *link;
  return {};
}

association::LinkState WayIn::link_state() const {
  if (link_ == forwarding::kSelf) return {};
  const auto& link = member_.tables().links[link_];
  return {member_.attached(layer_), link.rx_packets, link.tx_packets};
}

base::Result<void> WayIn::act(base::TimePoint now) {
  auto& answers = member_.probe_answers(layer_);
  for (const auto& answer : answers) selector_.answered(answer.nonce, answer.at);
  answers.clear();
  const association::Step step = selector_.step(link_state(), now);
  for (const association::Question& each : step.probes)
    member_.probe(layer_, each.at.node, each.at.endpoint, each.nonce);
  if (step.nodes_wanted && nodes_wanted_) nodes_wanted_();
  return step.dial ? dial(*step.dial) : base::Result<void>{};
}

void WayIn::nodes_changed(base::TimePoint now) {
  if (!started_) return;
  selector_.set_candidates(candidates(), now);
  (void)act(now);
}

}  // namespace entresol::layer::member
