// Control messages: errors that are reported to the sender of a packet, echo, and looking members up
// (docs/wire.md section 7). They travel as the payload of packets of next protocol 1.
//
//   +---------------+---------------+-------------------------------+
//   |   Type (8)    |   Code (8)    |          Length (16)          |   0
//   +---------------+---------------+-------------------------------+
//   |                        Info (32)                              |   4
//   +---------------------------------------------------------------+
//   |                    Body: Length octets                        |   8
//   +---------------------------------------------------------------+
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/drop.h"
#include "wire/header.h"
#include "wire/name.h"
#include "wire/session.h"

namespace entresol::wire {

enum class ControlType : std::uint8_t {
  no_route = 1,
  unknown_service = 2,  // info: the service
  ttl_exceeded = 3,
  too_big = 4,                  // info: largest inner IP packet that fits, octets
  refused_by_rule = 5,          // info: the rule's number; text: its name
  critical_option_unknown = 6,  // info: class × 256 + type
  session_unknown = 8,          // info: the wire id that was not known
  opened_from_other_side = 9,
  echo_request = 16,  // info: identifier × 65536 + sequence
  echo_reply = 17,    // info and body as in the request
  lookup = 32,        // info: the asker's number for it
  answer = 33,        // info: as in the lookup
};

// What a lookup asks for; the key is its body behind this octet.
enum class LookupKind : std::uint8_t { name = 1, ipv4 = 2, label = 3 };
// What an answer tells: nothing, a certificate chain and a registration, a guest's grant chain, or a name certificate's chain
// and member delegations.
enum class AnswerKind : std::uint8_t {
  unknown = 0,
  member = 1,
  guest = 2,
  name = 3,
  placed_guest = 4
};
inline constexpr std::size_t kLabelMaximum = 63;  // octets of a label that is looked up

inline constexpr std::size_t kControlHeaderSize = 8;
inline constexpr std::size_t kControlBodyMaximum = kPayloadMaximum - kControlHeaderSize;
inline constexpr std::uint8_t kControlReportable =
    16;  // control messages of types below are never reported
inline constexpr std::uint8_t kControlIgnorable =
    128;  // from here on whoever does not know a type ignores it
inline constexpr std::size_t kQuoteMinimum = kHeaderSize;
inline constexpr std::size_t kQuotePayload = 8;
inline constexpr std::size_t kControlTextMaximum = 255;

constexpr bool is_error(ControlType type) {
  return static_cast<std::uint8_t>(type) < kControlReportable;
}

// The first octets of a packet that is reported, at least kQuoteMinimum of them. Nothing but that
// is checked: whether they belong to a live flow is for its owner to say, so every field is to be
// compared and none to be trusted.
class Quote {
 public:
  explicit Quote(base::ByteView octets) : octets_(octets) {}

  base::ByteView octets() const { return octets_; }
  std::uint8_t next_protocol() const { return octets_[offset::kNextProtocol]; }
  std::uint32_t layer() const { return base::load_be32(&octets_[offset::kLayer]); }
  std::uint32_t service() const { return base::load_be32(&octets_[offset::kService]); }
  std::uint32_t flow_id() const { return base::load_be32(&octets_[offset::kFlowId]); }
  std::uint8_t inner_protocol() const { return octets_[offset::kInnerProtocol]; }
  std::uint8_t inner_flags() const { return octets_[offset::kInnerFlags]; }
  std::uint16_t responder_port() const { return base::load_be16(&octets_[offset::kResponderPort]); }
  Name source() const { return load_name(&octets_[offset::kSource]); }
  Name destination() const { return load_name(&octets_[offset::kDestination]); }
  // Of a sealed packet whose quote reaches that far.
  std::optional<SessionHeader> session() const;

 private:
  base::ByteView octets_;
};

// A checked message. Borrows the payload.
class ControlView {
 public:
  // control_malformed if length, type, code, or the text and quote of an error are not as they
  // should be; `out` is then unchanged. Types from kControlIgnorable on pass: known() is false
  // then.
  static base::DropReason parse(base::ByteView payload, ControlView& out);

  ControlType type() const { return static_cast<ControlType>(payload_[0]); }
  bool known() const { return payload_[0] < kControlIgnorable; }
  bool error() const { return is_error(type()); }
  std::uint32_t info() const { return base::load_be32(&payload_[4]); }
  base::ByteView body() const { return payload_.subspan(kControlHeaderSize); }

  // Only of errors. Control characters are the reader's business.
  std::string_view text() const {
    return {reinterpret_cast<const char*>(payload_.data()) + kControlHeaderSize + 1,
            payload_[kControlHeaderSize]};
  }
  Quote quote() const { return Quote(body().subspan(std::size_t{1} + body()[0])); }

  // Only of echoes.
  std::uint16_t echo_identifier() const { return static_cast<std::uint16_t>(info() >> 16); }
  std::uint16_t echo_sequence() const { return static_cast<std::uint16_t>(info()); }

  // Only of lookups: the name's 16 octets, the address's 4, or the label.
  LookupKind lookup_kind() const { return static_cast<LookupKind>(body()[0]); }
  base::ByteView lookup_key() const { return body().subspan(1); }

  // Only of answers. `first`: a chain; `second`: registration, member delegations, or nothing.
  AnswerKind answer_kind() const { return static_cast<AnswerKind>(body()[0]); }
  base::ByteView answer_first() const;
  base::ByteView answer_second() const;

  ControlView() = default;  // only to be filled by parse

 private:
  explicit ControlView(base::ByteView payload) : payload_(payload) {}
  base::ByteView payload_;
};

// Whether an error may be sent about this packet as far as its header says: about anything but a
// control message of a type below kControlReportable. (That its source was verified, and the rate,
// are the caller's to see to.)
bool may_report(const HeaderView& offending);

// The payload of the packet that reports `offending`. `text` is UTF-8; what is longer than
// kControlTextMaximum is cut at a character's border. The packet that carries it has next protocol
// 1, the service of `offending`, and goes to its source.
base::Bytes emit_error(ControlType type, std::uint32_t info, std::string_view text,
                       const HeaderView& offending);

// The payload of an echo. What `body` has beyond kControlBodyMaximum is left out.
base::Bytes emit_echo(ControlType type, std::uint16_t identifier, std::uint16_t sequence,
                      base::ByteView body);
// The reply to a request: its info and body.
base::Bytes emit_echo_reply(const ControlView& request);

// `key` has the size that its kind wants.
base::Bytes emit_lookup(std::uint32_t id, LookupKind kind, base::ByteView key);
// Empty if the objects are too large for a message.
base::Bytes emit_answer(std::uint32_t id, AnswerKind kind, base::ByteView first,
                        base::ByteView second);

}  // namespace entresol::wire
