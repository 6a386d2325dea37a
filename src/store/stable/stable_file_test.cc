#include "store/stable/stable_file.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "store/file/test_disk.h"

namespace entresol::store {
namespace {

using service::StableChange;

class StableFileTest : public ::testing::Test {
 protected:
  StableFileTest() { open(); }
  void open() {
    file_.reset();
    auto opened = StableFile::open({"services", disk_.name(), true});
    ASSERT_TRUE(opened) << opened.error().message;
    file_ = std::move(*opened);
  }
  std::string commit(const std::string& owner, std::vector<StableChange> changes,
                     std::int64_t now = 0) {
    const StableWrite write{owner, std::move(changes)};
    const StableWrite* const writes[] = {&write};
    auto done = file_->commit(writes, now);
    return done ? "" : done.error().code;
  }
  std::string all(const std::string& owner) {
    auto loaded = file_->load(owner);
    if (!loaded) return loaded.error().code;
    std::string out;
    for (const auto& each : *loaded) {
      out += each.key + "=" + std::string(each.entry.value.begin(), each.entry.value.end());
      if (each.entry.end != base::kNever)
        out += "@" + std::to_string(each.entry.end.time_since_epoch().count());
      out += " ";
    }
    return out;
  }
  void sql(const char* text) {
    file_.reset();
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open_v2("services", &raw, SQLITE_OPEN_READWRITE, disk_.name().c_str()),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(raw, "PRAGMA locking_mode = EXCLUSIVE", nullptr, nullptr, nullptr),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(raw, text, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(raw);
    sqlite3_close(raw);
  }
  static StableChange put(const std::string& key, const std::string& value,
                          base::TimePoint end = base::kNever) {
    return {key, service::Store::Entry{{value.begin(), value.end()}, end}};
  }

  test::Disk disk_{1};
  std::unique_ptr<StableFile> file_;
};

TEST_F(StableFileTest, KeepsWhatEachHasWritten) {
  EXPECT_EQ(commit("1", {put("a", "1"), put("b", "2", base::TimePoint(base::Duration(7)))}), "");
  EXPECT_EQ(commit("2", {put("a", "3"), put(std::string("\0\xff", 2), "")}), "");
  EXPECT_EQ(commit("1", {put("a", "4"), {"none", std::nullopt}}), "");
  open();
  EXPECT_EQ(all("1"), "a=4 b=2@7 ");
  EXPECT_EQ(all("2"), std::string("\0\xff", 2) + "= a=3 ");
  EXPECT_EQ(commit("1", {{"a", std::nullopt}}), "");
  EXPECT_EQ(all("1"), "b=2@7 ");
  EXPECT_EQ(all("3"), "");
}

TEST_F(StableFileTest, WhatHasEndedGoesWithTheNextTransaction) {
  commit("1", {put("a", "", base::TimePoint(base::Duration(10)))});
  commit("1", {put("b", "", base::TimePoint(base::Duration(11)))}, 9);
  EXPECT_EQ(all("1"), "a=@10 b=@11 ");
  commit("2", {put("c", "")}, 10);
  EXPECT_EQ(all("1"), "b=@11 ");
}

TEST_F(StableFileTest, AFullDiskIsSaidAndNothingIsHalfDone) {
  commit("1", {put("a", "1")});
  disk_.limit(disk_.used() + 100'000);
  EXPECT_EQ(commit("1", {put("a", "2"), put("b", std::string(60'000, 'x')),
                         put("c", std::string(60'000, 'x'))}),
            base::code::kStoreFull);
  EXPECT_EQ(all("1"), "a=1 ");
  EXPECT_FALSE(file_->try_disk());
  disk_.limit(disk_.used() + 3'000'000);
  EXPECT_TRUE(file_->try_disk());
  EXPECT_EQ(commit("1", {put("a", "2")}), "");
  EXPECT_EQ(all("1"), "a=2 ");
}

TEST_F(StableFileTest, RowsThatAreNoEntriesAreSaid) {
  commit("1", {put("a", "1")});
  sql("UPDATE entries SET key = x''");
  open();
  EXPECT_EQ(all("1"), base::code::kStoreBroken);
  EXPECT_EQ(all("2"), "") << "nobody else's";
  sql("UPDATE entries SET key = x'61', value = zeroblob(65537)");
  open();
  EXPECT_EQ(all("1"), base::code::kStoreBroken);
}

TEST_F(StableFileTest, AFileOfANewerVersionIsLeftAlone) {
  sql("PRAGMA user_version = 2");
  EXPECT_EQ(StableFile::open({"services", disk_.name(), true}).error().code, "E0532");
}

}  // namespace
}  // namespace entresol::store
