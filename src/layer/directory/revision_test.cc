#include "layer/directory/revision.h"

#include <gtest/gtest.h>

namespace entresol::layer::directory {
namespace {

TEST(Revision, ComesBack) {
  for (const Revision& revision : {Revision{0, 0}, Revision{0xc0ffee00c0ffee, 17},
                                   Revision{~std::uint64_t{0}, ~std::uint64_t{0}}}) {
    const auto back = parse_revision(to_text(revision));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, revision);
  }
  EXPECT_EQ(to_text({0xc0ffee00c0ffee, 17}), "00c0ffee00c0ffee-17");
}

TEST(Revision, HasOneText) {
  for (const char* text :
       {"", "-", "0-0", "00c0ffee00c0ffee", "00c0ffee00c0ffee-", "00c0ffee00c0ffee-017",
        "00C0ffee00c0ffee-17", "00c0ffee00c0ffee-17 ", "00c0ffee00c0ffee-18446744073709551616",
        "00c0ffee00c0ffee-+1", "0xc0ffee00c0ffee-17", "00c0ffee00c0ffee--1"})
    EXPECT_FALSE(parse_revision(text).has_value()) << text;
}

}  // namespace
}  // namespace entresol::layer::directory
