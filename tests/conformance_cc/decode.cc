// wire_decode: one line of hexadecimal in, one word out: "ok", or the reason why the packet is
// dropped.
//
//   wire_decode                 packets: sections 3 and 4 of docs/wire.md, section 7 for next
//                               protocol 1
//   wire_decode --field         HTTP field, TAB, body: section 10; "refused", if the text is already
//                               wrong. The checks of the binary form are those of section 3.
//   wire_decode --record        datagrams: the checks of section 2 that need no key
//   wire_decode --prefix        sealed plaintexts: the first octets, section 5
//   wire_decode --inside        packet, plaintext, and the IPv4 addresses of its source and its
//                               destination (zero: none), with spaces between: section 6; answered
//                               with "ok", TAB, inner packet, its identification 0 where any will do
//   wire_decode --handshake     messages 0x10 to 0x13: the checks of section 8 that need no key, at
//                               an end that is configured for the suite and purpose of the message
//   wire_decode --items         "initiation" or "response", a space, and the message's opened payload
//   wire_decode --object        signed objects: the form of section 9; "ok" or "refused"
//   wire_decode --field-of      packets, answered with "ok", TAB, field, TAB, body
//   wire_decode --packet-of     as --field, answered with "ok", TAB, packet
//
// A line that is no hexadecimal is answered with "not-hex". The exit code is 2 for wrong usage,
// else 0.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "layer/inner/rebuild.h"
#include "layer/membership/object.h"
#include "security/native/handshake.h"
#include "security/native/payload.h"
#include "wire/control.h"
#include "wire/header.h"
#include "wire/record.h"
#include "wire/session.h"
#include "wire/structured_field.h"

namespace {

using namespace entresol;

std::string word(base::DropReason reason) {
  return reason == base::DropReason::none ? "ok" : std::string(base::to_string(reason));
}

std::string judge_packet(base::ByteView packet) {
  wire::HeaderView header;
  base::DropReason reason = wire::HeaderView::parse(packet, header);
  if (reason == base::DropReason::none && header.next_protocol() == wire::next_protocol::kControl) {
    wire::ControlView control;
    reason = wire::ControlView::parse(header.payload(), control);
  }
  return word(reason);
}

std::string judge_record(base::ByteView datagram) {
  wire::RecordView record;
  return word(wire::RecordView::parse(datagram, record));
}

std::string judge_prefix(base::ByteView plaintext) {
  wire::SealedPrefix prefix;
  return word(wire::SealedPrefix::parse(plaintext, prefix));
}

std::string judge_inside(const std::string& line) {
  std::istringstream words(line);
  base::Bytes packet, plaintext, source, destination;
  for (base::Bytes* octets : {&packet, &plaintext, &source, &destination}) {
    std::string word;
    if (!(words >> word) || !base::from_hex(word == "-" ? "" : word, *octets)) return "not-hex";
  }
  wire::HeaderView view;
  if (wire::HeaderView::parse(packet, view) != base::DropReason::none || source.size() != 4 ||
      destination.size() != 4)
    return "not-hex";
  namespace inner = layer::inner;
  inner::MemberAddresses from, to;
  from.ipv6 = view.source().octets;
  to.ipv6 = view.destination().octets;
  std::copy(source.begin(), source.end(), from.ipv4.begin());
  std::copy(destination.begin(), destination.end(), to.ipv4.begin());
  inner::Outside outside;
  outside.source = &from;
  outside.destination = &to;
  outside.flow_id = view.flow_id();
  outside.responder_port = view.responder_port();
  outside.protocol = view.inner_protocol();
  outside.ttl = view.ttl();
  outside.traffic_class = view.traffic_class();
  outside.opener = view.opener();
  outside.fragment = view.fragment();
  base::Bytes buffer(inner::kRebuildHeadroom);
  buffer.insert(buffer.end(), plaintext.begin(), plaintext.end());
  inner::InsidePacket out;
  const base::DropReason reason =
      inner::rebuild(base::MutableBytes(buffer).subspan(inner::kRebuildHeadroom), outside, 0, out);
  return word(reason) +
         (reason == base::DropReason::none ? "\t" + base::to_hex(out.bytes) : std::string());
}

std::string judge_handshake(base::ByteView message) {
  security::native::Parameters parameters;
  if (message.size() > 3 && message[2] == 2)
    parameters.suite = crypto::AeadSuite::kChaCha20Poly1305;
  if (message.size() > 3 && message[3] == 2) parameters.purpose = security::Purpose::kSession;
  const crypto::X25519KeyPair none;
  const security::native::Handshake protocol(none, parameters);
  security::MessageKind kind{};
  const base::DropReason reason = protocol.classify(message, kind);
  if (reason != base::DropReason::none) return word(reason);
  const bool has_header =
      kind == security::MessageKind::kInitiation || kind == security::MessageKind::kResponse;
  return has_header ? word(protocol.check_header(kind, message)) : "ok";
}

std::string judge_items(const std::string& line) {
  const std::size_t space = line.find(' ');
  base::Bytes octets;
  if (space == std::string::npos) return "not-hex";
  const std::string hex = line.substr(space + 1);
  if (!base::from_hex(hex == "-" ? "" : hex, octets)) return "not-hex";
  security::native::Payload payload;
  return word(security::native::parse(octets, line.substr(0, space) == "initiation", payload));
}

std::string judge_object(base::ByteView object) {
  namespace membership = layer::membership;
  const bool ok = membership::parse_certificate(object) || membership::parse_delegation(object) ||
                  membership::parse_registration(object) || membership::parse_grant(object) ||
                  membership::parse_policy(object) || membership::parse_name_certificate(object) ||
                  membership::parse_member_delegation(object) ||
                  membership::parse_guest_place(object);
  return ok ? "ok" : "refused";
}

std::string field_of(base::ByteView packet) {
  wire::HeaderView header;
  const base::DropReason reason = wire::HeaderView::parse(packet, header);
  if (reason != base::DropReason::none) return word(reason);
  const wire::FieldMessage message = wire::to_field(header);
  return "ok\t" + message.field + "\t" + base::to_hex(message.body);
}

std::string judge_field(const std::string& line, bool with_packet) {
  const std::size_t tab = line.rfind('\t');
  base::Bytes body, packet;
  if (tab == std::string::npos || !base::from_hex(std::string_view(line).substr(tab + 1), body)) {
    return "not-hex";
  }
  const wire::FieldOutcome outcome = wire::parse_field(line.substr(0, tab), body, packet);
  if (!outcome.refused.empty()) return "refused";
  return word(outcome.reason) + (with_packet && outcome.ok() ? "\t" + base::to_hex(packet) : "");
}

std::string judge_hex(const std::string& line, std::string (*judge)(base::ByteView)) {
  base::Bytes octets;
  return base::from_hex(line, octets) ? judge(octets) : "not-hex";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 2 ? argv[1] : "";
  std::string (*judge)(base::ByteView) = nullptr;
  if (mode.empty()) judge = judge_packet;
  if (mode == "--record") judge = judge_record;
  if (mode == "--prefix") judge = judge_prefix;
  if (mode == "--handshake") judge = judge_handshake;
  if (mode == "--object") judge = judge_object;
  if (mode == "--field-of") judge = field_of;
  const auto lines = [&](const std::string& line) -> std::string {
    if (judge != nullptr) return judge_hex(line, judge);
    if (mode == "--inside") return judge_inside(line);
    if (mode == "--items") return judge_items(line);
    return judge_field(line, mode == "--packet-of");
  };
  const bool known = judge != nullptr || mode == "--field" || mode == "--packet-of" ||
                     mode == "--inside" || mode == "--items";
  if (argc > 2 || !known) {
    std::fputs(
        "usage: wire_decode [--field|--record|--prefix|--inside|--handshake|--items|--object|"
        "--field-of|--packet-of] < LINES\n",
        stderr);
    return 2;
  }
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) std::cout << lines(line) << '\n';
  return 0;
}
