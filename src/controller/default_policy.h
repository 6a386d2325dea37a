// The policy that a layer begins with.
#pragma once

#include <string_view>

namespace entresol::controller {

inline constexpr std::string_view kDefaultPolicy =
    R"(# Who may open flows to whom. The first rule that matches decides; what no rule allows is denied.
members: allow * *
)";

}  // namespace entresol::controller
