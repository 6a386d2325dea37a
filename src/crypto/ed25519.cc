#include "crypto/ed25519.h"

#include <sodium.h>

namespace entresol::crypto {

static_assert(kEd25519SeedSize == crypto_sign_SEEDBYTES);
static_assert(kEd25519PublicKeySize == crypto_sign_PUBLICKEYBYTES);
static_assert(kEd25519SignatureSize == crypto_sign_BYTES);

Ed25519KeyPair ed25519_keypair(std::span<const std::uint8_t, kEd25519SeedSize> seed) {
  Ed25519KeyPair pair;
  crypto_sign_seed_keypair(pair.public_key.data(), pair.secret.data(), seed.data());
  return pair;
}

Ed25519Signature ed25519_sign(const Ed25519KeyPair& key, base::ByteView message) {
  Ed25519Signature signature{};
  crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(),
                       key.secret.data());
  return signature;
}

bool ed25519_verify(std::span<const std::uint8_t, kEd25519PublicKeySize> public_key,
                    base::ByteView message,
                    std::span<const std::uint8_t, kEd25519SignatureSize> signature) {
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                     public_key.data()) == 0;
}

}  // namespace entresol::crypto
