#include "host/way_in.h"

#include <algorithm>

#include "io/clock.h"
#include "runtime/link_size.h"

namespace entresol::host {
namespace {

namespace association = layer::association;
using association::Standing;
using association::Why;

double milliseconds_of(base::Duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

std::string why_text(const association::Selector& selector) {
  const std::string of = std::to_string(selector.chosen_of());
  switch (selector.why()) {
    case Why::kNone:
      break;
    case Why::kOnly:
      return "the only one";
    case Why::kNearest:
      return "nearest of " + of;
    case Why::kInOrder:
      return "first of " + of + ", none answered in time";
    case Why::kNearer:
      return "nearer than the one before, three times in a row";
    case Why::kSilent:
      return "the one before was silent";
    case Why::kNoKeys:
      return "the one before gave no keys";
  }
  return "";
}

std::string_view state_text(Standing standing, bool attached) {
  switch (standing) {
    case Standing::kAttached:
      return attached ? "attached" : "dialled";
    case Standing::kNext:
      return "next";
    case Standing::kAnswers:
      return "answers";
    case Standing::kSilent:
      return "silent";
    case Standing::kUnmeasured:
      break;
  }
  return "not measured";
}

}  // namespace

WayIn::WayIn(runtime::Runtime& runtime, layer::member::LayerIndex layer, std::uint16_t underlay_mtu)
    : runtime_(runtime),
      layer_(layer),
      underlay_mtu_(underlay_mtu),
      selector_(runtime.random(),
                base::load_be64(runtime.member().membership(layer).own().name.octets.data() + 8)) {
  timer_ = runtime.loop().add_timer([this] { (void)act(); });
  runtime.at_end_of_round([this] {
    if (!runtime_.member().probe_answers(layer_).empty()) (void)act();
  });
}

void WayIn::add(const wire::Name& node, const base::Endpoint& endpoint) {
  configured_.push_back({node, endpoint});
}

void WayIn::follow_directory(std::function<void()> nodes_wanted) {
  nodes_wanted_ = std::move(nodes_wanted);
}

std::vector<WayIn::Candidate> WayIn::candidates() const {
  std::vector<Candidate> out = configured_;
  if (!nodes_wanted_) return out;
  for (const auto& [name, member] : runtime_.member().membership(layer_).all()) {
    if (!member.is_node()) continue;
    for (const base::Endpoint& endpoint : member.endpoints) out.push_back({name, endpoint});
  }
  return out;
}

base::Result<std::uint16_t> WayIn::max_packet_to(const Candidate& candidate) const {
  return runtime::link_max_packet(underlay_mtu_, !io::is_v4(candidate.endpoint.address));
}

base::Result<std::uint16_t> WayIn::max_packet() const {
  if (selector_.dialled()) return max_packet_to(*selector_.dialled());
  // Whichever it will be, it fits.
  const auto all = candidates();
  const bool ipv4 = !all.empty() && std::all_of(all.begin(), all.end(), [](const auto& each) {
    return io::is_v4(each.endpoint.address);
  });
  return runtime::link_max_packet(underlay_mtu_, !ipv4);
}

base::Result<void> WayIn::start() {
  started_ = true;
  for (const Candidate& each : configured_)
    if (auto size = max_packet_to(each); !size) return tl::unexpected(size.error());
  selector_.set_candidates(candidates(), io::now());
  return act();
}

base::Result<void> WayIn::dial(const Candidate& candidate) {
  auto max_packet = max_packet_to(candidate);
  if (!max_packet) return tl::unexpected(max_packet.error());
  if (link_ != layer::forwarding::kSelf) runtime_.member().undial(link_);
  link_ = layer::forwarding::kSelf;
  auto link = runtime_.member().dial(layer_, candidate.node, candidate.endpoint, *max_packet);
  if (!link) return tl::unexpected(link.error());
  link_ = *link;
  runtime_.after_input();
  return {};
}

association::LinkState WayIn::link_state() const {
  if (link_ == layer::forwarding::kSelf) return {};
  const auto& link = runtime_.member().tables().links[link_];
  return {runtime_.member().attached(layer_), link.rx_packets, link.tx_packets};
}

base::Result<void> WayIn::act() {
  auto& answers = runtime_.member().probe_answers(layer_);
  for (const auto& answer : answers) selector_.answered(answer.nonce, answer.at);
  answers.clear();
  const association::Step step = selector_.step(link_state(), io::now());
  for (const association::Question& each : step.probes)
    runtime_.member().probe(layer_, each.at.node, each.at.endpoint, each.nonce);
  if (step.nodes_wanted && nodes_wanted_) nodes_wanted_();
  base::Result<void> dialled;
  if (step.dial) dialled = dial(*step.dial);
  runtime_.loop().arm(timer_, selector_.next());
  return dialled;
}

void WayIn::nodes_changed() {
  if (!started_) return;
  selector_.set_candidates(candidates(), io::now());
  (void)act();
}

runtime::Json WayIn::status() const {
  runtime::Json out = runtime::Json::array();
  const auto& membership = runtime_.member().membership(layer_);
  for (const association::Report& each : selector_.reports()) {
    const auto* node = membership.find(each.at.node);
    const bool dialled = each.standing == Standing::kAttached;
    out.push_back({{"name", node == nullptr ? "" : node->label},
                   {"endpoint", io::to_text(each.at.endpoint)},
                   {"dialled", dialled},
                   {"state", state_text(each.standing, runtime_.member().attached(layer_))}});
    if (each.rtt) out.back()["rtt_ms"] = milliseconds_of(*each.rtt);
    if (dialled) out.back()["why"] = why_text(selector_);
  }
  return out;
}

}  // namespace entresol::host
