// Splits what a TUN device hands over (up to 64 KiB of TCP or UDP under one header: TSO, USO) into
// the plaintexts of session records, in place. Each segment's header is written in front of its
// payload in the read buffer, over the end of the segment before it, so the caller seals a segment
// (from here into its send buffer) before it asks for the next. A packet without GSO gives exactly
// one plaintext. RFC 9293 (TCP), RFC 3168 section 6.1.2 (CWR on the first segment only), RFC 6864.
// One Segmenter may be used for packet after packet; it owns nothing and never allocates.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"
#include "layer/inner/checksum.h"
#include "layer/inner/ip.h"
#include "layer/inner/offload.h"
#include "layer/inner/rebuild.h"

namespace entresol::layer::inner {

struct Segment {
  base::MutableBytes plaintext;  // offload octet, inner form, identification if any, payload: to be
                                 // sealed as it is
  std::uint16_t identification;  // the inner packet's IPv4 identification, counted up from the
                                 // first's; 0 for IPv6
  bool unfinished;               // the offload octet says C
};

class Segmenter {
 public:
  // What becomes of unfinished checksums: kOctet leaves them to the far end's kernel, by the
  // offload octet. kFinish completes them here, for receivers that do not read that octet.
  enum class Checksums { kOctet, kFinish };

  // Octets that have to be writable in front of the packet; a virtio header's place will do.
  static constexpr std::size_t kHeadroom = wire::kSealedPrefixMaximum;
  static constexpr std::size_t kMaxHeaders = 256;

  // `packet` are the bytes that `ip` views, and stay as the caller left them until next() returned
  // false. `inside_malformed` if the packet cannot be split: headers beyond kMaxHeaders, or a UDP
  // length that is not the packet's.
  base::DropReason start(base::MutableBytes packet, const IpPacket& ip, const Offload& offload,
                         Checksums checksums);

  // Octets of the largest IP packet that next() will give. What exceeds the path is answered with
  // Packet Too Big instead.
  std::size_t largest() const { return ip_header_ + l4_header_ + first_payload_; }
  std::size_t count() const { return count_; }

  // The next segment; false when there are none left. Spoils the plaintext of the segment before.
  bool next(Segment& out);

 private:
  void write_transport(std::uint8_t* l4, std::size_t l4_size, bool last);
  void write_network(std::uint8_t* header, std::size_t total) const;
  void prepare_sum(const std::uint8_t* packet, const IpPacket& ip);

  std::uint8_t* at_ = nullptr;     // payload of the next segment
  std::size_t left_ = 0;           // octets of payload not yet given
  std::size_t first_payload_ = 0;  // octets of payload of every segment but the last
  std::size_t count_ = 0;
  std::size_t index_ = 0;
  std::size_t ip_header_ = 0;
  std::size_t l4_header_ =
      0;  // 0 without GSO: then the "payload" begins with the upper layer's header
  wire::SealedPrefix prefix_;
  bool whole_ = false;  // form H: the IP header travels
  OnesSum pseudo_;      // without the length
  std::uint32_t sequence_ = 0;
  std::uint16_t identification_ = 0;
  std::uint8_t version_ = 0;
  std::uint8_t protocol_ = 0;
  bool gso_ = false;
  bool unfinished_ = false;
  bool finish_ = false;
  std::array<std::uint8_t, kMaxHeaders>
      headers_;  // the packet's own, from the IP header to the payload
};

}  // namespace entresol::layer::inner
