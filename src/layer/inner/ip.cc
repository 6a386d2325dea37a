#include "layer/inner/ip.h"

#include <algorithm>
#include <cstring>

#include "layer/inner/checksum.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr int kMaxExtensionHeaders = 8;
constexpr std::size_t kMaxPayload = 65535;  // after reassembly

enum class Extent { kWhole, kStart };

void map_ipv4(const std::uint8_t* from, Address& to) {
  to = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
  std::memcpy(to.data() + 12, from, 4);
}

bool is_echo(const IpPacket& p) {
  if (p.version == 4) return p.icmp_type == 0 || p.icmp_type == 8;
  return p.icmp_type == 128 || p.icmp_type == 129;
}

// Fragments other than the last carry a multiple of eight octets, and none reaches beyond the
// largest packet.
bool fragment_fits(const IpPacket& p, std::size_t payload) {
  if (p.more_fragments && (payload % 8 != 0 || payload == 0)) return false;
  return p.fragment_offset + payload <= kMaxPayload;
}

DropReason parse_ports(IpPacket& p, const std::uint8_t* l4, std::size_t size) {
  if (size < 4) return DropReason::inside_malformed;
  p.has_ports = true;
  p.source_port = base::load_be16(l4);
  p.destination_port = base::load_be16(l4 + 2);
  return DropReason::none;
}

DropReason parse_icmp(IpPacket& p, const std::uint8_t* l4, std::size_t size) {
  if (size < (p.version == 4 ? 8u : 4u)) return DropReason::inside_malformed;
  p.is_icmp = true;
  p.icmp_type = l4[0];
  p.icmp_code = l4[1];
  p.icmp_identifier = size >= 8 && is_echo(p) ? base::load_be16(l4 + 4) : std::uint16_t{0};
  return DropReason::none;
}

void clear_upper_layer(IpPacket& p) {
  p.l4_header_length = 0;
  p.source_port = p.destination_port = 0;
  p.icmp_identifier = 0;
  p.icmp_type = p.icmp_code = 0;
  p.has_ports = p.is_icmp = false;
}

// Ports and ICMP type as far as the start of a packet shows them; never refuses.
void peek_upper_layer(IpPacket& p) {
  clear_upper_layer(p);
  if (!p.is_first_fragment) return;
  const std::uint8_t* l4 = p.bytes.data() + p.header_length;
  const std::size_t size = p.payload_size();
  if (protocol_has_ports(p.protocol)) {
    (void)parse_ports(p, l4, size);
  } else if (p.protocol == (p.version == 4 ? kProtocolIcmp : kProtocolIcmp6)) {
    (void)parse_icmp(p, l4, size);
  }
}

DropReason parse_ipv4(base::ByteView packet, IpPacket& out, Extent extent,
                      HeaderChecksum header_checksum) {
  const std::uint8_t* h = packet.data();
  if (packet.size() < kIpv4Header) return DropReason::inside_malformed;
  const std::size_t header = (h[0] & 0x0fu) * 4u;
  const std::size_t total = base::load_be16(h + 2);
  if (header < kIpv4Header || header > packet.size() || header > total) {
    return DropReason::inside_malformed;
  }
  if (extent == Extent::kWhole ? total != packet.size() : total < packet.size()) {
    return DropReason::inside_malformed;
  }
  if (header_checksum == HeaderChecksum::kVerify && checksum(packet.first(header)) != 0) {
    return DropReason::inside_malformed;
  }
  const std::uint16_t fragment = base::load_be16(h + 6);
  out.bytes = packet;
  map_ipv4(h + 12, out.source);
  map_ipv4(h + 16, out.destination);
  out.version = 4;
  out.flow_label = 0;
  out.traffic_class = h[1];
  out.identification = base::load_be16(h + 4);
  out.reserved_flag = (fragment & 0x8000) != 0;
  out.dont_fragment = (fragment & 0x4000) != 0;
  out.more_fragments = (fragment & 0x2000) != 0;
  out.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1fff) * 8);
  out.is_first_fragment = out.fragment_offset == 0;
  out.is_fragment = out.more_fragments || !out.is_first_fragment;
  out.ttl = h[8];
  out.protocol = h[9];
  out.header_length = static_cast<std::uint16_t>(header);
  out.has_options = header > kIpv4Header;
  out.has_routing_header = false;
  return out.is_fragment && !fragment_fits(out, total - header) ? DropReason::inside_malformed
                                                                : DropReason::none;
}

// Walks to the upper layer, or to the end of a fragment header that is not the first's.
DropReason walk_extension_headers(IpPacket& p, std::size_t total) {
  const std::uint8_t* h = p.bytes.data();
  const std::size_t size = p.bytes.size();
  std::size_t at = kIpv6Header;
  std::uint8_t next = h[6];
  bool fragment_seen = false;
  for (int n = 0; is_extension_header(next) && p.is_first_fragment; ++n) {
    if (n == kMaxExtensionHeaders || at + 8 > size) return DropReason::inside_malformed;
    std::size_t length = 8;
    if (next == 44) {
      if (fragment_seen) return DropReason::inside_malformed;
      fragment_seen = true;
      const std::uint16_t field = base::load_be16(h + at + 2);
      p.fragment_offset = static_cast<std::uint16_t>(field & 0xfff8);
      p.more_fragments = (field & 1) != 0;
      p.identification = base::load_be32(h + at + 4);
      p.is_first_fragment = p.fragment_offset == 0;
      p.is_fragment = p.more_fragments || !p.is_first_fragment;
      if (p.is_fragment && !fragment_fits(p, total - at - 8)) return DropReason::inside_malformed;
    } else {
      if (next == 0 && n != 0) return DropReason::inside_malformed;  // only ever the first
      p.has_routing_header = p.has_routing_header || next == 43;
      length = (h[at + 1] + 1u) * 8u;
    }
    if (at + length > size) return DropReason::inside_malformed;
    next = h[at];
    at += length;
  }
  p.protocol = next;
  p.header_length = static_cast<std::uint16_t>(at);
  p.has_options = at > kIpv6Header;
  return DropReason::none;
}

DropReason parse_ipv6(base::ByteView packet, IpPacket& out, Extent extent) {
  const std::uint8_t* h = packet.data();
  if (packet.size() < kIpv6Header) return DropReason::inside_malformed;
  const std::size_t total = kIpv6Header + base::load_be16(h + 4);
  if (extent == Extent::kWhole ? total != packet.size() : total < packet.size()) {
    return DropReason::inside_malformed;
  }
  const std::uint32_t first = base::load_be32(h);
  out.bytes = packet;
  std::memcpy(out.source.data(), h + 8, 16);
  std::memcpy(out.destination.data(), h + 24, 16);
  out.version = 6;
  out.flow_label = first & 0xfffff;
  out.traffic_class = static_cast<std::uint8_t>(first >> 20);
  out.identification = 0;
  out.ttl = h[7];
  out.fragment_offset = 0;
  out.dont_fragment = out.reserved_flag = out.more_fragments = out.is_fragment = false;
  out.is_first_fragment = true;
  out.has_routing_header = false;
  return walk_extension_headers(out, total);
}

DropReason parse_header(base::ByteView packet, IpPacket& out, Extent extent,
                        HeaderChecksum header_checksum) {
  if (packet.empty()) return DropReason::inside_malformed;
  switch (packet[0] >> 4) {
    case 4:
      return parse_ipv4(packet, out, extent, header_checksum);
    case 6:
      return parse_ipv6(packet, out, extent);
    default:
      return DropReason::inside_malformed;
  }
}

}  // namespace

DropReason parse_upper_layer(IpPacket& p) {
  clear_upper_layer(p);
  const std::uint8_t* l4 = p.bytes.data() + p.header_length;
  const std::size_t size = p.payload_size();
  if (!p.is_first_fragment) {
    // A second fragment that reaches back into the TCP header could replace the flags that were
    // checked.
    const bool reaches_back = p.protocol == kProtocolTcp && p.fragment_offset < 20;
    return reaches_back ? DropReason::inside_malformed : DropReason::none;
  }
  switch (p.protocol) {
    case kProtocolTcp: {
      if (size < 20) return DropReason::inside_malformed;
      p.l4_header_length = static_cast<std::uint16_t>((l4[12] >> 4) * 4);
      if (p.l4_header_length < 20 || p.l4_header_length > size) return DropReason::inside_malformed;
      return parse_ports(p, l4, size);
    }
    case kProtocolUdp: {
      if (size < 8) return DropReason::inside_malformed;
      p.l4_header_length = 8;
      const std::uint16_t length = base::load_be16(l4 + 4);
      if (length < 8 || (length > size && !p.is_fragment)) return DropReason::inside_malformed;
      return parse_ports(p, l4, size);
    }
    case kProtocolUdpLite:
      if (size < 8) return DropReason::inside_malformed;
      p.l4_header_length = 8;
      return parse_ports(p, l4, size);
    case kProtocolSctp:
    case kProtocolDccp:
      if (size < 12) return DropReason::inside_malformed;
      p.l4_header_length = 12;
      return parse_ports(p, l4, size);
    case kProtocolIcmp:
      return p.version == 4 ? parse_icmp(p, l4, size) : DropReason::none;
    case kProtocolIcmp6:
      return p.version == 6 ? parse_icmp(p, l4, size) : DropReason::none;
    default:
      return DropReason::none;
  }
}

DropReason parse(base::ByteView packet, IpPacket& out, HeaderChecksum header_checksum) {
  const DropReason reason = parse_header(packet, out, Extent::kWhole, header_checksum);
  return reason == DropReason::none ? parse_upper_layer(out) : reason;
}

DropReason parse_start(base::ByteView start, IpPacket& out) {
  const DropReason reason = parse_header(start, out, Extent::kStart, HeaderChecksum::kTrust);
  if (reason == DropReason::none) peek_upper_layer(out);
  return reason;
}

}  // namespace entresol::layer::inner
