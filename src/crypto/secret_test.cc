#include "crypto/secret.h"

#include <new>

#include "crypto/test_bytes.h"

namespace entresol::crypto {
namespace {

TEST(ConstantTimeEqual, ComparesAllBytesAndTheLength) {
  for (std::size_t n : {0u, 1u, 16u, 33u}) {
    base::Bytes a(n, 0xa5), b = a;
    EXPECT_TRUE(constant_time_equal(a, b));
    for (std::size_t bit = 0; bit < n * 8; ++bit) {
      b[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      EXPECT_FALSE(constant_time_equal(a, b));
      b[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    }
    b.push_back(0xa5);
    EXPECT_FALSE(constant_time_equal(a, b));
  }
}

TEST(Wipe, ClearsExactlyWhatItIsGiven) {
  std::array<std::uint8_t, 8> bytes{1, 2, 3, 4, 5, 6, 7, 8};
  wipe(bytes.data() + 2, 4);
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 8>{1, 2, 0, 0, 0, 0, 7, 8}));
  wipe(nullptr, 0);
}

TEST(SecretBytes, ErasesItselfAtItsEnd) {
  alignas(SecretBytes<32>) std::array<std::uint8_t, sizeof(SecretBytes<32>)> room;
  const std::array<std::uint8_t, 32> key = hex_array<32>(std::string(64, '7'));
  auto* secret = new (room.data()) SecretBytes<32>(key);
  EXPECT_EQ(secret->data()[31], 0x77);
  secret->~SecretBytes();
  // Read anew: what the compiler knows of a dead object must not decide this test.
  volatile const std::uint8_t* after = room.data();
  for (std::size_t i = 0; i < room.size(); ++i) EXPECT_EQ(after[i], 0) << i;
}

// NOLINTBEGIN(bugprone-use-after-move): what a moved-from object holds is what this tests.
TEST(SecretBytes, CopiesMovesAndCompares) {
  SecretBytes<16> a(hex_array<16>("000102030405060708090a0b0c0d0e0f")), zero;
  SecretBytes<16> b = a;
  EXPECT_EQ(a, b);
  SecretBytes<16> c = std::move(a);
  EXPECT_EQ(c, b);
  EXPECT_EQ(a, zero);
  a = std::move(c);
  EXPECT_EQ(a, b);
  EXPECT_EQ(c, zero);
  a.clear();
  EXPECT_EQ(a, zero);
}
// NOLINTEND(bugprone-use-after-move)

}  // namespace
}  // namespace entresol::crypto
