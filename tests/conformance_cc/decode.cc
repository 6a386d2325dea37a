// wire_decode: one line of hexadecimal in, one word out: "ok", or the reason why the packet is
// dropped.
//
//   wire_decode                 packets: sections 3 and 4 of docs/wire.md, section 7 for next
//   protocol 1 wire_decode --field         HTTP field, TAB, body: section 10; "refused", if the
//   text is already wrong. The checks of
//                               the binary form are those of section 3.
//   wire_decode --record        datagrams: the checks of section 2 that need no key
//   wire_decode --prefix        sealed plaintexts: the first octets, section 5
//   wire_decode --field-of      packets, answered with "ok", TAB, field, TAB, body
//   wire_decode --packet-of     as --field, answered with "ok", TAB, packet
//
// A line that is no hexadecimal is answered with "not-hex". The exit code is 2 for wrong usage,
// else 0.
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

#include "base/bytes.h"
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
  if (mode == "--field-of") judge = field_of;
  const bool fields = mode == "--field" || mode == "--packet-of";
  if (argc > 2 || (judge == nullptr && !fields)) {
    std::fputs("usage: wire_decode [--field|--record|--prefix|--field-of|--packet-of] < LINES\n",
               stderr);
    return 2;
  }
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << (fields ? judge_field(line, mode == "--packet-of") : judge_hex(line, judge))
              << '\n';
  }
  return 0;
}
