#include "cli/new_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error_codes.h"

namespace entresol::cli {
namespace {

class NewFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "entresol-files-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  bool is_there(const std::string& name) const {
    return std::filesystem::exists(folder + "/" + name);
  }
  std::string folder;
};

TEST_F(NewFilesTest, WhatIsNotKeptGoesAndWhatWasThereStays) {
  std::ofstream(folder + "/before") << "x";
  {
    NewFiles files;
    ASSERT_TRUE(files.directory(folder));
    ASSERT_TRUE(files.directory(folder + "/a/b"));
    ASSERT_TRUE(files.secret(folder + "/a/b/key", "k"));
    ASSERT_TRUE(files.open(folder + "/open", "o"));
    files.expect(folder + "/another");
    std::ofstream(folder + "/another") << "y";
    std::ofstream(folder + "/a/log") << "of a process that was started here";
    struct stat status{};
    ASSERT_EQ(::stat((folder + "/a/b/key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_TRUE(is_there("before"));
  EXPECT_FALSE(is_there("a"));
  EXPECT_FALSE(is_there("open"));
  EXPECT_FALSE(is_there("another"));
}

TEST_F(NewFilesTest, WhatIsKeptStays) {
  {
    NewFiles files;
    ASSERT_TRUE(files.directory(folder + "/a"));
    ASSERT_TRUE(files.open(folder + "/a/open", "o"));
    files.keep();
  }
  EXPECT_TRUE(is_there("a/open"));
}

TEST_F(NewFilesTest, NothingIsOverwrittenNorTakenBackThatWasNotMade) {
  std::ofstream(folder + "/key") << "old";
  {
    NewFiles files;
    const auto written = files.secret(folder + "/key", "new");
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().code, base::code::kKeyExists);
  }
  std::string text;
  std::ifstream(folder + "/key") >> text;
  EXPECT_EQ(text, "old");
}

}  // namespace
}  // namespace entresol::cli
