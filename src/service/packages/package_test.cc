#include "service/packages/package.h"

#include <gtest/gtest.h>

namespace entresol::service::packages {
namespace {

crypto::Ed25519KeyPair key(std::uint8_t seed) {
  std::array<std::uint8_t, 32> octets{};
  octets.fill(seed);
  return crypto::ed25519_keypair(octets);
}

Package package() {
  Package out;
  out.manifest = "service: hello\nid: 2147483649\n";
  out.module = {0, 'a', 's', 'm', 1, 0, 0, 0};
  out.sources = {{"z.h", {1}}, {"hello.cc", {2}}};
  return out;
}

TEST(Package, ComesBackAsItWasSigned) {
  const base::Bytes octets = sign_package(package(), key(7));
  const auto parsed = parse_package(octets);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->publisher, key(7).public_key);
  EXPECT_EQ(parsed->manifest, package().manifest);
  EXPECT_EQ(parsed->module, package().module);
  ASSERT_EQ(parsed->sources.size(), 2u);
  EXPECT_EQ(parsed->sources[0].file, "hello.cc");
  EXPECT_EQ(sign_package(*parsed, key(7)), octets);
}

TEST(Package, EveryChangedBitAndEveryCutIsRefused) {
  const base::Bytes octets = sign_package(package(), key(7));
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    base::Bytes changed = octets;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    ASSERT_FALSE(parse_package(changed)) << bit;
  }
  for (std::size_t size = 0; size < octets.size(); ++size)
    ASSERT_FALSE(parse_package(base::ByteView(octets).first(size))) << size;
  base::Bytes longer = octets;
  longer.push_back(0);
  EXPECT_FALSE(parse_package(longer));
}

TEST(Package, NamesOfSourcesStayInTheFolder) {
  for (const char* name : {"/etc/x", "../x", "a/../../x", "", "a b", "a\x7f"}) {
    Package odd = package();
    odd.sources = {{name, {}}};
    EXPECT_FALSE(parse_package(sign_package(odd, key(7)))) << name;
  }
  Package twice = package();
  twice.sources = {{"a.cc", {}}, {"a.cc", {}}};
  EXPECT_FALSE(parse_package(sign_package(twice, key(7))));
}

}  // namespace
}  // namespace entresol::service::packages
