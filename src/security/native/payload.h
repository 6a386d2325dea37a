// The items inside a native handshake message (docs/wire.md section 8): type (8), length (16),
// value; each type at most once, in ascending order.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/drop.h"
#include "security/credentials.h"
#include "security/handshake.h"

namespace entresol::security::native {

struct Payload {
  std::optional<std::uint64_t> timestamp;  // nanoseconds; in an initiation, and only there
  Credentials shown;
  std::optional<ResetToken> reset_token;
};

// handshake_malformed, with `out` unspecified, for anything but a well-formed list of known items
// and unknown ones from 128 on. `initiation`: which of the two messages carries it. An object that
// is shown is not empty.
base::DropReason parse(base::ByteView payload, bool initiation, Payload& out);
std::size_t size(const Payload& payload);
// Appends. Objects have at most 65535 octets.
void emit(const Payload& payload, base::Bytes& out);

}  // namespace entresol::security::native
