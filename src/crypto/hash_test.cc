#include "crypto/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "crypto/test_bytes.h"

namespace entresol::crypto {
namespace {

using base::Bytes;
using base::ByteView;

// RFC 7693 appendix B, and the shorter ones of the BLAKE2 authors' list.
TEST(Blake2s, PublishedVectors) {
  EXPECT_EQ(base::to_hex(blake2s(text_bytes("abc"))),
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  EXPECT_EQ(base::to_hex(blake2s({})),
            "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
  EXPECT_EQ(base::to_hex(blake2s(text_bytes("1234567890123456789012345678901234567890"),
                                 text_bytes("1234567890123456789012345678901234567890"))),
            "fdaedb290a0d5af9870864fec2e090200989dc9cd53a3c092129e8535e8b4f66");
}

// RFC 7693 appendix E: one hash over the digests of all these sizes, without key and with one.
TEST(Blake2s, Rfc7693SelfTest) {
  auto sequence = [](std::size_t n, std::uint32_t seed) {
    Bytes out(n);
    std::uint32_t a = 0xdead4bad * seed, b = 1;
    for (std::uint8_t& byte : out) {
      std::uint32_t t = a + b;
      a = b;
      b = t;
      byte = static_cast<std::uint8_t>(t >> 24);
    }
    return out;
  };
  Blake2s all;
  for (std::uint32_t digest_size : {16, 20, 28, 32}) {
    for (std::uint32_t n : {0, 3, 64, 65, 255, 1024}) {
      Bytes in = sequence(n, n), key = sequence(digest_size, digest_size), digest(digest_size);
      for (ByteView with : {ByteView(), ByteView(key)}) {
        Blake2s one(digest_size, with);
        one.update(in);
        one.finish(digest.data());
        all.update(digest);
      }
    }
  }
  Hash256 result;
  all.finish(result.data());
  EXPECT_EQ(base::to_hex(result),
            "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

TEST(Blake2s, AgreesWithOpenSslHoweverItIsCut) {
  std::mt19937_64 random(7693);
  for (std::size_t n = 0; n < 700; ++n) {
    Bytes in = random_bytes(random, n);
    Hash256 expected, ours;
    unsigned size = 0;
    ASSERT_EQ(EVP_Digest(in.data(), n, expected.data(), &size, EVP_blake2s256(), nullptr), 1);
    EXPECT_EQ(blake2s(in), expected) << n;
    Blake2s pieces;
    for (ByteView rest = in; !rest.empty();) {
      std::size_t cut = random() % std::min<std::size_t>(rest.size() + 1, 150);
      pieces.update(rest.first(cut));
      rest = rest.subspan(cut);
    }
    Blake2s fork = pieces;
    pieces.finish(ours.data());
    EXPECT_EQ(ours, expected) << n;
    fork.finish(ours.data());
    EXPECT_EQ(ours, expected) << n;
  }
}

TEST(Blake2s, MacAgreesWithOpenSsl) {
  std::mt19937_64 random(128);
  EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  ASSERT_NE(algorithm, nullptr);
  std::size_t mac_size = 16;
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t("size", &mac_size),
                             OSSL_PARAM_construct_end()};
  for (std::size_t n = 0; n < 300; ++n) {
    Bytes in = random_bytes(random, n), key = random_bytes(random, 1 + n % 32);
    Mac128 expected;
    std::size_t written = 0;
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(algorithm);
    ASSERT_EQ(EVP_MAC_init(context, key.data(), key.size(), parameters), 1);
    ASSERT_EQ(EVP_MAC_update(context, in.data(), in.size()), 1);
    ASSERT_EQ(EVP_MAC_final(context, expected.data(), &written, expected.size()), 1);
    EVP_MAC_CTX_free(context);
    EXPECT_EQ(blake2s_mac(key, in), expected) << n;
    EXPECT_EQ(blake2s_mac(key, ByteView(in).first(n / 3), ByteView(in).subspan(n / 3)), expected);
    Blake2sMac mac(key);
    EXPECT_EQ(mac(in), expected) << n;
    EXPECT_EQ(mac(ByteView(in).first(n / 3), ByteView(in).subspan(n / 3)), expected) << n;
  }
  EVP_MAC_free(algorithm);
}

TEST(Blake2s, ImpossibleParametersEndTheProcess) {
  EXPECT_DEATH(Blake2s(0), "");
  EXPECT_DEATH(Blake2s(33), "");
  EXPECT_DEATH(blake2s_mac(Bytes(33), {}), "");
  EXPECT_DEATH(Blake2sMac{Bytes(33)}, "");
  EXPECT_DEATH(Blake2sMac{ByteView()}, "");
}

// The constants that WireGuard derives from its protocol name and identifier (its paper,
// section 5.4).
TEST(Blake2s, WireGuardConstants) {
  Hash256 chain = blake2s(text_bytes("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
  EXPECT_EQ(base::to_hex(chain),
            "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36");
  EXPECT_EQ(base::to_hex(blake2s(chain, text_bytes("WireGuard v1 zx2c4 Jason@zx2c4.com"))),
            "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
}

TEST(HmacBlake2s, AgreesWithOpenSsl) {
  std::mt19937_64 random(2104);
  for (std::size_t n = 0; n < 200; ++n) {
    Bytes in = random_bytes(random, n), key = random_bytes(random, n % 131);
    Hash256 expected;
    unsigned size = 0;
    ASSERT_NE(HMAC(EVP_blake2s256(), key.empty() ? "" : static_cast<void*>(key.data()),
                   static_cast<int>(key.size()), in.data(), n, expected.data(), &size),
              nullptr);
    EXPECT_EQ(hmac_blake2s(key, in), expected) << n;
    ByteView view(in);
    EXPECT_EQ(hmac_blake2s(key, view.first(n / 2), view.subspan(n / 2, n / 4),
                           view.subspan(n / 2 + n / 4)),
              expected);
  }
}

// The vectors of WireGuard's Go implementation, device/kdf_test.go.
TEST(HkdfBlake2s, WireGuardVectors) {
  struct {
    ByteView key, input;
    const char* outputs[3];
  } vectors[] = {{text_bytes("test-key"),
                  text_bytes("test-input"),
                  {"6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
                   "df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
                   "fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24"}},
                 {text_bytes("wireguard"),
                  text_bytes("wireguard"),
                  {"491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8",
                   "1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f",
                   "31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160"}},
                 {{},
                  {},
                  {"8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0",
                   "58a0e5f6faefccf4807bff1f05fa8a9217945762040bcec2f4b4a62bdfe0e86e",
                   "0ce6ea98ec548f8e281e93e32db65621c45eb18dc6f0a7ad94178610a2f7338e"}}};
  for (const auto& v : vectors) {
    auto [only] = hkdf_blake2s<1>(v.key, v.input);
    auto [first, second] = hkdf_blake2s<2>(v.key, v.input);
    auto [a, b, c] = hkdf_blake2s<3>(v.key, v.input);
    EXPECT_EQ(base::to_hex(only), v.outputs[0]);
    EXPECT_EQ(base::to_hex(first), v.outputs[0]);
    EXPECT_EQ(base::to_hex(second), v.outputs[1]);
    EXPECT_EQ(base::to_hex(a), v.outputs[0]);
    EXPECT_EQ(base::to_hex(b), v.outputs[1]);
    EXPECT_EQ(base::to_hex(c), v.outputs[2]);
  }
}

// FIPS 180-4's examples.
TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(base::to_hex(sha256({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(base::to_hex(sha256(text_bytes("a"), text_bytes("b"), text_bytes("c"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(
      base::to_hex(sha256(text_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// RFC 4231, test cases 1, 2 and 6.
TEST(HmacSha256, PublishedVectors) {
  EXPECT_EQ(base::to_hex(hmac_sha256(Bytes(20, 0x0b), text_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(base::to_hex(hmac_sha256(text_bytes("Jefe"), text_bytes("what do ya want "),
                                     text_bytes("for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      base::to_hex(hmac_sha256(
          Bytes(131, 0xaa), text_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// RFC 5869 appendix A.1 to A.3.
TEST(HkdfSha256, PublishedVectors) {
  auto range = [](std::uint8_t from, std::size_t n) {
    Bytes out(n);
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(from + i);
    return out;
  };
  struct {
    Bytes input, salt, info;
    const char* prk;
    const char* okm;
  } vectors[] = {
      {Bytes(22, 0x0b), range(0x00, 13), range(0xf0, 10),
       "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {range(0x00, 80), range(0x60, 80), range(0xb0, 80),
       "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e"
       "590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {Bytes(22, 0x0b),
       {},
       {},
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"}};
  for (const auto& v : vectors) {
    SecretBytes<32> prk = hkdf_sha256_extract(v.salt, v.input);
    EXPECT_EQ(base::to_hex(prk), v.prk);
    Bytes okm(std::string_view(v.okm).size() / 2);
    hkdf_sha256_expand(prk, v.info, okm);
    EXPECT_EQ(base::to_hex(okm), v.okm);
    hkdf_sha256(v.salt, v.input, v.info, okm);
    EXPECT_EQ(base::to_hex(okm), v.okm);
  }
  Bytes too_long(255 * 32 + 1);
  EXPECT_DEATH(hkdf_sha256({}, {}, {}, too_long), "");
}

}  // namespace
}  // namespace entresol::crypto
