// Places of inputs and outputs in one memory, as a module may choose them. Vectors: modules/calls_test.cc.
#include "service/crypto_calls.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "security/test_random.h"

namespace entresol::service {
namespace {

class CryptoCallsTest : public ::testing::Test {
 protected:
  static Manifest manifest() {
    Manifest out;
    out.uses = static_cast<std::uint32_t>(Use::kCrypto);
    return out;
  }
  CryptoCallsTest() { random_.fill(memory_); }
  base::MutableBytes at(std::size_t begin, std::size_t size) {
    return base::MutableBytes(memory_).subspan(begin, size);
  }
  crypto_calls::AeadInput input(std::size_t begin, std::size_t size) {
    return {ENTRESOL_CHACHA20_POLY1305, at(0, 32), at(32, 12), at(44, 20), at(begin, size)};
  }

  Manifest manifest_ = manifest();
  security::SeededRandom random_{5};
  Environment environment_{manifest_, random_, nullptr};
  base::Bytes memory_ = base::Bytes(1000);
};

TEST_F(CryptoCallsTest, SealsAndOpensInItsPlaceAndTowardsTheFront) {
  const base::Bytes text(at(200, 100).begin(), at(200, 100).end());
  for (const std::size_t out : {200u, 190u, 110u}) {
    std::copy(text.begin(), text.end(), at(200, 100).begin());
    ASSERT_EQ(crypto_calls::seal(environment_, input(200, 100), at(out, 116)), 116) << out;
    ASSERT_EQ(crypto_calls::open(environment_, input(out, 116), at(out, 116)), 100) << out;
    EXPECT_TRUE(std::equal(text.begin(), text.end(), at(out, 100).begin())) << out;
  }
}

TEST_F(CryptoCallsTest, NothingIsWrittenOverWhatIsStillRead) {
  const base::Bytes before = memory_;
  EXPECT_EQ(crypto_calls::seal(environment_, input(200, 100), at(201, 116)), ENTRESOL_INVALID);
  EXPECT_EQ(crypto_calls::open(environment_, input(200, 100), at(299, 100)), ENTRESOL_INVALID);
  EXPECT_EQ(crypto_calls::seal(environment_, input(200, 100), at(63, 116)), ENTRESOL_INVALID);
  EXPECT_EQ(crypto_calls::seal(environment_, input(200, 100), at(0, 116)), ENTRESOL_INVALID);
  EXPECT_EQ(memory_, before);
}

TEST_F(CryptoCallsTest, AKeyIsDerivedOverItsInput) {
  base::Bytes apart(32);
  ASSERT_EQ(crypto_calls::hkdf(environment_, at(0, 32), at(32, 8), at(100, 40), apart), 0);
  ASSERT_EQ(crypto_calls::hkdf(environment_, at(0, 32), at(32, 8), at(100, 40), at(96, 32)), 0);
  EXPECT_TRUE(std::equal(apart.begin(), apart.end(), at(96, 32).begin()));
}

}  // namespace
}  // namespace entresol::service
