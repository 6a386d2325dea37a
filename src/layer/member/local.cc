// Packets that begin or end at this member: a guest's bare IP packets, and what is addressed to a name that lives here.
#include <algorithm>

#include "layer/inner/checksum.h"
#include "layer/inner/fragment.h"
#include "layer/member/layer.h"
#include "layer/member/member.h"

namespace entresol::layer::member {
namespace {

using base::DropReason;
using forwarding::Packet;

void finish(Packet& packet, DropReason reason) {
  packet.done = true;
  packet.drop = reason;
}

bool own_source(const inner::IpPacket& ip, const inner::MemberAddresses& own) {
  if (ip.version == 6) return ip.source == own.ipv6;
  return std::equal(own.ipv4.begin(), own.ipv4.end(), ip.source.begin() + 12);
}

bool asks_resolver(const inner::IpPacket& ip, const inner::MemberAddresses& resolver) {
  constexpr std::uint16_t kDns = 53;
  const bool its = ip.version == 6 ? ip.destination == resolver.ipv6
                                   : resolver.ipv4 != membership::Ipv4{} &&
                                         std::equal(resolver.ipv4.begin(), resolver.ipv4.end(),
                                                    ip.destination.begin() + 12);
  return its && ip.protocol == inner::kProtocolUdp && ip.has_ports && ip.destination_port == kDns &&
         inner::checksum_valid(ip);
}

// A guest's system does not know of unfinished checksums.
void complete_checksum(inner::InsidePacket& inside) {
  std::uint16_t offset = 0;
  if (inner::checksum_offset(inside.ip.protocol, offset))
    inner::finish_checksum(inside.bytes, inside.ip.header_length, offset);
}

bool is_bare(const wire::HeaderView& view) {
  return view.next_protocol() == wire::next_protocol::kInnerIpv4 ||
         view.next_protocol() == wire::next_protocol::kInnerIpv6;
}

// From one guest's tunnel to another's: TTL and traffic class go back into the IP header.
void unwrap(Packet& packet, const wire::HeaderView& view) {
  std::uint8_t* ip = packet.data + view.header_size();
  const std::uint8_t ttl = view.ttl(), traffic_class = view.traffic_class();
  packet.length = static_cast<std::uint32_t>(view.payload_size());
  packet.data = ip;
  packet.traffic_class = traffic_class;
  if (ip[0] >> 4 == 4) {
    ip[1] = traffic_class;
    ip[8] = ttl;
    inner::write_ipv4_checksum(ip, std::size_t{ip[0] & 15u} * 4);
  } else {
    ip[0] = static_cast<std::uint8_t>(6u << 4 | traffic_class >> 4);
    ip[1] = static_cast<std::uint8_t>((traffic_class & 15u) << 4 | (ip[1] & 15u));
    ip[7] = ttl;
  }
}

}  // namespace

LayerIndex Member::layer_of(const wire::HeaderView& view) const {
  for (std::size_t i = 0; i < tables_.layers.size(); ++i)
    if (tables_.layers[i].wire_id == view.layer()) return static_cast<LayerIndex>(i);
  return 0;
}

// The guest of this node to whom a packet is addressed; null if it goes elsewhere.
const wire::Name* Member::guest_here(const Layer& layer, const inner::IpPacket& ip) {
  wire::Name name{ip.destination};
  if (ip.version == 4) {
    membership::Ipv4 address;
    std::copy_n(ip.destination.begin() + 12, address.size(), address.begin());
    const auto* member = layer.membership.find_ipv4(address);
    if (member == nullptr) return nullptr;
    name = member->name;
  }
  auto found = layer.guest_links.find(name);
  return found == layer.guest_links.end() ? nullptr : &found->first;
}

void Member::from_guests(std::span<Packet* const> packets, base::TimePoint now) {
  // Packets come in runs: what was looked up for the last one serves the next.
  forwarding::LinkId ingress = forwarding::kSelf;
  const GuestAddresses* guest = nullptr;
  bool here = true;
  inner::Address destination{};
  const wire::Name* neighbour = nullptr;
  for (Packet* packet : packets) {
    const forwarding::Link& link = tables_.links[packet->ingress];
    Layer& layer = *layers_[link.layer];
    if (packet->ingress != ingress) {
      ingress = packet->ingress;
      guest = &layer.guest_addresses[ingress];
      here = layer.membership.speaks_for(link.name);
      destination = {};
      neighbour = nullptr;
    }
    if (!here) {  // it is registered at another node, and this packet may be what brings it back
      finish(*packet, DropReason::source_not_here);
      continue;
    }
    // WireGuard pads: the IP packet's own length counts.
    std::uint32_t length = packet->length;
    if (length >= 20 && packet->data[0] >> 4 == 4) length = base::load_be16(packet->data + 2);
    if (length >= 40 && packet->data[0] >> 4 == 6) length = 40u + base::load_be16(packet->data + 4);
    inner::IpPacket ip;
    if (length > packet->length || inner::parse({packet->data, length}, ip) != DropReason::none) {
      finish(*packet, DropReason::inside_malformed);
      continue;
    }
    if (!own_source(ip, guest->addresses)) {
      finish(*packet, DropReason::address_forged);
      continue;
    }
    if (layer.resolver && asks_resolver(ip, *layer.resolver)) {
      output_.to_resolver(link.layer, link.name, ip.bytes);
      finish(*packet, DropReason::none);
      continue;
    }
    if (ip.destination != destination) {
      destination = ip.destination;
      neighbour = guest_here(layer, ip);
    }
    if (neighbour != nullptr) {
      const base::MutableBytes wrapped = layer.agent.wrap(ip, link.name, *neighbour, now);
      if (wrapped.empty()) {
        finish(*packet, DropReason::queue_full);
        continue;
      }
      packet->data = wrapped.data();
      packet->length = static_cast<std::uint32_t>(wrapped.size());
      continue;
    }
    const std::size_t before = layer.agent.packets().size();
    const DropReason reason = layer.agent.outbound({packet->data, length}, ip, inner::Offload{},
                                                   link.name, now, unix_nanos_);
    if (reason != DropReason::none || layer.agent.packets().size() != before + 1) {
      finish(*packet,
             reason);  // refused, waiting for its session, or cut: the agent sends what came of it
      continue;
    }
    const base::MutableBytes sealed = layer.agent.take_last();
    packet->data = sealed.data();
    packet->length = static_cast<std::uint32_t>(sealed.size());
  }
}

// A bare packet for a guest. One that is too large leaves as fragments after the batch, or is refused: false.
bool Member::fits_or_cut(Packet& packet, LayerIndex index) {
  const forwarding::Link& link = tables_.links[packet.egress];
  if (packet.length <= link.max_packet) return true;
  inner::IpPacket ip;
  if (inner::parse({packet.data, packet.length}, ip) != DropReason::none ||
      !inner::may_fragment(ip)) {
    finish(packet, DropReason::too_big);
    return false;
  }
  inner::Fragmenter fragments(ip, link.max_packet);
  base::Bytes fragment(link.max_packet);
  while (const std::size_t size = fragments.next(fragment.data()))
    layers_[index]->for_guests.push_back(
        {packet.egress, {fragment.begin(), fragment.begin() + static_cast<std::ptrdiff_t>(size)}});
  finish(packet, DropReason::none);
  return true;
}

void Member::to_guests(std::span<Packet* const> packets, base::TimePoint now) {
  for (Packet* packet : packets) {
    wire::HeaderView view;
    wire::HeaderView::parse({packet->data, packet->length}, view);
    const LayerIndex index = layer_of(view);
    if (is_bare(view) && tables_.links[packet->ingress].kind == forwarding::LinkKind::kGuest) {
      const base::MutableBytes whole(packet->data, packet->length);
      unwrap(*packet, view);
      if (fits_or_cut(*packet, index)) continue;
      packet->data = whole.data();  // an error quotes the packet with its header
      packet->length = static_cast<std::uint32_t>(whole.size());
      continue;
    }
    if (view.next_protocol() != wire::next_protocol::kSealed) {
      consume(*packet, index, now);
      continue;
    }
    Layer& layer = *layers_[index];
    // The inner header is written back over the end of this one, which an error has to quote.
    std::array<std::uint8_t, wire::kHeaderMaximum + wire::kSessionHeaderSize> head;
    const std::size_t head_size = view.header_size() + wire::kSessionHeaderSize;
    std::copy_n(packet->data, head_size, head.begin());
    inner::InsidePacket inside;
    const DropReason reason = layer.agent.inbound(view, now, inside);
    if (reason != DropReason::none || inside.bytes.empty()) {
      finish(*packet, reason);
      continue;
    }
    if (inside.unfinished) complete_checksum(inside);
    const base::MutableBytes whole(packet->data, packet->length);
    packet->data = inside.bytes.data();
    packet->length = static_cast<std::uint32_t>(inside.bytes.size());
    packet->traffic_class = inside.ip.traffic_class;
    if (fits_or_cut(*packet, index)) continue;
    packet->data = whole.data();
    packet->length = static_cast<std::uint32_t>(whole.size());
    std::copy_n(head.begin(), head_size, packet->data);
  }
}

void Member::to_self(std::span<Packet* const> packets, base::TimePoint now) {
  for (Packet* packet : packets) {
    wire::HeaderView view;
    wire::HeaderView::parse({packet->data, packet->length}, view);
    const LayerIndex index = layer_of(view);
    if (view.next_protocol() != wire::next_protocol::kSealed) {
      consume(*packet, index, now);
      continue;
    }
    inner::InsidePacket inside;
    const DropReason reason = layers_[index]->agent.inbound(view, now, inside);
    finish(*packet, reason);
    if (reason == DropReason::none && !inside.bytes.empty()) output_.deliver(index, inside);
  }
}

// Handshakes and control messages for a name that lives here.
void Member::consume(Packet& packet, LayerIndex index, base::TimePoint now) {
  wire::HeaderView view;
  wire::HeaderView::parse({packet.data, packet.length}, view);
  Layer& layer = *layers_[index];
  switch (view.next_protocol()) {
    case wire::next_protocol::kControl:
      if (from_neighbour(index, packet, view)) return finish(packet, DropReason::none);
      return finish(
          packet,
          layer.agent.control(view, config_.node ? layer.membership.own().name : layer.attached_to,
                              now, unix_nanos_));
    case wire::next_protocol::kHandshake:
      if (session_handshakes_.size() >= kMaxSessionHandshakes)
        return finish(packet, DropReason::handshake_queue_full);
      session_handshakes_.push_back({index, base::Bytes(packet.data, packet.data + packet.length)});
      return finish(packet, DropReason::none);
    case wire::next_protocol::kNothing:
      return finish(packet, DropReason::none);
    default:
      return finish(packet, DropReason::header_reserved);
  }
}

}  // namespace entresol::layer::member
