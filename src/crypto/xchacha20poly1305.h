// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), by libsodium: its nonce is long enough to be
// random, which WireGuard's cookie replies need. Tag behind the ciphertext.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace entresol::crypto {

inline constexpr std::size_t kXChaChaKeySize = 32;
inline constexpr std::size_t kXChaChaNonceSize = 24;
inline constexpr std::size_t kXChaChaTagSize = 16;

// `out` holds in.size() + kXChaChaTagSize bytes, and may begin where `in` does but not overlap it
// otherwise.
void xchacha20poly1305_seal(std::span<const std::uint8_t, kXChaChaKeySize> key,
                            std::span<const std::uint8_t, kXChaChaNonceSize> nonce,
                            base::ByteView aad, base::ByteView in, base::MutableBytes out);

// `in` is ciphertext and tag, `out` holds in.size() - kXChaChaTagSize bytes (same rule of overlap).
// False, with nothing written, if `in` is shorter than a tag or does not authenticate.
[[nodiscard]] bool xchacha20poly1305_open(std::span<const std::uint8_t, kXChaChaKeySize> key,
                                          std::span<const std::uint8_t, kXChaChaNonceSize> nonce,
                                          base::ByteView aad, base::ByteView in,
                                          base::MutableBytes out);

}  // namespace entresol::crypto
