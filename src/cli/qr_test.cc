#include "cli/qr.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error_codes.h"

namespace entresol::cli {
namespace {

// Columns of the first line: every character but the colours'.
std::size_t columns(const std::string& code) {
  const std::string line = code.substr(0, code.find('\n'));
  const auto characters = std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // not the middle of one
  });
  return static_cast<std::size_t>(characters) - std::string("\033[30;47m\033[0m").size();
}

// tests/cli/qr_test.py has a reader that is not ours read it.
TEST(QrTest, IsSquareWithAQuietZone) {
  const auto code = qr_code("hello");  // version 1: 21 modules
  ASSERT_TRUE(code);
  EXPECT_EQ(columns(*code), 21u + 8u);
  EXPECT_EQ(std::count(code->begin(), code->end(), '\n'), (21 + 8 + 1) / 2);
  const std::string empty = "\033[30;47m" + std::string(29, ' ') + "\033[0m\n";
  EXPECT_EQ(code->substr(0, 2 * empty.size()), empty + empty);
}

TEST(QrTest, HoldsATextUpToTheLargestSquareAndNoLonger) {
  const auto largest = qr_code(std::string(2331, 'a'));
  ASSERT_TRUE(largest);
  EXPECT_EQ(columns(*largest), 177u + 8u);
  const auto more = qr_code(std::string(2332, 'a'));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, base::code::kConfigBadValue);
}

}  // namespace
}  // namespace entresol::cli
