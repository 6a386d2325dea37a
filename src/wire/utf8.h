// Whether octets are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
// U+10FFFF.
#pragma once

#include "base/bytes.h"

namespace entresol::wire {

bool is_utf8(base::ByteView octets);

// The longest prefix of `text` of at most `limit` octets that does not end inside a character.
// `text` is UTF-8.
base::ByteView utf8_prefix(base::ByteView text, std::size_t limit);

}  // namespace entresol::wire
