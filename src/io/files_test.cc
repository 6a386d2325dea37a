#include "io/files.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/error_codes.h"

namespace entresol::io {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "entresol-files-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    for (const std::string& name : names()) ::unlink((directory_ + "/" + name).c_str());
    ::rmdir(directory_.c_str());
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    DIR* dir = ::opendir(directory_.c_str());
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") out.push_back(name);
    }
    ::closedir(dir);
    return out;
  }
  mode_t mode_of(const std::string& name) const {
    struct stat status{};
    EXPECT_EQ(::stat(path(name).c_str(), &status), 0);
    return status.st_mode & 07777;
  }
  std::string directory_;
};

TEST_F(Files, WritesWhatItReadsAndLeavesNothingBeside) {
  for (std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 1'000'000u}) {
    base::Bytes content(size);
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    ASSERT_TRUE(write_file(path("f"), content));
    const auto read = read_file(path("f"), size);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, content);
  }
  EXPECT_EQ(names(), std::vector<std::string>{"f"});
}

TEST_F(Files, LimitIsInclusive) {
  ASSERT_TRUE(write_text_file(path("f"), "12345"));
  EXPECT_TRUE(read_file(path("f"), 5));
  const auto refused = read_file(path("f"), 4);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::code::kFileUnreadable);
  EXPECT_NE(refused.error().message.find("larger than 4 bytes"), std::string::npos);
}

TEST_F(Files, ReadsFilesThatReportNoSize) {
  const auto read = read_text_file("/proc/self/status", 1 << 20);
  ASSERT_TRUE(read);
  EXPECT_NE(read->find("Pid:"), std::string::npos);
}

TEST_F(Files, ModeIsExact) {
  const mode_t before = ::umask(0077);
  EXPECT_TRUE(write_text_file(path("public"), "x", {.mode = 0644}));
  ::umask(0);
  EXPECT_TRUE(write_text_file(path("key"), "x", {.mode = 0600}));
  ::umask(before);
  EXPECT_EQ(mode_of("public"), 0644u);
  EXPECT_EQ(mode_of("key"), 0600u);
}

TEST_F(Files, OverwritesOnlyIfAllowed) {
  ASSERT_TRUE(write_text_file(path("key"), "first", {.mode = 0600, .overwrite = false}));
  const auto refused = write_text_file(path("key"), "second", {.mode = 0600, .overwrite = false});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::code::kKeyExists);
  EXPECT_EQ(*read_text_file(path("key"), 100), "first");
  ASSERT_TRUE(write_text_file(path("key"), "third"));
  EXPECT_EQ(*read_text_file(path("key"), 100), "third");
  EXPECT_EQ(names().size(), 1u);
}

TEST_F(Files, ErrorsNameThePathAndTheReason) {
  const auto missing = read_file(path("none"), 10);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, base::code::kFileUnreadable);
  EXPECT_NE(missing.error().message.find(path("none")), std::string::npos);
  EXPECT_NE(missing.error().message.find("No such file"), std::string::npos);
  EXPECT_FALSE(read_file(directory_, 10));
  EXPECT_FALSE(read_file("/dev/zero", 10));

  const auto nowhere = write_text_file(path("no/where"), "x");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, base::code::kFileUnwritable);
  EXPECT_NE(nowhere.error().message.find("no/where"), std::string::npos);
}

TEST_F(Files, AFifoIsRefusedWithoutBlocking) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(read_file(path("fifo"), 10));
}

TEST_F(Files, FailedReplacementKeepsTheOldAndRemovesTheTemporary) {
  ASSERT_EQ(::mkdir(path("d").c_str(), 0700), 0);
  EXPECT_FALSE(write_text_file(path("d"), "x"));
  EXPECT_EQ(names(), std::vector<std::string>{"d"});
  ::rmdir(path("d").c_str());
}

TEST_F(Files, RemovesAndMakesDirectories) {
  ASSERT_TRUE(write_text_file(path("f"), "x"));
  EXPECT_TRUE(remove_file(path("f")));
  EXPECT_TRUE(remove_file(path("f")));
  EXPECT_TRUE(names().empty());

  EXPECT_TRUE(make_directories(path("a/b/c")));
  EXPECT_TRUE(make_directories(path("a/b/c/")));
  ASSERT_TRUE(write_text_file(path("a/b/c/f"), "x"));
  EXPECT_FALSE(make_directories(path("a/b/c/f/g")));
  ::unlink(path("a/b/c/f").c_str());
  ::rmdir(path("a/b/c").c_str());
  ::rmdir(path("a/b").c_str());
  ::rmdir(path("a").c_str());
}

}  // namespace
}  // namespace entresol::io
