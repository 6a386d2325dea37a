#include "services/filter/filter.h"

#include "entresol/service.hpp"

namespace {

using entresol::Batch;
using entresol::Host;
using entresol::Name;
using entresol::Packet;

constexpr std::size_t kMaxRules = 64;
constexpr std::size_t kMaxText = 2048;
constexpr std::uint8_t kOpener = 1;  // of inner_flags
enum Metric : std::uint32_t { kAllowed, kRefused, kUnruled };

struct Rule {
  bool allow = false;
  bool any_from = true, any_to = true;
  Name from{}, to{};
  bool any_protocol = true;
  std::uint8_t protocol = 0;
  std::uint16_t first_port = 0, last_port = 0xffff;
};

// ---- the language --------------------------------------------------------------------------------------------------

bool number(std::string_view text, std::uint32_t most, std::uint32_t& out) {
  if (text.empty() || text.size() > 5) return false;
  out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    out = out * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return out <= most;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Groups of up to four digits with ':' between, "::" once for as many zero groups as are missing (RFC 4291, 2.2).
bool parse_name(std::string_view text, Name& out) {
  std::uint16_t groups[8] = {};
  int n = 0, gap = -1;
  std::size_t at = 0;
  if (text.substr(0, 2) == "::") {
    gap = 0;
    at = 2;
  }
  while (at < text.size()) {
    std::uint32_t group = 0;
    std::size_t digits = 0;
    for (; at < text.size() && hex_digit(text[at]) >= 0; ++at, ++digits)
      group = group * 16 + static_cast<std::uint32_t>(hex_digit(text[at]));
    if (digits == 0 || digits > 4 || n == 8) return false;
    groups[n++] = static_cast<std::uint16_t>(group);
    if (at == text.size()) break;
    if (text[at++] != ':' || at == text.size()) return false;
    if (text[at] != ':') continue;
    if (gap >= 0) return false;
    gap = n;
    ++at;
  }
  if (gap < 0 ? n != 8 : n > 7) return false;
  for (int i = 0; i < 8; ++i) {
    const int missing = 8 - n;
    std::uint16_t group = 0;
    if (gap < 0 || i < gap) {
      group = groups[i];
    } else if (i >= gap + missing) {
      group = groups[i - missing];
    }
    out.octets[2 * i] = static_cast<std::uint8_t>(group >> 8);
    out.octets[2 * i + 1] = static_cast<std::uint8_t>(group);
  }
  return true;
}

bool parse_protocol(std::string_view text, Rule& rule) {
  const std::size_t slash = text.find('/');
  const std::string_view name = text.substr(0, slash);
  std::uint32_t value = 0;
  if (name == "tcp") {
    value = 6;
  } else if (name == "udp") {
    value = 17;
  } else if (name == "icmp") {
    value = 1;
  } else if (name == "icmpv6") {
    value = 58;
  } else if (!number(name, 255, value)) {
    return false;
  }
  rule.any_protocol = false;
  rule.protocol = static_cast<std::uint8_t>(value);
  if (slash == std::string_view::npos) return true;
  const std::string_view ports = text.substr(slash + 1);
  const std::size_t dash = ports.find('-');
  std::uint32_t first = 0, last = 0;
  if (!number(ports.substr(0, dash), 0xffff, first)) return false;
  last = first;
  if (dash != std::string_view::npos && !number(ports.substr(dash + 1), 0xffff, last)) return false;
  rule.first_port = static_cast<std::uint16_t>(first);
  rule.last_port = static_cast<std::uint16_t>(last);
  return first <= last;
}

std::string_view next_word(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  std::size_t n = 0;
  while (n < text.size() && text[n] != ' ' && text[n] != '\t') ++n;
  const std::string_view word = text.substr(0, n);
  text.remove_prefix(n);
  return word;
}

bool parse_rule(std::string_view text, Rule& rule) {
  const std::string_view verb = next_word(text);
  if (verb != "allow" && verb != "deny") return false;
  rule.allow = verb == "allow";
  std::string_view word = next_word(text);
  if (word == "from") {
    rule.any_from = false;
    if (!parse_name(next_word(text), rule.from)) return false;
    word = next_word(text);
  }
  if (word == "to") {
    rule.any_to = false;
    if (!parse_name(next_word(text), rule.to)) return false;
    word = next_word(text);
  }
  if (!word.empty() && !parse_protocol(word, rule)) return false;
  return next_word(text).empty();
}

// ---- the service ---------------------------------------------------------------------------------------------------

class Filter {
 public:
  void configure(Host host) {
    char room[kMaxText];
    std::string_view text = host.config("rules", room);
    count_ = 0;
    broken_ = false;
    while (!text.empty()) {
      const std::size_t end = text.find_first_of(";\n");
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      std::string_view rest = line;
      if (next_word(rest).empty()) continue;
      Rule rule;
      if (count_ == kMaxRules || !parse_rule(line, rule)) {
        broken_ = true;
        host.log(ENTRESOL_LOG_ERROR, "no rule, so that everything is refused:");
        host.log(ENTRESOL_LOG_ERROR, line);
        break;
      }
      rules_[count_++] = rule;
    }
    char word[8];
    otherwise_ = host.config("otherwise", word) == "allow";
    host.withdraw();
  }

  void packets(Host host, Batch batch) const {
    for (const auto [packet, verdict] : batch) {
      const Rule* rule = broken_ ? nullptr : match(packet);
      const bool allow = rule != nullptr ? rule->allow : otherwise_ && !broken_;
      host.metric(rule == nullptr ? kUnruled : allow ? kAllowed : kRefused);
      if (allow) {
        entresol::deliver(verdict, packet.destination);
      } else {
        entresol::refuse(verdict,
                         rule == nullptr ? 0 : static_cast<std::uint16_t>(rule - rules_ + 1));
      }
    }
  }

 private:
  const Rule* match(const Packet& packet) const {
    const bool opener = (packet.inner_flags & kOpener) != 0;
    const Name& from = opener ? packet.source : packet.destination;
    const Name& to = opener ? packet.destination : packet.source;
    for (std::size_t i = 0; i < count_; ++i) {
      const Rule& rule = rules_[i];
      if ((rule.any_protocol || rule.protocol == packet.inner_protocol) &&
          packet.port >= rule.first_port && packet.port <= rule.last_port &&
          (rule.any_from || rule.from == from) && (rule.any_to || rule.to == to))
        return &rule;
    }
    return nullptr;
  }

  Rule rules_[kMaxRules];
  std::size_t count_ = 0;
  bool broken_ = false;
  bool otherwise_ = false;
};

}  // namespace

ENTRESOL_SERVICE_CLASS(filter, Filter)
