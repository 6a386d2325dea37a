// Who may open flows to whom: the first rule that takes a flow decides; the rule after the last, called `default`, denies.
// A reply is no flow of its own: whoever asks puts the opener in `from`, whichever way the packet goes.
//
// Rules are found by their two subjects, so that their number hardly matters where subjects are many; those of one pair of
// subjects are looked at one after the other.
//
// Pure. A value; const calls may run side by side. decide() allocates nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "layer/policy/rule.h"

namespace entresol::layer::policy {

// Borrows label and tags.
struct Party {
  wire::Name name;
  std::string_view label;             // empty: nobody knows one
  std::span<const std::string> tags;  // a certificate has at most 255
};

// Whether the party is one of those that the subject means.
bool means(const Subject& subject, const Party& party);

struct Flow {
  Party from;  // who opened it
  Party to;    // who answers
  std::uint8_t protocol = 0;
  std::uint16_t responder_port = 0;  // 0: its protocol has none
  std::uint32_t service = 0;
};

struct Verdict {
  bool allow = false;
  std::uint32_t rule = 0;  // see Policy::rule_name
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

class Policy {
 public:
  explicit Policy(std::vector<Rule> rules);

  Verdict decide(const Flow& flow) const;

  std::uint32_t default_rule() const { return static_cast<std::uint32_t>(rules_.size()); }
  // Of any index up to default_rule().
  std::string_view rule_name(std::uint32_t index) const {
    return index < rules_.size() ? std::string_view(rules_[index].name) : "default";
  }
  const std::vector<Rule>& rules() const { return rules_; }

 private:
  using Id = std::uint32_t;
  static constexpr Id kAnybody = 0;
  static constexpr std::size_t kMostIds = 258;  // of one party: anybody, name, label, tags

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Ids = std::unordered_map<std::string, Id, TextHash, std::equal_to<>>;
  // The subjects that rules have on one side.
  struct Side {
    Ids labels, tags;
    std::unordered_map<wire::Name, Id> names;
    Id next = kAnybody + 1;

    Id id_of(const Subject& subject);
    std::size_t find(const Party& party, std::span<Id, kMostIds> out) const;
  };
  static std::uint64_t pair_of(Id from, Id to) { return std::uint64_t{from} << 32 | to; }

  std::vector<Rule> rules_;
  Side from_, to_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_pair_;  // rules, ascending
};

// As parse_rules().
base::Result<Policy> parse(std::string_view text);

}  // namespace entresol::layer::policy
