#include "wire/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

// RFC 3629 sections 3, 4 and 7, and the borders of its ranges.
TEST(Utf8, Characters) {
  for (std::string_view good :
       {"", "00", "7f", "c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080",
        "f48fbfbf", "41e289a2ce912e", "efbbbff0a38eb4"}) {
    EXPECT_TRUE(is_utf8(sample::hex(good))) << good;
  }
  for (std::string_view bad :
       {"80",       "bf",       "c0",   "c080",   "c1bf",   "c2",       "c241",
        "e0",       "e09fbf",   "e080", "eda080", "edbfbf", "f08fbfbf", "f0808080",
        "f4908080", "f5808080", "ff",   "f09080", "41e289", "e28941"}) {
    EXPECT_FALSE(is_utf8(sample::hex(bad))) << bad;
  }
}

TEST(Utf8, PrefixEndsBetweenCharacters) {
  const base::Bytes text = sample::hex("41 e282ac 42");
  const std::size_t expected[] = {0, 1, 1, 1, 4, 5, 5};
  for (std::size_t limit = 0; limit < std::size(expected); ++limit) {
    EXPECT_EQ(utf8_prefix(text, limit).size(), expected[limit]) << limit;
  }
}

}  // namespace
}  // namespace entresol::wire
