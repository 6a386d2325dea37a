#include "service/crypto_calls.h"

#include <algorithm>
#include <array>
#include <functional>

#include "crypto/aead.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "entresol/service.h"

namespace entresol::service::crypto_calls {
namespace {

static_assert(ENTRESOL_HASH_SIZE == sizeof(crypto::Hash256));
static_assert(ENTRESOL_KEY_SIZE == crypto::kAeadKeySize &&
              ENTRESOL_KEY_SIZE == crypto::kEd25519SeedSize &&
              ENTRESOL_KEY_SIZE == crypto::kEd25519PublicKeySize);
static_assert(ENTRESOL_SIGNATURE_SIZE == crypto::kEd25519SignatureSize);
static_assert(ENTRESOL_NONCE_SIZE == crypto::kAeadNonceSize);
static_assert(ENTRESOL_TAG_SIZE == crypto::kAeadTagSize);

// Why the call cannot be made; 0: it can.
std::int32_t refused(const Environment& environment, std::size_t octets) {
  if (!environment.allows(Use::kCrypto)) return ENTRESOL_DENIED;
  return octets > kMaxInput ? ENTRESOL_INVALID : 0;
}

bool is_hash(std::uint32_t algorithm) {
  return algorithm == ENTRESOL_SHA256 || algorithm == ENTRESOL_BLAKE2S;
}

std::int32_t refused(const Environment& environment, const AeadInput& input, base::ByteView out) {
  const std::size_t octets = std::max(input.authenticated.size(), input.in.size());
  if (const std::int32_t no = refused(environment, octets); no != 0) return no;
  if (input.suite != ENTRESOL_AES256_GCM && input.suite != ENTRESOL_CHACHA20_POLY1305)
    return ENTRESOL_INVALID;
  // What is written must not be what is still to be read: the result would differ from machine to machine.
  const std::less<> before;
  const std::uint8_t* const begin = input.in.data();
  const bool inside = before(begin, out.data()) && before(out.data(), begin + input.in.size());
  const auto meets = [&](base::ByteView other) {
    return !other.empty() && before(out.data(), other.data() + other.size()) &&
           before(other.data(), out.data() + out.size());
  };
  return inside || meets(input.key) || meets(input.nonce) || meets(input.authenticated)
             ? ENTRESOL_INVALID
             : 0;
}

crypto::Aead aead_of(const AeadInput& input) {
  const auto suite = input.suite == ENTRESOL_AES256_GCM ? crypto::AeadSuite::kAes256Gcm
                                                        : crypto::AeadSuite::kChaCha20Poly1305;
  return {suite, input.key.first<crypto::kAeadKeySize>()};
}

}  // namespace

std::int32_t hash(const Environment& environment, std::uint32_t algorithm, base::ByteView data,
                  std::uint8_t* out) {
  if (const std::int32_t no = refused(environment, data.size()); no != 0) return no;
  if (!is_hash(algorithm)) return ENTRESOL_INVALID;
  const crypto::Hash256 made =
      algorithm == ENTRESOL_SHA256 ? crypto::sha256(data) : crypto::blake2s(data);
  std::copy(made.begin(), made.end(), out);
  return 0;
}

std::int32_t hmac(const Environment& environment, std::uint32_t algorithm, base::ByteView key,
                  base::ByteView data, std::uint8_t* out) {
  if (const std::int32_t no = refused(environment, std::max(key.size(), data.size())); no != 0)
    return no;
  if (!is_hash(algorithm)) return ENTRESOL_INVALID;
  const crypto::Hash256 made = algorithm == ENTRESOL_SHA256 ? crypto::hmac_sha256(key, data)
                                                            : crypto::hmac_blake2s(key, data);
  std::copy(made.begin(), made.end(), out);
  return 0;
}

std::int32_t hkdf(const Environment& environment, base::ByteView secret, base::ByteView salt,
                  base::ByteView info, base::MutableBytes out) {
  // `info` is hashed for each 32 octets of the result.
  const std::size_t octets = std::max({secret.size(), salt.size(), info.size() * 16});
  if (const std::int32_t no = refused(environment, octets); no != 0) return no;
  if (out.size() > kMaxExpanded) return ENTRESOL_INVALID;
  base::Bytes made(out.size());  // `out` may be where `info` is
  crypto::hkdf_sha256(salt, secret, info, made);
  std::copy(made.begin(), made.end(), out.begin());
  crypto::wipe(made.data(), made.size());
  return 0;
}

std::int32_t public_key(const Environment& environment, const std::uint8_t* seed,
                        std::uint8_t* out) {
  if (const std::int32_t no = refused(environment, 0); no != 0) return no;
  const auto pair = crypto::ed25519_keypair(
      std::span<const std::uint8_t, ENTRESOL_KEY_SIZE>(seed, ENTRESOL_KEY_SIZE));
  std::copy(pair.public_key.begin(), pair.public_key.end(), out);
  return 0;
}

std::int32_t sign(const Environment& environment, const std::uint8_t* seed, base::ByteView message,
                  std::uint8_t* signature) {
  if (const std::int32_t no = refused(environment, message.size()); no != 0) return no;
  const auto pair = crypto::ed25519_keypair(
      std::span<const std::uint8_t, ENTRESOL_KEY_SIZE>(seed, ENTRESOL_KEY_SIZE));
  const crypto::Ed25519Signature made = crypto::ed25519_sign(pair, message);
  std::copy(made.begin(), made.end(), signature);
  return 0;
}

std::int32_t verify(const Environment& environment, const std::uint8_t* public_key,
                    base::ByteView message, const std::uint8_t* signature) {
  if (const std::int32_t no = refused(environment, message.size()); no != 0) return no;
  const bool holds = crypto::ed25519_verify(
      std::span<const std::uint8_t, ENTRESOL_KEY_SIZE>(public_key, ENTRESOL_KEY_SIZE), message,
      std::span<const std::uint8_t, ENTRESOL_SIGNATURE_SIZE>(signature, ENTRESOL_SIGNATURE_SIZE));
  return holds ? 0 : ENTRESOL_FORGED;
}

std::int32_t seal(const Environment& environment, const AeadInput& input, base::MutableBytes out) {
  const std::size_t size = input.in.size() + ENTRESOL_TAG_SIZE;
  if (out.size() > size) out = out.first(size);
  if (const std::int32_t no = refused(environment, input, out); no != 0) return no;
  if (out.size() < size) return ENTRESOL_TOO_SMALL;
  // The tag may not be written over text that is still to be read.
  std::array<std::uint8_t, ENTRESOL_TAG_SIZE> tag;
  aead_of(input).seal(input.nonce.data(), input.authenticated, input.in.data(), input.in.size(),
                      out.data(), tag.data());
  std::copy(tag.begin(), tag.end(), out.data() + input.in.size());
  return static_cast<std::int32_t>(size);
}

std::int32_t open(const Environment& environment, const AeadInput& input, base::MutableBytes out) {
  if (input.in.size() < ENTRESOL_TAG_SIZE)
    return environment.allows(Use::kCrypto) ? ENTRESOL_FORGED : ENTRESOL_DENIED;
  const std::size_t size = input.in.size() - ENTRESOL_TAG_SIZE;
  if (out.size() > size) out = out.first(size);
  if (const std::int32_t no = refused(environment, input, out); no != 0) return no;
  if (out.size() < size) return ENTRESOL_TOO_SMALL;
  std::array<std::uint8_t, ENTRESOL_TAG_SIZE> tag;
  std::copy_n(input.in.data() + size, tag.size(), tag.begin());
  if (aead_of(input).open(input.nonce.data(), input.authenticated, input.in.data(), size,
                          out.data(), tag.data()))
    return static_cast<std::int32_t>(size);
  std::fill(out.begin(), out.end(), std::uint8_t{0});  // nobody has vouched for it
  return ENTRESOL_FORGED;
}

}  // namespace entresol::service::crypto_calls
