#include "host/way_in.h"

#include <algorithm>

#include "io/clock.h"
#include "runtime/link_size.h"

namespace entresol::host {
namespace {

constexpr base::Duration kPatience = std::chrono::seconds(6);  // with a node that does not answer
constexpr base::Duration kLookInterval = std::chrono::seconds(1);

}  // namespace

WayIn::WayIn(runtime::Runtime& runtime, layer::member::LayerIndex layer, std::uint16_t underlay_mtu)
    : runtime_(runtime), layer_(layer), underlay_mtu_(underlay_mtu) {
  timer_ = runtime.loop().add_timer([this] {
    look();
    runtime_.loop().arm(timer_, io::now() + kLookInterval);
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
    if (member.role != layer::membership::Role::kNode || member.guest) continue;
    for (const base::Endpoint& endpoint : member.endpoints) out.push_back({name, endpoint});
  }
  return out;
}

base::Result<std::uint16_t> WayIn::max_packet() const {
  const auto all = candidates();
  const bool ipv6 = dialled_      ? !io::is_v4(dialled_->endpoint.address)
                    : all.empty() ? true  // whatever comes, it fits
                                  : !io::is_v4(all.front().endpoint.address);
  return runtime::link_max_packet(underlay_mtu_, ipv6);
}

base::Result<void> WayIn::start() {
  // With a fixed node there is nothing to choose: its link tries for ever by itself.
  if (nodes_wanted_ || configured_.size() > 1)
    runtime_.loop().arm(timer_, io::now() + kLookInterval);
  const auto all = candidates();
  return all.empty() ? base::Result<void>() : dial(all.front());
}

base::Result<void> WayIn::dial(const Candidate& candidate) {
  auto max_packet = runtime::link_max_packet(underlay_mtu_, !io::is_v4(candidate.endpoint.address));
  if (!max_packet) return tl::unexpected(max_packet.error());
  if (dialled_) runtime_.member().undial(link_);
  dialled_.reset();
  auto link = runtime_.member().dial(layer_, candidate.node, candidate.endpoint, *max_packet);
  if (!link) return tl::unexpected(link.error());
  link_ = *link;
  dialled_ = candidate;
  dialled_at_ = io::now();
  runtime_.after_input();
  return {};
}

void WayIn::nodes_changed() {
  const auto all = candidates();
  if (all.empty()) return;
  if (!dialled_ || std::find(all.begin(), all.end(), *dialled_) == all.end())
    (void)dial(all.front());
}

void WayIn::look() {
  if (runtime_.member().attached(layer_)) {
    dialled_at_ = io::now();
    return;
  }
  if (io::now() < dialled_at_ + kPatience) return;
  dialled_at_ = io::now();
  const auto all = candidates();
  if (nodes_wanted_) nodes_wanted_();
  if (all.empty()) return;
  const auto current = dialled_ ? std::find(all.begin(), all.end(), *dialled_) : all.end();
  const auto next = current == all.end() || current + 1 == all.end() ? all.begin() : current + 1;
  if (!dialled_ || *next != *dialled_) (void)dial(*next);
}

runtime::Json WayIn::status() const {
  runtime::Json out = runtime::Json::array();
  const auto& membership = runtime_.member().membership(layer_);
  for (const Candidate& each : candidates()) {
    const auto* node = membership.find(each.node);
    out.push_back({{"name", node == nullptr ? "" : node->label},
                   {"endpoint", io::to_text(each.endpoint)},
                   {"dialled", dialled_ && *dialled_ == each}});
  }
  return out;
}

}  // namespace entresol::host
