// The extension header, and the session header of a sealed packet, as the HTTP field `Entresol`: a
// Structured Dictionary (RFC 9651), docs/wire.md section 10. The packet's payload, without the
// session header, is the body of the message.
//
// Strict where section 10 is: unknown keys and parameters, wrong types, duplicates and values out
// of range are refused; and base64 has one encoding per value (padded, no bits left over).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/drop.h"
#include "wire/header.h"
#include "wire/session.h"

namespace entresol::wire {

inline constexpr std::string_view kFieldName = "Entresol";

// One line, keys in the order of section 10. `session` is given exactly for sealed packets; the
// header is representable.
std::string emit_field(const Header& header, const std::optional<SessionHeader>& session);

struct FieldMessage {
  std::string field;    // without the field's name
  base::ByteView body;  // borrows the packet
};
FieldMessage to_field(const HeaderView& packet);

struct FieldOutcome {
  std::string refused;  // what is wrong with the text or what it says, one line; empty if nothing
  base::DropReason reason =
      base::DropReason::none;  // what the binary form fails, if the text is right
  bool ok() const { return refused.empty() && reason == base::DropReason::none; }
};

// Puts the binary form of field and body into `packet`, which passes HeaderView::parse then. If the
// outcome is not ok, `packet` is unspecified. Several fields of one message are to be joined with
// ", " before (RFC 9110 section 5.3).
FieldOutcome parse_field(std::string_view text, base::ByteView body, base::Bytes& packet);

}  // namespace entresol::wire
