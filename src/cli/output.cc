#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <span>

#include "base/error_codes.h"
#include "io/clock.h"

namespace entresol::cli {
namespace {

namespace code = base::code;

// Somebody has said no.
constexpr std::array kDenials = {
    code::kDenied,          code::kTokenUnknown,    code::kTokenExpired,
    code::kTokenUsed,       code::kTokenRefused,    code::kMemberRevoked,
    code::kRequestUnproved, code::kApiTokenUnknown, code::kScopeMissing};
constexpr std::array kSilences = {code::kUnreachable, code::kNotRunning, code::kHttpUnreachable,
                                  code::kHttpTimeout};

bool is_one_of(std::span<const std::string_view> codes, std::string_view wanted) {
  return std::find(codes.begin(), codes.end(), wanted) != codes.end();
}

// Octets of others do not steer the terminal.
std::string printable(std::string text) {
  std::ranges::replace_if(text, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return text;
}

const Json* field(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() ? nullptr : &*at;
}

std::string paint(std::string_view code, std::string_view text) {
  static const bool colours = on_terminal() && std::getenv("NO_COLOR") == nullptr;
  if (!colours) return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

}  // namespace

bool on_terminal() {
  return isatty(STDOUT_FILENO) != 0;
}

std::string bold(std::string_view text) {
  return paint("1", text);
}
std::string green(std::string_view text) {
  return paint("32", text);
}
std::string red(std::string_view text) {
  return paint("31", text);
}
std::string dim(std::string_view text) {
  return paint("2", text);
}

int report(const Global& global, const base::Error& error) {
  if (global.json) {
    print(Json{{"error", {{"code", error.code}, {"message", error.message}}}});
  } else {
    std::fflush(stdout);
    std::fprintf(stderr, "entresol: %s: %s\n  `entresol explain %s` says more\n",
                 error.code.c_str(), printable(error.message).c_str(), error.code.c_str());
  }
  if (error.code == code::kUsage) return runtime::kExitUsage;
  if (is_one_of(kDenials, error.code)) return runtime::kExitDenied;
  if (is_one_of(kSilences, error.code)) return runtime::kExitUnreachable;
  return runtime::kExitError;
}

void next(const Global& global, std::string_view command, std::string_view why) {
  if (global.json) return;
  std::printf("%s %.*s  %s\n", dim("next:").c_str(), static_cast<int>(command.size()),
              command.data(), dim("# " + std::string(why)).c_str());
}

void print(const Json& value) {
  // What a person or a file gave may be no UTF-8; that is no reason to end here.
  std::printf("%s\n", value.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      line += printable(rows[r][i]);
      if (i + 1 < rows[r].size()) line.append(widths[i] - rows[r][i].size() + 2, ' ');
    }
    std::printf("%s\n", r == 0 ? bold(line).c_str() : line.c_str());
  }
}

std::string text_of(const Json& object, const char* key) {
  const Json* found = field(object, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

double number_of(const Json& object, const char* key) {
  const Json* found = field(object, key);
  return found != nullptr && found->is_number() ? found->get<double>() : 0.0;
}

bool truth_of(const Json& object, const char* key) {
  const Json* found = field(object, key);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

std::string texts_of(const Json& object, const char* key) {
  std::string out;
  for (const Json& one : part_of(object, key))
    if (one.is_string()) out += (out.empty() ? "" : ",") + one.get<std::string>();
  return out;
}

const Json& part_of(const Json& object, const char* key) {
  static const Json kNothing = Json::object();
  const Json* found = field(object, key);
  return found != nullptr && found->is_structured() ? *found : kNothing;
}

std::string human_count(double n) {
  char text[32];
  if (n >= 1e9) {
    std::snprintf(text, sizeof text, "%.2fG", n / 1e9);
  } else if (n >= 1e6) {
    std::snprintf(text, sizeof text, "%.2fM", n / 1e6);
  } else if (n >= 1e4) {
    std::snprintf(text, sizeof text, "%.1fk", n / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0f", n);
  }
  return text;
}

std::string human_duration(double seconds) {
  char text[32];
  if (seconds >= 2 * 86400) {
    std::snprintf(text, sizeof text, "%.1fd", seconds / 86400);
  } else if (seconds >= 3600) {
    std::snprintf(text, sizeof text, "%.1fh", seconds / 3600);
  } else if (seconds >= 60) {
    std::snprintf(text, sizeof text, "%.1fmin", seconds / 60);
  } else {
    std::snprintf(text, sizeof text, "%.0fs", seconds);
  }
  return text;
}

std::string human_time(base::UnixSeconds then) {
  if (then == 0) return "-";
  const auto left = static_cast<double>(then - io::unix_now());
  return left > 0 ? "in " + human_duration(left) : human_duration(-left) + " ago";
}

std::string human_date(base::UnixSeconds then) {
  const std::time_t time = then;
  std::tm day{};
  char text[32] = "";
  if (gmtime_r(&time, &day) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d", &day);
  return text;
}

}  // namespace entresol::cli
