// What a module and a native service may call beside their packets: published vectors through both, and who may not.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>

#include "crypto/aead_vectors.h"
#include "crypto/test_bytes.h"
#include "security/test_random.h"
#include "service/instance.h"
#include "service/modules/module_program.h"
#include "service/native_program.h"

extern "C" const entresol_service* entresol_service_crypto_calls(void);

namespace entresol::service::modules {
namespace {

using crypto::hex;
using crypto::text_bytes;

enum Call : std::uint32_t {
  kHash,
  kHmac,
  kHkdf,
  kPublicKey,
  kSign,
  kVerify,
  kSeal,
  kOpen,
  kFeatures
};

Sandbox& box() {
  static const auto made = Sandbox::create({.instances = 4});
  return **made;
}

std::shared_ptr<const sandbox::Prepared> code(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const base::Bytes wasm{std::istreambuf_iterator<char>(file), {}};
  auto made = box().prepare(wasm);
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

// The same source, native and as a module.
class CallsTest : public ::testing::TestWithParam<bool> {
 protected:
  struct Answer {
    std::int32_t result = 0;
    base::Bytes out;
    std::string first(std::size_t octets) const {
      return base::to_hex(base::ByteView(out).first(octets));
    }
  };
  void make(Manifest manifest) {
    manifest.payload = true;
    std::unique_ptr<Program> program;
    if (GetParam()) {
      program = std::make_unique<NativeProgram>(*entresol_service_crypto_calls());
    } else {
      program = std::make_unique<ModuleProgram>(code(ENTRESOL_CRYPTO_CALLS_WASM), manifest.limits);
    }
    instance_ = std::make_unique<Instance>(std::move(manifest), std::move(program), random_,
                                           nullptr, nullptr);
    instance_->start({}, 0);
    ASSERT_EQ(instance_->standing(), Standing::kRunning) << instance_->last_fault()->what;
  }
  void SetUp() override {
    Manifest manifest;
    manifest.uses = static_cast<std::uint32_t>(Use::kCrypto);
    make(manifest);
  }
  Answer ask(Call call, std::uint32_t algorithm, std::initializer_list<base::ByteView> inputs,
             std::size_t room = 70000) {
    std::array<std::uint32_t, 8> request{call, algorithm};
    request[6] = static_cast<std::uint32_t>(room);
    base::Bytes payload(sizeof request);
    std::size_t i = 2;
    for (const base::ByteView input : inputs) {
      request[i++] = static_cast<std::uint32_t>(input.size());
      payload.insert(payload.end(), input.begin(), input.end());
    }
    std::memcpy(payload.data(), request.data(), sizeof request);
    entresol_packet packet{};
    entresol_verdict verdict{};
    Answer answer{0, base::Bytes(ENTRESOL_OUT_SIZE)};
    EXPECT_TRUE(instance_->packets({1, static_cast<std::uint32_t>(payload.size()), &packet,
                                    &verdict, payload.data(), answer.out.data()},
                                   {}, 0))
        << instance_->last_fault()->what;
    answer.result = static_cast<std::int32_t>(verdict.lifetime_ms);
    return answer;
  }

  security::SeededRandom random_{5};
  std::unique_ptr<Instance> instance_;
};

// FIPS 180-4's example; RFC 7693, appendix B.
TEST_P(CallsTest, Hashes) {
  const base::ByteView abc = text_bytes("abc");
  EXPECT_EQ(ask(kHash, ENTRESOL_SHA256, {abc}).first(32),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ask(kHash, ENTRESOL_BLAKE2S, {abc}).first(32),
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  EXPECT_EQ(ask(kHash, 2, {abc}).result, ENTRESOL_INVALID);
  const base::Bytes most(64 << 10), more((64 << 10) + 1);
  EXPECT_EQ(ask(kHash, ENTRESOL_SHA256, {most}).result, 0);
  EXPECT_EQ(ask(kHash, ENTRESOL_SHA256, {more}).result, ENTRESOL_INVALID);
}

// RFC 4231, test cases 2 and 6.
TEST_P(CallsTest, Macs) {
  EXPECT_EQ(
      ask(kHmac, ENTRESOL_SHA256, {text_bytes("Jefe"), text_bytes("what do ya want for nothing?")})
          .first(32),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(ask(kHmac, ENTRESOL_SHA256,
                {base::Bytes(131, 0xaa),
                 text_bytes("Test Using Larger Than Block-Size Key - Hash Key First")})
                .first(32),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(ask(kHmac, ENTRESOL_BLAKE2S, {text_bytes("k"), {}}).result, 0);
  EXPECT_EQ(ask(kHmac, 7, {text_bytes("k"), {}}).result, ENTRESOL_INVALID);
}

// RFC 5869, appendix A.1.
TEST_P(CallsTest, DerivesKeys) {
  const base::Bytes secret(22, 0x0b), info = hex("f0f1f2f3f4f5f6f7f8f9");
  const base::Bytes salt = hex("000102030405060708090a0b0c");
  EXPECT_EQ(ask(kHkdf, 0, {secret, salt, info}, 42).first(42),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(ask(kHkdf, 0, {secret, salt, info}, 8160).result, 0);
  EXPECT_EQ(ask(kHkdf, 0, {secret, salt, info}, 8161).result, ENTRESOL_INVALID);
  EXPECT_EQ(ask(kHkdf, 0, {secret, salt, base::Bytes(4097)}, 42).result, ENTRESOL_INVALID);
}

// RFC 8032, section 7.1, test 3.
TEST_P(CallsTest, SignsAndVerifies) {
  const auto seed = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
  const auto key = hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
  auto signature =
      hex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
          "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
  const base::Bytes message = hex("af82");
  EXPECT_EQ(ask(kPublicKey, 0, {seed}).first(32), base::to_hex(key));
  EXPECT_EQ(ask(kSign, 0, {seed, message}).first(64), base::to_hex(signature));
  EXPECT_EQ(ask(kVerify, 0, {key, message, signature}).result, 0);
  signature[5] ^= 1;
  EXPECT_EQ(ask(kVerify, 0, {key, message, signature}).result, ENTRESOL_FORGED);
}

// NIST CAVP's vectors of AES-256-GCM, and those of RFC 8439.
TEST_P(CallsTest, SealsAndOpens) {
  const auto all = [&](std::uint32_t suite, std::span<const crypto::AeadVector> vectors) {
    for (const crypto::AeadVector& v : vectors) {
      SCOPED_TRACE(v.key);
      const base::Bytes key = hex(v.key), nonce = hex(v.nonce), aad = hex(v.aad);
      const base::Bytes text = hex(v.plaintext);
      base::Bytes sealed = hex(std::string(v.ciphertext) + v.tag);
      const Answer made = ask(kSeal, suite, {key, nonce, aad, text});
      ASSERT_EQ(made.result, static_cast<std::int32_t>(sealed.size()));
      EXPECT_EQ(made.first(sealed.size()), base::to_hex(sealed));
      const Answer opened = ask(kOpen, suite, {key, nonce, aad, sealed});
      ASSERT_EQ(opened.result, static_cast<std::int32_t>(text.size()));
      EXPECT_EQ(opened.first(text.size()), base::to_hex(text));
      EXPECT_EQ(ask(kSeal, suite, {key, nonce, aad, text}, sealed.size() - 1).result,
                ENTRESOL_TOO_SMALL);
      sealed.back() ^= 1;
      const Answer forged = ask(kOpen, suite, {key, nonce, aad, sealed});
      EXPECT_EQ(forged.result, ENTRESOL_FORGED);
      EXPECT_EQ(forged.out, base::Bytes(ENTRESOL_OUT_SIZE)) << "text that nobody vouches for";
    }
  };
  all(ENTRESOL_AES256_GCM, crypto::kNistGcm256);
  all(ENTRESOL_CHACHA20_POLY1305, crypto::kRfc8439);
  const base::Bytes key(32), nonce(12), tag(15);
  EXPECT_EQ(ask(kSeal, 3, {key, nonce, {}, {}}).result, ENTRESOL_INVALID);
  EXPECT_EQ(ask(kOpen, ENTRESOL_AES256_GCM, {key, nonce, {}, tag}).result, ENTRESOL_FORGED);
}

TEST_P(CallsTest, WhatIsNotAskedForIsDenied) {
  EXPECT_EQ(ask(kFeatures, 0, {}).result, ENTRESOL_FEATURE_CRYPTO);
  make(Manifest{});
  const base::Bytes key(32), nonce(12), tag(16), signature(64);
  EXPECT_EQ(ask(kHash, 0, {tag}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kHmac, 0, {key, tag}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kHkdf, 0, {key, {}, {}}, 32).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kPublicKey, 0, {key}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kSign, 0, {key, tag}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kVerify, 0, {key, tag, signature}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kSeal, 1, {key, nonce, {}, tag}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kOpen, 1, {key, nonce, {}, tag}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kOpen, 1, {key, nonce, {}, {}}).result, ENTRESOL_DENIED);
  EXPECT_EQ(ask(kFeatures, 0, {}).result, 0);
}

INSTANTIATE_TEST_SUITE_P(SameSource, CallsTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Native" : "Module"; });

TEST(Needs, WhatIsLackingIsSaidAtTheStart) {
  security::SeededRandom random{5};
  Manifest manifest;
  manifest.limits.stable = 1000;
  Instance instance(manifest,
                    std::make_unique<ModuleProgram>(code(ENTRESOL_NEEDS_WASM), manifest.limits),
                    random, nullptr, nullptr);
  instance.start({}, 0);
  ASSERT_TRUE(instance.last_fault());
  EXPECT_EQ(instance.last_fault()->what,
            "it needs what it does not have here: a stable store (manifest: limits, stable), "
            "features of a later node (1073741824)");
  instance.environment().open_stable({}, nullptr);
  instance.restart({}, 0);
  EXPECT_EQ(instance.last_fault()->what,
            "it needs what it does not have here: features of a later node (1073741824)");
}

}  // namespace
}  // namespace entresol::service::modules
