// What a node's pipeline does for links to other nodes, off the usual way: the first packets wait until such a link has
// keys, and what does not fit to what is known here of who is where is noted, so that whoever knows better can be asked or
// told.
#include <algorithm>

#include "layer/forwarding/pipeline.h"

namespace entresol::layer::forwarding {
namespace {

using base::DropReason;

constexpr std::size_t kMaxHeld = 128;      // packets, all links together
constexpr std::size_t kMaxHeldOfOne = 16;  // a link
constexpr std::size_t kMaxStrays = 64;
constexpr std::size_t kMaxMet = 64;

}  // namespace

// Guests and other nodes are called when there is something for them. A node that is being called gets the first packets
// when it answers: what sets up a session would else be lost and repeated seconds later.
void Pipeline::without_keys(Packet& packet, Link& egress) {
  const bool to_node = between_nodes(packet.egress);
  if (to_node || egress.kind == LinkKind::kGuest) report(egress, packet.egress).wanted = true;
  if (!to_node || egress.path.remote.port == 0) return drop(packet, DropReason::link_down);
  const auto same = [&](const Held& held) { return held.link == packet.egress; };
  if (held_.size() >= kMaxHeld ||
      static_cast<std::size_t>(std::count_if(held_.begin(), held_.end(), same)) >= kMaxHeldOfOne)
    return drop(packet, DropReason::link_down);
  if (packet.ingress != kSelf && !lower_ttl(packet)) return;
  held_.push_back(
      {packet.egress, egress.generation, base::Bytes(packet.data, packet.data + packet.length)});
  packet.done = true;
}

std::span<const OutBurst> Pipeline::release(LinkId link) {
  releasing_.clear();
  std::erase_if(held_, [&](Held& held) {
    if (held.link != link) return false;
    // The slot may be another's meanwhile; the size of the link is known only now.
    if (held.generation != tables_.links[link].generation) {
      counters_.drops.add(DropReason::link_down);
    } else if (held.packet.size() > tables_.links[link].max_packet) {
      counters_.drops.add(DropReason::too_big);
    } else {
      releasing_.push_back(std::move(held.packet));
    }
    return true;
  });
  std::array<base::MutableBytes, kMaxHeldOfOne> packets;
  std::copy(releasing_.begin(), releasing_.end(), packets.begin());
  return to_guest(link, std::span(packets).first(releasing_.size()));
}

void Pipeline::give_up(LinkId link) {
  counters_.drops.add(DropReason::link_down,
                      std::erase_if(held_, [&](const Held& held) { return held.link == link; }));
}

// A source that another node sends for and that is not known to be there, or a destination that it believes to be here; or
// one that somebody attached here sends to, and nobody knows where it is.
void Pipeline::note_stray(const Packet& packet, DropReason reason) {
  const bool source = reason == DropReason::source_not_here;
  // Whoever is attached here cannot crowd out what other nodes have sent.
  const bool of_node = between_nodes(packet.ingress);
  if (strays_.size() >= (of_node ? kMaxStrays : kMaxStrays / 2)) return;
  if (!of_node && (source || !config_.node || packet.ingress == kSelf)) return;
  const std::size_t at = source ? wire::offset::kSource : wire::offset::kDestination;
  strays_.push_back({packet.ingress, wire::load_name(packet.data + at), source});
}

void Pipeline::note_met(const Miss& miss) {
  if (between_nodes(miss.ingress) && met_.size() < kMaxMet)
    met_.push_back({miss.ingress, miss.to, false});
}

}  // namespace entresol::layer::forwarding
