#include "service/store.h"

#include <gtest/gtest.h>

#include "entresol/service.h"

namespace entresol::service {
namespace {

using std::chrono::seconds;

class StoreTest : public ::testing::Test {
 protected:
  std::int32_t put(std::string_view key, std::string_view value, base::Duration lifetime = {}) {
    return store_.put(key, bytes(value), lifetime, now_);
  }
  std::string get(std::string_view key) {
    const base::Bytes* value = store_.get(key, now_);
    return value == nullptr ? "-" : std::string(value->begin(), value->end());
  }
  static base::ByteView bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  std::string keys(std::string_view prefix) {
    std::string all;
    const std::string* key = nullptr;
    for (std::string after; (key = store_.next(prefix, after, now_)) != nullptr; after = *key)
      all += *key + " ";
    return all;
  }

  Store store_{1000};
  base::TimePoint now_{seconds(100)};
};

TEST_F(StoreTest, KeepsTheLastValue) {
  EXPECT_EQ(get("a"), "-");
  EXPECT_EQ(put("a", "1"), 0);
  EXPECT_EQ(put("a", "22"), 0);
  EXPECT_EQ(get("a"), "22");
  EXPECT_TRUE(store_.remove("a", now_));
  EXPECT_FALSE(store_.remove("a", now_));
  EXPECT_EQ(get("a"), "-");
  EXPECT_EQ(store_.used(), 0u);
}

TEST_F(StoreTest, AValueEndsWithItsTimeAndLeavesItsRoom) {
  put("a", "1", seconds(10));
  put("b", "1");
  now_ += seconds(9);
  EXPECT_EQ(get("a"), "1");
  now_ += seconds(1);
  EXPECT_EQ(get("a"), "-");
  EXPECT_EQ(keys(""), "b ");
  put("c", "1");
  EXPECT_EQ(store_.size(), 2u) << "what has ended is gone";
}

TEST_F(StoreTest, ANewValueHasANewEnd) {
  put("a", "1", seconds(10));
  put("a", "2");
  now_ += seconds(60);
  put("b", "1");
  EXPECT_EQ(get("a"), "2");
}

TEST_F(StoreTest, TheQuotaCountsKeysValuesAndEntries) {
  const std::string value(1000 - Store::kEntryCost - 1, 'x');
  EXPECT_EQ(put("a", value), 0);
  EXPECT_EQ(put("b", ""), ENTRESOL_QUOTA);
  EXPECT_EQ(put("a", value + "x"), ENTRESOL_QUOTA);
  EXPECT_EQ(get("a"), value) << "refused whole";
  EXPECT_EQ(put("a", ""), 0);
  EXPECT_EQ(put("b", ""), 0);
}

TEST_F(StoreTest, KeysAndValuesHaveBounds) {
  Store large(1 << 20);
  EXPECT_EQ(large.put("", {}, {}, now_), ENTRESOL_INVALID);
  EXPECT_EQ(large.put(std::string(257, 'k'), {}, {}, now_), ENTRESOL_INVALID);
  EXPECT_EQ(large.put(std::string(256, 'k'), {}, {}, now_), 0);
  const base::Bytes most(Store::kMaxValue + 1);
  EXPECT_EQ(large.put("a", most, {}, now_), ENTRESOL_INVALID);
}

TEST_F(StoreTest, SwapsOnlyWhatWasExpected) {
  EXPECT_EQ(store_.swap("a", bytes("1"), bytes("2"), {}, now_), ENTRESOL_CHANGED);
  EXPECT_EQ(store_.swap("a", std::nullopt, bytes("1"), {}, now_), 0);
  EXPECT_EQ(store_.swap("a", std::nullopt, bytes("2"), {}, now_), ENTRESOL_CHANGED);
  EXPECT_EQ(store_.swap("a", bytes("1"), bytes("2"), {}, now_), 0);
  EXPECT_EQ(get("a"), "2");
}

TEST_F(StoreTest, ListsByPrefixInOrder) {
  for (const char* key : {"b/2", "a/1", "b/1", "c", "b"}) put(key, "");
  EXPECT_EQ(keys("b/"), "b/1 b/2 ");
  EXPECT_EQ(keys("b"), "b b/1 b/2 ");
  EXPECT_EQ(keys("x"), "");
  EXPECT_EQ(*store_.next("b/", "b/1", now_), "b/2");
}

}  // namespace
}  // namespace entresol::service
