// What both implementations of the per-packet AEAD share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace entresol::crypto {

enum class AeadSuite : std::uint8_t {
  kAes256Gcm = 1,         // NIST SP 800-38D
  kChaCha20Poly1305 = 2,  // RFC 8439
};

inline constexpr std::size_t kAeadKeySize = 32;
inline constexpr std::size_t kAeadNonceSize = 12;
inline constexpr std::size_t kAeadTagSize = 16;

namespace detail {

// Neither library's ChaCha20 reads and writes in one order, so a packet that is to move over itself
// is moved first. Returns where it is then.
inline const std::uint8_t* moved(const std::uint8_t* in, std::size_t n,
                                 std::uint8_t* out) noexcept {
  auto from = reinterpret_cast<std::uintptr_t>(in), to = reinterpret_cast<std::uintptr_t>(out);
  if (from == to || from - to >= n) return in;
  std::memmove(out, in, n);
  return out;
}

}  // namespace detail

}  // namespace entresol::crypto
