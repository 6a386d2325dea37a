#include "cli/kit/script.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

#include "base/error_codes.h"
#include "service/verdict.h"
#include "wire/name.h"

namespace entresol::cli::kit {
namespace {

namespace code = base::code;
using service::Field;

constexpr std::size_t kMaxText = 256 << 10;
constexpr std::size_t kMaxPayload = 2048;

// A word of a line: plain, "quoted", or KEY=VALUE.
struct Word {
  unsigned column = 0;
  std::string key;  // empty: no '='
  std::string value;
  bool quoted = false;
};

// What is wrong with a line: the first that was said. Who says it goes on with some value, and nothing more is read.
class Wrong {
 public:
  explicit operator bool() const { return column_ != 0; }
  void say(unsigned column, std::string what) {
    if (column_ != 0) return;
    column_ = column;
    what_ = std::move(what);
  }
  unsigned column() const { return column_; }
  const std::string& what() const { return what_; }

 private:
  unsigned column_ = 0;
  std::string what_;
};

std::string quote(std::string_view text) {
  return "'" + std::string(text) + "'";
}

// Cuts a line into its words; what follows a '#' that begins a word is comment.
class Cutter {
 public:
  Cutter(std::string_view line, Wrong& wrong) : line_(line), wrong_(wrong) {}

  std::vector<Word> words() {
    std::vector<Word> out;
    for (;;) {
      while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
      if (wrong_) break;
      end_ = at_;
      if (at_ == line_.size() || line_[at_] == '#') break;
      out.push_back(word());
    }
    return out;
  }
  std::size_t end() const { return end_; }  // of what is no comment

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t'; }

  Word word() {
    Word out{static_cast<unsigned>(at_ + 1), "", "", false};
    while (at_ < line_.size() && !is_blank(line_[at_])) {
      const char c = line_[at_];
      if (c == '"') {
        if (out.quoted || !out.value.empty())
          wrong_.say(column(), "a '\"' in the middle of a word");
        out.quoted = true;
        quoted(out.value);
        if (at_ < line_.size() && !is_blank(line_[at_]))
          wrong_.say(column(), "a blank is missing behind '\"'");
        break;
      }
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
        wrong_.say(column(), "an octet that is no text");
      ++at_;
      if (c == '=' && out.key.empty() && !out.value.empty()) {
        out.key = std::exchange(out.value, "");
      } else {
        out.value += c;
      }
    }
    return out;
  }

  void quoted(std::string& out) {
    const unsigned began = column();
    for (++at_;; ++at_) {
      if (at_ >= line_.size()) return wrong_.say(began, "a '\"' that does not end on its line");
      char c = line_[at_];
      if (c == '"') break;
      if (c == '\\') c = escaped();
      if (wrong_) return;
      out += c;
    }
    ++at_;
  }

  char escaped() {
    const unsigned where = column();
    const char kind = ++at_ < line_.size() ? line_[at_] : '\0';
    if (kind == '"' || kind == '\\') return kind;
    if (kind == 'n') return '\n';
    if (kind == 't') return '\t';
    std::uint8_t octet = 0;
    if (kind == 'x' && at_ + 2 < line_.size()) {
      const char* const digits = line_.data() + at_ + 1;
      const auto [end, error] = std::from_chars(digits, digits + 2, octet, 16);
      if (error == std::errc{} && end == digits + 2) {
        at_ += 2;
        return static_cast<char>(octet);
      }
    }
    wrong_.say(where, R"(after '\' comes one of " \ n t, or x and two hexadecimal digits)");
    return kind;
  }

  unsigned column() const { return static_cast<unsigned>(at_ + 1); }

  std::string_view line_;
  Wrong& wrong_;
  std::size_t at_ = 0, end_ = 0;
};

// The words of a line, taken from the left.
class Line {
 public:
  Line(std::vector<Word> words, unsigned end, Wrong& wrong)
      : words_(std::move(words)), end_{end, "", "", false}, wrong_(wrong) {}

  // Also once something is wrong.
  bool done() const { return at_ == words_.size() || wrong_; }
  const Word& next(std::string_view wanted) {
    if (!done()) return words_[at_++];
    wrong_.say(end_.column, std::string(wanted) + " is missing");
    return end_;
  }
  std::string plain(std::string_view wanted) {
    const Word& word = next(wanted);
    if (!word.key.empty() || word.quoted)
      wrong_.say(word.column, "expected " + std::string(wanted));
    return word.value;
  }
  std::string text(std::string_view wanted) {
    const Word& word = next(wanted);
    if (!word.quoted || !word.key.empty())
      wrong_.say(word.column, "expected " + std::string(wanted) + " in quotes");
    return word.value;
  }
  unsigned column() const { return at_ == 0 ? 1 : words_[at_ - 1].column; }  // of the last word
  void finish() const {
    if (!done()) wrong_.say(words_[at_].column, "nothing more is expected here");
  }
  void say(std::string what) { wrong_.say(column(), std::move(what)); }
  Wrong& wrong() { return wrong_; }
  // The next word's value, if it has this key.
  std::string option(std::string_view key) {
    if (done() || words_[at_].key != key) return "";
    return words_[at_++].value;
  }

 private:
  std::vector<Word> words_;
  std::size_t at_ = 0;
  const Word end_;
  Wrong& wrong_;
};

std::uint64_t number(const Word& word, std::uint64_t most, Wrong& wrong) {
  std::string_view text = word.value;
  int radix = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    radix = 16;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, radix);
  if (error == std::errc{} && end == text.data() + text.size() && value <= most) return value;
  wrong.say(word.column, quote(word.value) + " is no number from 0 to " + std::to_string(most));
  return 0;
}

base::Duration duration(std::string_view text, unsigned column, Wrong& wrong) {
  struct Unit {
    std::string_view name;
    std::int64_t nanoseconds;
  };
  constexpr Unit kUnits[] = {{"us", 1'000},
                             {"ms", 1'000'000},
                             {"s", 1'000'000'000},
                             {"min", 60'000'000'000},
                             {"h", 3'600'000'000'000}};
  constexpr std::uint64_t kMost = 365ull * 24 * 3600 * 1'000'000'000;
  std::uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  for (const Unit& unit : kUnits)
    if (error == std::errc{} &&
        std::string_view(end, static_cast<std::size_t>(last - end)) == unit.name &&
        value <= kMost / static_cast<std::uint64_t>(unit.nanoseconds))
      return base::Duration(static_cast<std::int64_t>(value) * unit.nanoseconds);
  wrong.say(column, quote(text) + " is no time: a whole number and us, ms, s, min or h");
  return {};
}

std::uint32_t milliseconds(const Word& word, Wrong& wrong) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
      duration(word.value, word.column, wrong));
  if (ms.count() > std::numeric_limits<std::uint32_t>::max())
    wrong.say(word.column, quote(word.value) + " is longer than a verdict can say");
  return static_cast<std::uint32_t>(ms.count());
}

entresol_name name(const Word& word, Wrong& wrong) {
  const auto parsed = wire::name_from_text(word.value);
  if (!parsed) wrong.say(word.column, quote(word.value) + " is no name: write it like fd35::1");
  return service::to_author(parsed.value_or(wire::Name()));
}

std::uint8_t protocol(const Word& word, Wrong& wrong) {
  constexpr std::pair<std::string_view, std::uint8_t> kKnown[] = {
      {"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"icmpv6", 58}, {"sctp", 132}};
  for (const auto& [known, value] : kKnown)
    if (word.value == known) return value;
  return static_cast<std::uint8_t>(number(word, 255, wrong));
}

base::Bytes payload(const Word& word, Wrong& wrong) {
  base::Bytes out;
  if (word.quoted) {
    out.assign(word.value.begin(), word.value.end());
  } else if (!base::from_hex(word.value, out)) {
    wrong.say(word.column, "expected a text in quotes, or an even number of hexadecimal digits");
  }
  if (out.size() > kMaxPayload)
    wrong.say(word.column, "more than " + std::to_string(kMaxPayload) + " octets");
  return out;
}

void set_field(const Word& word, Field field, entresol_packet& packet, Wrong& wrong) {
  switch (field) {
    case Field::kSource:
      packet.source = name(word, wrong);
      return;
    case Field::kDestination:
      packet.destination = name(word, wrong);
      return;
    case Field::kFlow:
      packet.flow = static_cast<std::uint32_t>(number(word, UINT32_MAX, wrong));
      return;
    case Field::kInnerProtocol:
      packet.inner_protocol = protocol(word, wrong);
      return;
    case Field::kInnerFlags:
      packet.inner_flags = static_cast<std::uint8_t>(number(word, 255, wrong));
      return;
    case Field::kPort:
      packet.port = static_cast<std::uint16_t>(number(word, UINT16_MAX, wrong));
      return;
    case Field::kNextProtocol:
      packet.next_protocol = static_cast<std::uint8_t>(number(word, 255, wrong));
      return;
    case Field::kTrafficClass:
      packet.traffic_class = static_cast<std::uint8_t>(number(word, 255, wrong));
      return;
    case Field::kLength:
      packet.length = static_cast<std::uint16_t>(number(word, UINT16_MAX, wrong));
      return;
  }
}

std::string names_of_fields() {
  std::string all;
  for (const std::string_view each : service::kFieldNames)
    all += (all.empty() ? "" : ", ") + std::string(each);
  return all;
}

SendPacket packet(Line& line) {
  Wrong& wrong = line.wrong();
  SendPacket out;
  while (!line.done()) {
    const Word& word = line.next("a field");
    if (word.key == "payload") {
      out.payload = payload(word, wrong);
      continue;
    }
    if (word.quoted) wrong.say(word.column, "only a payload is quoted");
    if (word.key == "times") {
      out.times = static_cast<std::uint32_t>(number(word, ENTRESOL_BATCH, wrong));
      if (out.times == 0) wrong.say(word.column, "at least once");
    } else if (word.key == "as") {
      out.label = word.value;
    } else {
      const auto& fields = service::kFieldNames;
      const auto found = std::find(fields.begin(), fields.end(), word.key);
      if (word.key.empty() || found == fields.end()) {
        wrong.say(word.column, quote(word.key.empty() ? word.value : word.key) +
                                   " is no part of a packet: there are " + names_of_fields() +
                                   ", payload, times and as");
        break;
      }
      const std::uint32_t bit = 1u << (found - fields.begin());
      if ((out.given & bit) != 0) wrong.say(word.column, quote(word.key) + " is here twice");
      out.given |= bit;
      set_field(word, static_cast<Field>(bit), out.packet, wrong);
    }
  }
  if (out.payload && (out.given & static_cast<std::uint32_t>(Field::kLength)) == 0)
    out.packet.length = static_cast<std::uint16_t>(out.payload->size());
  return out;
}

constexpr std::array<std::string_view, 5> kActions = {"drop", "refuse", "deliver", "replicate",
                                                      "hold"};

bool is_action(std::string_view word) {
  return std::find(kActions.begin(), kActions.end(), word) != kActions.end();
}

Verdict verdict(std::string_view action, Line& line) {
  Wrong& wrong = line.wrong();
  Verdict out;
  out.action = static_cast<std::uint8_t>(std::find(kActions.begin(), kActions.end(), action) -
                                         kActions.begin());
  const bool forwards = action == "deliver" || action == "replicate";
  while (!line.done()) {
    const Word& word = line.next("");
    if (word.key == "to" && (action == "replicate" || (forwards && out.to.empty()))) {
      out.to.push_back(name(word, wrong));
    } else if (word.key == "reason" && (action == "drop" || action == "refuse")) {
      out.reason = static_cast<std::uint16_t>(number(word, UINT16_MAX, wrong));
    } else if (word.key == "for" && action != "replicate") {
      out.lifetime_ms = milliseconds(word, wrong);
    } else if (word.key.empty() && word.value == "keep" && action != "hold") {
      out.keep = true;
    } else if (word.key == "keep" && word.value == "no") {
      out.keep = false;
    } else {
      wrong.say(word.column, quote(word.key.empty() ? word.value : word.key) + " is no part of " +
                                 quote(action));
    }
  }
  return out;
}

Verdict verdict_of_release(Line& line) {
  const std::string action = line.plain("deliver, refuse or drop");
  if (action != "deliver" && action != "refuse" && action != "drop")
    line.say(quote(action) + ": a release delivers, refuses or drops");
  return verdict(action, line);
}

Action expect_no(Line& line) {
  const std::string event = line.plain("release, expired, log or withdrawal");
  if (event == "release") return ExpectNo{Event::kRelease};
  if (event == "expired") return ExpectNo{Event::kExpired};
  if (event == "log") return ExpectNo{Event::kLog};
  if (event == "withdrawal") return ExpectNo{Event::kWithdrawal};
  line.say(quote(event) + " is none of release, expired, log, withdrawal");
  return {};
}

Action expect_metric(Line& line) {
  const Word& word = line.next("a metric, as NAME=VALUE");
  double value = 0;
  const char* const last = word.value.data() + word.value.size();
  const auto [end, error] = std::from_chars(word.value.data(), last, value);
  if (word.key.empty() || word.quoted || error != std::errc{} || end != last)
    line.say("expected a metric, as NAME=VALUE");
  return ExpectMetric{word.key, value};
}

Action expect(Line& line) {
  const std::string what = line.plain("what is expected");
  if (is_action(what)) return ExpectVerdict{verdict(what, line)};
  if (what == "fallback") return ExpectFallback{};
  if (what == "release") {
    const std::string label = line.option("of");
    return ExpectRelease{label, verdict_of_release(line)};
  }
  if (what == "expired") return ExpectExpired{line.option("of")};
  if (what == "log") return ExpectLog{line.text("a part of the log's line")};
  if (what == "metric") return expect_metric(line);
  if (what == "fault") return ExpectFault{line.done() ? "" : line.text("a part of the fault")};
  if (what == "withdrawal") return ExpectWithdrawal{};
  if (what == "no") return expect_no(line);
  if (what == "running" || what == "resting" || what == "quarantined") return ExpectStanding{what};
  line.say(quote(what) +
           " is nothing to expect: there are drop, refuse, deliver, replicate, hold, "
           "fallback, release, expired, log, metric, fault, withdrawal, no, running, "
           "resting and quarantined");
  return {};
}

Action config(Line& line) {
  const std::string key = line.plain("a name of the configuration");
  const Word& value = line.next("its value");
  return SetConfig{key, value.key.empty() ? value.value : value.key + "=" + value.value};
}

Action action(Line& line) {
  const std::string verb = line.plain("config, packet, advance or expect");
  Action out;
  if (verb == "config") {
    out = config(line);
  } else if (verb == "packet") {
    out = packet(line);
  } else if (verb == "advance") {
    const std::string by = line.plain("a time, such as 2s");
    out = Advance{duration(by, line.column(), line.wrong())};
  } else if (verb == "expect") {
    out = expect(line);
  } else {
    line.say(quote(verb) + " is none of config, packet, advance, expect");
  }
  line.finish();
  return out;
}

std::string at(const std::string& file, const Place& place) {
  return file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": ";
}

std::string unseen(service::Fields given, const service::Manifest& manifest) {
  for (std::size_t i = 0; i < service::kFieldNames.size(); ++i)
    if ((given & ~manifest.fields & 1u << i) != 0) return std::string(service::kFieldNames[i]);
  return "";
}

// What is wrong with a step; empty: nothing.
std::string wrong(const Action& action, const service::Manifest& manifest) {
  if (const auto* config = std::get_if<SetConfig>(&action))
    return manifest.wrong({{config->name, config->value}});
  if (const auto* metric = std::get_if<ExpectMetric>(&action)) {
    const bool known =
        std::any_of(manifest.metrics.begin(), manifest.metrics.end(),
                    [&](const service::Metric& each) { return each.name == metric->name; });
    return known ? "" : "the manifest has no metric " + quote(metric->name);
  }
  const auto* packet = std::get_if<SendPacket>(&action);
  if (packet == nullptr) return "";
  if (const std::string field = unseen(packet->given, manifest); !field.empty())
    return "the service does not see " + quote(field) + ": the manifest's `fields` do not list it";
  return packet->payload && !manifest.payload
             ? "the service does not see payload: the manifest does not say `payload: true`"
             : "";
}

}  // namespace

base::Result<Script> parse_script(std::string_view text, const std::string& file) {
  Script out;
  if (text.size() > kMaxText)
    return base::fail(code::kKitScript, file + ": is larger than 256 KiB");
  for (unsigned line = 1; !text.empty(); ++line) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    std::string_view own = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    if (own.ends_with('\r')) own.remove_suffix(1);
    Wrong wrong;
    Cutter cutter(own, wrong);
    std::vector<Word> words = cutter.words();
    if (words.empty() && !wrong) continue;
    if (out.steps.size() == Script::kMaxSteps)
      wrong.say(1, "more than " + std::to_string(Script::kMaxSteps) + " steps");
    Step step;
    step.place = {line, words.empty() ? 1 : words.front().column};
    step.text = own.substr(step.place.column - 1, cutter.end() - step.place.column + 1);
    while (step.text.ends_with(' ') || step.text.ends_with('\t')) step.text.pop_back();
    Line rest(std::move(words), static_cast<unsigned>(own.size() + 1), wrong);
    if (!wrong) step.action = action(rest);
    if (wrong) return base::fail(code::kKitScript, at(file, {line, wrong.column()}) + wrong.what());
    out.steps.push_back(std::move(step));
  }
  return out;
}

base::Result<void> check_script(const Script& script, const service::Manifest& manifest,
                                const std::string& file) {
  for (const Step& step : script.steps)
    if (const std::string what = wrong(step.action, manifest); !what.empty())
      return base::fail(code::kKitScript, at(file, step.place) + what);
  return {};
}

base::Result<void> check_payloads(const Script& script, std::size_t room, const std::string& file) {
  for (const Step& step : script.steps) {
    const auto* send = std::get_if<SendPacket>(&step.action);
    if (send == nullptr || !send->payload || send->payload->size() * send->times <= room) continue;
    return base::fail(code::kKitScript,
                      at(file, step.place) + std::to_string(send->payload->size() * send->times) +
                          " octets of payload in one batch, and the module has room for " +
                          std::to_string(room) + " (ENTRESOL_PAYLOAD_ROOM)");
  }
  return {};
}

std::string to_text(const entresol_verdict& verdict, const std::vector<entresol_name>& names) {
  std::string out(verdict.action < kActions.size() ? kActions[verdict.action] : "drop");
  const auto to = [&](const entresol_name& each) {
    out += " to=" + wire::to_string(service::from_author(each));
  };
  if (verdict.action == ENTRESOL_DELIVER) to(verdict.to);
  for (const entresol_name& each : names) to(each);
  if (verdict.reason != 0 && verdict.action <= ENTRESOL_REFUSE)
    out += " reason=" + std::to_string(verdict.reason);
  if (verdict.lifetime_ms != 0) out += " for=" + std::to_string(verdict.lifetime_ms) + "ms";
  if (verdict.keep != 0) out += " keep";
  return out;
}

}  // namespace entresol::cli::kit
