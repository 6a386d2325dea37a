// The AEAD of aead.h by intel-ipsec-mb (x86-64; the instruction set is chosen when the first object
// is made). Each suite goes the way that was fastest for single packets with version 1.3:
// AES-256-GCM through the direct call, which needs no manager; ChaCha20-Poly1305 as a job, which
// the library completes at once, in half the time of its INIT/UPDATE/FINALIZE calls (and bursts of
// jobs gain nothing on top). A manager is not thread-safe, so each thread has its own for these
// jobs, about 200 KB, of which one packet touches less than 1 KB.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "crypto/aead_suite.h"
#include "crypto/secret.h"

struct gcm_key_data;  // of <intel-ipsec-mb.h>, whose four thousand lines stay out of this header
struct gcm_context_data;

namespace entresol::crypto {

namespace detail {

using GcmRoutine = void (*)(const gcm_key_data*, gcm_context_data*, std::uint8_t* out,
                            const std::uint8_t* in, std::uint64_t n, const std::uint8_t* nonce,
                            const std::uint8_t* aad, std::uint64_t aad_size, std::uint8_t* tag,
                            std::uint64_t tag_size);

struct GcmRoutines {
  GcmRoutine seal;
  GcmRoutine open;
};
// Set once, before the first object with a key exists; constant afterwards.
extern GcmRoutines gcm_routines;

inline constexpr std::size_t kGcmKeyDataSize =
    1008;  // checked against the library's header in the source
inline constexpr std::size_t kGcmContextSize = 88;

void ipsecmb_expand_gcm(const std::uint8_t* key, void* key_data);
void ipsecmb_start();
void ipsecmb_chacha_seal(const std::uint8_t* key, const std::uint8_t* nonce, base::ByteView aad,
                         const std::uint8_t* in, std::size_t n, std::uint8_t* out,
                         std::uint8_t* tag) noexcept;
void ipsecmb_chacha_open(const std::uint8_t* key, const std::uint8_t* nonce, base::ByteView aad,
                         const std::uint8_t* in, std::size_t n, std::uint8_t* out,
                         std::uint8_t* tag) noexcept;
[[noreturn]] void aead_without_key() noexcept;

inline bool same_tag(const std::uint8_t* a, const std::uint8_t* b) noexcept {
  std::uint64_t difference =
      (base::load_le64(a) ^ base::load_le64(b)) | (base::load_le64(a + 8) ^ base::load_le64(b + 8));
  return difference == 0;
}

}  // namespace detail

class IpsecMbAead {
 public:
  IpsecMbAead() noexcept { std::memset(key_, 0, sizeof key_); }
  IpsecMbAead(AeadSuite suite, std::span<const std::uint8_t, kAeadKeySize> key);
  IpsecMbAead(IpsecMbAead&& other) noexcept { take(other); }
  IpsecMbAead& operator=(IpsecMbAead&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  ~IpsecMbAead() { wipe(key_, sizeof key_); }

  explicit operator bool() const noexcept { return suite_ != AeadSuite{}; }

  void seal(const std::uint8_t* nonce, base::ByteView aad, const std::uint8_t* in, std::size_t n,
            std::uint8_t* out, std::uint8_t* tag) const noexcept {
    if (suite_ == AeadSuite::kAes256Gcm) [[likely]] {
      gcm(detail::gcm_routines.seal, nonce, aad, in, n, out, tag);
    } else if (suite_ == AeadSuite::kChaCha20Poly1305) {
      detail::ipsecmb_chacha_seal(key_, nonce, aad, in, n, out, tag);
    } else {
      detail::aead_without_key();
    }
  }

  [[nodiscard]] bool open(const std::uint8_t* nonce, base::ByteView aad, const std::uint8_t* in,
                          std::size_t n, std::uint8_t* out,
                          const std::uint8_t* tag) const noexcept {
    alignas(16) std::uint8_t computed[kAeadTagSize];
    if (suite_ == AeadSuite::kAes256Gcm) [[likely]] {
      gcm(detail::gcm_routines.open, nonce, aad, in, n, out, computed);
    } else if (suite_ == AeadSuite::kChaCha20Poly1305) {
      detail::ipsecmb_chacha_open(key_, nonce, aad, in, n, out, computed);
    } else {
      detail::aead_without_key();
    }
    return detail::same_tag(computed, tag);
  }

  // The lines that a packet of n octets reads. AES-256-GCM: the round keys lie first, the powers of
  // the hash key last, with the first power at the very end.
  void prefetch(std::size_t n) const noexcept {
    constexpr std::size_t kRoundKeys = 256, kPower = 16, kPowers = 48;
    const std::size_t powers = std::min(kPowers, n / kPower + 2) * kPower;
    for (std::size_t at = 0; at < kRoundKeys; at += 64) __builtin_prefetch(key_ + at);
    for (std::size_t at = sizeof key_ - powers; at < sizeof key_; at += 64) {
      __builtin_prefetch(key_ + at);
    }
  }

 private:
  void gcm(detail::GcmRoutine routine, const std::uint8_t* nonce, base::ByteView aad,
           const std::uint8_t* in, std::size_t n, std::uint8_t* out,
           std::uint8_t* tag) const noexcept {
    // The library loads the nonce in one piece. What was just written in two would make it wait for
    // the store buffer, so it is put together in a register, from the pieces that callers write: 8
    // octets, then the 4 that hold the counter.
    using Lanes [[gnu::vector_size(16)]] = std::uint64_t;
    const Lanes whole = {base::load_le64(nonce), base::load_le32(nonce + 8)};
    alignas(64) std::uint8_t context[detail::kGcmContextSize];
    routine(reinterpret_cast<const gcm_key_data*>(key_),
            reinterpret_cast<gcm_context_data*>(context), out, in, n,
            reinterpret_cast<const std::uint8_t*>(&whole), aad.data(), aad.size(), tag,
            kAeadTagSize);
  }
  void take(IpsecMbAead& other) noexcept {
    std::memcpy(key_, other.key_, sizeof key_);
    suite_ = other.suite_;
    wipe(other.key_, sizeof other.key_);
    other.suite_ = AeadSuite{};
  }

  // AES-256-GCM: round keys, then powers of the hash key. ChaCha20-Poly1305: the key, in the first
  // 32 bytes.
  alignas(64) std::uint8_t key_[detail::kGcmKeyDataSize];
  AeadSuite suite_{};
};

static_assert(sizeof(IpsecMbAead) == 1024 && alignof(IpsecMbAead) == 64);

}  // namespace entresol::crypto
