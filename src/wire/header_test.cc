#include "wire/header.h"

#include <gtest/gtest.h>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

using base::DropReason;
using sample::reason_of;

base::Bytes changed(std::size_t at, std::uint8_t value) {
  base::Bytes packet = sample::sealed_packet();
  packet[at] = value;
  return packet;
}

base::Bytes control_packet(std::uint8_t next) {
  base::Bytes packet = changed(offset::kNextProtocol, next);
  std::fill_n(packet.begin() + offset::kInnerProtocol, 4, std::uint8_t{0});
  return packet;
}

base::Bytes resized(base::Bytes packet, std::size_t payload) {
  packet.resize(kHeaderSize + payload);
  set_payload_length(packet.data(), static_cast<std::uint16_t>(payload));
  return packet;
}

TEST(Header, FieldsAreWhereTheDiagramHasThem) {
  const base::Bytes packet = sample::sealed_packet();
  HeaderView view;
  ASSERT_EQ(HeaderView::parse(packet, view), DropReason::none);
  EXPECT_EQ(view.ttl(), 64);
  EXPECT_EQ(view.traffic_class(), 0x28);
  EXPECT_EQ(view.next_protocol(), 3);
  EXPECT_EQ(view.summary(), 0);
  EXPECT_EQ(view.layer(), 0xabcdef01u);
  EXPECT_EQ(view.service(), 1u);
  EXPECT_EQ(view.flow_id(), 0x12345678u);
  EXPECT_EQ(view.inner_protocol(), 6);
  EXPECT_TRUE(view.opener());
  EXPECT_FALSE(view.fragment());
  EXPECT_EQ(view.responder_port(), 443);
  EXPECT_EQ(to_string(view.source()), "fd35:abcd:1:203:405:607:809:a0b");
  EXPECT_EQ(to_string(view.destination()), "fd35:abcd:f0f1:f2f3:f4f5:f6f7:f8f9:fafb");
  EXPECT_FALSE(view.has_options());
  EXPECT_TRUE(view.options().empty());
  EXPECT_EQ(view.header_size(), 56u);
  EXPECT_EQ(view.payload_size(), 26u);
  EXPECT_EQ(sample::copy(view.packet()), packet);
  EXPECT_EQ(view.payload()[0], 1);
  EXPECT_EQ(view.header().size(), 56u);
}

TEST(Header, Check1FewerThanTheFixedPart) {
  base::Bytes packet = changed(offset::kVersion, 0x20);  // would be header_version
  packet.resize(23);
  EXPECT_EQ(reason_of(packet), DropReason::header_truncated);
  packet.resize(24);
  EXPECT_EQ(reason_of(packet), DropReason::header_version);
  EXPECT_EQ(reason_of({}), DropReason::header_truncated);
}

TEST(Header, Check2Version) {
  for (unsigned version = 0; version < 16; ++version) {
    const auto octet = static_cast<std::uint8_t>(version << 4 | 0x04);
    EXPECT_EQ(reason_of(changed(offset::kVersion, octet)),
              version == 1 ? DropReason::none : DropReason::header_version);
  }
  EXPECT_EQ(reason_of(changed(offset::kVersion, 0x2f)), DropReason::header_version);
}

TEST(Header, Check3NamesFormAndReservedBits) {
  for (std::uint8_t octet = 0x10; octet < 0x20; ++octet) {
    EXPECT_EQ(reason_of(changed(offset::kVersion, octet)),
              octet == 0x14 ? DropReason::none : DropReason::header_reserved);
  }
  base::Bytes packet = changed(offset::kVersion, 0x15);
  packet[offset::kHeaderLength] = 0;  // would be header_length
  EXPECT_EQ(reason_of(packet), DropReason::header_reserved);
}

TEST(Header, Check4HeaderLength) {
  EXPECT_EQ(reason_of(changed(offset::kHeaderLength, 13)), DropReason::header_length);
  EXPECT_EQ(reason_of(changed(offset::kHeaderLength, 0)), DropReason::header_length);
  EXPECT_EQ(reason_of(changed(offset::kHeaderLength, 255)), DropReason::header_truncated);
  base::Bytes packet = sample::sealed_packet();
  packet.resize(55);
  EXPECT_EQ(reason_of(packet), DropReason::header_truncated);
  packet.resize(24);
  EXPECT_EQ(reason_of(packet), DropReason::header_truncated);
  packet[offset::kHeaderLength] = 6;  // fits, and is too short all the same
  EXPECT_EQ(reason_of(packet), DropReason::header_length);
}

TEST(Header, Check5PayloadLength) {
  base::Bytes packet = sample::sealed_packet();
  packet.push_back(0);
  EXPECT_EQ(reason_of(packet), DropReason::header_length);
  packet.resize(81);
  EXPECT_EQ(reason_of(packet), DropReason::header_length);
  packet = changed(offset::kHeaderLength, 15);  // 60 + 26 is not 82
  packet[offset::kInnerFlags] = 0x80;           // would be header_reserved
  EXPECT_EQ(reason_of(packet), DropReason::header_length);
  packet = resized(sample::sealed_packet(), 0xffff);
  EXPECT_EQ(reason_of(packet), DropReason::none);
  packet.push_back(0);  // 65536, whose low 16 bits are zero
  EXPECT_EQ(reason_of(packet), DropReason::header_length);
  set_payload_length(packet.data(), 0);
  EXPECT_EQ(reason_of(packet), DropReason::header_length);
}

TEST(Header, Check6InnerFlags) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    EXPECT_EQ(reason_of(changed(offset::kInnerFlags, static_cast<std::uint8_t>(flags))),
              flags < 4 ? DropReason::none : DropReason::header_reserved);
  }
  base::Bytes packet = control_packet(0);
  packet[offset::kInnerFlags] = 4;  // a payload, too: would be header_length
  EXPECT_EQ(reason_of(packet), DropReason::header_reserved);
}

TEST(Header, Check7InnerFieldsBelongToInnerPackets) {
  for (std::uint8_t next : base::Bytes{0, 1, 2}) {
    for (std::size_t at = offset::kInnerProtocol; at <= offset::kResponderPort + 1; ++at) {
      base::Bytes packet =
          control_packet(next);  // next protocol 0: with a payload, would be header_length
      packet[at] = 1;
      EXPECT_EQ(reason_of(packet), DropReason::header_reserved) << int{next} << " " << at;
    }
  }
  EXPECT_EQ(reason_of(control_packet(1)), DropReason::none);
  EXPECT_EQ(reason_of(control_packet(2)), DropReason::none);
  EXPECT_EQ(reason_of(changed(offset::kNextProtocol, 4)), DropReason::none);
}

TEST(Header, Check8PayloadOfTheNextProtocol) {
  EXPECT_EQ(reason_of(control_packet(0)), DropReason::header_length);
  EXPECT_EQ(reason_of(resized(control_packet(0), 0)), DropReason::none);
  EXPECT_EQ(reason_of(resized(control_packet(1), 0)), DropReason::none);
  EXPECT_EQ(reason_of(resized(sample::sealed_packet(), 26)), DropReason::none);
  for (std::size_t payload : {0, 1, 25}) {
    EXPECT_EQ(reason_of(resized(sample::sealed_packet(), payload)), DropReason::header_truncated);
  }
  base::Bytes packet = resized(sample::sealed_packet(), 25);
  packet[offset::kSummary] = 1;  // would be option_summary
  EXPECT_EQ(reason_of(packet), DropReason::header_truncated);
}

TEST(Header, Check9Options) {
  const base::Bytes bad = sample::hex("01 01 81 00");
  EXPECT_EQ(reason_of(sample::with_options(bad, 0x02)), DropReason::option_malformed);
  EXPECT_EQ(reason_of(sample::with_options(bad, 0xff)), DropReason::option_malformed);
  const base::Bytes over = sample::hex("01 01 00 05 00000000");  // runs into the payload
  EXPECT_EQ(reason_of(sample::with_options(over, 0)), DropReason::option_malformed);
}

TEST(Header, Check10Summary) {
  EXPECT_EQ(reason_of(changed(offset::kSummary, 0x01)), DropReason::option_summary);
  const base::Bytes critical = sample::hex("02 01 80 00");
  EXPECT_EQ(reason_of(sample::with_options(critical, 0x04)), DropReason::none);
  EXPECT_EQ(reason_of(sample::with_options(critical, 0x00)), DropReason::option_summary);
  EXPECT_EQ(reason_of(sample::with_options(critical, 0x0c)), DropReason::option_summary);
  EXPECT_EQ(reason_of(sample::with_options(sample::hex("02 01 00 00"), 0x04)),
            DropReason::option_summary);
}

TEST(Header, UnknownNextProtocolsPass) {
  for (unsigned next = 4; next < 256; ++next) {
    const auto octet = static_cast<std::uint8_t>(next);
    EXPECT_EQ(reason_of(changed(offset::kNextProtocol, octet)), DropReason::none);
    EXPECT_EQ(reason_of(resized(changed(offset::kNextProtocol, octet), 0)), DropReason::none);
  }
}

TEST(Header, ARefusedPacketLeavesTheViewAlone) {
  const base::Bytes good = sample::sealed_packet(), bad = changed(offset::kSummary, 1);
  HeaderView view;
  ASSERT_EQ(HeaderView::parse(good, view), DropReason::none);
  ASSERT_NE(HeaderView::parse(bad, view), DropReason::none);
  EXPECT_EQ(view.packet().data(), good.data());
}

TEST(Header, SettersTouchTheirOctetAlone) {
  base::Bytes packet = sample::sealed_packet();
  set_ttl(packet.data(), 9);
  set_traffic_class(packet.data(), 3);
  base::Bytes expected = sample::sealed_packet();
  expected[1] = 9;
  expected[2] = 3;
  EXPECT_EQ(packet, expected);
  EXPECT_EQ(reason_of(packet), DropReason::none);
}

TEST(Header, WhatDoesNotFitIsNotEmitted) {
  Header header;
  header.next_protocol = 9;
  header.options.assign(3, Option{1, 1, false, false, false, base::Bytes(255)});
  header.options.push_back({1, 1, false, false, false, base::Bytes(180)});
  EXPECT_EQ(header.size(), kHeaderMaximum);
  EXPECT_EQ(emit_packet(header, base::Bytes(kPayloadMaximum)).size(),
            kHeaderMaximum + kPayloadMaximum);
  EXPECT_TRUE(emit_packet(header, base::Bytes(kPayloadMaximum + 1)).empty());
  header.options.back().value.push_back(0);
  EXPECT_FALSE(header.representable());
  EXPECT_TRUE(emit_packet(header, {}).empty());
  header.options.assign(1, Option{1, 1, false, false, false, base::Bytes(256)});
  EXPECT_FALSE(header.representable());
}

TEST(Header, EmitAndParse) {
  EXPECT_TRUE(rc::check([] {
    const sample::Packet sent = sample::any_packet();
    const base::Bytes octets = emit_packet(sent.header, sent.payload);
    RC_ASSERT(octets.size() == sent.header.size() + sent.payload.size());
    Header header;
    base::ByteView payload;
    RC_ASSERT(Header::parse(octets, header, payload) == DropReason::none);
    RC_ASSERT(header == sent.header);
    RC_ASSERT(sample::copy(payload) == sent.payload);
  }));
}

// Whatever was done to a packet: if it still passes, its value says all there is to say about it.
TEST(Header, ParseAndEmit) {
  EXPECT_TRUE(rc::check([] {
    const sample::Packet sent = sample::any_packet();
    base::Bytes octets = emit_packet(sent.header, sent.payload);
    const auto flips = *rc::gen::inRange(0, 4);
    for (int i = 0; i < flips; ++i) {
      const auto bit = *rc::gen::inRange<std::size_t>(0, octets.size() * 8);
      octets[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
    Header header;
    base::ByteView payload;
    if (Header::parse(octets, header, payload) != DropReason::none) return;
    RC_ASSERT(emit_packet(header, payload) == octets);
  }));
}

}  // namespace
}  // namespace entresol::wire
