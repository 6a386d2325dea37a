#include "base/bytes.h"

#include <gtest/gtest.h>

namespace entresol::base {
namespace {

TEST(ByteReader, StaysFailedAfterRunningOver) {
  const std::array<std::uint8_t, 3> three{1, 2, 3};
  ByteReader reader(three);
  EXPECT_EQ(reader.u16(), 0x0102);
  EXPECT_EQ(reader.u16(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.done());
}

TEST(ByteReader, DoneOnlyWhenAllIsRead) {
  const std::array<std::uint8_t, 4> four{0xde, 0xad, 0xbe, 0xef};
  ByteReader reader(four);
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.u32(), 0xdeadbeefu);
  EXPECT_TRUE(reader.done());
}

// RFC 4648 section 10.
TEST(Base64, PublishedVectors) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (auto [plain, encoded] : vectors) {
    ByteView bytes(reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size());
    EXPECT_EQ(to_base64(bytes), encoded);
    Bytes back;
    ASSERT_TRUE(from_base64(encoded, back));
    EXPECT_TRUE(std::equal(back.begin(), back.end(), bytes.begin(), bytes.end()));
  }
}

TEST(Base64, RefusesWhatHasASecondEncoding) {
  Bytes out;
  EXPECT_FALSE(from_base64("Zh==", out));
  EXPECT_FALSE(from_base64("Zg=", out));
  EXPECT_FALSE(from_base64("Z===", out));
  EXPECT_FALSE(from_base64("Zg==Zg==", out));
}

TEST(Hex, RoundTrip) {
  Bytes out;
  ASSERT_TRUE(from_hex("00ffA5", out));
  EXPECT_EQ(to_hex(out), "00ffa5");
  EXPECT_FALSE(from_hex("0", out));
  EXPECT_FALSE(from_hex("0g", out));
}

}  // namespace
}  // namespace entresol::base
