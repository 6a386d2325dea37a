#include "wire/utf8.h"

#include <algorithm>

namespace entresol::wire {
namespace {

bool is_continuation(std::uint8_t octet) {
  return (octet & 0xc0) == 0x80;
}

// Octets of the character that `octets` starts with; 0 if it starts with none. RFC 3629 section 4.
std::size_t character_size(base::ByteView octets) {
  const std::uint8_t lead = octets[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (octets.size() < size) return 0;
  base::ByteView rest = octets.subspan(1, size - 1);
  if (!std::all_of(rest.begin(), rest.end(), is_continuation)) return 0;
  if (lead == 0xe0 && rest[0] < 0xa0) return 0;  // overlong
  if (lead == 0xed && rest[0] > 0x9f) return 0;  // surrogate
  if (lead == 0xf0 && rest[0] < 0x90) return 0;  // overlong
  if (lead == 0xf4 && rest[0] > 0x8f) return 0;  // above U+10FFFF
  return size;
}

}  // namespace

bool is_utf8(base::ByteView octets) {
  while (!octets.empty()) {
    const std::size_t size = character_size(octets);
    if (size == 0) return false;
    octets = octets.subspan(size);
  }
  return true;
}

base::ByteView utf8_prefix(base::ByteView text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && is_continuation(text[limit])) --limit;
  return text.first(limit);
}

}  // namespace entresol::wire
