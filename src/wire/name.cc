#include "wire/name.h"

namespace entresol::wire {
namespace {

constexpr std::size_t kGroups = 8;

struct Run {
  std::size_t begin = 0;
  std::size_t length = 0;
};

Run longest_zero_run(const std::array<std::uint16_t, kGroups>& groups) {
  Run best, current;
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (groups[i] != 0) {
      current.length = 0;
      continue;
    }
    if (current.length++ == 0) current.begin = i;
    if (current.length > best.length) best = current;
  }
  return best;
}

void append_group(std::string& out, std::uint16_t group) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    unsigned digit = group >> shift & 15u;
    started = started || digit != 0 || shift == 0;
    if (started) out.push_back(kDigits[digit]);
  }
}

// One to four hexadecimal digits off the front of `text`.
std::optional<std::uint16_t> take_group(std::string_view& text) {
  unsigned value = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && digits < 5; ++digits) {
    char c = text[digits];
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A' + 10);
    } else {
      break;
    }
    value = value << 4 | digit;
  }
  if (digits == 0 || digits > 4) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<std::uint16_t>(value);
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string to_string(const Name& name) {
  std::array<std::uint16_t, kGroups> groups;
  for (std::size_t i = 0; i < kGroups; ++i) groups[i] = base::load_be16(&name.octets[2 * i]);
  Run zeros = longest_zero_run(groups);
  if (zeros.length < 2)
    zeros = {kGroups, 0};  // RFC 5952 section 4.2.2: one group alone is not shortened
  std::string out;
  for (std::size_t i = 0; i < kGroups;) {
    if (i == zeros.begin) {
      out += "::";
      i += zeros.length;
      continue;
    }
    if (!out.empty() && !out.ends_with(':')) out.push_back(':');
    append_group(out, groups[i++]);
  }
  return out;
}

std::optional<Name> name_from_text(std::string_view text) {
  std::array<std::uint16_t, kGroups> groups{};
  std::size_t count = 0;
  std::optional<std::size_t> gap;  // how many groups stand before "::"
  if (take(text, "::")) gap = 0;
  while (!text.empty()) {
    std::optional<std::uint16_t> group = take_group(text);
    if (!group || count == kGroups) return std::nullopt;
    groups[count++] = *group;
    if (text.empty()) break;
    if (take(text, "::")) {
      if (gap) return std::nullopt;
      gap = count;
    } else if (!take(text, ":") || text.empty()) {
      return std::nullopt;
    }
  }
  if (gap ? count == kGroups : count != kGroups) return std::nullopt;
  Name name;
  std::size_t before = gap.value_or(count), behind = count - before;
  for (std::size_t i = 0; i < before; ++i) base::store_be16(&name.octets[2 * i], groups[i]);
  for (std::size_t i = 0; i < behind; ++i) {
    base::store_be16(&name.octets[2 * (kGroups - behind + i)], groups[before + i]);
  }
  return name;
}

}  // namespace entresol::wire
