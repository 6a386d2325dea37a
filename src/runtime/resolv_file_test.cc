#include "runtime/resolv_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error_codes.h"
#include "io/files.h"
#include "runtime/run_command.h"

namespace entresol::runtime {
namespace {

namespace fs = std::filesystem;

const std::string kOriginal =
    "search example.org\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:2";

class ResolvFileTest : public ::testing::Test {
 protected:
  fs::path folder;

  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "entresol-resolv-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { fs::remove_all(folder); }
  std::string file() const { return folder / "resolv.conf"; }
  void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  std::string text() const { return io::read_text_file(file(), 1 << 20).value_or("(none)"); }
  ResolvPlan plan() const {
    ResolvPlan out;
    out.how = config::ResolvConf::kPlain;
    out.file = file();
    out.state = folder / "state";
    out.server = {*io::parse_address("127.0.53.53"), config::kDnsPort};
    out.domains = {"edge.internal"};
    return out;
  }
  std::unique_ptr<ResolvFile> look() { return std::move(*ResolvFile::look(plan())); }
  std::vector<std::string> servers(const ResolvFile& resolv) {
    std::vector<std::string> out;
    for (const auto& server : resolv.servers()) out.push_back(io::to_text(server.address));
    return out;
  }
  const std::vector<std::string> both{"192.0.2.1", "192.0.2.2"};
};

TEST_F(ResolvFileTest, ComesBackByteForByte) {
  write(file(), kOriginal);
  ::chmod(file().c_str(), 0640);
  auto resolv = look();
  EXPECT_EQ(servers(*resolv), both);
  ASSERT_TRUE(resolv->install());
  EXPECT_TRUE(resolv->in_place());
  EXPECT_EQ(parse_servers(text()).size(), 3u);
  EXPECT_EQ(servers(*resolv), both);
  const auto back = resolv->put_back();
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back);
  EXPECT_EQ(text(), kOriginal);
  struct stat status{};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_FALSE(fs::exists(folder / "state" / "resolv.json"));
  EXPECT_FALSE(resolv->in_place());
}

TEST_F(ResolvFileTest, ASymbolicLinkIsOneAgain) {
  write(folder / "managed", kOriginal);
  fs::create_symlink("managed", file());
  auto resolv = look();
  ASSERT_TRUE(resolv->install());
  EXPECT_EQ(io::read_text_file(folder / "managed", 1000).value(), kOriginal);
  EXPECT_TRUE(is_ours(text()));
  ASSERT_TRUE(resolv->put_back().value());
  EXPECT_EQ(fs::read_symlink(file()), "managed");
}

TEST_F(ResolvFileTest, WhereThereWasNoneThereIsNoneAgain) {
  auto resolv = look();
  ASSERT_TRUE(resolv->install());
  EXPECT_TRUE(is_ours(text()));
  ASSERT_TRUE(resolv->put_back().value());
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(ResolvFileTest, AfterAKillTheKeptOneCounts) {
  write(file(), kOriginal);
  ASSERT_TRUE(look()->install());  // and no put_back
  auto next = look();
  EXPECT_EQ(servers(*next), both);
  ASSERT_TRUE(next->install());
  EXPECT_EQ(parse_servers(text()).size(), 3u);
  ASSERT_TRUE(next->put_back().value());
  EXPECT_EQ(text(), kOriginal);
}

TEST_F(ResolvFileTest, AfterAKillInTheMiddleOfWritingInPlace) {
  write(file(), kOriginal);
  ASSERT_TRUE(look()->install());
  for (const std::string& torn : {std::string(), text().substr(0, 30), kOriginal.substr(0, 20)}) {
    write(file(), torn);
    auto next = look();
    EXPECT_EQ(servers(*next), both) << torn;
    ASSERT_TRUE(next->install());
    EXPECT_TRUE(is_ours(text()));
  }
  auto last = look();
  ASSERT_TRUE(last->install());
  ASSERT_TRUE(last->put_back().value());
  EXPECT_EQ(text(), kOriginal);
}

TEST_F(ResolvFileTest, AfterAKillAndALostStateOursIsTakenOut) {
  write(file(), kOriginal);
  ASSERT_TRUE(look()->install());
  fs::remove_all(folder / "state");
  auto next = look();
  EXPECT_EQ(servers(*next), both);
  ASSERT_TRUE(next->install());
  ASSERT_TRUE(next->put_back().value());
  EXPECT_EQ(text(), kOriginal);
}

TEST_F(ResolvFileTest, WhatSomebodyElseWroteIsLeftAlone) {
  write(file(), kOriginal);
  auto resolv = look();
  ASSERT_TRUE(resolv->install());
  write(file(), "nameserver 192.0.2.77\n");
  EXPECT_FALSE(resolv->in_place());
  EXPECT_FALSE(resolv->put_back().value());
  EXPECT_EQ(text(), "nameserver 192.0.2.77\n");
  // Also if nobody was there to see it: what stands there now is what comes back.
  ASSERT_TRUE(look()->install());
  write(file(), "nameserver 192.0.2.78\n");
  auto next = look();
  EXPECT_EQ(servers(*next), std::vector<std::string>{"192.0.2.78"});
  ASSERT_TRUE(next->install());
  ASSERT_TRUE(next->put_back().value());
  EXPECT_EQ(text(), "nameserver 192.0.2.78\n");
}

TEST_F(ResolvFileTest, ABrokenStateIsNone) {
  fs::create_directories(folder / "state");
  for (const std::string broken : {"", "[]", "{\"file\": 3}", "{\"file\": \"x\", \"kind\": 9}"}) {
    write(folder / "state" / "resolv.json", broken);
    write(file(), kOriginal);
    auto resolv = look();
    ASSERT_TRUE(resolv->install()) << broken;
    ASSERT_TRUE(resolv->put_back().value());
    EXPECT_EQ(text(), kOriginal);
  }
}

TEST_F(ResolvFileTest, OffChangesNothing) {
  write(file(), kOriginal);
  ResolvPlan off = plan();
  off.how = config::ResolvConf::kOff;
  auto resolv = std::move(*ResolvFile::look(off));
  EXPECT_EQ(servers(*resolv), both);
  ASSERT_TRUE(resolv->install());
  EXPECT_EQ(text(), kOriginal);
  EXPECT_FALSE(resolv->in_place());
  ASSERT_TRUE(resolv->put_back().value());
}

TEST_F(ResolvFileTest, AFileThatCannotBeWrittenIsAnError) {
  ResolvPlan nowhere = plan();
  nowhere.file = folder / "missing" / "resolv.conf";
  EXPECT_FALSE((*ResolvFile::look(nowhere))->install());
}

TEST(RunCommand, SaysWhatFailed) {
  EXPECT_TRUE(run_command({"sh", "-c", "read line && test \"$line\" = hello"}, "hello\n"));
  const auto failed = run_command({"sh", "-c", "echo no way >&2; exit 3"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, base::code::kSystemCall);
  EXPECT_NE(failed.error().message.find("ended with 3: no way"), std::string::npos)
      << failed.error().message;
  EXPECT_FALSE(run_command({"entresol-no-such-command", "x"}));
  EXPECT_EQ(find_command("entresol-no-such-command"), "");
}

}  // namespace
}  // namespace entresol::runtime
