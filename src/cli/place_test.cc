#include "cli/place.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error_codes.h"

namespace entresol::cli {
namespace {

TEST(Place, AMachinesNameBecomesALabel) {
  EXPECT_EQ(label_of("alice"), "alice");
  EXPECT_EQ(label_of("Alice_Laptop.example.net"), "alice-laptop");
  EXPECT_EQ(label_of("--a--b--"), "a-b");
  EXPECT_EQ(label_of("caf\xc3\xa9"), "caf");
  EXPECT_EQ(label_of(""), "");
  EXPECT_EQ(label_of("___"), "");
  EXPECT_EQ(label_of(std::string(62, 'a') + "_b"), std::string(62, 'a'));
  EXPECT_EQ(label_of(std::string(300, 'a')).size(), 63u);
}

TEST(Place, LifetimesHaveAUnit) {
  EXPECT_EQ(lifetime_of("--lifetime", "90s").value(), 90);
  EXPECT_EQ(lifetime_of("--lifetime", "15m").value(), 900);
  EXPECT_EQ(lifetime_of("--lifetime", "24h").value(), 86400);
  EXPECT_EQ(lifetime_of("--lifetime", "365d").value(), 365 * 86400);
  for (const std::string text :
       {"", "h", "24", "0h", "-1h", "24hh", "1.5h", " 24h", "99999999999h"}) {
    const auto lifetime = lifetime_of("--lifetime", text);
    ASSERT_FALSE(lifetime.has_value()) << text;
    EXPECT_EQ(lifetime.error().code, base::code::kUsage);
    EXPECT_TRUE(lifetime.error().message.starts_with("--lifetime: ")) << lifetime.error().message;
  }
}

class FindConfig : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "entresol-place-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    setenv("ENTRESOL_DIR", folder.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("ENTRESOL_DIR");
    std::filesystem::remove_all(folder);
  }
  void write(const std::string& name) {
    std::filesystem::create_directories(std::filesystem::path(folder + "/" + name).parent_path());
    std::ofstream(folder + "/" + name) << "x";
  }
  std::string folder;
};

TEST_F(FindConfig, TakesTheOneThatIsThere) {
  EXPECT_EQ(default_directory(), folder);
  EXPECT_EQ(find_config().error().code, base::code::kUsage);
  write("node/node.yaml");
  EXPECT_EQ(find_config()->file, folder + "/node/node.yaml");
  EXPECT_EQ(find_config()->role, "node");
  write("host.yaml");
  EXPECT_EQ(find_config()->file, folder + "/host.yaml");
  EXPECT_EQ(find_config()->role, "host");
  write("node.yaml");
  const auto both = find_config();
  ASSERT_FALSE(both.has_value());
  EXPECT_EQ(both.error().code, base::code::kUsage);
}

}  // namespace
}  // namespace entresol::cli
