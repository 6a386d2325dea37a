// Per-packet authenticated encryption. `Aead` is IpsecMbAead on x86-64 and PlainAead elsewhere;
// both have this shape:
//
// Aead(AeadSuite, key): expands the key, which is wiped with the object. Throws std::runtime_error
//   if the library behind it cannot start, which shows with the first object. A suite that does not
//   exist ends the process.
// Aead(): holds no key and is false as bool, like an object that was moved from (moving wipes the
//   source). seal and open on such an object end the process.
// seal(nonce, aad, in, n, out, tag): encrypts n bytes from `in` to `out`, writes 16 bytes of tag. A
//   nonce is used once for a key.
// open(nonce, aad, in, n, out, tag): false if tag, aad, nonce or bytes are not what was sealed, and
//   `out` is then unspecified and must not be read. The tag is compared in constant time.
// prefetch(): asks for the key's cache lines, ahead of a seal or open.
//
// nonce: 12 bytes. n may be 0, `aad` empty; pointers of empty ranges are not looked at. `out` is
// `in` itself, or disjoint from it, or begins below it by any distance, so that a packet can move
// towards the front of its buffer while it is sealed or opened; it must not begin inside `in`
// further on. `tag` overlaps none of the others, and the n bytes of `out` overlap neither `nonce`
// nor `aad`. Nothing is read or written outside these ranges.
//
// Threads: an object belongs to one thread at a time. No allocation, lock or virtual call per
// packet; IpsecMbAead allocates once per thread, at its first ChaCha20-Poly1305 packet.
#pragma once

#include "crypto/aead_plain.h"
#include "crypto/aead_suite.h"

#if defined(__x86_64__)
#include "crypto/aead_ipsecmb.h"
#endif

namespace entresol::crypto {

#if defined(__x86_64__)
using Aead = IpsecMbAead;
#else
using Aead = PlainAead;
#endif

}  // namespace entresol::crypto
