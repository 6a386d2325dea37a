// Randomness as an interface: io/ provides the kernel's, sim/ a seeded one.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace entresol::base {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // Fills all of `out`. Never fails: a source that cannot deliver ends the process.
  virtual void fill(std::span<std::uint8_t> out) = 0;

  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> out;
    fill(out);
    return out;
  }
  std::uint32_t u32() {
    auto b = bytes<4>();
    std::uint32_t v;
    std::memcpy(&v, b.data(), sizeof v);
    return v;
  }
};

}  // namespace entresol::base
