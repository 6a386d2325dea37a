// The log: one line an event, with its fields, as text or as JSON (docs/operations.md, Logs). What strangers can cause is
// limited: each event has a budget of lines, and says how many were left out when it is next written.
//
// One thread.
#pragma once

#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "config/config.h"

namespace entresol::runtime {

struct LogField {
  std::string_view key;
  nlohmann::ordered_json value;  // text, number or truth
};

// Lines of one kind of event: `burst` at once, and `per_second` in the long run.
class LogBudget {
 public:
  static constexpr double kBurst = 10, kPerSecond = 0.2;
  bool take(base::TimePoint now);
  std::uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  double left_ = kBurst;
  base::TimePoint at_{};
  std::uint64_t suppressed_ = 0;
};

// What stands behind time and level on a line.
std::string log_text(std::string_view event, std::initializer_list<LogField> fields,
                     std::uint64_t suppressed);
// The same as members of a JSON object, without its braces.
std::string log_members(std::string_view event, std::initializer_list<LogField> fields,
                        std::uint64_t suppressed);

class Log {
 public:
  explicit Log(const config::Process& process);
  // `event` is a constant, lower case with underscores: part of the interface.
  void write(config::LogLevel level, std::string_view event, base::TimePoint now,
             std::initializer_list<LogField> fields = {});

 private:
  bool json_;
  std::map<std::string, LogBudget, std::less<>> budgets_;
};

}  // namespace entresol::runtime
