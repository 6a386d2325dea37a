#include "security/index.h"

namespace entresol::security {

std::optional<std::uint32_t> IndexAllocator::allocate(int bits) {
  std::uint32_t slot;
  if (next_slot_ <= kIndexSlotMask) {
    slot = next_slot_++;
  } else if (!free_.empty()) {
    slot = free_.front();
    free_.pop_front();
  } else {
    return std::nullopt;
  }
  ++in_use_;
  const std::uint32_t mask =
      bits >= 32 ? ~std::uint32_t{0} : (std::uint32_t{1} << bits) - 1;  // bits > kIndexSlotBits
  return ((random_.u32() & ~kIndexSlotMask) | slot) & mask;
}

void IndexAllocator::release(std::uint32_t index) {
  free_.push_back(index_slot(index));
  --in_use_;
}

}  // namespace entresol::security
