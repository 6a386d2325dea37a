// The language of a layer's policy: one rule a line, of words between blanks (docs/policy.md).
//
//   [NAME:] allow|deny FROM TO [PROTOCOL[/PORT[-PORT]]] [service ID]    # comment
//
// Pure. Nothing here decides: policy.h does.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/name.h"

namespace entresol::layer::policy {

inline constexpr std::size_t kMaxText = std::size_t{1} << 20;  // octets
inline constexpr std::size_t kMaxRules = 10'000;
inline constexpr std::size_t kMaxRuleName = 63;

// Whom one side of a rule means.
struct Subject {
  enum class Kind : std::uint8_t { kAny, kLabel, kTag, kName };
  Kind kind = Kind::kAny;
  std::string text;  // the label, or the tag without `tag:`
  wire::Name name;
  friend bool operator==(const Subject&, const Subject&) = default;
};

struct Rule {
  std::string name;  // "line 7" if it was given none
  std::size_t line = 0;
  bool allow = false;
  Subject from, to;
  bool any_protocol = true;
  std::array<std::uint8_t, 2> protocols{};  // twice the same if it is one
  std::uint16_t first_port = 0, last_port = 0xffff;
  std::optional<std::uint32_t> service;

  bool takes(std::uint8_t protocol, std::uint16_t port, std::uint32_t of_service) const {
    return (any_protocol || protocol == protocols[0] || protocol == protocols[1]) &&
           first_port <= port && port <= last_port && (!service || *service == of_service);
  }
};

// In the order of the text. kConfigBadValue: the message begins with LINE:COLUMN, both from 1, columns in octets.
base::Result<std::vector<Rule>> parse_rules(std::string_view text);

// Whom a rule means, alone: "*", "alice", "tag:web", "fd35:...". Errors as above, of line 1.
base::Result<Subject> parse_subject(std::string_view text);

// What a rule says of protocol and ports, alone: "tcp/80", "icmp", "any". Errors as above, of line 1.
base::Result<Rule> parse_protocol(std::string_view text);

}  // namespace entresol::layer::policy
