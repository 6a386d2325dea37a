// RFC 4648 section 5, without padding: tokens stand in URLs, shells and on paper.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace entresol::layer::directory {

std::string to_base64url(base::ByteView bytes);
// False unless every character is of the alphabet and no other text has the same value. `out` is unspecified then.
bool from_base64url(std::string_view text, base::Bytes& out);

}  // namespace entresol::layer::directory
