#include "layer/directory/revision.h"

#include <charconv>

namespace entresol::layer::directory {
namespace {

constexpr std::size_t kDigits = 16;

}  // namespace

std::string to_text(const Revision& revision) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out(kDigits, '0');
  for (std::size_t i = 0; i < kDigits; ++i)
    out[i] = kHex[revision.incarnation >> (4 * (kDigits - 1 - i)) & 15];
  return out + "-" + std::to_string(revision.counter);
}

std::optional<Revision> parse_revision(std::string_view text) {
  if (text.size() < kDigits + 2 || text[kDigits] != '-') return std::nullopt;
  Revision revision;
  const char* middle = text.data() + kDigits;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), middle, revision.incarnation, 16);
  const auto second = std::from_chars(middle + 1, end, revision.counter, 10);
  if (first.ec != std::errc() || second.ec != std::errc()) return std::nullopt;
  // One text for each value: neither upper case nor leading zeros.
  if (first.ptr != middle || second.ptr != end || to_text(revision) != text) return std::nullopt;
  return revision;
}

}  // namespace entresol::layer::directory
