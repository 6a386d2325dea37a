#include "controller/found.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error_codes.h"
#include "controller/default_policy.h"
#include "layer/directory/authority.h"
#include "layer/membership/armor.h"
#include "security/test_random.h"
#include "store/sqlite.h"

namespace entresol::controller {
namespace {

namespace directory = layer::directory;
namespace membership = layer::membership;

constexpr base::UnixSeconds kNow = 1'700'000'000;

class Found : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "entresol-found-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  Founding founding() const {
    Founding out;
    out.label = "edge";
    out.domain = "edge.internal";
    out.pool = {{100, 64, 0, 0}, 10};
    out.policy = kDefaultPolicy;
    out.delegation_lifetime = 1000;
    return out;
  }
  std::string store() const { return folder + "/store.sqlite"; }

  std::string folder;
  security::SeededRandom random{7};
};

base::Bytes only_block(const std::string& text, std::string_view label) {
  auto blocks = membership::parse_armor(text, "a file");
  EXPECT_TRUE(blocks && blocks->size() == 1 && blocks->front().label == label) << text;
  return blocks && !blocks->empty() ? blocks->front().bytes : base::Bytes();
}

TEST_F(Found, WhatItMakesIsALayerThatAdmits) {
  const auto founded = found_layer(founding(), store(), random, kNow);
  ASSERT_TRUE(founded.has_value()) << founded.error().message;
  directory::Issuer issuer;
  const base::Bytes root = only_block(founded->root_public, membership::kRootPublic);
  ASSERT_EQ(root.size(), 32u);
  std::copy(root.begin(), root.end(), issuer.root.begin());
  EXPECT_EQ(membership::layer_id_of(issuer.root), founded->layer);
  const base::Bytes seed = only_block(founded->operator_secret, membership::kOperatorKey);
  ASSERT_EQ(seed.size(), 32u);
  issuer.key = crypto::ed25519_keypair(std::span<const std::uint8_t, 32>(seed.data(), 32));
  issuer.delegation = only_block(founded->delegation, membership::kDelegation);
  EXPECT_EQ(only_block(founded->operator_public, membership::kOperatorPublic),
            base::Bytes(issuer.key.public_key.begin(), issuer.key.public_key.end()));
  const base::Bytes root_seed = only_block(founded->root_secret, membership::kRootKey);
  ASSERT_EQ(root_seed.size(), 32u);
  EXPECT_EQ(
      crypto::ed25519_keypair(std::span<const std::uint8_t, 32>(root_seed.data(), 32)).public_key,
      issuer.root);
  const auto tls = http::parse_identity(founded->tls_secret);
  ASSERT_TRUE(tls.has_value()) << tls.error().message;
  EXPECT_EQ(tls->pin, founded->pin);

  auto opened = store::SqliteStore::open({.path = store(), .vfs = {}, .synchronous = true});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const auto snapshot = (*opened)->load();
  ASSERT_TRUE(snapshot.has_value());
  const auto authority = directory::Authority::open(issuer, *snapshot, random);
  ASSERT_TRUE(authority.has_value()) << authority.error().message;
  EXPECT_EQ(authority->settings().label, "edge");
  EXPECT_EQ(authority->settings().domain, "edge.internal");
  EXPECT_EQ(authority->policy().text, kDefaultPolicy);
  EXPECT_TRUE(
      authority->check_api_token(founded->api_token_secret, directory::Scope::kAdmin, kNow));

  directory::TokenRequest request;
  request.lifetime = 60;
  const auto token = authority->create_token(request, kNow);
  EXPECT_TRUE(token.answer.has_value());
}

TEST_F(Found, TheDelegationEndsWhenItIsSaidTo) {
  const auto founded = found_layer(founding(), store(), random, kNow);
  ASSERT_TRUE(founded.has_value());
  EXPECT_EQ(founded->delegation_end, kNow + 1000);
  const auto delegation =
      membership::parse_delegation(only_block(founded->delegation, membership::kDelegation));
  ASSERT_TRUE(delegation.has_value());
  EXPECT_EQ(delegation->body.validity.not_after, kNow + 1000);
  EXPECT_TRUE(delegation->body.validity.holds(kNow - 200));  // a member whose clock is behind
}

TEST_F(Found, SettingsThatAreNoneAreRefused) {
  Founding wrong = founding();
  wrong.label = "Edge";
  const auto founded = found_layer(wrong, store(), random, kNow);
  ASSERT_FALSE(founded.has_value());
  EXPECT_EQ(founded.error().code, base::code::kConfigBadValue);
  EXPECT_FALSE(std::filesystem::exists(store()));
}

TEST_F(Found, AStoreThatIsSomethingElseIsLeftAlone) {
  const auto founded = found_layer(founding(), folder, random, kNow);
  EXPECT_FALSE(founded.has_value());
}

}  // namespace
}  // namespace entresol::controller
