// Datagrams of the one UDP port, and the head of a native link record (docs/wire.md sections 1 and
// 2).
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------+-----------------------------------------------+
//   |  Type = 0x14  |               Reserved, zero                  |
//   +---------------+-------------------------------+---------------+
//   |           Receiver index (24)                 |   Lane (8)    |
//   +-----------------------------------------------+---------------+
//   |                          Counter (32)                         |
//   +---------------------------------------------------------------+
//   |  AEAD(one packet, or empty: keepalive), tag (128)             |
//   +---------------------------------------------------------------+
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/drop.h"

namespace entresol::wire {

enum class DatagramType : std::uint8_t {
  wireguard_initiation = 0x01,
  wireguard_response = 0x02,
  wireguard_cookie_reply = 0x03,
  wireguard_transport = 0x04,
  native_initiation = 0x10,
  native_response = 0x11,
  native_cookie_reply = 0x12,
  native_reset = 0x13,
  native_record = 0x14,
  native_probe = 0x17,
  native_probe_answer = 0x18,
};

// Nothing for types that are reserved or not assigned, and for an empty datagram: refused as
// record_type_unknown.
inline std::optional<DatagramType> datagram_type(base::ByteView datagram) {
  if (datagram.empty()) return std::nullopt;
  std::uint8_t type = datagram[0];
  bool known = (type >= 0x01 && type <= 0x04) || (type >= 0x10 && type <= 0x14) || type == 0x17 ||
               type == 0x18;
  if (!known) return std::nullopt;
  return static_cast<DatagramType>(type);
}

inline constexpr std::size_t kNativeInitiationMinimum = 164;
inline constexpr std::size_t kNativeResponseMinimum = 104;
inline constexpr std::size_t kNativeCookieReplySize = 64;
inline constexpr std::size_t kNativeResetSize = 24;

inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kRecordTypeOffset = 0;
inline constexpr std::size_t kRecordWireIdOffset = 4;
inline constexpr std::size_t kRecordCounterOffset = 8;
inline constexpr std::size_t kRecordHeaderSize = 12;  // also the associated data
inline constexpr std::size_t kRecordMinimum = kRecordHeaderSize + kTagSize;

inline constexpr std::uint64_t kRecordsPerKey = std::uint64_t{1}
                                                << 28;  // none is sealed or opened beyond
inline constexpr std::uint64_t kRecordsBeforeRekey =
    std::uint64_t{1} << 27;                         // senders replace their keys after these
inline constexpr std::size_t kReplayWindow = 8192;  // counters a lane

inline constexpr std::uint32_t kIndexMaximum = 0xffffff;

// Receiver index ‖ lane, as records, sessions and handshakes carry it. A lane is a path and a
// sending worker, 4 bits each.
struct WireId {
  std::uint32_t value = 0;

  constexpr std::uint32_t index() const { return value >> 8; }
  constexpr std::uint8_t lane() const { return static_cast<std::uint8_t>(value); }
  constexpr std::uint8_t path() const { return static_cast<std::uint8_t>(lane() >> 4); }
  constexpr std::uint8_t worker() const { return lane() & 15; }
  friend constexpr auto operator<=>(WireId, WireId) = default;
};

// Only the low 24 bits of `index` travel.
constexpr WireId wire_id(std::uint32_t index, std::uint8_t lane) {
  return {index << 8 | lane};
}
// Only the low 4 bits of each are used.
constexpr std::uint8_t lane_of(unsigned path, unsigned worker) {
  return static_cast<std::uint8_t>((path & 15u) << 4 | (worker & 15u));
}

// A record whose length, type and reserved octets are right. Borrows the datagram.
class RecordView {
 public:
  // record_truncated, record_type_unknown or header_reserved, in this order; `out` is then
  // unchanged.
  static base::DropReason parse(base::ByteView datagram, RecordView& out) {
    if (datagram.size() < kRecordMinimum) [[unlikely]]
      return base::DropReason::record_truncated;
    const std::uint32_t first = base::load_be32(datagram.data());
    if (first != kFirstWord) [[unlikely]] {
      return first >> 24 != kFirstWord >> 24 ? base::DropReason::record_type_unknown
                                             : base::DropReason::header_reserved;
    }
    out.datagram_ = datagram;
    return base::DropReason::none;
  }

  WireId id() const { return {base::load_be32(datagram_.data() + kRecordWireIdOffset)}; }
  std::uint32_t counter() const { return base::load_be32(datagram_.data() + kRecordCounterOffset); }
  base::ByteView associated_data() const { return datagram_.first(kRecordHeaderSize); }
  base::ByteView sealed() const {
    return datagram_.subspan(kRecordHeaderSize);
  }  // ciphertext and tag
  std::size_t plaintext_size() const { return datagram_.size() - kRecordMinimum; }

 private:
  friend void emit_record_header(std::uint8_t*, WireId, std::uint32_t);
  static constexpr std::uint32_t kFirstWord =
      std::uint32_t{static_cast<std::uint8_t>(DatagramType::native_record)} << 24;
  base::ByteView datagram_;
};

// `at` has room for kRecordHeaderSize octets.
inline void emit_record_header(std::uint8_t* at, WireId id, std::uint32_t counter) {
  base::store_be32(at, RecordView::kFirstWord);
  base::store_be32(at + kRecordWireIdOffset, id.value);
  base::store_be32(at + kRecordCounterOffset, counter);
}

}  // namespace entresol::wire
