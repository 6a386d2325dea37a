#include "layer/inner/rebuild.h"

#include <cstring>

#include "layer/inner/checksum.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;
using wire::InnerForm;

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::uint32_t kDontFragment = 0x4000;

bool has_address(const MemberAddresses& member) {
  return base::load_le32(member.ipv4.data()) != 0;
}

// `id` is identification ‖ flags ‖ offset. Leaves the view's upper layer to parse_upper_layer().
DropReason write_ipv4(base::MutableBytes payload, const Outside& outside, std::uint32_t id,
                      InsidePacket& out) {
  const std::size_t total = kIpv4Header + payload.size();
  if (total > 65535) return DropReason::inside_malformed;
  if (!has_address(*outside.source) || !has_address(*outside.destination)) {
    return DropReason::inside_differs;
  }
  std::uint8_t* h = payload.data() - kIpv4Header;
  h[0] = 0x45;
  h[1] = outside.traffic_class;
  base::store_be16(h + 2, static_cast<std::uint16_t>(total));
  base::store_be32(h + 4, id);
  h[8] = outside.ttl;
  h[9] = outside.protocol;
  std::memcpy(h + 12, outside.source->ipv4.data(), 4);
  std::memcpy(h + 16, outside.destination->ipv4.data(), 4);
  write_ipv4_checksum(h, kIpv4Header);
  out.bytes = {h, total};
  return parse(out.bytes, out.ip, HeaderChecksum::kTrust);
}

DropReason write_ipv6(base::MutableBytes payload, const Outside& outside, InsidePacket& out) {
  if (payload.size() > 65535) return DropReason::inside_malformed;
  // With an extension header the whole packet would have travelled, form H.
  if (is_extension_header(outside.protocol)) return DropReason::inside_malformed;
  std::uint8_t* h = payload.data() - kIpv6Header;
  base::store_be32(
      h, (6u << 28) | (std::uint32_t{outside.traffic_class} << 20) | (outside.flow_id & 0xfffffu));
  base::store_be16(h + 4, static_cast<std::uint16_t>(payload.size()));
  h[6] = outside.protocol;
  h[7] = outside.ttl;
  std::memcpy(h + 8, outside.source->ipv6.data(), 16);
  std::memcpy(h + 24, outside.destination->ipv6.data(), 16);
  out.bytes = {h, kIpv6Header + payload.size()};
  return parse(out.bytes, out.ip, HeaderChecksum::kTrust);
}

bool addresses_match(const IpPacket& ip, const Outside& outside) {
  if (ip.version == 6) {
    return ip.source == outside.source->ipv6 && ip.destination == outside.destination->ipv6;
  }
  return has_address(*outside.source) && has_address(*outside.destination) &&
         std::memcmp(ip.source.data() + 12, outside.source->ipv4.data(), 4) == 0 &&
         std::memcmp(ip.destination.data() + 12, outside.destination->ipv4.data(), 4) == 0;
}

// Form H: the packet is taken as it is, but for what the path may have changed.
DropReason take_whole(base::MutableBytes packet, const Outside& outside, std::uint8_t version,
                      InsidePacket& out) {
  const DropReason reason = parse(packet, out.ip);
  if (reason != DropReason::none) return reason;
  if (out.ip.version != version || !addresses_match(out.ip, outside)) {
    return DropReason::inside_differs;
  }
  std::uint8_t* h = packet.data();
  if (version == 4) {
    h[1] = outside.traffic_class;
    h[8] = outside.ttl;
    write_ipv4_checksum(h, (h[0] & 0x0fu) * 4u);
  } else {
    h[0] = static_cast<std::uint8_t>(0x60 | (outside.traffic_class >> 4));
    h[1] = static_cast<std::uint8_t>((outside.traffic_class << 4) | (h[1] & 0x0f));
    h[7] = outside.ttl;
  }
  out.ip.traffic_class = outside.traffic_class;
  out.ip.ttl = outside.ttl;
  out.bytes = packet;
  return DropReason::none;
}

}  // namespace

InnerTravel choose_form(const IpPacket& ip) {
  InnerTravel travel;
  travel.prefix.ip_version = ip.version;
  if (ip.has_options) {
    travel.prefix.form = InnerForm::whole_packet;
    return travel;
  }
  travel.stays = static_cast<std::uint8_t>(ip.header_length);
  if (ip.version == 6) return travel;
  if (ip.dont_fragment && !ip.is_fragment && !ip.reserved_flag) {
    travel.prefix.form = InnerForm::payload_dont_fragment;
    return travel;
  }
  travel.prefix.form = InnerForm::payload_behind_id;
  travel.prefix.identification = base::load_be32(ip.bytes.data() + 4);
  return travel;
}

bool unfinished_allowed(const IpPacket& ip) {
  if (ip.is_fragment) return false;
  if (ip.protocol == kProtocolTcp) return true;
  return ip.protocol == kProtocolUdp &&
         base::load_be16(ip.bytes.data() + ip.header_length + 4) == ip.payload_size();
}

DropReason verify_inside(const IpPacket& ip, const Outside& outside) {
  // A later fragment may begin with what is still an extension header: its first, which shows the
  // upper layer, is checked.
  const bool hidden = !ip.is_first_fragment && ip.version == 6 && is_extension_header(ip.protocol);
  if (ip.protocol != outside.protocol && !hidden) return DropReason::inside_differs;
  if (ip.is_fragment != outside.fragment) return DropReason::inside_differs;
  if (!protocol_has_ports(outside.protocol)) {
    return outside.responder_port == 0 ? DropReason::none : DropReason::inside_differs;
  }
  if (ip.is_first_fragment && responder_port(ip, outside.opener) != outside.responder_port) {
    return DropReason::inside_differs;
  }
  return DropReason::none;
}

DropReason rebuild(base::MutableBytes plaintext, const Outside& outside,
                   std::uint16_t fresh_identification, InsidePacket& out) {
  wire::SealedPrefix prefix;
  DropReason reason = wire::SealedPrefix::parse(plaintext, prefix);
  if (reason != DropReason::none) return reason;
  const base::MutableBytes rest = plaintext.subspan(prefix.size());
  switch (prefix.form) {
    case InnerForm::whole_packet:
      reason = take_whole(rest, outside, prefix.ip_version, out);
      break;
    case InnerForm::payload_behind_id:
      reason = write_ipv4(rest, outside, prefix.identification, out);
      break;
    case InnerForm::payload_dont_fragment:
      reason = write_ipv4(rest, outside,
                          (std::uint32_t{fresh_identification} << 16) | kDontFragment, out);
      break;
    case InnerForm::payload:
      // An IPv4 packet has to say how its identification is found.
      reason =
          prefix.ip_version == 6 ? write_ipv6(rest, outside, out) : DropReason::inside_malformed;
      break;
  }
  if (reason != DropReason::none) return reason;
  out.unfinished = prefix.checksum_unfinished;
  if (out.unfinished && !unfinished_allowed(out.ip)) return DropReason::inside_malformed;
  return verify_inside(out.ip, outside);
}

}  // namespace entresol::layer::inner
