#include "wire/header.h"

#include <algorithm>

namespace entresol::wire {
namespace {

using base::DropReason;

DropReason check_lengths(base::ByteView packet) {
  if (packet.size() < kFixedSize) return DropReason::header_truncated;
  const std::uint8_t first = packet[offset::kVersion];
  if (first >> 4 != kVersion) return DropReason::header_version;
  if (first != kVersionOctet) return DropReason::header_reserved;
  const std::size_t header = packet[offset::kHeaderLength] * kHeaderUnit;
  if (header < kHeaderSize) return DropReason::header_length;
  if (header > packet.size()) return DropReason::header_truncated;
  const std::size_t payload = base::load_be16(&packet[offset::kPayloadLength]);
  if (header + payload != packet.size()) return DropReason::header_length;
  return DropReason::none;
}

DropReason check_inner(const HeaderView& view) {
  if (view.inner_flags() & kInnerReservedFlags) return DropReason::header_reserved;
  const std::uint8_t next = view.next_protocol();
  if (next <= next_protocol::kHandshake &&
      (view.inner_protocol() != 0 || view.inner_flags() != 0 || view.responder_port() != 0)) {
    return DropReason::header_reserved;
  }
  if (next == next_protocol::kNothing && view.payload_size() != 0) return DropReason::header_length;
  if (next == next_protocol::kSealed && view.payload_size() < kSealedMinimum) {
    return DropReason::header_truncated;
  }
  return DropReason::none;
}

}  // namespace

DropReason HeaderView::parse_any(base::ByteView packet, HeaderView& out) {
  if (DropReason reason = check_lengths(packet); reason != DropReason::none) return reason;
  const std::size_t header = packet[offset::kHeaderLength] * kHeaderUnit;
  const HeaderView view(packet.data(), header, packet.size() - header);
  if (DropReason reason = check_inner(view); reason != DropReason::none) return reason;
  std::uint8_t summary = 0;
  DropReason reason = parse_options(view.header().subspan(offset::kOptions), summary);
  if (reason != DropReason::none) return reason;
  if (summary != view.summary()) return DropReason::option_summary;
  out = view;
  return DropReason::none;
}

Header Header::from(const HeaderView& view) {
  Header header;
  header.ttl = view.ttl();
  header.traffic_class = view.traffic_class();
  header.next_protocol = view.next_protocol();
  header.layer = view.layer();
  header.service = view.service();
  header.flow_id = view.flow_id();
  header.inner_protocol = view.inner_protocol();
  header.opener = view.opener();
  header.fragment = view.fragment();
  header.responder_port = view.responder_port();
  header.source = view.source();
  header.destination = view.destination();
  for (OptionView option : view.options()) {
    base::ByteView value = option.value();
    header.options.push_back({option.option_class(), option.type(), option.critical(),
                              option.is_mutable(), option.end_to_end(),
                              base::Bytes(value.begin(), value.end())});
  }
  return header;
}

DropReason Header::parse(base::ByteView packet, Header& out, base::ByteView& payload) {
  HeaderView view;
  if (DropReason reason = HeaderView::parse(packet, view); reason != DropReason::none)
    return reason;
  out = from(view);
  payload = view.payload();
  return DropReason::none;
}

std::size_t Header::size() const {
  std::size_t octets = kHeaderSize;
  for (const Option& option : options) octets += option_size(option.value.size());
  return octets;
}

std::uint8_t Header::summary() const {
  std::uint8_t bits = 0;
  for (const Option& option : options) {
    if (option.critical) bits |= summary_bit(option.option_class);
  }
  return bits;
}

bool Header::representable() const {
  return size() <= kHeaderMaximum &&
         std::all_of(options.begin(), options.end(), [](const Option& option) {
           return option.value.size() <= kOptionValueMaximum;
         });
}

void Header::emit(std::uint8_t* at, std::uint16_t payload_length) const {
  at[offset::kVersion] = kVersionOctet;
  at[offset::kTtl] = ttl;
  at[offset::kTrafficClass] = traffic_class;
  at[offset::kNextProtocol] = next_protocol;
  at[offset::kSummary] = summary();
  at[offset::kHeaderLength] = static_cast<std::uint8_t>(size() / kHeaderUnit);
  set_payload_length(at, payload_length);
  base::store_be32(at + offset::kLayer, layer);
  base::store_be32(at + offset::kService, service);
  base::store_be32(at + offset::kFlowId, flow_id);
  at[offset::kInnerProtocol] = inner_protocol;
  at[offset::kInnerFlags] =
      static_cast<std::uint8_t>((opener ? kInnerOpener : 0) | (fragment ? kInnerFragment : 0));
  base::store_be16(at + offset::kResponderPort, responder_port);
  store_name(at + offset::kSource, source);
  store_name(at + offset::kDestination, destination);
  at += offset::kOptions;
  for (const Option& option : options) {
    at += emit_option(at, option.option_class, option.type, option.flags(), option.value);
  }
}

base::Bytes emit_packet(const Header& header, base::ByteView payload) {
  if (!header.representable() || payload.size() > kPayloadMaximum) return {};
  base::Bytes packet(header.size() + payload.size());
  header.emit(packet.data(), static_cast<std::uint16_t>(payload.size()));
  std::copy(payload.begin(), payload.end(),
            packet.begin() + static_cast<std::ptrdiff_t>(header.size()));
  return packet;
}

}  // namespace entresol::wire
