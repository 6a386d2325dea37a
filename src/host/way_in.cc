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
      way_(runtime.member(), layer, runtime.random(),
           [this](const base::Endpoint& endpoint) { return max_packet_to(endpoint); }) {
  const auto act = [this] {
    (void)way_.act(io::now());
    settle();
  };
  timer_ = runtime.loop().add_timer(act);
  runtime.at_end_of_round([this, act] {
    if (!runtime_.member().probe_answers(layer_).empty()) act();
  });
}

base::Result<std::uint16_t> WayIn::max_packet_to(const base::Endpoint& endpoint) const {
  return runtime::link_max_packet(underlay_mtu_, !io::is_v4(endpoint.address));
}

base::Result<std::uint16_t> WayIn::max_packet() const {
  if (const auto& dialled = way_.selector().dialled()) return max_packet_to(dialled->endpoint);
  // Whichever it will be, it fits.
  const auto all = way_.candidates();
  const bool ipv4 = !all.empty() && std::all_of(all.begin(), all.end(), [](const auto& each) {
    return io::is_v4(each.endpoint.address);
  });
  return runtime::link_max_packet(underlay_mtu_, !ipv4);
}

base::Result<void> WayIn::start() {
  auto started = way_.start(io::now());
  if (started) settle();
  return started;
}

void WayIn::nodes_changed() {
  way_.nodes_changed(io::now());
  settle();
}

void WayIn::settle() {
  runtime_.after_input();
  if (way_.next() != base::kNever) runtime_.loop().arm(timer_, way_.next());
}

runtime::Json WayIn::status() const {
  runtime::Json out = runtime::Json::array();
  const auto& membership = runtime_.member().membership(layer_);
  for (const association::Report& each : way_.selector().reports()) {
    const auto* node = membership.find(each.at.node);
    const bool dialled = each.standing == Standing::kAttached;
    out.push_back({{"name", node == nullptr ? "" : node->label},
                   {"endpoint", io::to_text(each.at.endpoint)},
                   {"dialled", dialled},
                   {"state", state_text(each.standing, runtime_.member().attached(layer_))}});
    if (each.rtt) out.back()["rtt_ms"] = milliseconds_of(*each.rtt);
    if (dialled) out.back()["why"] = why_text(way_.selector());
  }
  return out;
}

}  // namespace entresol::host
