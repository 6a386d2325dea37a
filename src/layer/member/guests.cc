// Guests of this node come and go, and their grants are renewed; and names that members share are heard of.
#include <utility>

#include "base/error_codes.h"
#include "layer/member/layer.h"
#include "layer/member/member.h"

namespace entresol::layer::member {

using forwarding::Link;
using forwarding::LinkId;
using forwarding::LinkKind;
using membership::Membership;

namespace {

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr base::Duration kAfterLeaving = std::chrono::seconds(1);
constexpr std::size_t kMostAsked = 32;  // nodes, for one guest at once

}  // namespace

base::Result<wire::Name> Member::learn_guest(LayerIndex index, base::Bytes grant_chain,
                                             base::UnixSeconds now) {
  Layer& layer = *layers_[index];
  Membership& membership = layer.membership;
  const wire::Name guest = Membership::name_granted(grant_chain);
  const auto* known = membership.find(guest);
  const base::UnixSeconds left = known == nullptr ? 0 : known->until - now;
  const base::Bytes before = membership.objects(guest).grant;
  const std::uint64_t keys = membership.key_changes();
  auto name = membership.learn_guest(std::move(grant_chain), now);
  if (!name) return name;
  if (membership.key_changes() != keys) take_new_key(index, *name);
  if (layer.guest_links.contains(*name) && membership.objects(*name).grant != before)
    took_grant(index, *name, left);
  follow_moves(index);
  due_ = true;
  return name;
}

base::Result<wire::Name> Member::learn_name(LayerIndex layer, base::ByteView certificate_chain,
                                            base::ByteView delegations, base::UnixSeconds now) {
  auto name = layers_[layer]->membership.learn_name(certificate_chain, delegations, now);
  follow_moves(layer);
  due_ = true;
  return name;
}

// A guest that is attached here has another grant: its link does not notice, its sessions' far ends have to see it.
void Member::took_grant(LayerIndex index, const wire::Name& guest, base::UnixSeconds left) {
  Layer& layer = *layers_[index];
  const auto* member = layer.membership.find(guest);
  if (!membership::lets_speak(member->attachments, layer.membership.own().name)) {
    const LinkId id = layer.guest_links.at(guest);
    output_.note({Happening::kGuestEnded, index, id, tables_.links[id].path,
                  base::DropReason::handshake_certificate, guest, member->label});
    remove_guest(index, guest);
    return;
  }
  layer.guest_addresses[layer.guest_links.at(guest)].addresses.ipv4 = member->ipv4;
  if (member->placed() && member->place != layer.membership.own().name) return;
  layer.membership.speak_for(guest);
  show_sessions_of(index, guest, left);
}

base::Result<LinkId> Member::add_guest(LayerIndex index, base::Bytes grant_chain,
                                       std::optional<crypto::SecretBytes<32>> preshared_key,
                                       std::uint16_t mtu, base::UnixSeconds now) {
  Layer& layer = *layers_[index];
  auto grant = layer.membership.trust().grant(grant_chain, now);
  if (!grant) return tl::unexpected(grant.error());
  const wire::Name& own = layer.membership.own().name;
  const bool present = layer.guest_links.contains(grant->name());
  const bool for_others = !membership::lets_speak(grant->nodes, own);
  if (!for_others || present) {
    auto name = learn_guest(index, std::move(grant_chain), now);
    if (!name) return tl::unexpected(name.error());
  }
  const auto* guest = layer.membership.find(grant->name());
  if (for_others || !membership::lets_speak(guest->attachments, own))
    return base::fail(base::code::kCertificateUntrusted,
                      "grant of '" + grant->label + "' is for other nodes");
  if (!present) layer.membership.speak_for(guest->name);
  security::PeerId peer;
  if (present && !preshared_key) {
    peer = tables_.links[layer.guest_links.at(guest->name)].peer;
  } else {
    security::PeerConfig config;
    config.key = grant->wireguard_key;
    config.preshared_key = std::move(preshared_key);
    config.name = guest->name;
    peer = layer.guests.machine->add(config);
  }
  const LinkId id = link_for(index, true, peer);
  Link& link = tables_.links[id];
  link.kind = LinkKind::kGuest;
  link.protocol = security::Protocol::kWireGuard;
  link.max_packet = mtu;
  link.name = guest->name;
  layer.guest_addresses[id] = {{guest->name.octets, guest->ipv4}, mtu};
  layer.guest_links[guest->name] = id;
  layer.agent.set_mtu(forwarding::inner_mtu(accepted_over_ipv4_));
  place(index, guest->name);
  tables_.links.changed(id);
  return id;
}

void Member::set_resolver(LayerIndex index, const inner::MemberAddresses& addresses) {
  layers_[index]->resolver = addresses;
}

bool Member::send_to_guest(LayerIndex index, const wire::Name& guest, base::Bytes packet,
                           base::TimePoint now) {
  Layer& layer = *layers_[index];
  const auto found = layer.guest_links.find(guest);
  if (found == layer.guest_links.end() || packet.size() > tables_.links[found->second].max_packet)
    return false;
  layer.for_guests.push_back({found->second, std::move(packet)});
  flush_agent(index, now);
  return true;
}

bool Member::remove_guest(LayerIndex index, const wire::Name& guest) {
  Layer& layer = *layers_[index];
  auto found = layer.guest_links.find(guest);
  if (found == layer.guest_links.end()) return false;
  const wire::Name name = guest;  // may be the table's own
  layer.agent.end([&](const session::Session& session) { return session.local == name; });
  drop_guest(index, found->second);
  due_ = true;
  return true;
}

void Member::drop_guest(LayerIndex index, LinkId id) {
  Layer& layer = *layers_[index];
  const security::PeerId peer = tables_.links[id].peer;
  const wire::Name name = tables_.links[id].name;
  security::Events events;
  layer.guests.machine->remove(peer, events);
  carry_out(index, true, events, ticked_at_);
  layer.guests.links.erase(peer);
  layer.guest_addresses.erase(id);
  layer.guest_links.erase(name);
  layer.guests_left.erase(name);
  layer.membership.speak_no_more_for(name);
  tables_.layers[index].names.remove(name);
  tables_.links.remove(id);
}

// ---- where guests are ------------------------------------------------------------------------------------------------

// It is registered here when it is new here, and when its registration of here grows old. Keys that are only made anew say
// nothing of one that has gone to another node: it may keep up both links. What it sends does, after a while: some of it
// may have been under way.
void Member::guest_shows_itself(LayerIndex index, LinkId id, Shown shown) {
  Layer& layer = *layers_[index];
  const wire::Name name = tables_.links[id].name;
  const auto* guest = layer.membership.find(name);
  if (guest == nullptr || !layer.standing || !layer.guest_links.contains(name)) return;
  const base::UnixSeconds today = unix_nanos_ / kNanos;
  const bool here = guest->place == layer.membership.own().name;
  if (here && today < guest->placed_until - kLease + kRenewInterval) return;
  if (guest->placed() && !here && shown != Shown::kFirstKeys) {
    if (shown == Shown::kKeys) return;
    const auto left = layer.guests_left.find(name);
    if (left != layer.guests_left.end() && ticked_at_ < left->second + kAfterLeaving) return;
  }
  if (!layer.membership.place_here(name, today + kLease, unix_nanos_)) return;
  layer.guests_left.erase(name);
  if (!layer.membership.speaks_for(name)) layer.membership.speak_for(name);
  // All of them: any of them may have somebody who sends to it.
  for (const auto& [node, neighbour] : layer.neighbours) tell(layer, node, name);
  follow_moves(index);
  due_ = true;
}

void Member::learn_place(LayerIndex index, base::ByteView place) {
  Layer& layer = *layers_[index];
  const std::uint64_t keys = layer.membership.key_changes();
  const auto guest = layer.membership.learn_place(place, unix_nanos_);
  if (!guest) return;
  if (layer.membership.key_changes() != keys) take_new_key(index, *guest);
  follow_moves(index);
  due_ = true;
}

// To another node, from where its sessions go on; they are no longer this node's to speak in.
void Member::guest_moved(LayerIndex index, const wire::Name& name) {
  Layer& layer = *layers_[index];
  const auto* guest = layer.membership.find(name);
  if (!layer.guest_links.contains(name) || !guest->placed() ||
      guest->place == layer.membership.own().name)
    return;
  layer.guests_left[name] = ticked_at_;
  if (!layer.membership.speaks_for(name)) return;
  layer.membership.speak_no_more_for(name);
  layer.agent.end([&](const session::Session& session) { return session.local == name; });
}

// Somebody here sends to a guest, and nobody has said where it is: those who may have it are asked.
void Member::seek_guest(Layer& layer, const wire::Name& name) {
  const auto* guest = layer.membership.find(name);
  if (guest == nullptr || !guest->guest || guest->placed()) return;
  std::size_t asked = 0;
  for (const auto& [node, neighbour] : layer.neighbours) {
    if (!membership::lets_speak(guest->attachments, node) || !may_say(layer, node, name, true))
      continue;
    layer.agent.send_own(node, wire::emit_lookup(0, wire::LookupKind::name, name.octets));
    if (++asked == kMostAsked) return;
  }
}

}  // namespace entresol::layer::member
