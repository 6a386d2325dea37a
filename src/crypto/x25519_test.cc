#include "crypto/x25519.h"

#include "crypto/test_bytes.h"

namespace entresol::crypto {
namespace {

std::string shared_hex(const std::string& secret, const std::string& peer) {
  X25519SecretKey shared;
  EXPECT_TRUE(x25519(shared, hex_array<32>(secret), hex_array<32>(peer)));
  return base::to_hex(shared);
}

// RFC 7748 section 5.2.
TEST(X25519, PublishedVectors) {
  EXPECT_EQ(shared_hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                       "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(shared_hex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                       "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

// RFC 7748 section 5.2, after one and after a thousand iterations.
TEST(X25519, Iterated) {
  std::array<std::uint8_t, 32> k{9}, u{9};
  for (int i = 1; i <= 1000; ++i) {
    X25519SecretKey result;
    ASSERT_TRUE(x25519(result, k, u));
    u = k;
    std::copy(result.begin(), result.end(), k.begin());
    if (i == 1) {
      EXPECT_EQ(base::to_hex(k),
                "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  EXPECT_EQ(base::to_hex(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

// RFC 7748 section 6.1.
TEST(X25519, DiffieHellman) {
  auto a = hex_array<32>("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  auto b = hex_array<32>("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  X25519KeyPair alice = x25519_keypair(a), bob = x25519_keypair(b);
  EXPECT_EQ(base::to_hex(alice.public_key),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(base::to_hex(bob.public_key),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  X25519SecretKey left, right, unclamped;
  ASSERT_TRUE(x25519(left, alice.secret, bob.public_key));
  ASSERT_TRUE(x25519(right, bob.secret, alice.public_key));
  ASSERT_TRUE(x25519(unclamped, a, bob.public_key));
  EXPECT_EQ(base::to_hex(left), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_EQ(left, right);
  EXPECT_EQ(left, unclamped);
}

TEST(X25519, KeepsTheSecretClamped) {
  std::array<std::uint8_t, 32> random;
  random.fill(0xff);
  X25519KeyPair pair = x25519_keypair(random);
  EXPECT_EQ(pair.secret.data()[0], 0xf8);
  EXPECT_EQ(pair.secret.data()[31], 0x7f);
}

// The points of small order: RFC 7748 section 6.1 wants the all-zero result refused.
TEST(X25519, RefusesSmallOrder) {
  for (const char* point : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    X25519SecretKey shared(hex_array<32>(std::string(64, 'a'))), zero;
    EXPECT_FALSE(x25519(shared, hex_array<32>(std::string(64, '7')), hex_array<32>(point)))
        << point;
    EXPECT_EQ(shared, zero);
  }
}

}  // namespace
}  // namespace entresol::crypto
