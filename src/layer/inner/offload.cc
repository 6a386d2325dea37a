#include "layer/inner/offload.h"

#include "layer/inner/checksum.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;

std::uint16_t load_le16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] | (p[1] << 8));
}

void store_le16(std::uint8_t* p, std::uint16_t v) {
  p[0] = static_cast<std::uint8_t>(v);
  p[1] = static_cast<std::uint8_t>(v >> 8);
}

bool gso_fits(Gso gso, const IpPacket& ip) {
  switch (gso) {
    case Gso::kTcp4:
      return ip.version == 4 && ip.protocol == kProtocolTcp;
    case Gso::kTcp6:
      return ip.version == 6 && ip.protocol == kProtocolTcp;
    case Gso::kUdp:
      return ip.protocol == kProtocolUdp;
    default:
      return false;
  }
}

}  // namespace

DropReason parse(base::ByteView header, const IpPacket& ip, Offload& out) {
  if (header.size() < kVnetHeader) return DropReason::inside_malformed;
  const std::uint8_t flags = header[0];
  const std::uint8_t type = header[1] & static_cast<std::uint8_t>(~kVnetGsoEcn);
  if ((flags & ~(kVnetNeedsChecksum | kVnetDataValid)) != 0) return DropReason::inside_malformed;
  out = Offload{};
  out.needs_checksum = (flags & kVnetNeedsChecksum) != 0;
  out.gso = static_cast<Gso>(type);
  out.header_length = static_cast<std::uint16_t>(ip.header_length + ip.l4_header_length);
  out.checksum_start = load_le16(header.data() + 6);
  out.checksum_offset = load_le16(header.data() + 8);

  if (type != 0) {
    out.ecn = (header[1] & kVnetGsoEcn) != 0;
    out.gso_size = load_le16(header.data() + 4);
    std::uint16_t field = 0;
    if (!gso_fits(out.gso, ip) || ip.is_fragment || out.gso_size == 0 ||
        !checksum_offset(ip.protocol, field)) {
      return DropReason::inside_malformed;
    }
    if (!out.needs_checksum) {
      out.needs_checksum = true;
      out.checksum_start = ip.header_length;
      out.checksum_offset = field;
    }
    return out.checksum_start == ip.header_length && out.checksum_offset == field
               ? DropReason::none
               : DropReason::inside_malformed;
  }
  if (!out.needs_checksum) {
    out.checksum_start = out.checksum_offset = 0;
    return DropReason::none;
  }
  // Tunnels inside the packet may leave a checksum unfinished anywhere behind the IP header.
  const std::size_t field_end = std::size_t{out.checksum_start} + out.checksum_offset + 2;
  const bool inside = out.checksum_start >= ip.header_length && field_end <= ip.bytes.size();
  return inside && !ip.is_fragment ? DropReason::none : DropReason::inside_malformed;
}

void emit(const Offload& offload, std::uint8_t* out) {
  out[0] = offload.needs_checksum ? kVnetNeedsChecksum : std::uint8_t{0};
  out[1] = static_cast<std::uint8_t>(static_cast<unsigned>(offload.gso) |
                                     (offload.ecn ? kVnetGsoEcn : 0u));
  store_le16(out + 2, offload.header_length);
  store_le16(out + 4, offload.gso_size);
  store_le16(out + 6, offload.checksum_start);
  store_le16(out + 8, offload.checksum_offset);
}

}  // namespace entresol::layer::inner
