// The session header in front of a sealed payload, what the end-to-end record authenticates (the
// canonical form), and the octets that the sealed plaintext starts with (docs/wire.md section 5).
//
//   +---------------+---------------+-------------------------------+
//   |        Receiver's session index (24)          |   Lane (8)    |   0
//   +-----------------------------------------------+---------------+
//   |                        Sequence (32)                          |   4
//   +---------------+---------------+-------------------------------+
//   | AEAD( Offload | Inner form | identification? | inner payload ) |   8
//   +---------------------------------------------------------------+
//   |                          Tag (128)                            |
//   +---------------------------------------------------------------+
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"
#include "wire/header.h"
#include "wire/record.h"

namespace entresol::wire {

inline constexpr std::size_t kSessionHeaderSize = 8;

struct SessionHeader {
  WireId id;
  std::uint32_t sequence = 0;

  // Writes kSessionHeaderSize octets.
  void emit(std::uint8_t* at) const {
    base::store_be32(at, id.value);
    base::store_be32(at + 4, sequence);
  }
  friend bool operator==(const SessionHeader&, const SessionHeader&) = default;
};

// The payload of a packet of next protocol 3. Borrows it.
class SessionView {
 public:
  // header_truncated if there are fewer than kSealedMinimum octets, which HeaderView::parse has
  // refused already.
  static base::DropReason parse(base::ByteView payload, SessionView& out) {
    if (payload.size() < kSealedMinimum) [[unlikely]]
      return base::DropReason::header_truncated;
    out.payload_ = payload;
    return base::DropReason::none;
  }

  WireId id() const { return {base::load_be32(payload_.data())}; }
  std::uint32_t sequence() const { return base::load_be32(payload_.data() + 4); }
  SessionHeader header() const { return {id(), sequence()}; }
  base::ByteView sealed() const {
    return payload_.subspan(kSessionHeaderSize);
  }  // ciphertext and tag

 private:
  base::ByteView payload_;
};

inline constexpr std::size_t kLayerIdSize = 32;
using LayerId = std::array<std::uint8_t, kLayerIdSize>;

// What the wire's layer field holds of a layer's id.
inline std::uint32_t wire_layer(const LayerId& id) {
  return base::load_be32(id.data());
}

inline constexpr std::size_t kCanonicalSize = 88;  // without end-to-end options
inline constexpr std::size_t kCanonicalMaximum = kCanonicalSize + kHeaderMaximum - kHeaderSize;

// The canonical form of packets without end-to-end options. Built once per flow; per packet only
// sequence and, where lanes change, the wire id are set. The fields are those of the packet as
// sent.
class CanonicalForm {
 public:
  CanonicalForm() = default;
  CanonicalForm(const LayerId& layer, const HeaderView& header);
  CanonicalForm(const LayerId& layer, const Header& header);  // leaves options aside

  void set(SessionHeader session) { session.emit(&octets_[kIdOffset]); }
  void set_id(WireId id) { base::store_be32(&octets_[kIdOffset], id.value); }
  void set_sequence(std::uint32_t sequence) {
    base::store_be32(&octets_[kSequenceOffset], sequence);
  }
  base::ByteView octets() const { return octets_; }

 private:
  static constexpr std::size_t kIdOffset = 48;
  static constexpr std::size_t kSequenceOffset = 52;
  std::array<std::uint8_t, kCanonicalSize> octets_{};
};

bool has_end_to_end_options(const HeaderView& header);

// The canonical form of any packet, end-to-end options included: writes it to `at`, which has room
// for kCanonicalMaximum octets, and returns its size. Does not allocate.
std::size_t emit_canonical(const LayerId& layer, const HeaderView& header, SessionHeader session,
                           std::uint8_t* at);

// How much of the inner packet travels in the sealed plaintext, behind its first two octets.
enum class InnerForm : std::uint8_t {
  payload = 0,                   // the inner payload alone
  payload_behind_id = 0x10,      // I: IPv4 identification, flags and fragment offset in front of it
  whole_packet = 0x20,           // H: the inner packet with its IP header
  payload_dont_fragment = 0x40,  // D: the inner payload alone, of an IPv4 packet with DF
};

// The first two octets of the sealed plaintext, or six.
struct SealedPrefix {
  bool checksum_unfinished = false;  // C: the field holds the folded sum of the pseudo-header
  std::uint8_t ip_version = 6;       // 4 or 6
  InnerForm form = InnerForm::payload;
  std::uint32_t identification = 0;  // octets 4–7 of the IPv4 header; only with payload_behind_id

  friend bool operator==(const SealedPrefix&, const SealedPrefix&) = default;

  // inside_malformed if a reserved bit is set, the version is neither 4 nor 6, I or D goes with
  // version 6, I, H and D do not exclude one another, or the plaintext ends too early; `out` is
  // then unchanged. What follows begins at out.size().
  static base::DropReason parse(base::ByteView plaintext, SealedPrefix& out);

  std::size_t size() const { return form == InnerForm::payload_behind_id ? 6 : 2; }
  // Writes size() octets.
  void emit(std::uint8_t* at) const;
};

inline constexpr std::size_t kSealedPrefixMaximum = 6;

}  // namespace entresol::wire
