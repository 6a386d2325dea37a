// The 128-bit name of a member, a group or a topic's root (docs/wire.md section 9). It prints as an
// IPv6 address, so that unmodified applications can use it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace entresol::wire {

inline constexpr std::size_t kNameSize = 16;

struct Name {
  std::array<std::uint8_t, kNameSize> octets{};
  friend auto operator<=>(const Name&, const Name&) = default;
};

// `at` has at least kNameSize octets.
inline Name load_name(const std::uint8_t* at) {
  Name name;
  std::memcpy(name.octets.data(), at, kNameSize);
  return name;
}
inline void store_name(std::uint8_t* at, const Name& name) {
  std::memcpy(at, name.octets.data(), kNameSize);
}

// RFC 5952: lower case, no leading zeros, the longest run of two zero groups or more shortened, the
// first of equals. Never with a dotted quad inside.
std::string to_string(const Name& name);

// RFC 4291 section 2.2, forms 1 and 2, in either case: one of several texts of a name is enough. No
// dotted quad, no scope, no prefix length, no space.
std::optional<Name> name_from_text(std::string_view text);

}  // namespace entresol::wire

template <>
struct std::hash<entresol::wire::Name> {
  // Names are hashes already; the multiplication is for those that people choose (groups, tests).
  std::size_t operator()(const entresol::wire::Name& name) const noexcept {
    std::uint64_t high = entresol::base::load_le64(name.octets.data());
    std::uint64_t low = entresol::base::load_le64(name.octets.data() + 8);
    std::uint64_t mixed = (high ^ (low >> 29 | low << 35)) * 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>(mixed ^ mixed >> 32);
  }
};
