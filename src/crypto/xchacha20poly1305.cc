#include "crypto/xchacha20poly1305.h"

#include <cassert>

#include "crypto/sodium_init.h"

namespace entresol::crypto {

static_assert(kXChaChaKeySize == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(kXChaChaNonceSize == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kXChaChaTagSize == crypto_aead_xchacha20poly1305_ietf_ABYTES);

void xchacha20poly1305_seal(std::span<const std::uint8_t, kXChaChaKeySize> key,
                            std::span<const std::uint8_t, kXChaChaNonceSize> nonce,
                            base::ByteView aad, base::ByteView in, base::MutableBytes out) {
  detail::ensure_sodium();
  assert(out.size() >= in.size() + kXChaChaTagSize);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, in.data(), in.size(), aad.data(),
                                             aad.size(), nullptr, nonce.data(), key.data());
}

bool xchacha20poly1305_open(std::span<const std::uint8_t, kXChaChaKeySize> key,
                            std::span<const std::uint8_t, kXChaChaNonceSize> nonce,
                            base::ByteView aad, base::ByteView in, base::MutableBytes out) {
  if (in.size() < kXChaChaTagSize) return false;
  detail::ensure_sodium();
  std::size_t n = in.size() - kXChaChaTagSize;
  assert(out.size() >= n);
  return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(out.data(), nullptr, in.data(), n,
                                                             in.data() + n, aad.data(), aad.size(),
                                                             nonce.data(), key.data()) == 0;
}

}  // namespace entresol::crypto
