// RFC 8922's interfaces of every live link, by calling them (docs/security.md).
#pragma once

#include <nlohmann/json.hpp>

#include "layer/member/member.h"

namespace entresol::runtime {

nlohmann::ordered_json protocols(const layer::member::Member& member);

}  // namespace entresol::runtime
