#include "crypto/xchacha20poly1305.h"

#include "crypto/test_bytes.h"

namespace entresol::crypto {
namespace {

const auto kKey = hex_array<32>("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
const auto kNonce = hex_array<24>("404142434445464748494a4b4c4d4e4f5051525354555657");
const base::Bytes kAad = hex("50515253c0c1c2c3c4c5c6c7");
constexpr std::string_view kText =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    "sunscreen would be it.";

base::Bytes sealed_text() {
  base::Bytes out(kText.size() + kXChaChaTagSize);
  xchacha20poly1305_seal(kKey, kNonce, kAad, text_bytes(kText), out);
  return out;
}

// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
TEST(XChaCha20Poly1305, PublishedVector) {
  base::Bytes sealed = sealed_text();
  EXPECT_EQ(base::to_hex(sealed),
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
            "21f9664c97637da9768812f615c68b13b52e"
            "c0875924c1c7987947deafd8780acf49");
  base::Bytes back(kText.size());
  ASSERT_TRUE(xchacha20poly1305_open(kKey, kNonce, kAad, sealed, back));
  EXPECT_TRUE(std::equal(back.begin(), back.end(), text_bytes(kText).begin()));
}

TEST(XChaCha20Poly1305, InPlace) {
  base::Bytes buffer(kText.begin(), kText.end());
  buffer.resize(kText.size() + kXChaChaTagSize);
  xchacha20poly1305_seal(kKey, kNonce, kAad, base::ByteView(buffer).first(kText.size()), buffer);
  EXPECT_EQ(buffer, sealed_text());
  ASSERT_TRUE(xchacha20poly1305_open(kKey, kNonce, kAad, buffer, buffer));
  EXPECT_TRUE(std::equal(kText.begin(), kText.end(), buffer.begin()));
}

TEST(XChaCha20Poly1305, RefusesWhatWasNotSealed) {
  base::Bytes sealed = sealed_text(), back(kText.size());
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(xchacha20poly1305_open(kKey, kNonce, kAad, sealed, back)) << bit;
    sealed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
  EXPECT_FALSE(xchacha20poly1305_open(kKey, kNonce, {}, sealed, back));
  base::ByteView view(sealed);
  EXPECT_FALSE(xchacha20poly1305_open(kKey, kNonce, kAad, view.first(sealed.size() - 1), back));
  EXPECT_FALSE(xchacha20poly1305_open(kKey, kNonce, kAad, view.first(15), back));
  EXPECT_FALSE(xchacha20poly1305_open(kKey, kNonce, kAad, {}, back));
  EXPECT_TRUE(xchacha20poly1305_open(kKey, kNonce, kAad, sealed, back));
}

}  // namespace
}  // namespace entresol::crypto
