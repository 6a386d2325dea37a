// How the command speaks: text for people, JSON for programs; colours only on a terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/runtime.h"

namespace entresol::cli {

using Json = nlohmann::ordered_json;

struct Global {
  bool json = false;  // -o json
};

// Coloured if standard output is a terminal and NO_COLOR is not set.
std::string bold(std::string_view text);
std::string green(std::string_view text);
std::string red(std::string_view text);
std::string dim(std::string_view text);

// Prints the error (JSON: as an object) and gives the exit code that belongs to it.
int report(const Global& global, const base::Error& error);
// The next useful command, after a success.
void next(const Global& global, std::string_view command, std::string_view why);
void print(const Json& value);

std::string human_count(double n);  // 12.3k, 4.56M
std::string human_duration(double seconds);

}  // namespace entresol::cli
