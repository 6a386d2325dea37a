// ICMP errors for the local application, so that it learns at once what became of a packet that the
// tunnel could not deliver: RFC 792, RFC 1122 section 3.2.2, RFC 1191, RFC 1812 section 4.3.2, RFC
// 4443. Pure and re-entrant.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "layer/inner/ip.h"

namespace entresol::layer::inner {

enum class IcmpError : std::uint8_t {
  kNoRoute,          // network unreachable; ICMPv6: no route to destination
  kProhibited,       // communication administratively prohibited
  kHostUnreachable,  // host unreachable; ICMPv6: address unreachable
  kPortUnreachable,
  kTooBig,        // fragmentation needed, packet too big
  kTimeExceeded,  // in transit
};

// The largest error that build_icmp_error() writes: 1280 octets for IPv6, 576 for IPv4.
inline constexpr std::size_t kMaxIcmpError = 1280;

// Writes the complete IP packet of an error about `offending` into `out`, and returns its size.
// `offending` is the inner packet, or as much of its start as was saved; it is quoted as far as
// there is room. `mtu` is for kTooBig only. The error goes to the packet's source, from `from` (of
// the packet's version; IPv4 mapped). Returns 0 where no error may be sent: about an ICMP error, a
// fragment that is not the first, to or from what is no single host's address, about what does not
// parse; and where `out` is too small.
std::size_t build_icmp_error(IcmpError error, std::uint32_t mtu, base::ByteView offending,
                             const Address& from, base::MutableBytes out);

}  // namespace entresol::layer::inner
