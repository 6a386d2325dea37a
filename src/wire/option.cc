#include "wire/option.h"

#include <algorithm>
#include <cstring>

namespace entresol::wire {

base::DropReason parse_options(base::ByteView octets, std::uint8_t& summary) {
  std::uint8_t bits = 0;
  while (!octets.empty()) {
    if (octets.size() < kOptionHeaderSize) return base::DropReason::option_malformed;
    const std::uint8_t flags = octets[kOptionFlagsOffset];
    const std::size_t length = octets[kOptionLengthOffset];
    const std::size_t size = option_size(length);
    if (size > octets.size()) return base::DropReason::option_malformed;
    if (flags & kOptionReservedFlags) return base::DropReason::option_malformed;
    if ((flags & kOptionMutable) && (flags & kOptionEndToEnd)) {
      return base::DropReason::option_malformed;
    }
    base::ByteView padding = octets.first(size).subspan(kOptionHeaderSize + length);
    if (std::any_of(padding.begin(), padding.end(), [](std::uint8_t b) { return b != 0; })) {
      return base::DropReason::option_malformed;
    }
    if (flags & kOptionCritical) bits |= summary_bit(octets[0]);
    octets = octets.subspan(size);
  }
  summary = bits;
  return base::DropReason::none;
}

std::size_t emit_option(std::uint8_t* at, std::uint8_t option_class, std::uint8_t type,
                        std::uint8_t flags, base::ByteView value) {
  const std::size_t size = option_size(value.size());
  at[0] = option_class;
  at[1] = type;
  at[kOptionFlagsOffset] = flags;
  at[kOptionLengthOffset] = static_cast<std::uint8_t>(value.size());
  if (!value.empty()) std::memcpy(at + kOptionHeaderSize, value.data(), value.size());
  std::memset(at + kOptionHeaderSize + value.size(), 0, size - kOptionHeaderSize - value.size());
  return size;
}

}  // namespace entresol::wire
