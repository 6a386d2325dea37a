// The extension header: what the network should do with a packet; members on the path read it
// (docs/wire.md section 3).
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------+---+---+---------------+---------------+---------------+
//   |Version| N | R |      TTL      | Traffic class | Next protocol |   0
//   +-------+---+---+---------------+---------------+---------------+
//   |Critical summ. | Header length |        Payload length         |   4
//   +---------------+---------------+-------------------------------+
//   |                           Layer (32)                          |   8
//   +---------------------------------------------------------------+
//   |                          Service (32)                         |  12
//   +---------------------------------------------------------------+
//   |                          Flow id (32)                         |  16
//   +---------------+---------------+-------------------------------+
//   |Inner protocol | Inner flags   |       Responder's port        |  20
//   +---------------+---------------+-------------------------------+
//   |                    Source name (128)                          |  24
//   +---------------------------------------------------------------+
//   |                  Destination name (128)                       |  40
//   +---------------------------------------------------------------+
//   |                    Options (0 or more)                        |  56
//   +---------------------------------------------------------------+
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/drop.h"
#include "wire/name.h"
#include "wire/option.h"

namespace entresol::wire {

inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::uint8_t kNamesFull = 1;
// Octet 0 of every packet of this version: version 1, full names, reserved bits zero.
inline constexpr std::uint8_t kVersionOctet = kVersion << 4 | kNamesFull << 2;

namespace next_protocol {
inline constexpr std::uint8_t kNothing = 0;
inline constexpr std::uint8_t kControl = 1;
inline constexpr std::uint8_t kHandshake = 2;
inline constexpr std::uint8_t kSealed = 3;
inline constexpr std::uint8_t kInnerIpv4 = 4;  // inside a node only: between its own guests
inline constexpr std::uint8_t kInnerIpv6 = 41;
}  // namespace next_protocol

namespace service {
inline constexpr std::uint32_t kMember = 0;
inline constexpr std::uint32_t kIpDelivery = 1;
inline constexpr std::uint32_t kPrivateBit = 0x80000000;
}  // namespace service

namespace offset {
inline constexpr std::size_t kVersion = 0;
inline constexpr std::size_t kTtl = 1;
inline constexpr std::size_t kTrafficClass = 2;
inline constexpr std::size_t kNextProtocol = 3;
inline constexpr std::size_t kSummary = 4;
inline constexpr std::size_t kHeaderLength = 5;
inline constexpr std::size_t kPayloadLength = 6;
inline constexpr std::size_t kLayer = 8;
inline constexpr std::size_t kService = 12;
inline constexpr std::size_t kFlowId = 16;
inline constexpr std::size_t kInnerProtocol = 20;
inline constexpr std::size_t kInnerFlags = 21;
inline constexpr std::size_t kResponderPort = 22;
inline constexpr std::size_t kSource = 24;
inline constexpr std::size_t kDestination = 40;
inline constexpr std::size_t kOptions = 56;
}  // namespace offset

inline constexpr std::uint8_t kInnerOpener = 0x01;  // O: the sender of this packet opened the flow
inline constexpr std::uint8_t kInnerFragment = 0x02;  // F: the inner packet is a fragment
inline constexpr std::uint8_t kInnerReservedFlags = 0xfc;

inline constexpr std::size_t kHeaderUnit = 4;
inline constexpr std::size_t kFixedSize = 24;                 // what stands before the names
inline constexpr std::size_t kHeaderSize = offset::kOptions;  // without options
inline constexpr std::size_t kHeaderMaximum = 255 * kHeaderUnit;
inline constexpr std::size_t kPayloadMaximum = 0xffff;
inline constexpr std::size_t kSealedMinimum =
    26;  // session header (8), sealed prefix (2), tag (16)

// A packet that passed all checks of sections 3 and 4. Borrows the packet; cheap to copy; nothing
// here allocates.
class HeaderView {
 public:
  // Makes `out` a view of `packet`, or says why not; `out` is then unchanged. A sealed packet
  // without options costs one load, two comparisons and one branch or two; everything else takes
  // the way out of line.
  static base::DropReason parse(base::ByteView packet, HeaderView& out) {
    const std::size_t payload =
        packet.size() - kHeaderSize;  // huge if the packet is shorter than a header
    if (payload - kSealedMinimum <= kPayloadMaximum - kSealedMinimum) [[likely]] {
      const std::uint64_t head = base::load_be64(packet.data()) & kPlainMask;
      const bool inner_ok = (packet[offset::kInnerFlags] & kInnerReservedFlags) == 0;
      if (head == (kPlainHead | payload) && inner_ok) [[likely]] {
        out = HeaderView(packet.data(), kHeaderSize, payload);
        return base::DropReason::none;
      }
    }
    return parse_any(packet, out);
  }

  std::uint8_t ttl() const { return data_[offset::kTtl]; }
  std::uint8_t traffic_class() const { return data_[offset::kTrafficClass]; }
  std::uint8_t next_protocol() const { return data_[offset::kNextProtocol]; }
  std::uint8_t summary() const { return data_[offset::kSummary]; }
  std::uint32_t layer() const { return base::load_be32(data_ + offset::kLayer); }
  std::uint32_t service() const { return base::load_be32(data_ + offset::kService); }
  std::uint32_t flow_id() const { return base::load_be32(data_ + offset::kFlowId); }
  std::uint8_t inner_protocol() const { return data_[offset::kInnerProtocol]; }
  std::uint8_t inner_flags() const { return data_[offset::kInnerFlags]; }
  bool opener() const { return inner_flags() & kInnerOpener; }
  bool fragment() const { return inner_flags() & kInnerFragment; }
  std::uint16_t responder_port() const { return base::load_be16(data_ + offset::kResponderPort); }
  Name source() const { return load_name(data_ + offset::kSource); }
  Name destination() const { return load_name(data_ + offset::kDestination); }

  bool has_options() const { return header_size_ != kHeaderSize; }
  OptionRange options() const {
    return OptionRange(base::ByteView(data_, header_size_).subspan(offset::kOptions));
  }

  std::size_t header_size() const { return header_size_; }    // octets, options included
  std::size_t payload_size() const { return payload_size_; }  // octets
  base::ByteView packet() const { return {data_, std::size_t{header_size_} + payload_size_}; }
  base::ByteView header() const { return {data_, header_size_}; }
  base::ByteView payload() const { return {data_ + header_size_, payload_size_}; }

  HeaderView() = default;  // only to be filled by parse

 private:
  HeaderView(const std::uint8_t* data, std::size_t header_size, std::size_t payload_size)
      : data_(data),
        header_size_(static_cast<std::uint16_t>(header_size)),
        payload_size_(static_cast<std::uint16_t>(payload_size)) {}
  static base::DropReason parse_any(base::ByteView packet, HeaderView& out);

  // Octets 0–7 of a sealed packet without options, where TTL and traffic class do not matter and
  // payload length is added.
  static constexpr std::uint64_t kPlainMask = 0xff0000ffffffffff;
  static constexpr std::uint64_t kPlainHead = std::uint64_t{kVersionOctet} << 56 |
                                              std::uint64_t{next_protocol::kSealed} << 32 |
                                              std::uint64_t{kHeaderSize / kHeaderUnit} << 16;

  const std::uint8_t* data_ = nullptr;
  std::uint16_t header_size_ = 0;
  std::uint16_t payload_size_ = 0;
};

// In place, for what may change on the way. `packet` has at least kFixedSize octets.
inline void set_ttl(std::uint8_t* packet, std::uint8_t ttl) {
  packet[offset::kTtl] = ttl;
}
inline void set_traffic_class(std::uint8_t* packet, std::uint8_t traffic_class) {
  packet[offset::kTrafficClass] = traffic_class;
}
// For senders that keep a header per flow as a template.
inline void set_payload_length(std::uint8_t* packet, std::uint16_t octets) {
  base::store_be16(packet + offset::kPayloadLength, octets);
}

struct Option {
  std::uint8_t option_class = 0;
  std::uint8_t type = 0;
  bool critical = false;
  bool is_mutable = false;
  bool end_to_end = false;
  base::Bytes value;  // at most kOptionValueMaximum octets

  std::uint8_t flags() const {
    return static_cast<std::uint8_t>((critical ? kOptionCritical : 0) |
                                     (is_mutable ? kOptionMutable : 0) |
                                     (end_to_end ? kOptionEndToEnd : 0));
  }
  friend bool operator==(const Option&, const Option&) = default;
};

// The same as a value: for senders, the control side and tests. Summary and lengths follow from the
// rest.
struct Header {
  std::uint8_t ttl = 64;
  std::uint8_t traffic_class = 0;
  std::uint8_t next_protocol = next_protocol::kNothing;
  std::uint32_t layer = 0;
  std::uint32_t service = service::kMember;
  std::uint32_t flow_id = 0;
  std::uint8_t inner_protocol = 0;
  bool opener = false;
  bool fragment = false;
  std::uint16_t responder_port = 0;
  Name source;
  Name destination;
  std::vector<Option> options;

  friend bool operator==(const Header&, const Header&) = default;

  static Header from(const HeaderView& view);
  // `payload` borrows the packet. On a drop reason neither is changed.
  static base::DropReason parse(base::ByteView packet, Header& out, base::ByteView& payload);

  std::size_t size() const;      // octets, options included
  std::uint8_t summary() const;  // of the critical options
  // False if an option's value or the header as a whole is longer than its length field can say.
  bool representable() const;
  // Writes size() octets. The header is representable. Does not allocate.
  void emit(std::uint8_t* at, std::uint16_t payload_length) const;
};

// Header and payload; empty if the header is not representable or the payload longer than
// kPayloadMaximum. Whether the packet passes the checks is a matter of its fields: parse says so.
base::Bytes emit_packet(const Header& header, base::ByteView payload);

}  // namespace entresol::wire
