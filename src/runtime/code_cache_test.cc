#include "runtime/code_cache.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/files.h"

namespace entresol::runtime {
namespace {

namespace fs = std::filesystem;

class CodeCacheTest : public ::testing::Test {
 protected:
  CodeCacheTest() {
    std::string pattern = ::testing::TempDir() + "entresol-code-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    engine = std::move(*service::sandbox::Engine::create({.instances = 1}));
  }
  ~CodeCacheTest() override { fs::remove_all(folder); }
  static crypto::Ed25519KeyPair identity(std::uint8_t seed) {
    std::array<std::uint8_t, 32> octets{};
    octets.fill(seed);
    return crypto::ed25519_keypair(octets);
  }
  // A module with a custom section, so that each number is another module.
  static base::Bytes module(std::uint8_t number) {
    return {0, 'a', 's', 'm', 1, 0, 0, 0, 0, 3, 1, 'n', number};
  }
  std::string file_of(std::uint8_t number) const {
    return folder + "/" + base::to_hex(crypto::sha256(module(number))) + ".code";
  }

  std::string folder;
  std::unique_ptr<service::sandbox::Engine> engine;
};

TEST_F(CodeCacheTest, CompilesOnceForThisNode) {
  {
    CodeCache cache(folder, identity(1));
    ASSERT_TRUE(cache.module_of(*engine, module(1)));
    EXPECT_EQ(cache.counters().compiled, 1u);
  }
  EXPECT_EQ(fs::status(file_of(1)).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  CodeCache again(folder, identity(1));
  ASSERT_TRUE(again.module_of(*engine, module(1)));
  EXPECT_EQ(again.counters().found, 1u);
  EXPECT_EQ(again.counters().compiled, 0u);
  CodeCache other(folder, identity(2));
  ASSERT_TRUE(other.module_of(*engine, module(1)));
  EXPECT_EQ(other.counters().refused, 1u) << "another node's seal";
  EXPECT_EQ(other.counters().compiled, 1u);
}

TEST_F(CodeCacheTest, WhatIsDamagedOrPlantedIsCompiledAnew) {
  CodeCache cache(folder, identity(1));
  ASSERT_TRUE(cache.module_of(*engine, module(1)));
  ASSERT_TRUE(cache.module_of(*engine, module(2)));
  base::Bytes octets = *io::read_file(file_of(1), 1 << 20);
  // Another module's code, sealed by this node.
  fs::copy_file(file_of(2), file_of(1), fs::copy_options::overwrite_existing);
  ASSERT_TRUE(cache.module_of(*engine, module(1)));
  EXPECT_EQ(cache.counters().refused, 1u);
  octets.back() ^= 1;
  ASSERT_TRUE(io::write_file(file_of(1), octets));
  ASSERT_TRUE(cache.module_of(*engine, module(1)));
  EXPECT_EQ(cache.counters().refused, 2u);
  EXPECT_EQ(cache.counters().compiled, 4u);
  ASSERT_TRUE(cache.module_of(*engine, module(1)));
  EXPECT_EQ(cache.counters().found, 1u) << "it was not replaced";
}

TEST_F(CodeCacheTest, IsBoundedAndKeepsWhatWasUsedLately) {
  ASSERT_TRUE(CodeCache(folder, identity(1)).module_of(*engine, module(1)));
  const std::size_t size = fs::file_size(file_of(1));
  CodeCache cache(folder, identity(1), 2 * size + size / 2);
  ASSERT_TRUE(cache.module_of(*engine, module(2)));
  // The file system's times are coarse.
  fs::last_write_time(file_of(2), fs::last_write_time(file_of(1)) - std::chrono::seconds(10));
  fs::last_write_time(file_of(1), fs::last_write_time(file_of(1)) - std::chrono::seconds(20));
  ASSERT_TRUE(cache.module_of(*engine, module(1)));
  ASSERT_TRUE(cache.module_of(*engine, module(3)));
  EXPECT_TRUE(fs::exists(file_of(1)));
  EXPECT_FALSE(fs::exists(file_of(2)));
  EXPECT_TRUE(fs::exists(file_of(3)));
}

TEST_F(CodeCacheTest, ADiskThatFailsCostsTimeAlone) {
  CodeCache cache("/proc/no/such", identity(1));
  EXPECT_TRUE(cache.module_of(*engine, module(1)));
  EXPECT_EQ(cache.counters().unwritable, 1u);
  EXPECT_FALSE(cache.module_of(*engine, base::Bytes{1, 2, 3})) << "no module";
}

}  // namespace
}  // namespace entresol::runtime
