// What stands behind each error code.
#pragma once

#include <span>
#include <string_view>

namespace entresol::cli {

struct Explanation {
  std::string_view code;
  std::string_view title;
  std::string_view text;
};

std::span<const Explanation> explanations();
const Explanation* find_explanation(std::string_view code);  // null if unknown; any case

}  // namespace entresol::cli
