// The header that a TUN device with IFF_VNET_HDR puts before each packet: struct virtio_net_hdr of
// Linux (uapi/linux/virtio_net.h; VIRTIO 1.2 section 5.1.6), 10 octets, which is what the kernel
// uses unless told otherwise by TUNSETVNETHDRSZ (12 octets would add a count of buffers that a TUN
// never has). Numbers are little-endian, as TUNSETVNETLE asks for and as this machine has them.
//
//   octet  0        1          2               4          6                8
//          flags  | gso type | header length | gso size | checksum start | checksum offset
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"
#include "layer/inner/ip.h"

namespace entresol::layer::inner {

inline constexpr std::size_t kVnetHeader = 10;

inline constexpr std::uint8_t kVnetNeedsChecksum = 1;
inline constexpr std::uint8_t kVnetDataValid = 2;
inline constexpr std::uint8_t kVnetGsoEcn = 0x80;  // the first TCP segment has CWR

enum class Gso : std::uint8_t { kNone = 0, kTcp4 = 1, kTcp6 = 4, kUdp = 5 };

// Meaning of the header for one packet, checked against it.
struct Offload {
  bool needs_checksum = false;  // the field at checksum_start + checksum_offset is unfinished
  bool ecn = false;
  Gso gso = Gso::kNone;
  std::uint16_t gso_size = 0;        // payload octets of each segment but the last; 0 without GSO
  std::uint16_t header_length = 0;   // IP and upper-layer header; a hint to the kernel when written
  std::uint16_t checksum_start = 0;  // octets from the start of the IP header
  std::uint16_t checksum_offset = 0;  // octets from checksum_start
};

// Checks `header` (kVnetHeader octets) against the packet behind it. `inside_malformed` if the
// checksum field is outside the packet, or GSO does not fit the packet's protocol or has no size. A
// GSO packet's checksum counts as unfinished even if the header does not say so: each segment gets
// its own. Header length is not believed but computed.
base::DropReason parse(base::ByteView header, const IpPacket& ip, Offload& out);

// Writes kVnetHeader octets.
void emit(const Offload& offload, std::uint8_t* out);

}  // namespace entresol::layer::inner
