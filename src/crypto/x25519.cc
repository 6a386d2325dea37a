#include "crypto/x25519.h"

#include "crypto/sodium_init.h"

namespace entresol::crypto {

static_assert(kX25519KeySize == crypto_scalarmult_curve25519_BYTES);

X25519KeyPair x25519_keypair(std::span<const std::uint8_t, kX25519KeySize> random) {
  detail::ensure_sodium();
  X25519KeyPair pair{X25519SecretKey(random), {}};
  std::uint8_t* scalar = pair.secret.data();
  scalar[0] &= 248;
  scalar[31] = static_cast<std::uint8_t>((scalar[31] & 127) | 64);
  crypto_scalarmult_curve25519_base(pair.public_key.data(), scalar);
  return pair;
}

bool x25519(X25519SecretKey& shared, std::span<const std::uint8_t, kX25519KeySize> secret,
            std::span<const std::uint8_t, kX25519KeySize> peer) {
  detail::ensure_sodium();
  X25519SecretKey result;
  bool usable = crypto_scalarmult_curve25519(result.data(), secret.data(), peer.data()) == 0;
  if (!usable) result.clear();
  shared = std::move(result);
  return usable;
}

}  // namespace entresol::crypto
