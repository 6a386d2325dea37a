#include "layer/directory/request.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "security/test_random.h"

namespace entresol::layer::directory {
namespace {

constexpr base::UnixSeconds kNow = 1'700'000'000;

class RequestTest : public ::testing::Test {
 protected:
  RequestTest()
      : random(7),
        key(crypto::ed25519_keypair(random.bytes<32>())),
        layer(random.bytes<32>()),
        name(membership::name_of(layer, membership::kSuiteEd25519, key.public_key)),
        body({1, 2, 3}),
        request{"PUT", "/v1/registrations", body},
        proof(prove(request, layer, name, key, kNow)) {}

  std::string checked(const RequestProof& shown, const Request& asked,
                      base::UnixSeconds now) const {
    const auto result = check(shown, asked, layer, key.public_key, now);
    return result ? "" : result.error().code;
  }

  security::SeededRandom random;
  crypto::Ed25519KeyPair key;
  membership::LayerId layer;
  wire::Name name;
  base::Bytes body;
  Request request;
  RequestProof proof;
};

TEST_F(RequestTest, ComesBackAndHolds) {
  const auto back = parse_authorization(emit_authorization(proof));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->name, name);
  EXPECT_EQ(back->time, kNow);
  EXPECT_EQ(checked(*back, request, kNow), "");
}

// Written out by hand: what docs and other implementations go by.
TEST_F(RequestTest, SignsWhatItSays) {
  std::string message = "entresol request v1";
  message.append(layer.begin(), layer.end());
  message += "PUT /v1/registrations\n";
  for (int shift = 56; shift >= 0; shift -= 8) message.push_back(static_cast<char>(kNow >> shift));
  // SHA-256 of 01 02 03
  base::Bytes hash;
  ASSERT_TRUE(
      base::from_hex("039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81", hash));
  message.append(hash.begin(), hash.end());
  EXPECT_TRUE(crypto::ed25519_verify(
      key.public_key, {reinterpret_cast<const std::uint8_t*>(message.data()), message.size()},
      proof.signature));
}

TEST_F(RequestTest, CoversEverything) {
  const std::string unproved(base::code::kRequestUnproved);
  EXPECT_EQ(checked(proof, {"POST", request.target, body}, kNow), unproved);
  EXPECT_EQ(checked(proof, {"PUT", "/v1/registrations?x", body}, kNow), unproved);
  EXPECT_EQ(checked(proof, {"PUT", request.target, base::Bytes{1, 2, 4}}, kNow), unproved);
  EXPECT_EQ(checked(proof, {"PUT", request.target, {}}, kNow), unproved);
  RequestProof other = proof;
  ++other.time;
  EXPECT_EQ(checked(other, request, kNow), unproved);
  other = proof;
  other.signature[3] ^= 1;
  EXPECT_EQ(checked(other, request, kNow), unproved);
  membership::LayerId foreign = layer;
  foreign[0] ^= 1;
  EXPECT_FALSE(check(proof, request, foreign, key.public_key, kNow).has_value());
  const auto stranger = crypto::ed25519_keypair(random.bytes<32>());
  EXPECT_FALSE(check(proof, request, layer, stranger.public_key, kNow).has_value());
}

TEST_F(RequestTest, HoldsWhileTheClocksDifferByFiveMinutesAtMost) {
  const std::string stale(base::code::kRequestStale);
  EXPECT_EQ(checked(proof, request, kNow + kClockSkew), "");
  EXPECT_EQ(checked(proof, request, kNow - kClockSkew), "");
  EXPECT_EQ(checked(proof, request, kNow + kClockSkew + 1), stale);
  EXPECT_EQ(checked(proof, request, kNow - kClockSkew - 1), stale);
  RequestProof extreme = proof;
  for (base::UnixSeconds time : {INT64_MIN, INT64_MAX}) {
    extreme.time = time;
    EXPECT_EQ(checked(extreme, request, kNow), stale);
  }
}

TEST_F(RequestTest, OtherHeadersAreRefused) {
  const std::string value = emit_authorization(proof);
  for (const std::string& other :
       {std::string(), std::string("Bearer abc"), value.substr(9), value + "A",
        value.substr(0, value.size() - 4), "entresol " + value.substr(9), value + " ",
        std::string("Entresol ")}) {
    const auto result = parse_authorization(other);
    ASSERT_FALSE(result.has_value()) << other;
    EXPECT_EQ(result.error().code, base::code::kRequestUnproved);
  }
}

}  // namespace
}  // namespace entresol::layer::directory
