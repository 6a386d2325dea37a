// Record protection: what happens to each packet once a handshake has given keys. No allocation, no
// virtual call, no lock. Native records (links and end-to-end) and WireGuard's transport data
// differ in header, nonce, padding and counter width; both use a replay window. A lane belongs to
// one thread at a time. Source: docs/wire.md sections 2 and 5; WireGuard paper section 5.4.6;
// RFC 6479.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "base/drop.h"
#include "crypto/aead.h"
#include "security/protocol.h"
#include "wire/record.h"

namespace entresol::security {

inline constexpr std::size_t kNativeRecordHeader = 12;
inline constexpr std::size_t kWireGuardRecordHeader = 16;
inline constexpr std::size_t kRecordTag = 16;
inline constexpr std::uint64_t kNativeMaxRecords = std::uint64_t{1} << 28;
// WireGuard's REJECT_AFTER_MESSAGES.
inline constexpr std::uint64_t kWireGuardMaxRecords = ~std::uint64_t{0} - (std::uint64_t{1} << 13);
inline constexpr std::size_t kReplayWindow = 8192;
inline constexpr std::size_t kWireGuardPadding = 16;
inline constexpr std::uint32_t kWireGuardTransportWord = 4;  // type and reserved, little-endian

// RFC 6479: a ring of words. `fresh` before the tag is checked, `commit` after (it checks again).
class ReplayWindow {
 public:
  bool fresh(std::uint64_t counter) const {
    if (!any_ || counter > highest_) return true;
    if (highest_ - counter >= kReplayWindow) return false;
    return (words_[(counter >> 6) % kWords] >> (counter & 63) & 1) == 0;
  }
  // False: seen or too old.
  bool commit(std::uint64_t counter) {
    const std::uint64_t word = counter >> 6;
    const std::uint64_t bit = std::uint64_t{1} << (counter & 63);
    if (!any_ || counter > highest_) {
      const std::uint64_t from = any_ ? highest_ >> 6 : word;
      const std::uint64_t clear = std::min<std::uint64_t>(word - from, kWords);
      for (std::uint64_t i = 0; i < clear; ++i) words_[(word - i) % kWords] = 0;
      words_[word % kWords] |= bit;
      highest_ = counter;
      any_ = true;
      return true;
    }
    if (highest_ - counter >= kReplayWindow) return false;
    std::uint64_t& seen = words_[word % kWords];
    if ((seen & bit) != 0) return false;
    seen |= bit;
    return true;
  }
  std::uint64_t highest() const { return highest_; }
  void prefetch(std::uint64_t counter) const {
    __builtin_prefetch(&words_[(counter >> 6) % kWords]);
  }

 private:
  // One word more than the window, so that the newest word, partly used, hides nothing of it.
  static constexpr std::size_t kWords = kReplayWindow / 64 + 1;
  std::uint64_t highest_ = 0;
  bool any_ = false;
  std::array<std::uint64_t, kWords> words_{};
};

struct LaneKey {
  crypto::Aead aead;
  std::array<std::uint8_t, 12> iv{};  // native: XORed with the counter; WireGuard: zero
};
// docs/wire.md section 2.
LaneKey derive_lane(std::span<const std::uint8_t, 32> secret, crypto::AeadSuite suite,
                    std::uint8_t lane);

// The counters share the cache line of the key's `iv`.
struct SendLane {
  [[no_unique_address]] LaneKey key;
  std::uint64_t next = 0;     // counter of the next record
  std::uint32_t wire_id = 0;  // native: remote index << 8 | lane; WireGuard: remote index
  Protocol protocol = Protocol::kNative;
};
struct ReceiveLane {
  [[no_unique_address]] LaneKey key;
  ReplayWindow window;
};

// What sealing or opening n octets reads first, asked for ahead of time.
inline void prefetch(const LaneKey& key, std::size_t n) {
  __builtin_prefetch(&key.iv);
  key.aead.prefetch(n);
}

inline constexpr std::size_t record_header(Protocol protocol) {
  return protocol == Protocol::kNative ? kNativeRecordHeader : kWireGuardRecordHeader;
}

// WireGuard: n rounded up to 16, but not beyond max_plain, where that is not 0 and n fits into it.
inline constexpr std::size_t wireguard_padded(std::size_t n, std::size_t max_plain = 0) {
  const std::size_t padded = (n + kWireGuardPadding - 1) / kWireGuardPadding * kWireGuardPadding;
  return max_plain != 0 && padded > max_plain ? std::max(n, max_plain) : padded;
}

// Sizes of a link record for n octets of plaintext (WireGuard pads to 16, never beyond `max_plain`
// if that is not 0).
inline constexpr std::size_t record_size(Protocol protocol, std::size_t n,
                                         std::size_t max_plain = 0) {
  if (protocol == Protocol::kNative) return kNativeRecordHeader + n + kRecordTag;
  return kWireGuardRecordHeader + wireguard_padded(n, max_plain) + kRecordTag;
}

// What can be said of a datagram before its index is looked up: record_truncated,
// record_type_unknown or header_reserved, in this order.
inline base::DropReason record_header_ok(Protocol protocol, const std::uint8_t* datagram,
                                         std::size_t n) {
  if (protocol == Protocol::kNative) {
    wire::RecordView view;
    return wire::RecordView::parse({datagram, n}, view);
  }
  if (n < kWireGuardRecordHeader + kRecordTag) return base::DropReason::record_truncated;
  const std::uint32_t word = base::load_le32(datagram);
  if (word == kWireGuardTransportWord) [[likely]]
    return base::DropReason::none;
  return (word & 0xff) == kWireGuardTransportWord ? base::DropReason::header_reserved
                                                  : base::DropReason::record_type_unknown;
}

namespace detail {

inline std::array<std::uint8_t, 12> native_nonce(const LaneKey& key, std::uint32_t counter) {
  std::array<std::uint8_t, 12> nonce = key.iv;
  base::store_be32(nonce.data() + 8, base::load_be32(nonce.data() + 8) ^ counter);
  return nonce;
}

inline std::array<std::uint8_t, 12> wireguard_nonce(std::uint64_t counter) {
  std::array<std::uint8_t, 12> nonce{};
  base::store_le64(nonce.data() + 4, counter);
  return nonce;
}

// `associated` may lie in front of `sealed`, as it does in a link record.
inline base::DropReason open_sealed(ReceiveLane& lane, std::uint64_t counter,
                                    const std::uint8_t* nonce, base::ByteView associated,
                                    std::uint8_t* sealed, std::size_t n) {
  if (!lane.window.fresh(counter)) [[unlikely]]
    return base::DropReason::record_replayed;
  if (!lane.key.aead.open(nonce, associated, sealed, n, sealed, sealed + n)) [[unlikely]] {
    return base::DropReason::record_forged;
  }
  return lane.window.commit(counter) ? base::DropReason::none : base::DropReason::record_replayed;
}

inline std::size_t seal_wireguard(SendLane& lane, const std::uint8_t* plain, std::size_t n,
                                  std::uint8_t* out, std::size_t max_plain) {
  if (lane.next >= kWireGuardMaxRecords) [[unlikely]]
    return 0;
  const std::size_t padded = wireguard_padded(n, max_plain);
  std::uint8_t* text = out + kWireGuardRecordHeader;
  if (padded != n) {  // the padding is sealed too, so all of it has to lie in one piece
    if (text != plain) std::memmove(text, plain, n);
    std::memset(text + n, 0, padded - n);
    plain = text;
  }
  const auto nonce = wireguard_nonce(lane.next);
  lane.key.aead.seal(nonce.data(), {}, plain, padded, text, text + padded);
  base::store_le32(out, kWireGuardTransportWord);
  base::store_le32(out + 4, lane.wire_id);
  base::store_le64(out + 8, lane.next);
  ++lane.next;
  return kWireGuardRecordHeader + padded + kRecordTag;
}

}  // namespace detail

// Seals one link record: header, ciphertext and tag to `out`, which has room for
// record_size(protocol, n, max_plain) octets. `out` may start exactly one header before `plain`, so
// that the work is in place, or be disjoint from it. Returns the octets written, or 0 if the key's
// counters are used up.
inline std::size_t seal_record(SendLane& lane, const std::uint8_t* plain, std::size_t n,
                               std::uint8_t* out, std::size_t max_plain = 0) {
  if (lane.protocol == Protocol::kWireGuard) {
    return detail::seal_wireguard(lane, plain, n, out, max_plain);
  }
  if (lane.next >= kNativeMaxRecords) [[unlikely]]
    return 0;
  const auto counter = static_cast<std::uint32_t>(lane.next++);
  wire::emit_record_header(out, {lane.wire_id}, counter);
  const auto nonce = detail::native_nonce(lane.key, counter);
  std::uint8_t* text = out + kNativeRecordHeader;
  lane.key.aead.seal(nonce.data(), {out, kNativeRecordHeader}, plain, n, text, text + n);
  return kNativeRecordHeader + n + kRecordTag;
}

// Opens in place; on `none` the plaintext is `plain_length` octets at datagram + header. The
// datagram's type and length are checked by the caller with record_header_ok() first, and its lane
// found by its index. After record_forged the datagram's contents are unspecified.
inline base::DropReason open_native_record(ReceiveLane& lane, std::uint8_t* datagram, std::size_t n,
                                           std::size_t& plain_length) {
  const std::uint32_t counter = base::load_be32(datagram + wire::kRecordCounterOffset);
  if (counter >= kNativeMaxRecords) [[unlikely]]
    return base::DropReason::record_counter_exhausted;
  plain_length = n - kNativeRecordHeader - kRecordTag;
  const auto nonce = detail::native_nonce(lane.key, counter);
  return detail::open_sealed(lane, counter, nonce.data(), {datagram, kNativeRecordHeader},
                             datagram + kNativeRecordHeader, plain_length);
}

// As above; the plaintext still has its padding.
inline base::DropReason open_wireguard_record(ReceiveLane& lane, std::uint8_t* datagram,
                                              std::size_t n, std::size_t& plain_length) {
  const std::uint64_t counter = base::load_le64(datagram + 8);
  if (counter >= kWireGuardMaxRecords) [[unlikely]] {
    return base::DropReason::record_counter_exhausted;
  }
  plain_length = n - kWireGuardRecordHeader - kRecordTag;
  const auto nonce = detail::wireguard_nonce(counter);
  return detail::open_sealed(lane, counter, nonce.data(), {}, datagram + kWireGuardRecordHeader,
                             plain_length);
}

// End-to-end records: associated data is the canonical form, the counter is the sequence, sent by
// the caller. `out` gets n + tag octets and is `plain` itself or disjoint from it. The caller has
// put lane.next into the canonical form; it is advanced here. False if the counters are used up.
inline bool seal_session(SendLane& lane, base::ByteView canonical, const std::uint8_t* plain,
                         std::size_t n, std::uint8_t* out) {
  if (lane.next >= kNativeMaxRecords) [[unlikely]]
    return false;
  const auto nonce = detail::native_nonce(lane.key, static_cast<std::uint32_t>(lane.next++));
  lane.key.aead.seal(nonce.data(), canonical, plain, n, out, out + n);
  return true;
}

// Opens in place: on `none` the plaintext is n_with_tag - kRecordTag octets at `sealed`.
inline base::DropReason open_session(ReceiveLane& lane, std::uint32_t sequence,
                                     base::ByteView canonical, std::uint8_t* sealed,
                                     std::size_t n_with_tag) {
  if (n_with_tag < kRecordTag) [[unlikely]]
    return base::DropReason::record_truncated;
  if (sequence >= kNativeMaxRecords) [[unlikely]]
    return base::DropReason::record_counter_exhausted;
  const auto nonce = detail::native_nonce(lane.key, sequence);
  return detail::open_sealed(lane, sequence, nonce.data(), canonical, sealed,
                             n_with_tag - kRecordTag);
}

}  // namespace entresol::security
