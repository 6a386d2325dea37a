#include "dns/message.h"

#include <algorithm>

namespace entresol::dns {
namespace {

constexpr std::uint16_t kResponse = 0x8000, kAuthoritative = 0x0400, kTruncated = 0x0200,
                        kRecursionDesired = 0x0100, kRecursionAvailable = 0x0080,
                        kCheckingDisabled = 0x0010, kOpcode = 0x7800, kRcode = 0x000f;
constexpr std::uint16_t kDnssecOk =
    0x8000;  // upper half of OPT's flags: the lower octets of its TTL
constexpr std::uint16_t kPointer = 0xc000;

std::uint8_t lower(std::uint8_t c) {
  return c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c + 32) : c;
}

// Octets of the name at the beginning of `at`; 0 if it is none. A question's has no pointers: there is nothing to point to.
std::size_t name_size(base::ByteView at) {
  std::size_t size = 0;
  while (size < at.size() && size < kNameMaximum) {
    const std::size_t label = at[size];
    if (label > kLabelMaximum) return 0;
    size += 1 + label;
    if (label == 0) return size;
  }
  return 0;
}

// The same of a record's owner, which may be compressed.
bool skip_owner(base::ByteReader& reader) {
  for (std::size_t size = 0; size < kNameMaximum;) {
    const std::uint8_t label = reader.u8();
    if (!reader.ok()) return false;
    if (label >= 0xc0) {
      reader.u8();
      return reader.ok();
    }
    if (label > kLabelMaximum) return false;
    reader.view(label);
    size += 1u + label;
    if (label == 0) return reader.ok();
  }
  return false;
}

// What stands behind the question of a query: OPT once, under the root's name, and records that sign.
bool read_additional(base::ByteReader& reader, std::uint16_t count, Query& out) {
  for (std::uint16_t i = 0; i < count; ++i) {
    const std::size_t before = reader.remaining();
    if (!skip_owner(reader)) return false;
    const bool root = before - reader.remaining() == 1;
    const std::uint16_t record = reader.u16(), klass = reader.u16();
    const std::uint32_t ttl = reader.u32();
    reader.view(reader.u16());
    if (!reader.ok()) return false;
    if (record != type::kOpt) continue;
    if (out.edns || !root) return false;
    out.edns = true;
    out.udp_size = std::max<std::uint16_t>(klass, kUdpMinimum);
    out.edns_version = static_cast<std::uint8_t>(ttl >> 16);
    out.dnssec_ok = (ttl & kDnssecOk) != 0;
  }
  return reader.done();
}

void write(base::ByteWriter& out, const Record& record) {
  out.u16(static_cast<std::uint16_t>(kPointer | (kHeaderSize + record.owner)));
  out.u16(record.type);
  out.u16(kClassIn);
  out.u32(record.ttl);
  out.u16(static_cast<std::uint16_t>(record.data.size()));
  out.bytes(record.data);
}

void write_opt(base::ByteWriter& out, const Query& query, Rcode rcode) {
  out.u8(0);
  out.u16(type::kOpt);
  out.u16(kUdpAccepted);
  out.u8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(rcode) >> 4));
  out.u8(0);  // version
  out.u16(query.dnssec_ok ? kDnssecOk : 0);
  out.u16(0);
}

}  // namespace

Parsed parse_query(base::ByteView message, Query& out) {
  if (message.size() < kHeaderSize) return Parsed::kNothing;
  base::ByteReader reader(message);
  out = Query{};
  out.id = reader.u16();
  const std::uint16_t flags = reader.u16();
  if ((flags & kResponse) != 0) return Parsed::kNothing;
  out.recursion_desired = (flags & kRecursionDesired) != 0;
  out.checking_disabled = (flags & kCheckingDisabled) != 0;
  if ((flags & kOpcode) != 0) return Parsed::kNotImplemented;
  const std::uint16_t questions = reader.u16(), answers = reader.u16(), authority = reader.u16(),
                      additional = reader.u16();
  if (questions != 1 || answers != 0 || authority != 0) return Parsed::kMalformed;
  const std::size_t size = name_size(message.subspan(kHeaderSize));
  if (size == 0) return Parsed::kMalformed;
  out.name = reader.view(size);
  out.type = reader.u16();
  out.klass = reader.u16();
  out.question_end = kHeaderSize + size + 4;
  if (!reader.ok() || out.type == type::kOpt) return Parsed::kMalformed;
  return read_additional(reader, additional, out) ? Parsed::kQuery : Parsed::kMalformed;
}

base::Bytes emit_error(base::ByteView message, Rcode rcode) {
  base::Bytes out(kHeaderSize, 0);
  const std::uint16_t asked = base::load_be16(&message[2]);
  std::copy_n(message.begin(), 2, out.begin());
  base::store_be16(&out[2],
                   static_cast<std::uint16_t>(kResponse | (asked & (kOpcode | kRecursionDesired)) |
                                              static_cast<std::uint16_t>(rcode)));
  return out;
}

base::Bytes emit_answer(base::ByteView message, const Query& query, const AnswerHead& head,
                        std::span<const Record> answers, std::span<const Record> authority) {
  base::Bytes out;
  base::ByteWriter writer(out);
  std::uint16_t flags =
      kResponse | kRecursionAvailable | (static_cast<std::uint16_t>(head.rcode) & kRcode);
  if (head.authoritative) flags |= kAuthoritative;
  if (head.truncated) flags |= kTruncated;
  if (query.recursion_desired) flags |= kRecursionDesired;
  if (query.checking_disabled) flags |= kCheckingDisabled;
  writer.u16(query.id);
  writer.u16(flags);
  writer.u16(1);
  writer.u16(static_cast<std::uint16_t>(answers.size()));
  writer.u16(static_cast<std::uint16_t>(authority.size()));
  writer.u16(query.edns ? 1 : 0);
  writer.bytes(query.question(message));
  for (const Record& record : answers) write(writer, record);
  for (const Record& record : authority) write(writer, record);
  if (query.edns) write_opt(writer, query, head.rcode);
  return out;
}

std::optional<Rcode> parse_answer(base::ByteView message, std::uint16_t id,
                                  base::ByteView question) {
  if (message.size() < kHeaderSize || base::load_be16(&message[0]) != id) return std::nullopt;
  const std::uint16_t flags = base::load_be16(&message[2]);
  if ((flags & kResponse) == 0 || (flags & kOpcode) != 0) return std::nullopt;
  const auto rcode = static_cast<Rcode>(flags & kRcode);
  const std::uint16_t questions = base::load_be16(&message[4]);
  if (questions == 0 && rcode != Rcode::kNoError) return rcode;
  // The last four octets are type and class. Labels' sizes are compared too: they are below any letter.
  if (questions != 1 || message.size() < kHeaderSize + question.size() ||
      !same_name(message.subspan(kHeaderSize, question.size() - 4),
                 question.first(question.size() - 4)) ||
      !std::ranges::equal(message.subspan(kHeaderSize + question.size() - 4, 4), question.last(4)))
    return std::nullopt;
  return rcode;
}

// ---- names ---------------------------------------------------------------------------------------------------------

std::optional<base::Bytes> name_from_text(std::string_view text) {
  base::Bytes out;
  if (text.ends_with('.')) text.remove_suffix(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('.'), text.size());
    if (end == 0 || end > kLabelMaximum) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(end));
    for (const char c : text.substr(0, end)) {
      const std::uint8_t low = lower(static_cast<std::uint8_t>(c));
      if (!((low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || low == '-' || low == '_'))
        return std::nullopt;
      out.push_back(low);
    }
    if (end + 1 == text.size()) return std::nullopt;  // two dots at the end
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out.push_back(0);
  if (out.size() > kNameMaximum) return std::nullopt;
  return out;
}

std::string text_of(base::ByteView name) {
  std::string out;
  while (!is_root(name)) {
    if (!out.empty()) out += '.';
    for (const std::uint8_t c : name.subspan(1, name[0])) {
      if (c > ' ' && c < 127 && c != '.' && c != '\\') {
        out += static_cast<char>(c);
      } else {
        out += '\\';
        for (const int digit : {c / 100, c / 10 % 10, c % 10})
          out += static_cast<char>('0' + digit);
      }
    }
    name = name.subspan(1u + name[0]);
  }
  return out;
}

bool same_name(base::ByteView a, base::ByteView b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<std::size_t> within(base::ByteView name, base::ByteView zone) {
  std::size_t at = 0;
  while (name.size() - at > zone.size()) at += 1u + name[at];
  if (name.size() - at != zone.size() || !same_name(name.subspan(at), zone)) return std::nullopt;
  return at;
}

std::string first_label(base::ByteView name) {
  std::string out;
  for (const std::uint8_t c : name.subspan(1, name[0])) out += static_cast<char>(lower(c));
  return out;
}

}  // namespace entresol::dns
