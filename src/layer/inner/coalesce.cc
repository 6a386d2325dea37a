#include "layer/inner/coalesce.h"

#include <algorithm>
#include <cstring>

#include "layer/inner/checksum.h"

namespace entresol::layer::inner {
namespace {

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kUrg = 0x20;
constexpr std::uint8_t kCwr = 0x80;
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::size_t kMaxIpPacket = 65535;

std::size_t flow_slot(const IpPacket& ip, std::size_t slots) {
  const std::uint8_t* h = ip.bytes.data();
  std::uint64_t mix = base::load_le32(h + ip.header_length);  // ports
  mix ^= std::uint64_t{ip.protocol} << 32;
  if (ip.version == 4) {
    mix = mix * 0x9e3779b97f4a7c15u ^ base::load_le64(h + 12);
  } else {
    for (std::size_t at = 8; at < 40; at += 8) {
      mix = (mix ^ (mix >> 29)) * 0x9e3779b97f4a7c15u ^ base::load_le64(h + at);
    }
  }
  mix = (mix ^ (mix >> 32)) * 0xd6e8feb86659fd93u;
  return static_cast<std::size_t>(mix >> 40) % slots;
}

bool same_addresses(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t version) {
  return version == 4 ? std::memcmp(a + 12, b + 12, 8) == 0 : std::memcmp(a + 8, b + 8, 32) == 0;
}

// Checksum of a whole TCP or UDP segment without IP options; a UDP checksum of 0 is not right here.
bool sum_valid(const std::uint8_t* header, std::uint8_t version, std::uint8_t protocol,
               std::size_t ip_header, std::size_t l4_size) {
  OnesSum sum = pseudo_header(header, version, protocol);
  sum.add32(static_cast<std::uint32_t>(l4_size));
  sum.add({header + ip_header, l4_size});
  return sum.checksum() == 0;
}

}  // namespace

void Coalescer::reset() {
  packets_used_ = groups_used_ = 0;
  slots_.fill(kNone);
}

bool Coalescer::add(const InsidePacket& packet) {
  if (packets_used_ == kMaxPackets) return false;
  const IpPacket& ip = packet.ip;
  if (ip.is_fragment) close_flows_between(ip);
  const bool has_flow = !ip.is_fragment && ip.has_ports &&
                        (ip.protocol == kProtocolTcp || ip.protocol == kProtocolUdp);
  if (!has_flow) {
    begin(packet);
    return true;
  }
  std::uint16_t& slot = slots_[flow_slot(ip, kSlots)];
  const bool can_join = joinable(packet);
  if (slot != kNone) {
    Group& group = groups_[slot];
    if (can_join && same_flow(group, ip) && join(group, packet)) {
      if (ends_group(group, packets_[group.last].size)) slot = kNone;
      return true;
    }
    slot = kNone;  // its flow goes on with this packet, or another flow needs the slot
  }
  const std::uint16_t opened = begin(packet);
  if (can_join && !ends_group(groups_[opened], groups_[opened].gso_size)) slot = opened;
  return true;
}

// What may stand in a group at all, by itself.
bool Coalescer::joinable(const InsidePacket& packet) const {
  const IpPacket& ip = packet.ip;
  if (ip.has_options || ip.reserved_flag) return false;
  const std::uint8_t* l4 = packet.bytes.data() + ip.header_length;
  const std::size_t size = ip.payload_size();
  if (size <= ip.l4_header_length) return false;
  if (ip.protocol == kProtocolTcp) {
    return rules_.tcp && (l4[13] & (kSyn | kRst | kUrg | kAck)) == kAck;
  }
  return rules_.udp && base::load_be16(l4 + 4) == size &&
         (packet.unfinished || base::load_be16(l4 + 6) != 0);
}

bool Coalescer::same_flow(const Group& group, const IpPacket& ip) {
  const std::uint8_t* h = ip.bytes.data();
  return group.version == ip.version && group.protocol == ip.protocol &&
         same_addresses(group.head, h, group.version) &&
         base::load_le32(group.head + group.ip_header) == base::load_le32(h + ip.header_length);
}

bool Coalescer::network_agrees(const Group& group, const std::uint8_t* h) {
  const std::uint8_t* head = group.head;
  if (group.version == 6) {  // traffic class, flow label, hop limit
    return base::load_le32(head) == base::load_le32(h) && head[7] == h[7];
  }
  const std::uint16_t flags = base::load_be16(h + 6);
  if (head[1] != h[1] || head[8] != h[8] || base::load_be16(head + 6) != flags) return false;
  if ((flags & kDontFragment) != 0) return true;
  const std::uint32_t expected = base::load_be16(head + 4) + std::uint32_t{group.count};
  return base::load_be16(h + 4) == (expected & 0xffff);
}

bool Coalescer::transport_agrees(const Group& group, const std::uint8_t* l4, std::size_t payload) {
  if (payload > group.gso_size) return false;
  if (group.protocol == kProtocolUdp) return true;
  const std::uint8_t* head = group.head + group.ip_header;
  if (base::load_be32(l4 + 4) != group.next_sequence) return false;
  if (base::load_le32(l4 + 8) != base::load_le32(head + 8)) return false;  // acknowledgment
  // Header length, flags and window, but for the flags that may differ on the first or last.
  constexpr std::uint32_t kMayDiffer = std::uint32_t{kCwr | kFin | kPsh} << 16;
  const std::uint32_t differ = base::load_be32(l4 + 12) ^ base::load_be32(head + 12);
  if ((differ & ~kMayDiffer) != 0 || (l4[13] & kCwr) != 0) return false;
  return std::memcmp(l4 + 20, head + 20, group.l4_header - 20u) == 0;
}

bool Coalescer::first_verified(Group& group) const {
  if (!group.verified) {
    group.verified = sum_valid(group.head, group.version, group.protocol, group.ip_header,
                               packets_[group.first].size - group.ip_header);
  }
  return group.verified;
}

bool Coalescer::join(Group& group, const InsidePacket& packet) {
  const IpPacket& ip = packet.ip;
  const std::uint8_t* l4 = packet.bytes.data() + ip.header_length;
  const std::size_t payload = ip.payload_size() - ip.l4_header_length;
  if (group.ip_header + group.l4_size + payload > kMaxIpPacket) return false;
  if (!network_agrees(group, packet.bytes.data()) || !transport_agrees(group, l4, payload)) {
    return false;
  }
  if (!first_verified(group)) return false;
  if (!packet.unfinished && !sum_valid(packet.bytes.data(), ip.version, ip.protocol,
                                       ip.header_length, ip.payload_size())) {
    return false;
  }
  const std::uint16_t index =
      store(packet.bytes.data() + ip.header_length + ip.l4_header_length, payload);
  packets_[group.last].next = index;
  group.last = index;
  ++group.count;
  group.l4_size += static_cast<std::uint32_t>(payload);
  group.next_sequence += static_cast<std::uint32_t>(payload);
  group.last_flags = ip.protocol == kProtocolTcp ? l4[13] & (kFin | kPsh) : 0;
  return true;
}

// Whether nothing more may follow the payload that was just taken.
bool Coalescer::ends_group(const Group& group, std::size_t payload) const {
  const std::size_t limit = std::min<std::size_t>(rules_.max_segments, kMaxSegments);
  return payload < group.gso_size || group.last_flags != 0 || group.count >= limit;
}

std::uint16_t Coalescer::store(std::uint8_t* data, std::size_t size) {
  packets_[packets_used_] = {data, static_cast<std::uint32_t>(size), kNone};
  return packets_used_++;
}

std::uint16_t Coalescer::begin(const InsidePacket& packet) {
  const IpPacket& ip = packet.ip;
  Group& group = groups_[groups_used_];
  const std::uint8_t* l4 = packet.bytes.data() + ip.header_length;
  const bool tcp = ip.protocol == kProtocolTcp && ip.is_first_fragment;
  const std::size_t payload = ip.payload_size() - ip.l4_header_length;
  group.head = packet.bytes.data();
  group.next_sequence = tcp ? base::load_be32(l4 + 4) + static_cast<std::uint32_t>(payload) : 0;
  group.l4_size = static_cast<std::uint32_t>(ip.payload_size());
  group.first = group.last = store(packet.bytes.data(), packet.bytes.size());
  group.count = 1;
  group.gso_size = static_cast<std::uint16_t>(payload);
  group.ip_header = ip.header_length;
  group.l4_header = ip.l4_header_length;
  group.version = ip.version;
  group.protocol = ip.protocol;
  group.last_flags = tcp ? l4[13] & (kFin | kPsh) : 0;
  group.unfinished = group.verified = packet.unfinished;
  return groups_used_++;
}

// A fragment shows no ports, or not those of the fragments to come: no flow between its addresses
// may be joined across it.
void Coalescer::close_flows_between(const IpPacket& ip) {
  for (std::uint16_t& slot : slots_) {
    if (slot == kNone) continue;
    const Group& group = groups_[slot];
    if (group.version == ip.version && same_addresses(group.head, ip.bytes.data(), ip.version)) {
      slot = kNone;
    }
  }
}

void Coalescer::patch_headers(const Group& group) {
  std::uint8_t* h = group.head;
  if (group.version == 4) {
    base::store_be16(h + 2, static_cast<std::uint16_t>(group.ip_header + group.l4_size));
    write_ipv4_checksum(h, group.ip_header);
  } else {
    base::store_be16(h + 4, static_cast<std::uint16_t>(group.l4_size));
  }
  std::uint8_t* l4 = h + group.ip_header;
  std::uint16_t field = 0;
  checksum_offset(group.protocol, field);
  if (group.protocol == kProtocolTcp) {
    l4[13] |= group.last_flags;
  } else {
    base::store_be16(l4 + 4, static_cast<std::uint16_t>(group.l4_size));
  }
  OnesSum sum = pseudo_header(h, group.version, group.protocol);
  sum.add32(group.l4_size);
  base::store_be16(l4 + field, sum.folded());
}

TunWrite Coalescer::finish(const Group& group) {
  offload_ = Offload{};
  offload_.header_length = static_cast<std::uint16_t>(group.ip_header + group.l4_header);
  if (group.unfinished || group.count > 1) {
    offload_.needs_checksum = checksum_offset(group.protocol, offload_.checksum_offset);
    offload_.checksum_start = group.ip_header;
  }
  if (group.count > 1) {
    patch_headers(group);
    const bool tcp = group.protocol == kProtocolTcp;
    offload_.gso = !tcp ? Gso::kUdp : group.version == 4 ? Gso::kTcp4 : Gso::kTcp6;
    offload_.gso_size = group.gso_size;
    offload_.ecn = tcp && (group.head[group.ip_header + 13] & kCwr) != 0;
  }
  emit(offload_, vnet_.data());
  spans_[0] = {vnet_.data(), vnet_.size()};
  std::size_t n = 1;
  for (std::uint16_t i = group.first; i != kNone; i = packets_[i].next) {
    spans_[n++] = {packets_[i].payload, packets_[i].size};
  }
  const std::span<const Span> spans(spans_.data(), n);
  return {spans, spans.subspan(1), offload_};
}

}  // namespace entresol::layer::inner
