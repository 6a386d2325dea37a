#include "crypto/ed25519.h"

#include "crypto/test_bytes.h"

namespace entresol::crypto {
namespace {

struct Vector {
  const char* seed;
  const char* public_key;
  const char* message;
  const char* signature;
};

// RFC 8032 section 7.1: TEST 1, 2, 3 and SHA(abc).
constexpr Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
     "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
     "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
     "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a8"
     "36ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ec"
     "fdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"},
};

TEST(Ed25519, PublishedVectors) {
  for (const Vector& v : kVectors) {
    SCOPED_TRACE(v.seed);
    Ed25519KeyPair key = ed25519_keypair(hex_array<32>(v.seed));
    base::Bytes message = hex(v.message);
    EXPECT_EQ(base::to_hex(key.public_key), v.public_key);
    EXPECT_EQ(base::to_hex(ed25519_sign(key, message)), v.signature);
    EXPECT_TRUE(ed25519_verify(hex_array<32>(v.public_key), message, hex_array<64>(v.signature)));
  }
}

TEST(Ed25519, RefusesEveryFlippedBit) {
  Ed25519KeyPair key = ed25519_keypair(hex_array<32>(std::string(64, '3')));
  base::Bytes message{1, 2, 3, 4};
  Ed25519Signature signature = ed25519_sign(key, message);
  auto refused_when_flipped = [&](auto& bytes) {
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      EXPECT_FALSE(ed25519_verify(key.public_key, message, signature)) << bit;
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    }
  };
  refused_when_flipped(signature);
  refused_when_flipped(message);
  refused_when_flipped(key.public_key);
  EXPECT_TRUE(ed25519_verify(key.public_key, message, signature));
  message.push_back(0);
  EXPECT_FALSE(ed25519_verify(key.public_key, message, signature));
}

// RFC 8032 section 5.1.7: S below the group's order, or there would be a second signature for the
// same message.
TEST(Ed25519, RefusesNonCanonicalS) {
  Ed25519KeyPair key = ed25519_keypair(hex_array<32>(std::string(64, '3')));
  base::Bytes message{1, 2, 3, 4};
  Ed25519Signature signature = ed25519_sign(key, message);
  const auto order =
      hex_array<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += signature[32 + i] + order[i];
    signature[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(ed25519_verify(key.public_key, message, signature));
}

// With the neutral element as public key and R, and S zero, a lax verifier accepts any message.
TEST(Ed25519, RefusesSmallOrderKeys) {
  Ed25519PublicKey neutral{1};
  Ed25519Signature signature{1};
  EXPECT_FALSE(ed25519_verify(neutral, text_bytes("anything"), signature));
}

}  // namespace
}  // namespace entresol::crypto
