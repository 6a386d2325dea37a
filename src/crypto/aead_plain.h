// The AEAD of aead.h for any machine: AES-256-GCM by OpenSSL, ChaCha20-Poly1305 by libsodium. On
// x86-64 it is the twin that the tests hold the fast implementation against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "crypto/aead_suite.h"
#include "crypto/secret.h"

struct evp_cipher_ctx_st;  // of <openssl/evp.h>

namespace entresol::crypto {

class alignas(64) PlainAead {
 public:
  PlainAead() noexcept = default;
  PlainAead(AeadSuite suite, std::span<const std::uint8_t, kAeadKeySize> key);
  PlainAead(PlainAead&& other) noexcept;
  PlainAead& operator=(PlainAead&& other) noexcept;
  ~PlainAead() = default;

  explicit operator bool() const noexcept { return suite_ != AeadSuite{}; }

  void seal(const std::uint8_t* nonce, base::ByteView aad, const std::uint8_t* in, std::size_t n,
            std::uint8_t* out, std::uint8_t* tag) const noexcept;
  [[nodiscard]] bool open(const std::uint8_t* nonce, base::ByteView aad, const std::uint8_t* in,
                          std::size_t n, std::uint8_t* out, const std::uint8_t* tag) const noexcept;
  void prefetch(std::size_t) const noexcept { __builtin_prefetch(this); }

 private:
  struct FreeCipher {
    void operator()(evp_cipher_ctx_st* context) const noexcept;  // wipes the round keys
  };

  SecretBytes<kAeadKeySize> key_;                       // ChaCha20-Poly1305 only
  std::unique_ptr<evp_cipher_ctx_st, FreeCipher> aes_;  // AES-256-GCM only: expanded key
  AeadSuite suite_{};
};

}  // namespace entresol::crypto
