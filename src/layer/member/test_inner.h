// Inner packets between the addresses of members, with right checksums unless told otherwise.
#pragma once

#include "layer/inner/test_packets.h"

namespace entresol::layer::member::test {

struct InnerPacket {
  int version = 4;
  std::uint8_t protocol = inner::kProtocolUdp;
  std::uint16_t from_port = 1000;
  std::uint16_t to_port = 2000;
  std::uint8_t ttl = 64;
  std::uint8_t traffic_class = 0;
  std::uint32_t flow_label = 0;
  std::uint16_t identification = 0x77;
  std::uint16_t fragment = 0x4000;  // IPv4 flags and offset
  std::uint8_t icmp_type = 8;       // of ICMP: identifier is from_port, sequence is to_port
  std::uint32_t sequence = 1;       // TCP
  std::uint8_t tcp_flags = 0x10;
  bool unfinished = false;
  base::Bytes ip_options = {};  // IPv4, a multiple of 4
  base::Bytes payload = base::Bytes(20, 0x61);
};

inline base::Bytes build(const InnerPacket& p, const inner::MemberAddresses& from,
                         const inner::MemberAddresses& to) {
  base::Bytes l4;
  base::ByteWriter w(l4);
  std::size_t field = 0;
  const bool later = p.version == 4 && (p.fragment & 0x1fff) != 0;
  if (later) {
  } else if (p.protocol == inner::kProtocolTcp) {
    w.u16(p.from_port);
    w.u16(p.to_port);
    w.u32(p.sequence);
    w.u32(7);
    w.u8(0x50);
    w.u8(p.tcp_flags);
    w.u16(500);
    w.u32(0);
    field = 16;
  } else if (p.protocol == inner::kProtocolUdp) {
    w.u16(p.from_port);
    w.u16(p.to_port);
    w.u16(static_cast<std::uint16_t>(8 + p.payload.size()));
    w.u16(0);
    field = 6;
  } else if (p.protocol == inner::kProtocolIcmp || p.protocol == inner::kProtocolIcmp6) {
    w.u8(p.icmp_type);
    w.u8(0);
    w.u16(0);
    w.u16(p.from_port);
    w.u16(p.to_port);
    field = 2;
  }
  w.bytes(p.payload);
  base::Bytes out;
  base::ByteWriter ip(out);
  std::size_t header = 40;
  if (p.version == 4) {
    header = 20 + p.ip_options.size();
    ip.u8(static_cast<std::uint8_t>(0x40 | header / 4));
    ip.u8(p.traffic_class);
    ip.u16(static_cast<std::uint16_t>(header + l4.size()));
    ip.u16(p.identification);
    ip.u16(p.fragment);
    ip.u8(p.ttl);
    ip.u8(p.protocol);
    ip.u16(0);
    ip.bytes(from.ipv4);
    ip.bytes(to.ipv4);
    ip.bytes(p.ip_options);
    base::store_be16(out.data() + 10, static_cast<std::uint16_t>(~inner::test::slow_sum(out)));
  } else {
    ip.u32(6u << 28 | std::uint32_t{p.traffic_class} << 20 | p.flow_label);
    ip.u16(static_cast<std::uint16_t>(l4.size()));
    ip.u8(p.protocol);
    ip.u8(p.ttl);
    ip.bytes(from.ipv6);
    ip.bytes(to.ipv6);
  }
  ip.bytes(l4);
  if (field == 0 || (p.fragment & 0x3fff) != 0) return out;
  const bool pseudo = p.protocol != inner::kProtocolIcmp;
  std::uint16_t sum = pseudo ? inner::test::slow_pseudo(out, header, p.protocol) : std::uint16_t{0};
  if (!p.unfinished) {
    sum = static_cast<std::uint16_t>(
        ~inner::test::slow_sum(base::ByteView(out).subspan(header), sum));
    if (sum == 0 && p.protocol == inner::kProtocolUdp) sum = 0xffff;
  }
  base::store_be16(out.data() + header + field, sum);
  return out;
}

// The same packet as the far end writes it back: without I its identification is written anew.
inline bool same_inside(base::Bytes a, base::Bytes b) {
  for (base::Bytes* packet : {&a, &b}) {
    if (packet->size() < 20 || (*packet)[0] >> 4 != 4 ||
        base::load_be16(packet->data() + 6) != 0x4000)
      continue;
    std::fill_n(packet->begin() + 4, 2, std::uint8_t{0});
    std::fill_n(packet->begin() + 10, 2, std::uint8_t{0});
  }
  for (base::Bytes* packet : {&a, &b})  // a flow without a label gets one
    if (packet->size() >= 40 && (*packet)[0] >> 4 == 6) {
      (*packet)[1] &= 0xf0;
      (*packet)[2] = (*packet)[3] = 0;
    }
  return a == b;
}

}  // namespace entresol::layer::member::test
