// Ed25519 (RFC 8032, pure), by libsodium: identity keys and everything they sign.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace entresol::crypto {

inline constexpr std::size_t kEd25519SeedSize = 32;
inline constexpr std::size_t kEd25519PublicKeySize = 32;
inline constexpr std::size_t kEd25519SignatureSize = 64;

using Ed25519PublicKey = std::array<std::uint8_t, kEd25519PublicKeySize>;
using Ed25519Signature = std::array<std::uint8_t, kEd25519SignatureSize>;

struct Ed25519KeyPair {
  // Seed, then public key: the form that signing needs. The first 32 bytes are what a file keeps.
  SecretBytes<kEd25519SeedSize + kEd25519PublicKeySize> secret;
  Ed25519PublicKey public_key{};
};

// `seed` is 32 uniformly random bytes, or those of a stored key.
Ed25519KeyPair ed25519_keypair(std::span<const std::uint8_t, kEd25519SeedSize> seed);

Ed25519Signature ed25519_sign(const Ed25519KeyPair& key, base::ByteView message);

// Strict: refuses a non-canonical S or public key and keys or R of small order, so that two
// verifiers agree.
[[nodiscard]] bool ed25519_verify(std::span<const std::uint8_t, kEd25519PublicKeySize> public_key,
                                  base::ByteView message,
                                  std::span<const std::uint8_t, kEd25519SignatureSize> signature);

}  // namespace entresol::crypto
