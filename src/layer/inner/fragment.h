// Cuts an IPv4 packet that may be cut (no DF) into fragments. RFC 791 sections 2.3 and 3.2. For packets that arrive here
// whole and go on over something smaller: a host's own kernel cuts what it sends.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "layer/inner/ip.h"

namespace entresol::layer::inner {

// Whether cut() can help: IPv4 without DF. Fragments may be cut further.
inline bool may_fragment(const IpPacket& ip) {
  return ip.version == 4 && !ip.dont_fragment;
}

class Fragmenter {
 public:
  // `ip` may be cut and has all its checksums; its bytes outlive this. `mtu`: octets of the largest fragment, at least 68.
  Fragmenter(const IpPacket& ip, std::size_t mtu);
  // Writes the next fragment to `out` (room for mtu octets) and returns its size; 0 when there are no more.
  std::size_t next(std::uint8_t* out);

 private:
  void write_header(std::uint8_t* out, std::size_t payload) const;

  const IpPacket& ip_;
  std::size_t most_;    // octets of payload of each fragment but the last
  std::size_t at_ = 0;  // octets of payload given
};

}  // namespace entresol::layer::inner
