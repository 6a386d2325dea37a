// Hashes, MACs and key derivation of fixed size, incremental or at once.
//
// BLAKE2s is written out here (RFC 7693), because mac1 is checked for every datagram of a handshake
// flood: for its 116 bytes OpenSSL's EVP_MAC took 340 ns with the method fetched beforehand and 540
// with the fetch, and allocates; blake2s_mac takes 265 and Blake2sMac 175, without allocation, and
// they cannot fail. The tests hold it against OpenSSL and the RFC's self-test. SHA-256 is
// libsodium's.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace entresol::crypto {

using Hash256 = std::array<std::uint8_t, 32>;
using Mac128 = std::array<std::uint8_t, 16>;

// BLAKE2s with any digest size and, with a key, its MAC (RFC 7693 section 2.9). Copying forks the
// state.
class Blake2s {
 public:
  static constexpr std::size_t kBlockSize = 64;
  static constexpr std::size_t kMaxSize = 32;

  // digest_size 1 to 32, at most 32 bytes of key: anything else ends the process.
  explicit Blake2s(std::size_t digest_size = kMaxSize, base::ByteView key = {}) noexcept;
  Blake2s(const Blake2s&) noexcept = default;
  Blake2s& operator=(const Blake2s&) noexcept = default;
  ~Blake2s() { wipe(this, sizeof *this); }

  void update(base::ByteView bytes) noexcept;
  // Writes digest_size bytes. Once; afterwards the object may only be assigned to or destroyed.
  void finish(std::uint8_t* out) noexcept;

 private:
  friend class Blake2sMac;
  void compress(const std::uint8_t* block, std::uint32_t n, bool last) noexcept;

  std::array<std::uint32_t, 8> h_;
  std::uint64_t length_ = 0;
  std::array<std::uint8_t, kBlockSize> buffer_;
  std::uint32_t filled_ = 0;  // of buffer_; a full one waits, since the last block is marked
  std::uint32_t digest_size_;
};

// BLAKE2s-256 of a ‖ b ‖ c.
Hash256 blake2s(base::ByteView a, base::ByteView b = {}, base::ByteView c = {}) noexcept;
// Keyed BLAKE2s-128 of a ‖ b, WireGuard's MAC(). At most 32 bytes of key.
Mac128 blake2s_mac(base::ByteView key, base::ByteView a, base::ByteView b = {}) noexcept;

// blake2s_mac for a key that stays: what the key contributes is computed once. A quarter to a third
// faster. Calls do not change it, so threads may share it.
class Blake2sMac {
 public:
  explicit Blake2sMac(base::ByteView key) noexcept;  // 1 to 32 bytes, else the process ends
  Mac128 operator()(base::ByteView a, base::ByteView b = {}) const noexcept;

 private:
  Blake2s keyed_;      // the key's block waits: it is the last one if nothing follows
  Blake2s after_key_;  // the key's block is done
};

// HMAC (RFC 2104) with BLAKE2s-256, of a ‖ b ‖ c.
Hash256 hmac_blake2s(base::ByteView key, base::ByteView a, base::ByteView b = {},
                     base::ByteView c = {}) noexcept;

namespace detail {
void hkdf_blake2s(base::ByteView chaining_key, base::ByteView input,
                  std::span<SecretBytes<32>> outputs) noexcept;
}

// Noise's HKDF (revision 34, section 4.3), WireGuard's KDF1 to KDF3.
template <std::size_t N>
std::array<SecretBytes<32>, N> hkdf_blake2s(base::ByteView chaining_key,
                                            base::ByteView input) noexcept {
  static_assert(N >= 1 && N <= 3);
  std::array<SecretBytes<32>, N> outputs;
  detail::hkdf_blake2s(chaining_key, input, outputs);
  return outputs;
}

// SHA-256 (FIPS 180-4) of a ‖ b ‖ c.
Hash256 sha256(base::ByteView a, base::ByteView b = {}, base::ByteView c = {}) noexcept;
Hash256 hmac_sha256(base::ByteView key, base::ByteView a, base::ByteView b = {},
                    base::ByteView c = {}) noexcept;

// HKDF-SHA-256 (RFC 5869). An empty salt counts as 32 zero bytes. `out` of up to 255 * 32 bytes;
// more ends the process.
SecretBytes<32> hkdf_sha256_extract(base::ByteView salt, base::ByteView input) noexcept;
void hkdf_sha256_expand(std::span<const std::uint8_t, 32> key, base::ByteView info,
                        base::MutableBytes out) noexcept;
inline void hkdf_sha256(base::ByteView salt, base::ByteView input, base::ByteView info,
                        base::MutableBytes out) noexcept {
  hkdf_sha256_expand(hkdf_sha256_extract(salt, input), info, out);
}

}  // namespace entresol::crypto
