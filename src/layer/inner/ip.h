// Checked view of an inner IP packet, version 4 or 6: what an application's host put into the TUN
// device, or what came out of a sealed record. RFC 791, RFC 8200; fragments also by RFC 1858, RFC
// 3128, RFC 5722, RFC 6946 and RFC 7112. `bytes` is a view: it lives as long as the buffer. Pure
// and re-entrant; a reason is always `inside_malformed`.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"

namespace entresol::layer::inner {

using Address = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolDccp = 33;
inline constexpr std::uint8_t kProtocolIcmp6 = 58;
inline constexpr std::uint8_t kProtocolNone = 59;
inline constexpr std::uint8_t kProtocolSctp = 132;
inline constexpr std::uint8_t kProtocolUdpLite = 136;

inline constexpr bool protocol_has_ports(std::uint8_t protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolUdpLite ||
         protocol == kProtocolSctp || protocol == kProtocolDccp;
}

// Extension headers that are walked to find the upper layer: hop-by-hop, routing, fragment,
// destination options. All else (AH and ESP too) counts as the upper layer.
inline constexpr bool is_extension_header(std::uint8_t next) {
  return next == 0 || next == 43 || next == 44 || next == 60;
}

struct IpPacket {
  base::ByteView bytes;  // the whole packet
  Address source;
  Address destination;
  std::uint32_t flow_label;      // IPv6, 20 bits; else 0
  std::uint32_t identification;  // IPv4, or of a fragment header; else 0
  std::uint16_t
      header_length;  // octets up to the upper layer: options and extension headers included
  std::uint16_t l4_header_length;  // TCP with its options, UDP, UDP-Lite 8, SCTP, DCCP 12; else 0
  std::uint16_t fragment_offset;   // octets
  std::uint16_t source_port;       // 0 where there are none
  std::uint16_t destination_port;
  std::uint16_t icmp_identifier;  // of echo request and reply; else 0
  std::uint8_t icmp_type;         // meaningful if is_icmp
  std::uint8_t icmp_code;
  std::uint8_t version;  // 4 or 6
  std::uint8_t
      protocol;  // upper layer. Of a fragment that is not the first: what its fragment header says
  std::uint8_t ttl;            // or hop limit
  std::uint8_t traffic_class;  // DSCP and ECN
  bool dont_fragment;          // IPv4
  bool reserved_flag;          // IPv4, the flag that must be zero and is not
  bool more_fragments;
  bool is_fragment;         // false for an atomic fragment (RFC 6946)
  bool is_first_fragment;   // also true for what is no fragment: the upper layer's header is here
  bool has_options;         // IPv4 options or IPv6 extension headers
  bool has_routing_header;  // IPv6: the pseudo-header's destination is not the header's
  bool has_ports;
  bool is_icmp;  // ICMP in IPv4, ICMPv6 in IPv6, first fragment

  base::ByteView payload() const { return bytes.subspan(header_length); }
  std::size_t payload_size() const { return bytes.size() - header_length; }
};

// kTrust: the header checksum was made on this machine.
enum class HeaderChecksum { kVerify, kTrust };

// `packet` is exactly one IP packet: its length field must say packet.size(), at most 65,535 (IPv6:
// 65,575).
base::DropReason parse(base::ByteView packet, IpPacket& out,
                       HeaderChecksum header_checksum = HeaderChecksum::kVerify);

// The same of the first octets of a packet (what was saved of it): lengths of payloads may run over
// the end, headers may not, and ports are there if their four octets are. `bytes` is no longer than
// the packet was.
base::DropReason parse_start(base::ByteView start, IpPacket& out);

// Reads the upper layer's header of a packet whose `version`, `protocol`, `bytes`, `header_length`
// and fragment fields are set, and sets the rest. parse() calls it; so does whoever has just
// written the IP header itself.
base::DropReason parse_upper_layer(IpPacket& packet);

}  // namespace entresol::layer::inner
