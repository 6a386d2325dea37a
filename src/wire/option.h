// Options of the extension header (docs/wire.md section 4).
//
//   +---------------+---------------+---------------+---------------+
//   |   Class (8)   |   Type (8)    |C|M|E|  zero   |  Length (8)   |
//   +---------------+---------------+---------------+---------------+
//   |        Value: Length octets, then zeros to a multiple of 4     |
//   +---------------------------------------------------------------+
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"

namespace entresol::wire {

namespace option_class {
inline constexpr std::uint8_t kPath = 0;
inline constexpr std::uint8_t kIdentity = 1;
inline constexpr std::uint8_t kDelivery = 2;
inline constexpr std::uint8_t kProtection = 3;
inline constexpr std::uint8_t kTelemetry = 4;
inline constexpr std::uint8_t kServiceData = 5;
inline constexpr std::uint8_t kOperator = 6;
inline constexpr std::uint8_t kExperiments = 7;
}  // namespace option_class

inline constexpr std::uint8_t kOptionCritical = 0x80;
inline constexpr std::uint8_t kOptionMutable = 0x40;
inline constexpr std::uint8_t kOptionEndToEnd = 0x20;
inline constexpr std::uint8_t kOptionReservedFlags = 0x1f;

inline constexpr std::size_t kOptionFlagsOffset = 2;
inline constexpr std::size_t kOptionLengthOffset = 3;
inline constexpr std::size_t kOptionHeaderSize = 4;
inline constexpr std::size_t kOptionValueMaximum = 255;

constexpr std::size_t option_size(std::size_t value_size) {
  return kOptionHeaderSize + ((value_size + 3) & ~std::size_t{3});
}

// The bit of the header's critical summary for a class; bit 7 stands for class 7 and all above.
constexpr std::uint8_t summary_bit(std::uint8_t option_class) {
  return static_cast<std::uint8_t>(1u << (option_class < 7 ? option_class : 7));
}

// Borrows the packet. Only from OptionRange, whose octets were checked.
class OptionView {
 public:
  explicit OptionView(const std::uint8_t* at) : at_(at) {}

  std::uint8_t option_class() const { return at_[0]; }
  std::uint8_t type() const { return at_[1]; }
  std::uint8_t flags() const { return at_[kOptionFlagsOffset]; }
  bool critical() const { return flags() & kOptionCritical; }
  bool is_mutable() const { return flags() & kOptionMutable; }
  bool end_to_end() const { return flags() & kOptionEndToEnd; }
  base::ByteView value() const { return {at_ + kOptionHeaderSize, at_[kOptionLengthOffset]}; }
  // As it stands in the header, padding included.
  base::ByteView octets() const { return {at_, size()}; }
  std::size_t size() const { return option_size(at_[kOptionLengthOffset]); }

 private:
  const std::uint8_t* at_;
};

// The options of a checked header, in order: for (OptionView option : view.options()).
class OptionRange {
 public:
  class Iterator {
   public:
    explicit Iterator(const std::uint8_t* at) : at_(at) {}
    OptionView operator*() const { return OptionView(at_); }
    Iterator& operator++() {
      at_ += OptionView(at_).size();
      return *this;
    }
    friend bool operator==(Iterator, Iterator) = default;

   private:
    const std::uint8_t* at_;
  };

  explicit OptionRange(base::ByteView octets) : octets_(octets) {}
  Iterator begin() const { return Iterator(octets_.data()); }
  Iterator end() const { return Iterator(octets_.data() + octets_.size()); }
  bool empty() const { return octets_.empty(); }

 private:
  base::ByteView octets_;
};

// Checks all options of a header and gives the summary that they call for. `octets` is what stands
// between the names and the payload, a multiple of 4. Either none or option_malformed; `summary` is
// then unchanged.
base::DropReason parse_options(base::ByteView octets, std::uint8_t& summary);

// Writes one option with its padding and returns its size. `at` has room for
// option_size(value.size()) octets, `value` has at most kOptionValueMaximum; `flags` are the
// sender's business: what breaks the rules is refused by whoever parses it.
std::size_t emit_option(std::uint8_t* at, std::uint8_t option_class, std::uint8_t type,
                        std::uint8_t flags, base::ByteView value);

}  // namespace entresol::wire
