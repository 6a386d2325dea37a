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
  tables_.layers[index].names.place(guest->name, id);
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
  layer.membership.speak_no_more_for(name);
  tables_.layers[index].names.remove(name);
  tables_.links.remove(id);
}

}  // namespace entresol::layer::member
