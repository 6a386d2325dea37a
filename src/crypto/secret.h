// What keeps secrets out of places where they do not belong: erasure that the compiler may not
// drop, comparison whose time does not depend on the contents, and an array that erases itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"

namespace entresol::crypto {

inline void wipe(void* bytes, std::size_t n) noexcept {
  if (n == 0) return;  // of nothing, the address may be null
  std::memset(bytes, 0, n);
  __asm__ volatile("" : : "r"(bytes) : "memory");  // the store is observed, so it stays
}

// The time depends on the lengths alone. Different lengths are not equal.
[[nodiscard]] bool constant_time_equal(base::ByteView a, base::ByteView b) noexcept;

// N secret bytes, zero at first. Each copy erases itself at its end, and an object that was moved
// from at once.
template <std::size_t N>
class SecretBytes {
 public:
  SecretBytes() noexcept = default;
  explicit SecretBytes(std::span<const std::uint8_t, N> bytes) noexcept {
    std::memcpy(bytes_.data(), bytes.data(), N);
  }
  SecretBytes(const SecretBytes&) noexcept = default;
  SecretBytes& operator=(const SecretBytes&) noexcept = default;
  SecretBytes(SecretBytes&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.clear();
    }
    return *this;
  }
  ~SecretBytes() { clear(); }

  void clear() noexcept { wipe(bytes_.data(), N); }

  std::uint8_t* data() noexcept { return bytes_.data(); }
  const std::uint8_t* data() const noexcept { return bytes_.data(); }
  static constexpr std::size_t size() noexcept { return N; }
  std::uint8_t* begin() noexcept { return bytes_.data(); }
  std::uint8_t* end() noexcept { return bytes_.data() + N; }
  const std::uint8_t* begin() const noexcept { return bytes_.data(); }
  const std::uint8_t* end() const noexcept { return bytes_.data() + N; }
  operator std::span<const std::uint8_t, N>() const noexcept { return bytes_; }
  operator std::span<std::uint8_t, N>() noexcept { return bytes_; }

  friend bool operator==(const SecretBytes& a, const SecretBytes& b) noexcept {
    return constant_time_equal(a.bytes_, b.bytes_);
  }

 private:
  std::array<std::uint8_t, N> bytes_{};
};

}  // namespace entresol::crypto
