// Who is believed about a layer's policy.
#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "layer/membership/test_authority.h"

namespace entresol::layer::membership {
namespace {

namespace code = base::code;
using test::Authority;
using test::kDay;
using test::kNow;

constexpr std::string_view kText = "members: allow * *\n";

class PolicyStatementTest : public testing::Test {
 protected:
  PolicyStatement describe(const crypto::Ed25519KeyPair& issuer) const {
    return {authority.trust.layer(), 3, kNow - 5, policy_digest(kText), issuer.public_key};
  }
  base::Bytes by_root() const { return sign(describe(authority.root), authority.root)->octets(); }
  base::Bytes by_operator(Validity delegated) const {
    base::Bytes chain =
        sign(Delegation{authority.trust.layer(), op.public_key, delegated, "op"}, authority.root)
            ->octets();
    const base::Bytes object = sign(describe(op), op)->octets();
    chain.insert(chain.end(), object.begin(), object.end());
    return chain;
  }
  std::string refusal(const base::Bytes& chain, std::string_view text = kText) const {
    const auto believed = authority.trust.policy(chain, text, kNow);
    return believed ? "" : believed.error().code;
  }

  Authority authority{17};
  crypto::Ed25519KeyPair op = crypto::ed25519_keypair(authority.random.bytes<32>());
};

TEST_F(PolicyStatementTest, RootAndOperatorAreBelieved) {
  EXPECT_EQ(refusal(by_root()), "");
  const auto believed = authority.trust.policy(by_operator({kNow - 1, kNow + 1}), kText, kNow);
  ASSERT_TRUE(believed);
  EXPECT_EQ(believed->revision, 3u);
  EXPECT_EQ(believed->issued_at, kNow - 5);
}

TEST_F(PolicyStatementTest, AnotherTextIsNot) {
  EXPECT_EQ(refusal(by_root(), "members: allow * * \n"), code::kCertificateUntrusted);
  EXPECT_EQ(refusal(by_root(), ""), code::kCertificateUntrusted);
}

TEST_F(PolicyStatementTest, NobodyElseIs) {
  EXPECT_EQ(refusal(by_operator({kNow - kDay, kNow})), code::kCertificateExpired);
  EXPECT_EQ(refusal(sign(describe(op), op)->octets()), code::kCertificateUntrusted);
  EXPECT_EQ(refusal(sign(describe(authority.root), op)->octets()), code::kCertificateUntrusted);
  PolicyStatement elsewhere = describe(authority.root);
  elsewhere.layer[5] ^= 1;
  EXPECT_EQ(refusal(sign(elsewhere, authority.root)->octets()), code::kWrongLayer);
  EXPECT_EQ(refusal({}), code::kCertificateMalformed);
}

// Every bit stands below the signature, or is part of it.
TEST_F(PolicyStatementTest, EveryBitCounts) {
  base::Bytes chain = by_operator({kNow - 1, kNow + 1});
  for (std::size_t bit = 0; bit < chain.size() * 8; ++bit) {
    chain[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_NE(refusal(chain), "") << "bit " << bit;
    chain[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
}

}  // namespace
}  // namespace entresol::layer::membership
