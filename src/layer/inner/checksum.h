// The Internet checksum: sums, pseudo-headers, finishing what an offload left open. RFC 1071, RFC
// 1624; RFC 9293 section 3.1 (TCP), RFC 768 (UDP), RFC 8200 section 8.1 (pseudo-header of IPv6).
// All numbers in and out are in host order. The bytes of a packet are never kept. Pure and
// re-entrant.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace entresol::layer::inner {

struct IpPacket;

// A ones' complement sum that is still growing. Copies are cheap: a common part (addresses,
// protocol) is summed once and each packet goes on from a copy.
class OnesSum {
 public:
  // Every piece but the last has an even number of octets.
  void add(base::ByteView bytes) {
    if (bytes.size() >= kLong) {
      add64(sum_long(bytes.data(), bytes.size()));
    } else {
      add_short(bytes.data(), bytes.size());
    }
  }
  void add16(std::uint16_t v) { add64(__builtin_bswap16(v)); }
  void add32(std::uint32_t v) { add64(__builtin_bswap32(v)); }

  // The sum, folded to 16 bits and not inverted: what an unfinished checksum field holds.
  std::uint16_t folded() const {
    std::uint64_t v = (sum_ & 0xffffffffu) + (sum_ >> 32);
    v = (v & 0xffff) + (v >> 16);
    v = (v & 0xffff) + (v >> 16);
    v = (v & 0xffff) + (v >> 16);
    return __builtin_bswap16(static_cast<std::uint16_t>(v));
  }
  std::uint16_t checksum() const { return static_cast<std::uint16_t>(~folded()); }

 private:
  static constexpr std::size_t kLong = 128;
  // Sum of words in memory order: the ones' complement sum does not care, and folded() swaps once
  // (RFC 1071 section 2).
  static std::uint64_t sum_long(const std::uint8_t* p, std::size_t n);

  void add64(std::uint64_t v) {
    sum_ += v;
    sum_ += sum_ < v ? 1 : 0;
  }
  void add_short(const std::uint8_t* p, std::size_t n) {
    for (; n >= 8; p += 8, n -= 8) add64(base::load_le64(p));
    if (n >= 4) {
      add64(base::load_le32(p));
      p += 4;
      n -= 4;
    }
    if (n >= 2) {
      add64(static_cast<std::uint64_t>(p[0] | (p[1] << 8)));
      p += 2;
      n -= 2;
    }
    if (n != 0) add64(*p);
  }

  std::uint64_t sum_ = 0;
};

inline std::uint16_t checksum(base::ByteView bytes) {
  OnesSum sum;
  sum.add(bytes);
  return sum.checksum();
}

// The checksum after one 16-bit word that it covers changed (RFC 1624, equation 3).
inline std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before,
                                     std::uint16_t after) {
  std::uint32_t sum = static_cast<std::uint16_t>(~checksum);
  sum += static_cast<std::uint16_t>(~before);
  sum += after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

// Pseudo-header without its length: addresses as they stand in `header` (an IPv4 or IPv6 header of
// `version`) and protocol. The caller adds the upper layer's length with add32.
inline OnesSum pseudo_header(const std::uint8_t* header, std::uint8_t version,
                             std::uint8_t protocol) {
  OnesSum sum;
  if (version == 4) {
    sum.add({header + 12, 8});
  } else {
    sum.add({header + 8, 32});
  }
  sum.add16(protocol);
  return sum;
}

// Writes the header checksum of the IPv4 header of `header_length` octets at `header`.
inline void write_ipv4_checksum(std::uint8_t* header, std::size_t header_length) {
  base::store_be16(header + 10, 0);
  base::store_be16(header + 10, checksum({header, header_length}));
}

// Finishes a checksum: the field at `start` + `offset` holds the folded sum of what is not summed
// here, and becomes the checksum over `packet` from `start` to its end. 0 is written as 0xffff (RFC
// 768), which is the same number. Requires start + offset + 2 <= packet.size().
inline void finish_checksum(base::MutableBytes packet, std::size_t start, std::size_t offset) {
  OnesSum sum;
  sum.add(packet.subspan(start));
  const std::uint16_t value = sum.checksum();
  base::store_be16(packet.data() + start + offset, value == 0 ? std::uint16_t{0xffff} : value);
}

// Where the checksum field lies in the header of `protocol`; false for all but TCP and UDP.
inline bool checksum_offset(std::uint8_t protocol, std::uint16_t& offset) {
  offset = protocol == 6 ? 16 : 6;
  return protocol == 6 || protocol == 17;
}

// Whether the TCP or UDP checksum of `ip` is right. True for UDP over IPv4 without a checksum;
// false for other protocols, for fragments, and for packets with a routing header (whose final
// destination stands elsewhere).
bool checksum_valid(const IpPacket& ip);

}  // namespace entresol::layer::inner
