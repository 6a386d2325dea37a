#include "security/index.h"

#include <gtest/gtest.h>

#include <set>

#include "security/test_random.h"

namespace entresol::security {
namespace {

TEST(Index, SlotsAreUniqueAndNeverZero) {
  SeededRandom random(1);
  IndexAllocator indices(random);
  std::set<std::uint32_t> slots;
  bool above_24_bits = false, random_part = false;
  for (int i = 0; i < 2000; ++i) {
    const int bits = i % 2 == 0 ? 24 : 32;
    const auto index = indices.allocate(bits);
    ASSERT_TRUE(index);
    ASSERT_NE(*index, 0u);
    if (bits == 24) {
      ASSERT_LT(*index, 1u << 24);
    }
    above_24_bits = above_24_bits || *index >= 1u << 24;
    random_part = random_part || *index >> kIndexSlotBits != 0;
    ASSERT_TRUE(slots.insert(index_slot(*index)).second);
  }
  EXPECT_TRUE(above_24_bits);
  EXPECT_TRUE(random_part);
  EXPECT_EQ(indices.in_use(), 2000u);
}

TEST(Index, FreedSlotsAreReusedLastAndInOrder) {
  SeededRandom random(2);
  IndexAllocator indices(random);
  const std::uint32_t first = *indices.allocate(24), second = *indices.allocate(24);
  indices.release(second);
  indices.release(first);
  std::uint32_t last = 0;
  for (std::uint32_t slot = 3; slot <= kIndexSlotMask; ++slot) last = *indices.allocate(32);
  EXPECT_EQ(index_slot(last), kIndexSlotMask);
  EXPECT_EQ(index_slot(*indices.allocate(24)), index_slot(second));
  EXPECT_EQ(index_slot(*indices.allocate(24)), index_slot(first));
  EXPECT_FALSE(indices.allocate(24));
}

}  // namespace
}  // namespace entresol::security
