#include "layer/policy/rule.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error_codes.h"
#include "layer/inner/ip.h"

namespace entresol::layer::policy {
namespace {

constexpr std::string_view kActions = "write allow or deny";
constexpr std::string_view kSubjects = "write *, a label, tag:TAG or a name (fd35:...)";
constexpr std::string_view kProtocols =
    "write tcp, udp, sctp, icmp, any or a number of 0 to 255, with /PORT or /PORT-PORT where it "
    "has "
    "ports";

struct Word {
  std::string_view text;
  std::size_t column = 1;
};

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// What a person may have mistyped, fit for a message of one line.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 40;
  std::string out = "'";
  for (char c : text.substr(0, kShown)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out + (text.size() > kShown ? "...'" : "'");
}

template <typename Int>
bool number(std::string_view text, Int& out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

// The words of one line, from left to right.
class LineParser {
 public:
  LineParser(std::string_view line, std::size_t number) : line_(line), number_(number) {
    line_ = line_.substr(0, line_.find('#'));
    next();
  }
  bool empty() const { return word_.text.empty(); }
  base::Result<Rule> rule();
  base::Result<Rule> protocol_alone();
  base::Result<Subject> subject_alone();

 private:
  using Checked = base::Result<void>;
  void next();
  tl::unexpected<base::Error> bad(const Word& word, const std::string& what,
                                  std::string_view mend) const;
  Checked name(Rule& rule);
  Checked action(Rule& rule);
  Checked subject(Subject& subject, const char* side);
  Checked protocol(Rule& rule);
  Checked ports(Rule& rule, std::string_view text);
  Checked service(Rule& rule);
  Checked end() const;

  std::string_view line_;
  std::size_t number_;
  std::size_t at_ = 0;
  Word word_;
};

void LineParser::next() {
  while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
  const std::size_t begin = at_;
  while (at_ < line_.size() && !is_blank(line_[at_])) ++at_;
  word_ = {line_.substr(begin, at_ - begin), begin + 1};
}

tl::unexpected<base::Error> LineParser::bad(const Word& word, const std::string& what,
                                            std::string_view mend) const {
  return base::fail(base::code::kConfigBadValue, std::to_string(number_) + ":" +
                                                     std::to_string(word.column) + ": " + what +
                                                     "; " + std::string(mend));
}

LineParser::Checked LineParser::name(Rule& rule) {
  rule.name = "line " + std::to_string(number_);
  rule.line = number_;
  if (!word_.text.ends_with(':')) return {};
  const std::string_view text = word_.text.substr(0, word_.text.size() - 1);
  if (!is_word(text) || text.size() > kMaxRuleName)
    return bad(word_, quoted(text) + " is no name of a rule", "use 1 to 63 of a-z, 0-9 and '-'");
  if (text == "default")
    return bad(word_, "'default' is the rule that follows the last one", "choose another name");
  rule.name = text;
  next();
  return {};
}

LineParser::Checked LineParser::action(Rule& rule) {
  if (word_.text != "allow" && word_.text != "deny") {
    const std::size_t colon = word_.text.find(':');
    if (colon != std::string_view::npos && colon + 1 < word_.text.size())
      return bad(word_, quoted(word_.text) + " is no action",
                 "leave a blank between a rule's name with its colon and the action");
    return bad(word_, empty() ? "the action is missing" : quoted(word_.text) + " is no action",
               kActions);
  }
  rule.allow = word_.text == "allow";
  next();
  return {};
}

LineParser::Checked LineParser::subject(Subject& subject, const char* side) {
  constexpr std::string_view kTagPrefix = "tag:";
  const std::string_view text = word_.text;
  if (text.empty()) return bad(word_, std::string(side) + " is missing", kSubjects);
  const auto refuse = [&](std::string_view mend) {
    return bad(word_, quoted(text) + " names nobody", mend);
  };
  if (text == "*") {
    subject.kind = Subject::Kind::kAny;
  } else if (text.starts_with(kTagPrefix)) {
    subject.kind = Subject::Kind::kTag;
    subject.text = text.substr(kTagPrefix.size());
    if (!is_word(subject.text)) return refuse("a tag is of a-z, 0-9 and '-'");
  } else if (text.find(':') != std::string_view::npos) {
    const auto name = wire::name_from_text(text);
    if (!name) return refuse("a name is an IPv6 address without a prefix length");
    subject.kind = Subject::Kind::kName;
    subject.name = *name;
  } else {
    if (!is_word(text)) return refuse(kSubjects);
    subject.kind = Subject::Kind::kLabel;
    subject.text = text;
  }
  next();
  return {};
}

LineParser::Checked LineParser::protocol(Rule& rule) {
  if (empty() || word_.text == "service") return {};
  const std::size_t slash = word_.text.find('/');
  const std::string_view text = word_.text.substr(0, slash);
  std::uint8_t single = 0;
  if (text == "any") {
    rule.any_protocol = true;
  } else if (text == "icmp") {
    rule.any_protocol = false;
    rule.protocols = {inner::kProtocolIcmp, inner::kProtocolIcmp6};
  } else {
    rule.any_protocol = false;
    if (text == "tcp") {
      single = inner::kProtocolTcp;
    } else if (text == "udp") {
      single = inner::kProtocolUdp;
    } else if (text == "sctp") {
      single = inner::kProtocolSctp;
    } else if (!number(text, single)) {
      return bad(word_, quoted(text) + " is no protocol", kProtocols);
    }
    rule.protocols = {single, single};
  }
  if (slash != std::string_view::npos) {
    if (rule.any_protocol || !inner::protocol_has_ports(rule.protocols[0]))
      return bad(word_, quoted(text) + " has no ports",
                 rule.any_protocol ? "write one rule for tcp and one for udp"
                                   : "leave out what follows the '/'");
    if (auto read = ports(rule, word_.text.substr(slash + 1)); !read) return read;
  }
  next();
  return {};
}

LineParser::Checked LineParser::ports(Rule& rule, std::string_view text) {
  const std::size_t dash = text.find('-');
  const bool first = number(text.substr(0, dash), rule.first_port);
  rule.last_port = rule.first_port;
  const bool last = dash == std::string_view::npos || number(text.substr(dash + 1), rule.last_port);
  if (!first || !last || rule.first_port == 0)
    return bad(word_, quoted(text) + " is no port",
               "write /PORT or /PORT-PORT with numbers of 1 to 65535");
  if (rule.last_port < rule.first_port)
    return bad(word_, "ports " + quoted(text) + " end before they begin",
               "write the lower one first");
  return {};
}

LineParser::Checked LineParser::service(Rule& rule) {
  if (word_.text != "service") return {};
  next();
  std::uint32_t id = 0;
  const bool hex = word_.text.starts_with("0x");
  if (!number(hex ? word_.text.substr(2) : word_.text, id, hex ? 16 : 10))
    return bad(word_,
               empty() ? "the service's id is missing" : quoted(word_.text) + " is no service's id",
               "write a number of 32 bits, decimal or with 0x");
  rule.service = id;
  next();
  return {};
}

LineParser::Checked LineParser::end() const {
  if (empty()) return {};
  return bad(word_, quoted(word_.text) + " is more than a rule has",
             "a rule is [NAME:] allow|deny FROM TO [PROTOCOL[/PORT[-PORT]]] [service ID]");
}

base::Result<Rule> LineParser::rule() {
  Rule rule;
  auto read = name(rule)
                  .and_then([&] { return action(rule); })
                  .and_then([&] { return subject(rule.from, "FROM"); })
                  .and_then([&] { return subject(rule.to, "TO"); })
                  .and_then([&] { return protocol(rule); })
                  .and_then([&] { return service(rule); })
                  .and_then([&] { return end(); });
  if (!read) return tl::unexpected(read.error());
  return rule;
}

base::Result<Rule> LineParser::protocol_alone() {
  Rule rule;
  auto read = protocol(rule).and_then([&] { return end(); });
  if (!read) return tl::unexpected(read.error());
  return rule;
}

base::Result<Subject> LineParser::subject_alone() {
  Subject out;
  auto read = subject(out, "a member").and_then([&] { return end(); });
  if (!read) return tl::unexpected(read.error());
  return out;
}

}  // namespace

base::Result<std::vector<Rule>> parse_rules(std::string_view text) {
  if (text.size() > kMaxText)
    return base::fail(base::code::kConfigBadValue,
                      "1:1: a policy has at most 1 MiB of text; use tags for many members alike");
  std::vector<Rule> rules;
  std::set<std::string, std::less<>> names;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    LineParser line(text.substr(begin, end - begin), ++number);
    begin = end + 1;
    if (line.empty()) continue;
    const std::string place = std::to_string(number) + ":1: ";
    if (rules.size() == kMaxRules)
      return base::fail(
          base::code::kConfigBadValue,
          place + "a policy has at most 10000 rules; use tags for many members alike");
    auto rule = line.rule();
    if (!rule) return tl::unexpected(rule.error());
    if (!names.insert(rule->name).second)
      return base::fail(base::code::kConfigBadValue,
                        place + "a rule before has the name '" + rule->name +
                            "'; choose another, so that a denial names one rule");
    rules.push_back(std::move(*rule));
  }
  return rules;
}

base::Result<Rule> parse_protocol(std::string_view text) {
  return LineParser(text, 1).protocol_alone();
}

base::Result<Subject> parse_subject(std::string_view text) {
  return LineParser(text, 1).subject_alone();
}

}  // namespace entresol::layer::policy
