// What a watcher has seen: a counter that every visible change moves, and the incarnation that it counts in. An Authority
// begins a new incarnation whenever it is opened, so a counter is never read against another history.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace entresol::layer::directory {

struct Revision {
  std::uint64_t incarnation = 0;
  std::uint64_t counter = 0;
  friend bool operator==(const Revision&, const Revision&) = default;
};

// "00c0ffee00c0ffee-17": the incarnation's 16 hexadecimal digits in lower case, the counter in decimal.
std::string to_text(const Revision& revision);
// Nothing for any other text.
std::optional<Revision> parse_revision(std::string_view text);

}  // namespace entresol::layer::directory
