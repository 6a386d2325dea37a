// Packets for this room's tests, and RapidCheck generators of headers. Not part of the library.
#pragma once

#include <rapidcheck.h>

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/header.h"
#include "wire/session.h"

namespace entresol::wire::sample {

inline base::Bytes hex(std::string_view text) {
  std::string digits;
  for (char c : text) {
    if (c != ' ') digits.push_back(c);
  }
  base::Bytes out;
  if (!base::from_hex(digits, out)) std::abort();
  return out;
}

inline std::string text(base::DropReason reason) {
  return std::string(base::to_string(reason));
}

inline base::Bytes join(std::initializer_list<base::Bytes> parts) {
  base::Bytes out;
  for (const base::Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

inline base::Bytes copy(base::ByteView view) {
  return {view.begin(), view.end()};
}

// Row by row as the diagram of section 3 has it: sealed, without options, 26 octets of payload.
inline base::Bytes sealed_packet() {
  return hex(
      "14 40 28 03"
      "00 0e 001a"
      "abcdef01"
      "00000001"
      "12345678"
      "06 01 01bb"
      "fd35abcd000102030405060708090a0b"
      "fd35abcdf0f1f2f3f4f5f6f7f8f9fafb"
      "010203 25 00000007"
      "a1a2 000102030405060708090a0b0c0d0e0f");
}

// The same with these options between names and payload; lengths and summary as given.
inline base::Bytes with_options(const base::Bytes& options, std::uint8_t summary) {
  base::Bytes packet = sealed_packet();
  packet.insert(packet.begin() + 56, options.begin(), options.end());
  packet[4] = summary;
  packet[5] = static_cast<std::uint8_t>(14 + options.size() / 4);
  return packet;
}

inline base::DropReason reason_of(const base::Bytes& packet) {
  HeaderView view;
  return HeaderView::parse(packet, view);
}

inline rc::Gen<base::Bytes> bytes_up_to(std::size_t limit) {
  return rc::gen::mapcat(rc::gen::inRange<std::size_t>(0, limit + 1), [](std::size_t size) {
    return rc::gen::container<base::Bytes>(size, rc::gen::arbitrary<std::uint8_t>());
  });
}

inline Name any_name() {
  Name name;
  for (std::uint8_t& octet : name.octets) octet = *rc::gen::arbitrary<std::uint8_t>();
  return name;
}

inline Option any_option() {
  Option option;
  option.option_class =
      *rc::gen::oneOf(rc::gen::inRange<std::uint8_t>(0, 10), rc::gen::arbitrary<std::uint8_t>());
  option.type = *rc::gen::arbitrary<std::uint8_t>();
  option.critical = *rc::gen::arbitrary<bool>();
  option.is_mutable = *rc::gen::arbitrary<bool>();
  option.end_to_end = !option.is_mutable && *rc::gen::arbitrary<bool>();
  option.value = *bytes_up_to(60);
  return option;
}

// A header that passes all checks, for packets of this next protocol.
inline Header any_header(std::uint8_t next) {
  Header header;
  header.ttl = *rc::gen::arbitrary<std::uint8_t>();
  header.traffic_class = *rc::gen::arbitrary<std::uint8_t>();
  header.next_protocol = next;
  header.layer = *rc::gen::arbitrary<std::uint32_t>();
  header.service = *rc::gen::arbitrary<std::uint32_t>();
  header.flow_id = *rc::gen::arbitrary<std::uint32_t>();
  if (next > next_protocol::kHandshake) {
    header.inner_protocol = *rc::gen::arbitrary<std::uint8_t>();
    header.opener = *rc::gen::arbitrary<bool>();
    header.fragment = *rc::gen::arbitrary<bool>();
    header.responder_port = *rc::gen::arbitrary<std::uint16_t>();
  }
  header.source = any_name();
  header.destination = any_name();
  const auto count = *rc::gen::inRange<int>(0, 8);
  for (int i = 0; i < count; ++i) header.options.push_back(any_option());
  return header;
}

struct Packet {
  Header header;
  base::Bytes payload;
};

inline Packet any_packet() {
  const auto next =
      *rc::gen::oneOf(rc::gen::inRange<std::uint8_t>(0, 8), rc::gen::arbitrary<std::uint8_t>());
  Packet packet{any_header(next), {}};
  if (next != next_protocol::kNothing) packet.payload = *bytes_up_to(80);
  if (next == next_protocol::kSealed) packet.payload.resize(packet.payload.size() + kSealedMinimum);
  return packet;
}

}  // namespace entresol::wire::sample
