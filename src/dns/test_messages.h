// For this room's tests: queries and answers as the other side writes them, and answers taken apart.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "dns/message.h"

namespace entresol::dns {

struct Asked {
  std::string name;
  std::uint16_t type = type::kAaaa;
  std::uint16_t id = 0x1234;
  std::uint16_t klass = kClassIn;
  std::uint16_t flags = 0x0100;  // RD
  int edns_size = -1;            // below 0: no EDNS
  std::uint8_t edns_version = 0;
  bool dnssec_ok = false;
};

// Keeps the case that name_from_text does not.
inline base::Bytes wire_name(std::string_view text) {
  base::Bytes out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('.'), text.size());
    out.push_back(static_cast<std::uint8_t>(end));
    out.insert(out.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out.push_back(0);
  return out;
}

inline base::Bytes query(const Asked& asked) {
  base::Bytes out;
  base::ByteWriter writer(out);
  writer.u16(asked.id);
  writer.u16(asked.flags);
  for (const int count : {1, 0, 0, asked.edns_size >= 0 ? 1 : 0})
    writer.u16(static_cast<std::uint16_t>(count));
  writer.bytes(wire_name(asked.name));
  writer.u16(asked.type);
  writer.u16(asked.klass);
  if (asked.edns_size < 0) return out;
  writer.u8(0);
  writer.u16(type::kOpt);
  writer.u16(static_cast<std::uint16_t>(asked.edns_size));
  writer.u8(0);
  writer.u8(asked.edns_version);
  writer.u16(asked.dnssec_ok ? 0x8000 : 0);
  writer.u16(0);
  return out;
}

struct ReadRecord {
  std::string owner;
  std::uint16_t type = 0, klass = 0;
  std::uint32_t ttl = 0;
  base::Bytes data;
};

struct Read {
  std::uint16_t id = 0, flags = 0;
  std::string name;  // of the question, in its own case
  std::vector<ReadRecord> answers, authority, additional;
  bool whole = false;  // nothing is missing or left over
  int rcode() const { return flags & 15; }
  bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};
inline constexpr std::uint16_t kAa = 0x0400, kTc = 0x0200, kRa = 0x0080;

inline std::string read_name(base::ByteView message, std::size_t& at) {
  std::string out;
  std::size_t pos = at;
  bool jumped = false;
  for (int steps = 0; steps < 128 && pos < message.size(); ++steps) {
    const std::uint8_t size = message[pos];
    if (size >= 0xc0 && pos + 1 < message.size()) {
      if (!jumped) at = pos + 2;
      jumped = true;
      pos = (size & 63u) * 256u + message[pos + 1];
      continue;
    }
    if (!jumped) at = pos + 1 + size;
    if (size == 0 || pos + 1 + size > message.size()) return out;
    if (!out.empty()) out += '.';
    out.append(message.begin() + static_cast<std::ptrdiff_t>(pos) + 1,
               message.begin() + static_cast<std::ptrdiff_t>(pos) + 1 + size);
    pos += 1u + size;
  }
  return out;
}

inline Read read(base::ByteView message) {
  Read out;
  if (message.size() < kHeaderSize) return out;
  out.id = base::load_be16(&message[0]);
  out.flags = base::load_be16(&message[2]);
  std::size_t at = kHeaderSize;
  if (base::load_be16(&message[4]) == 1) {
    out.name = read_name(message, at);
    at += 4;
  }
  std::size_t count_at = 6;
  for (auto* section : {&out.answers, &out.authority, &out.additional}) {
    const std::uint16_t count = base::load_be16(&message[count_at]);
    count_at += 2;
    for (int i = 0; i < count; ++i) {
      ReadRecord record;
      record.owner = read_name(message, at);
      if (at + 10 > message.size()) return out;
      record.type = base::load_be16(&message[at]);
      record.klass = base::load_be16(&message[at + 2]);
      record.ttl = base::load_be32(&message[at + 4]);
      const std::size_t size = base::load_be16(&message[at + 8]);
      at += 10;
      if (at + size > message.size()) return out;
      record.data.assign(message.begin() + static_cast<std::ptrdiff_t>(at),
                         message.begin() + static_cast<std::ptrdiff_t>(at + size));
      at += size;
      section->push_back(std::move(record));
    }
  }
  out.whole = at == message.size();
  return out;
}

// What a server says to a query: its question, the code, and octets behind that make it `size` large.
inline base::Bytes answer_to(base::ByteView query, Rcode rcode, std::size_t size = 0) {
  Query parsed;
  if (parse_query(query, parsed) != Parsed::kQuery) return {};
  base::Bytes out = emit_answer(query, parsed, {rcode});
  if (out.size() < size) out.resize(size);
  return out;
}

}  // namespace entresol::dns
