#include "runtime/learnt.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "io/files.h"

namespace entresol::runtime {
namespace {

class LearntTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/learnt-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    folder = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  static Json item(const char* kind, int value) { return {{"kind", kind}, {"value", value}}; }
  std::string folder;
};

TEST_F(LearntTest, WhatWasKeptComesBack) {
  Learnt before(folder + "/state");
  EXPECT_TRUE(before.keep_item(item("member", 1), "fd35::1"));
  EXPECT_TRUE(before.keep_item(item("guest", 2), "fd35::2"));
  EXPECT_TRUE(before.keep_item(item("member", 3), "fd35::1")) << "replaces";
  EXPECT_FALSE(before.keep_item(item("comet", 4), "fd35::4")) << "of a newer controller";
  EXPECT_FALSE(before.keep_item(Json::array(), "fd35::5"));
  before.set_revision("0123456789abcdef-7");
  ASSERT_TRUE(before.save());
  Learnt after(folder + "/state");
  after.load();
  EXPECT_EQ(after.revision(), "0123456789abcdef-7");
  ASSERT_EQ(after.items().size(), 2u);
  EXPECT_EQ(after.items()[0]["value"], 3);
}

TEST_F(LearntTest, WhoIsRevokedIsNoMember) {
  Learnt learnt(folder);
  learnt.keep_item(item("member", 1), "fd35::1");
  learnt.keep_item(item("revoked", 2), "fd35::1");
  ASSERT_EQ(learnt.items().size(), 1u);
  EXPECT_EQ(learnt.items()[0]["kind"], "revoked");
  learnt.keep_item(item("member", 3), "fd35::1");
  ASSERT_EQ(learnt.items().size(), 1u);
  EXPECT_EQ(learnt.items()[0]["kind"], "member");
}

TEST_F(LearntTest, WhatAnOlderVersionKeptLacksKindsAndIsAskedForAgain) {
  Learnt before(folder);
  before.keep_item(item("name", 1), "fd35::1");
  before.set_revision("0123456789abcdef-7");
  Json state = Json::parse(before.text());
  state.erase("minor");
  ASSERT_TRUE(Learnt::write(folder, state.dump()));
  Learnt after(folder);
  after.load();
  EXPECT_EQ(after.revision(), "");
  ASSERT_EQ(after.items().size(), 1u);
}

TEST_F(LearntTest, ABrokenFileIsAnEmptyOne) {
  for (const char* text : {"", "{", "[]", R"({"items":[]})", R"({"items":{"a":1},"revision":5})"}) {
    ASSERT_TRUE(io::write_text_file(folder + "/directory.json", text));
    Learnt learnt(folder);
    learnt.load();
    EXPECT_TRUE(learnt.items().empty()) << text;
    EXPECT_EQ(learnt.revision(), "");
  }
  Learnt(folder + "/nowhere").load();
}

TEST_F(LearntTest, ALabelIsNoPath) {
  const Learnt learnt(folder + "/state");
  ASSERT_TRUE(learnt.keep_node("north", base::Bytes{1}, base::Bytes{2}));
  for (const char* label : {"../north", "../../elsewhere", "/tmp/elsewhere", "", "a/b"})
    EXPECT_FALSE(learnt.keep_node(label, base::Bytes{1}, base::Bytes{2})) << label;
  EXPECT_FALSE(std::filesystem::exists(folder + "/state/north.member"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/elsewhere.member"));
}

TEST_F(LearntTest, NodesHaveFiles) {
  const Learnt learnt(folder);
  EXPECT_TRUE(learnt.node_files().empty());
  ASSERT_TRUE(learnt.keep_node("north", base::Bytes{1, 2}, base::Bytes{3}));
  ASSERT_TRUE(learnt.keep_node("north", base::Bytes{1, 2}, base::Bytes{4}));
  ASSERT_EQ(learnt.node_files().size(), 1u);
  EXPECT_NE(io::read_text_file(learnt.node_files()[0], 4096)->find("REGISTRATION"),
            std::string::npos);
}

}  // namespace
}  // namespace entresol::runtime
