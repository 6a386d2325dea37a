#include "wire/control.h"

#include <algorithm>

#include "wire/utf8.h"

namespace entresol::wire {
namespace {

using base::DropReason;

bool is_assigned(std::uint8_t type) {
  switch (static_cast<ControlType>(type)) {
    case ControlType::no_route:
    case ControlType::unknown_service:
    case ControlType::ttl_exceeded:
    case ControlType::too_big:
    case ControlType::refused_by_rule:
    case ControlType::critical_option_unknown:
    case ControlType::session_unknown:
    case ControlType::opened_from_other_side:
    case ControlType::echo_request:
    case ControlType::echo_reply:
    case ControlType::lookup:
    case ControlType::answer:
      return true;
  }
  return false;
}

bool is_error_body(base::ByteView body) {
  base::ByteReader reader(body);
  const base::ByteView text = reader.view(reader.u8());
  return reader.ok() && is_utf8(text) && reader.remaining() >= kQuoteMinimum;
}

bool is_lookup_body(base::ByteView body) {
  if (body.empty()) return false;
  const std::size_t key = body.size() - 1;
  switch (static_cast<LookupKind>(body[0])) {
    case LookupKind::name:
      return key == 16;
    case LookupKind::ipv4:
      return key == 4;
    case LookupKind::label:
      return key >= 1 && key <= kLabelMaximum && is_utf8(body.subspan(1));
  }
  return false;
}

// Kinds with two parts have the length of the first before it.
bool has_two_parts(AnswerKind kind) {
  return kind == AnswerKind::member || kind == AnswerKind::name || kind == AnswerKind::placed_guest;
}

bool is_answer_body(base::ByteView body) {
  if (body.empty()) return false;
  switch (static_cast<AnswerKind>(body[0])) {
    case AnswerKind::unknown:
      return body.size() == 1;
    case AnswerKind::member:
    case AnswerKind::name:
    case AnswerKind::placed_guest:
      return body.size() >= 3 && body.size() - 3 >= base::load_be16(&body[1]);
    case AnswerKind::guest:
      return body.size() > 1;
  }
  return false;
}

bool is_body(ControlType type, base::ByteView body) {
  if (is_error(type)) return is_error_body(body);
  if (type == ControlType::lookup) return is_lookup_body(body);
  if (type == ControlType::answer) return is_answer_body(body);
  return true;
}

base::Bytes emit(ControlType type, std::uint32_t info, base::ByteView first,
                 base::ByteView second) {
  base::Bytes out;
  out.reserve(kControlHeaderSize + first.size() + second.size());
  base::ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(type));
  writer.u8(0);
  writer.u16(static_cast<std::uint16_t>(first.size() + second.size()));
  writer.u32(info);
  writer.bytes(first);
  writer.bytes(second);
  return out;
}

}  // namespace

std::optional<SessionHeader> Quote::session() const {
  if (next_protocol() != next_protocol::kSealed) return std::nullopt;
  const std::size_t header = octets_[offset::kHeaderLength] * kHeaderUnit;
  if (header < kHeaderSize || octets_.size() < header + kSessionHeaderSize) return std::nullopt;
  const std::uint8_t* at = octets_.data() + header;
  return SessionHeader{{base::load_be32(at)}, base::load_be32(at + 4)};
}

DropReason ControlView::parse(base::ByteView payload, ControlView& out) {
  if (payload.size() < kControlHeaderSize) return DropReason::control_malformed;
  const ControlView view(payload);
  if (base::load_be16(&payload[2]) != view.body().size()) return DropReason::control_malformed;
  if (view.known() && !is_assigned(payload[0])) return DropReason::control_malformed;
  if (payload[1] != 0) return DropReason::control_malformed;
  if (!is_body(view.type(), view.body())) return DropReason::control_malformed;
  out = view;
  return DropReason::none;
}

base::ByteView ControlView::answer_first() const {
  if (!has_two_parts(answer_kind())) return body().subspan(1);
  return body().subspan(3, base::load_be16(&body()[1]));
}

base::ByteView ControlView::answer_second() const {
  if (!has_two_parts(answer_kind())) return {};
  return body().subspan(std::size_t{3} + base::load_be16(&body()[1]));
}

bool may_report(const HeaderView& offending) {
  if (offending.next_protocol() != next_protocol::kControl) return true;
  base::ByteView payload = offending.payload();
  return !payload.empty() && payload[0] >= kControlReportable;
}

base::Bytes emit_error(ControlType type, std::uint32_t info, std::string_view text,
                       const HeaderView& offending) {
  base::ByteView words(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  words = utf8_prefix(words, kControlTextMaximum);
  base::Bytes first{static_cast<std::uint8_t>(words.size())};
  first.insert(first.end(), words.begin(), words.end());
  const std::size_t quoted =
      offending.header_size() + std::min(offending.payload_size(), kQuotePayload);
  return emit(type, info, first, offending.packet().first(quoted));
}

base::Bytes emit_echo(ControlType type, std::uint16_t identifier, std::uint16_t sequence,
                      base::ByteView body) {
  const std::uint32_t info = std::uint32_t{identifier} << 16 | sequence;
  return emit(type, info, body.first(std::min(body.size(), kControlBodyMaximum)), {});
}

base::Bytes emit_echo_reply(const ControlView& request) {
  return emit_echo(ControlType::echo_reply, request.echo_identifier(), request.echo_sequence(),
                   request.body());
}

base::Bytes emit_lookup(std::uint32_t id, LookupKind kind, base::ByteView key) {
  const auto octet = static_cast<std::uint8_t>(kind);
  return emit(ControlType::lookup, id, {&octet, 1}, key);
}

base::Bytes emit_answer(std::uint32_t id, AnswerKind kind, base::ByteView first,
                        base::ByteView second) {
  base::Bytes head{static_cast<std::uint8_t>(kind)};
  if (has_two_parts(kind)) {
    head.push_back(static_cast<std::uint8_t>(first.size() >> 8));
    head.push_back(static_cast<std::uint8_t>(first.size()));
  }
  if (head.size() + first.size() + second.size() > kControlBodyMaximum) return {};
  head.insert(head.end(), first.begin(), first.end());
  return emit(ControlType::answer, id, head, second);
}

}  // namespace entresol::wire
