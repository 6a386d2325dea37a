#include "cli/explain.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>

namespace entresol::cli {
namespace {

// Run from the repository's root (cmake/EntresolRoom.cmake).
TEST(Explain, EveryCodeThatExistsIsExplained) {
  std::ifstream header("src/base/error_codes.h");
  ASSERT_TRUE(header.is_open());
  const std::string text((std::istreambuf_iterator<char>(header)), {});
  const std::regex code(R"re("(E\d{4})")re");
  int found = 0;
  for (std::sregex_iterator it(text.begin(), text.end(), code), end; it != end; ++it, ++found)
    EXPECT_NE(find_explanation((*it)[1].str()), nullptr) << (*it)[1];
  EXPECT_GE(found, 20);
  EXPECT_EQ(static_cast<int>(explanations().size()), found);
}

TEST(Explain, TakesCodesInAnyCase) {
  ASSERT_NE(find_explanation("e0102"), nullptr);
  EXPECT_EQ(find_explanation("e0102")->code, "E0102");
  EXPECT_EQ(find_explanation("E9999"), nullptr);
}

}  // namespace
}  // namespace entresol::cli
