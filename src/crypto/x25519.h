// X25519 (RFC 7748), by libsodium. About 40 µs an operation: for handshakes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/secret.h"

namespace entresol::crypto {

inline constexpr std::size_t kX25519KeySize = 32;

using X25519PublicKey = std::array<std::uint8_t, kX25519KeySize>;
using X25519SecretKey = SecretBytes<kX25519KeySize>;

struct X25519KeyPair {
  X25519SecretKey secret;
  X25519PublicKey public_key{};
};

// From 32 uniformly random bytes, or from a stored secret key. The secret is kept clamped (RFC 7748
// section 5), which changes neither the public key nor any shared secret.
X25519KeyPair x25519_keypair(std::span<const std::uint8_t, kX25519KeySize> random);

// False, with `shared` all zero, if the peer's key is of small order (RFC 7748 section 6.1);
// nothing may then be derived.
[[nodiscard]] bool x25519(X25519SecretKey& shared,
                          std::span<const std::uint8_t, kX25519KeySize> secret,
                          std::span<const std::uint8_t, kX25519KeySize> peer);

}  // namespace entresol::crypto
