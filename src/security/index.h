// Receiver indices of one UDP port (or of one member's sessions). The low 20 bits are a slot, so
// that the data side finds keys by a plain array; the bits above are random, so that a stale index
// is noticed. A freed slot is reused last.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/random.h"

namespace entresol::security {

inline constexpr std::uint32_t kIndexSlotBits = 20;
inline constexpr std::uint32_t kIndexSlotMask = (1u << kIndexSlotBits) - 1;
inline constexpr std::uint32_t index_slot(std::uint32_t index) {
  return index & kIndexSlotMask;
}

class IndexAllocator {
 public:
  explicit IndexAllocator(base::RandomSource& random) : random_(random) {}

  // `bits` is 24 (native) or 32 (WireGuard). Never 0. Empty when all slots are taken.
  std::optional<std::uint32_t> allocate(int bits);
  void release(std::uint32_t index);
  std::size_t in_use() const { return in_use_; }

 private:
  base::RandomSource& random_;
  std::deque<std::uint32_t> free_;
  std::uint32_t next_slot_ = 1;
  std::size_t in_use_ = 0;
};

}  // namespace entresol::security
