// Hashes, MACs, signatures and AEAD as instances call them, at the speed of src/crypto: arguments of any size and value are
// checked here. Results are those of sdk/include/entresol/service.h; ENTRESOL_DENIED where the manifest does not ask for
// them (uses: [crypto]), ENTRESOL_INVALID for what has no such algorithm or size.
//
// A call is not cut short, so what it is given is bounded: the largest takes a fraction of the least budget of a batch that
// is in use. The time counts as the instance's.
//
// Keys are the caller's, in its own memory: nothing of the node's can be reached. Pure.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "service/environment.h"

namespace entresol::service::crypto_calls {

inline constexpr std::size_t kMaxInput =
    64 << 10;  // octets of text, and of what is authenticated with it
inline constexpr std::size_t kMaxExpanded = 255 * 32;  // RFC 5869, section 2.3

struct AeadInput {
  std::uint32_t suite;
  base::ByteView key, nonce, authenticated, in;
};

// ENTRESOL_HASH_SIZE octets to `out`, which has them.
std::int32_t hash(const Environment& environment, std::uint32_t algorithm, base::ByteView data,
                  std::uint8_t* out);
std::int32_t hmac(const Environment& environment, std::uint32_t algorithm, base::ByteView key,
                  base::ByteView data, std::uint8_t* out);
std::int32_t hkdf(const Environment& environment, base::ByteView secret, base::ByteView salt,
                  base::ByteView info, base::MutableBytes out);
// `seed` and `public_key` have ENTRESOL_KEY_SIZE octets, `signature` has ENTRESOL_SIGNATURE_SIZE.
std::int32_t public_key(const Environment& environment, const std::uint8_t* seed,
                        std::uint8_t* out);
std::int32_t sign(const Environment& environment, const std::uint8_t* seed, base::ByteView message,
                  std::uint8_t* signature);
std::int32_t verify(const Environment& environment, const std::uint8_t* public_key,
                    base::ByteView message, const std::uint8_t* signature);
// Octets that were written. `out` may be where `in` is, or begin before it; ENTRESOL_INVALID if it begins inside.
std::int32_t seal(const Environment& environment, const AeadInput& input, base::MutableBytes out);
std::int32_t open(const Environment& environment, const AeadInput& input, base::MutableBytes out);

}  // namespace entresol::service::crypto_calls
