#include "wire/option.h"

#include <gtest/gtest.h>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

using base::DropReason;

DropReason reason_of(std::string_view hex) {
  std::uint8_t summary = 0;
  return parse_options(sample::hex(hex), summary);
}

std::uint8_t summary_of(std::string_view hex) {
  std::uint8_t summary = 0xee;
  EXPECT_EQ(parse_options(sample::hex(hex), summary), DropReason::none);
  return summary;
}

TEST(Option, SummaryHasABitForEachCriticalClass) {
  EXPECT_EQ(summary_of(""), 0);
  EXPECT_EQ(summary_of("00 01 80 00"), 0x01);
  EXPECT_EQ(summary_of("06 01 80 00"), 0x40);
  EXPECT_EQ(summary_of("07 01 80 00"), 0x80);
  EXPECT_EQ(summary_of("08 01 80 00"), 0x80);
  EXPECT_EQ(summary_of("ff 01 80 00"), 0x80);
  EXPECT_EQ(summary_of("01 01 00 00  02 01 20 00"), 0);
  EXPECT_EQ(summary_of("01 01 80 00 02 01 00 00 04 09 c0 04 00000000"), 0x12);
}

TEST(Option, ValueMayNotRunOverTheHeader) {
  EXPECT_EQ(reason_of("01 01 00 01"), DropReason::option_malformed);
  EXPECT_EQ(reason_of("01 01 00 05 00000000"), DropReason::option_malformed);
  EXPECT_EQ(reason_of("01 01 00 04 00000000"), DropReason::none);
  EXPECT_EQ(reason_of("01 01 00 03 01020300"), DropReason::none);
  EXPECT_EQ(reason_of("01 01 00 00 01 01 00 ff"), DropReason::option_malformed);
}

TEST(Option, ReservedFlagsAreZero) {
  for (std::string_view flags : {"01", "02", "04", "08", "10", "9f"}) {
    EXPECT_EQ(reason_of("0101" + std::string(flags) + "00"), DropReason::option_malformed) << flags;
  }
}

TEST(Option, MutableAndEndToEndExcludeEachOther) {
  EXPECT_EQ(reason_of("01 01 60 00"), DropReason::option_malformed);
  EXPECT_EQ(reason_of("01 01 e0 00"), DropReason::option_malformed);
  EXPECT_EQ(reason_of("01 01 c0 00"), DropReason::none);
  EXPECT_EQ(reason_of("01 01 a0 00"), DropReason::none);
}

TEST(Option, PaddingIsZero) {
  EXPECT_EQ(reason_of("01 01 00 01 aa000000"), DropReason::none);
  EXPECT_EQ(reason_of("01 01 00 01 aa010000"), DropReason::option_malformed);
  EXPECT_EQ(reason_of("01 01 00 01 aa000001"), DropReason::option_malformed);
  EXPECT_EQ(reason_of("01 01 00 05 aabbccddee000100"), DropReason::option_malformed);
}

TEST(Option, RangeGivesThemInOrder) {
  const base::Bytes octets =
      sample::hex("00 02 80 00  04 01 40 05 0102030405000000  ff ee 20 04 0a0b0c0d");
  std::vector<std::string> seen;
  for (OptionView option : OptionRange(octets)) {
    seen.push_back(std::to_string(option.option_class()) + "/" + std::to_string(option.type()) +
                   (option.critical() ? "C" : "") + (option.is_mutable() ? "M" : "") +
                   (option.end_to_end() ? "E" : "") + base::to_hex(option.value()) + " " +
                   base::to_hex(option.octets()));
  }
  EXPECT_EQ(seen,
            (std::vector<std::string>{"0/2C 00028000", "4/1M0102030405 040140050102030405000000",
                                      "255/238E0a0b0c0d ffee20040a0b0c0d"}));
}

TEST(Option, EmitAndParse) {
  EXPECT_TRUE(rc::check([] {
    const Option option = sample::any_option();
    base::Bytes octets(option_size(option.value.size()), 0xcc);
    RC_ASSERT(emit_option(octets.data(), option.option_class, option.type, option.flags(),
                          option.value) == octets.size());
    std::uint8_t summary = 0;
    RC_ASSERT(parse_options(octets, summary) == DropReason::none);
    RC_ASSERT(summary == (option.critical ? summary_bit(option.option_class) : 0));
    const OptionView view(octets.data());
    RC_ASSERT(view.option_class() == option.option_class);
    RC_ASSERT(view.type() == option.type);
    RC_ASSERT(view.flags() == option.flags());
    RC_ASSERT(sample::copy(view.value()) == option.value);
    RC_ASSERT(view.size() == octets.size());
  }));
}

}  // namespace
}  // namespace entresol::wire
