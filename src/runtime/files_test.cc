#include "runtime/files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error_codes.h"
#include "io/files.h"
#include "layer/membership/test_authority.h"

namespace entresol::runtime {
namespace {

namespace membership = layer::membership;
using membership::test::Authority;
using membership::test::kNow;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = testing::TempDir() + "/files_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    EXPECT_TRUE(io::write_text_file(path, text));
    return path;
  }
  std::string write(const std::string& name, std::string_view label, base::ByteView bytes) {
    return write(name, membership::armor(label, bytes));
  }
  // The identity's file, as `keys` makes it.
  std::string write_identity(const std::string& name, base::Bytes& both) {
    both = base::Bytes(64);
    authority_.random.fill(both);
    return write(name, membership::kIdentityKey, both);
  }

  Authority authority_{1};
  std::string folder_;
};

TEST_F(FilesTest, IdentityIsSeedAndStaticKey) {
  base::Bytes both;
  auto identity = read_identity(write_identity("id", both));
  ASSERT_TRUE(identity);
  const std::span<const std::uint8_t, 64> bytes(both.data(), 64);
  EXPECT_EQ(identity->identity.public_key, crypto::ed25519_keypair(bytes.first<32>()).public_key);
  EXPECT_EQ(identity->native_public, crypto::x25519_keypair(bytes.last<32>()).public_key);
}

TEST_F(FilesTest, WhatIsMissingOrOfTheWrongSizeIsNamedWithItsFile) {
  const std::string path = write("short", membership::kIdentityKey, base::Bytes(63));
  auto identity = read_identity(path);
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().code, base::code::kKeyMalformed);
  EXPECT_NE(identity.error().message.find(path), std::string::npos);
  EXPECT_NE(identity.error().message.find("IDENTITY KEY"), std::string::npos);
  auto root = read_root(path);
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code, base::code::kKeyMalformed);
  auto none = read_root(folder_ + "/absent");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, base::code::kFileUnreadable);
  EXPECT_FALSE(read_certificate(path));
  EXPECT_FALSE(read_grant(path));
  EXPECT_FALSE(read_signing_key(path));
  EXPECT_FALSE(read_member(path));
}

TEST_F(FilesTest, RootsAndOperatorsSign) {
  const auto seed = authority_.random.bytes<32>();
  for (std::string_view label : {membership::kRootKey, membership::kOperatorKey}) {
    auto key = read_signing_key(write("key", label, seed));
    ASSERT_TRUE(key);
    EXPECT_EQ(key->public_key, crypto::ed25519_keypair(seed).public_key);
  }
}

TEST_F(FilesTest, ADelegationComesBeforeItsCertificateWhereverItStands) {
  const base::Bytes delegation(10, 1), certificate(20, 2);
  base::Bytes chain = delegation;
  chain.insert(chain.end(), certificate.begin(), certificate.end());
  const std::string first = membership::armor(membership::kDelegation, delegation);
  const std::string second = membership::armor(membership::kCertificate, certificate);
  EXPECT_EQ(*read_certificate(write("a", first + second)), chain);
  EXPECT_EQ(*read_certificate(write("b", second + first)), chain);
  EXPECT_EQ(*read_certificate(write("c", second)), certificate);
}

TEST_F(FilesTest, APresharedKeyIsAsWgPrintsIt) {
  const auto key = authority_.random.bytes<32>();
  auto read = read_preshared_key(write("psk", base::to_base64(key) + "\n"));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, crypto::SecretBytes<32>(key));
  EXPECT_FALSE(read_preshared_key(write("psk", base::to_base64(base::Bytes(31)))));
  EXPECT_FALSE(read_preshared_key(write("psk", "not base64")));
  EXPECT_FALSE(read_preshared_key(write("psk", "")));
}

TEST_F(FilesTest, AMembersFileHasCertificateAndRegistrationOrAGrant) {
  const membership::Identity identity = membership::test::make_identity(authority_.random);
  const base::Bytes certificate = authority_.certify(identity, membership::Role::kHost, "a", {});
  const base::Bytes registration = authority_.registration(identity);
  const std::string text = membership::armor(membership::kCertificate, certificate);
  EXPECT_FALSE(read_member(write("m", text))) << "without a registration";
  auto member =
      read_member(write("m", text + membership::armor(membership::kRegistration, registration)));
  ASSERT_TRUE(member);
  EXPECT_EQ(member->certificate, certificate);
  EXPECT_EQ(member->registration, registration);
  EXPECT_TRUE(member->grant.empty());
  const base::Bytes grant = authority_.grant(authority_.random.bytes<32>(), "g", {}, {});
  auto guest = read_member(write("g", membership::kGrant, grant));
  ASSERT_TRUE(guest);
  EXPECT_EQ(guest->grant, grant);
}

TEST_F(FilesTest, ALayerIsReadAndItsCertificateChecked) {
  base::Bytes both;
  config::LayerIdentity layer;
  layer.label = "edge";
  layer.identity = write_identity("id", both);
  layer.root = write("root", membership::kRootPublic, authority_.root.public_key);
  const auto identity = read_identity(layer.identity);
  ASSERT_TRUE(identity);
  layer.certificate =
      write("cert", membership::kCertificate,
            authority_.certify(*identity, membership::Role::kHost, "a", {100, 64, 0, 1}));
  auto setup = read_layer(layer, kNow, kNow * 1'000'000'000);
  ASSERT_TRUE(setup) << setup.error().message;
  EXPECT_EQ(setup->label, "edge");
  EXPECT_EQ(setup->trust.layer(), authority_.trust.layer());
  EXPECT_GT(setup->lease_end, kNow);
  auto again = read_layer(layer, kNow + 1, (kNow + 1) * 1'000'000'000);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->reset_secret, setup->reset_secret) << "has to survive a restart";
  EXPECT_GT(again->sequence, setup->sequence)
      << "a restart has to win over what was registered before";
  EXPECT_FALSE(setup->reset_secret == crypto::SecretBytes<32>());

  auto late = read_layer(layer, kNow + 31 * membership::test::kDay, 0);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, base::code::kCertificateExpired);
  EXPECT_NE(late.error().message.find(layer.certificate), std::string::npos);
  layer.root = write("root2", membership::kRootPublic, Authority(2).root.public_key);
  auto foreign = read_layer(layer, kNow, 0);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, base::code::kWrongLayer);
}

}  // namespace
}  // namespace entresol::runtime
