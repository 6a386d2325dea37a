// How the command speaks: text for people, JSON for programs; colours only on a terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/runtime.h"

namespace entresol::cli {

using Json = nlohmann::ordered_json;

struct Global {
  bool json = false;  // -o json
};

// Standard output is one.
bool on_terminal();
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

// Columns as wide as they need to be, the first row a heading.
void print_table(const std::vector<std::vector<std::string>>& rows);

// Fields of what others have sent; a field that is missing, or of another type, is empty.
std::string text_of(const Json& object, const char* key);
double number_of(const Json& object, const char* key);
bool truth_of(const Json& object, const char* key);
// The list's elements that are text, with commas.
std::string texts_of(const Json& object, const char* key);
// An object or list; an empty one if it is missing.
const Json& part_of(const Json& object, const char* key);

std::string human_count(double n);  // 12.3k, 4.56M
std::string human_duration(double seconds);
// "in 23.5h", "2.0d ago"; "-" for 0.
std::string human_time(base::UnixSeconds then);
std::string human_date(base::UnixSeconds then);  // 2031-05-09

}  // namespace entresol::cli
