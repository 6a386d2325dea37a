// Packets for the tests of this folder, with right checksums unless told otherwise. The checksum
// here is the textbook's loop, so that the room's own is never checked against itself.
#pragma once

#include <cstdint>
#include <random>

#include "base/bytes.h"
#include "layer/inner/ip.h"
#include "layer/inner/rebuild.h"

namespace entresol::layer::inner::test {

using base::Bytes;

inline std::uint16_t slow_sum(base::ByteView bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

inline std::uint16_t slow_pseudo(const Bytes& packet, std::size_t header, std::uint8_t protocol) {
  const bool v4 = packet[0] >> 4 == 4;
  const base::ByteView all(packet);
  std::uint32_t sum = slow_sum(v4 ? all.subspan(12, 8) : all.subspan(8, 32));
  sum += protocol;
  sum += static_cast<std::uint32_t>(packet.size() - header);
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

struct Recipe {
  int version = 4;
  std::uint8_t protocol = kProtocolTcp;
  std::uint8_t ttl = 64;
  std::uint8_t traffic_class = 0;
  std::uint32_t flow_label = 0;
  std::uint16_t identification = 0;
  std::uint16_t fragment = 0x4000;  // IPv4 flags and offset
  std::uint8_t source = 1;          // last octet of the addresses
  std::uint8_t destination = 2;
  std::uint16_t source_port = 1000;
  std::uint16_t destination_port = 443;
  std::uint32_t sequence = 1;
  std::uint32_t acknowledgment = 7;
  std::uint16_t window = 512;
  std::uint8_t flags = 0x10;
  Bytes tcp_options;  // a multiple of 4
  Bytes ip_options;   // IPv4: a multiple of 4
  Bytes extension;    // IPv6: extension headers as they are; `extension_first` names the first
  std::uint8_t extension_first = 0;
  bool unfinished = false;
  Bytes payload;
};

inline MemberAddresses member(std::uint8_t number) {
  MemberAddresses m;
  m.ipv4 = {100, 64, 0, number};
  m.ipv6 = {0xfd, 0x35, 0x12, 0x34, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, number};
  return m;
}

inline Bytes transport(const Recipe& r) {
  Bytes out;
  base::ByteWriter w(out);
  if (r.protocol == kProtocolTcp) {
    w.u16(r.source_port);
    w.u16(r.destination_port);
    w.u32(r.sequence);
    w.u32(r.acknowledgment);
    w.u8(static_cast<std::uint8_t>(((20 + r.tcp_options.size()) / 4) << 4));
    w.u8(r.flags);
    w.u16(r.window);
    w.u32(0);
    w.bytes(r.tcp_options);
  } else if (r.protocol == kProtocolUdp || r.protocol == kProtocolUdpLite) {
    w.u16(r.source_port);
    w.u16(r.destination_port);
    w.u16(static_cast<std::uint16_t>(8 + r.payload.size()));
    w.u16(0);
  }
  w.bytes(r.payload);
  return out;
}

inline Bytes build(const Recipe& r) {
  const Bytes l4 = transport(r);
  Bytes out;
  base::ByteWriter w(out);
  const MemberAddresses from = member(r.source);
  const MemberAddresses to = member(r.destination);
  std::size_t header = 0;
  if (r.version == 4) {
    header = 20 + r.ip_options.size();
    w.u8(static_cast<std::uint8_t>(0x40 | (header / 4)));
    w.u8(r.traffic_class);
    w.u16(static_cast<std::uint16_t>(header + l4.size()));
    w.u16(r.identification);
    w.u16(r.fragment);
    w.u8(r.ttl);
    w.u8(r.protocol);
    w.u16(0);
    w.bytes(from.ipv4);
    w.bytes(to.ipv4);
    w.bytes(r.ip_options);
    base::store_be16(out.data() + 10, static_cast<std::uint16_t>(~slow_sum(out)));
  } else {
    header = 40 + r.extension.size();
    w.u32((6u << 28) | (std::uint32_t{r.traffic_class} << 20) | r.flow_label);
    w.u16(static_cast<std::uint16_t>(r.extension.size() + l4.size()));
    w.u8(r.extension.empty() ? r.protocol : r.extension_first);
    w.u8(r.ttl);
    w.bytes(from.ipv6);
    w.bytes(to.ipv6);
    w.bytes(r.extension);
  }
  w.bytes(l4);
  if (r.protocol == kProtocolTcp || r.protocol == kProtocolUdp) {
    std::uint8_t* field = out.data() + header + (r.protocol == kProtocolTcp ? 16 : 6);
    std::uint16_t sum = slow_pseudo(out, header, r.protocol);
    if (!r.unfinished) {
      sum = static_cast<std::uint16_t>(~slow_sum(base::ByteView(out).subspan(header), sum));
      if (sum == 0) sum = 0xffff;
    }
    base::store_be16(field, sum);
  }
  return out;
}

// Whether TCP or UDP checksum and (IPv4) header checksum of a complete packet are right.
inline bool checksums_right(const Bytes& packet) {
  IpPacket ip;
  if (parse(packet, ip, HeaderChecksum::kTrust) != base::DropReason::none) return false;
  if (ip.version == 4 && slow_sum(ip.bytes.first(ip.header_length)) != 0xffff) return false;
  if (ip.protocol != kProtocolTcp && ip.protocol != kProtocolUdp) return true;
  return slow_sum(ip.payload(), slow_pseudo(packet, ip.header_length, ip.protocol)) == 0xffff;
}

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t n) {
  return random() % n;
}

inline Bytes random_bytes(Random& random, std::size_t n) {
  Bytes out(n);
  for (std::uint8_t& b : out) b = static_cast<std::uint8_t>(random());
  return out;
}

// A packet in a buffer with room before it, as the data path has it.
struct Buffer {
  static constexpr std::size_t kRoom = 64;
  explicit Buffer(base::ByteView packet) : storage(kRoom) {
    storage.insert(storage.end(), packet.begin(), packet.end());
  }
  base::MutableBytes bytes() { return base::MutableBytes(storage).subspan(kRoom); }
  Bytes storage;
};

}  // namespace entresol::layer::inner::test
