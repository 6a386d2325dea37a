// The inner IP header does not travel: what the sealed plaintext starts with instead (docs/wire.md,
// sections 5 and 6), and how the far end writes the header back in front of the payload, in place,
// and checks that the inside is what the outside says. Pure and re-entrant; nothing is copied but
// headers.
//
//   sealed plaintext   [wire::SealedPrefix, 2 octets or 6      | inner payload or, form H, packet]
//   after rebuild()    [IP header, 20 octets or 40             | inner payload]
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"
#include "layer/inner/ip.h"
#include "wire/session.h"

namespace entresol::layer::inner {

// Room before a plaintext: an IPv6 header less the two octets of the plaintext that it overwrites.
inline constexpr std::size_t kRebuildHeadroom = 38;

// What the sealed plaintext of a packet begins with, and what of the packet follows.
struct InnerTravel {
  wire::SealedPrefix prefix;  // checksum_unfinished is left to the caller
  std::uint8_t stays = 0;     // octets of the IP header that do not travel: 20, 40, or 0 with H
};

// D or nothing if the IP header can be written back, I for IPv4 without DF or fragmented, H for
// options and extension headers. I also keeps an IPv4 reserved flag that is set.
InnerTravel choose_form(const IpPacket& ip);

// Whether the C octet may stand for `ip`: TCP or UDP, no fragment, and a UDP length that covers the
// payload.
bool unfinished_allowed(const IpPacket& ip);

// The extension header's responder's port for a packet whose sender opened the flow, or did not. 0
// without ports: of a fragment that is not its first, the caller remembers the first's.
inline std::uint16_t responder_port(const IpPacket& ip, bool opener) {
  return opener ? ip.destination_port : ip.source_port;
}

// A member's inner addresses, from its name and its certificate (an IPv4 address of zeros: it has
// none).
struct MemberAddresses {
  Address ipv6{};
  std::array<std::uint8_t, 4> ipv4{};
};

// What extension header, names and certificates say of a packet.
struct Outside {
  const MemberAddresses* source = nullptr;
  const MemberAddresses* destination = nullptr;
  std::uint32_t flow_id = 0;
  std::uint16_t responder_port = 0;
  std::uint8_t protocol = 0;
  std::uint8_t ttl = 0;
  std::uint8_t traffic_class = 0;
  bool opener = false;    // inner flag O
  bool fragment = false;  // inner flag F
};

struct InsidePacket {
  base::MutableBytes bytes;  // the complete inner IP packet, in the buffer of the plaintext
  IpPacket ip;               // its view
  // C: a TUN's virtio header has to say so, or finish_checksum() be called.
  bool unfinished = false;
};

// `plaintext` is an opened session record, with at least kRebuildHeadroom writable octets before
// it. `fresh_identification` is used for form D only (RFC 6864: any number will do). On success
// `out` is the inner packet, which satisfies parse(); else `inside_malformed` or `inside_differs`,
// and plaintext and headroom are unspecified.
base::DropReason rebuild(base::MutableBytes plaintext, const Outside& outside,
                         std::uint16_t fresh_identification, InsidePacket& out);

// Whether protocol, ports, fragment flag of `ip` are what the outside says; addresses are
// rebuild()'s business.
base::DropReason verify_inside(const IpPacket& ip, const Outside& outside);

}  // namespace entresol::layer::inner
