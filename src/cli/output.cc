#include "cli/output.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/error_codes.h"

namespace entresol::cli {
namespace {

std::string paint(std::string_view code, std::string_view text) {
  static const bool colours = isatty(STDOUT_FILENO) && std::getenv("NO_COLOR") == nullptr;
  if (!colours) return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

}  // namespace

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
                 error.code.c_str(), error.message.c_str(), error.code.c_str());
  }
  if (error.code == base::code::kUsage) return runtime::kExitUsage;
  if (error.code == base::code::kDenied) return runtime::kExitDenied;
  if (error.code == base::code::kUnreachable || error.code == base::code::kNotRunning)
    return runtime::kExitUnreachable;
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
  if (seconds >= 3600) {
    std::snprintf(text, sizeof text, "%.1fh", seconds / 3600);
  } else if (seconds >= 60) {
    std::snprintf(text, sizeof text, "%.1fmin", seconds / 60);
  } else {
    std::snprintf(text, sizeof text, "%.0fs", seconds);
  }
  return text;
}

}  // namespace entresol::cli
