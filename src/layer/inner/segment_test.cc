#include "layer/inner/segment.h"

#include <gtest/gtest.h>

#include <vector>

#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;
using test::Buffer;
using test::Bytes;
using test::Recipe;

constexpr auto kNone = DropReason::none;
constexpr auto kMalformed = DropReason::inside_malformed;

struct Sealed {
  Bytes plaintext;
  std::uint16_t identification;
  bool unfinished;
};

Offload gso(const Recipe& r, std::uint16_t size) {
  Offload o;
  o.needs_checksum = true;
  o.gso = r.protocol == kProtocolUdp ? Gso::kUdp : r.version == 4 ? Gso::kTcp4 : Gso::kTcp6;
  o.gso_size = size;
  return o;
}

// Splits as the sending host does, and keeps what would be sealed.
DropReason split(const Bytes& packet, const Offload& offload, std::vector<Sealed>& out,
                 Segmenter::Checksums checksums = Segmenter::Checksums::kOctet) {
  Buffer buffer(packet);
  IpPacket ip;
  EXPECT_EQ(parse(buffer.bytes(), ip), kNone);
  Segmenter segmenter;
  const DropReason reason = segmenter.start(buffer.bytes(), ip, offload, checksums);
  Segment segment;
  std::size_t largest = 0;
  while (reason == kNone && segmenter.next(segment)) {
    out.push_back({Bytes(segment.plaintext.begin(), segment.plaintext.end()),
                   segment.identification, segment.unfinished});
    const std::size_t header = (segment.plaintext[1] & 0x20) != 0 ? 0u
                               : ip.version == 4                  ? 20u
                                                                  : 40u;
    const std::size_t prefix = (segment.plaintext[1] & 0x10) != 0 ? 6u : 2u;
    largest = std::max(largest, header + segment.plaintext.size() - prefix);
  }
  EXPECT_EQ(out.size(), reason == kNone ? segmenter.count() : 0);
  if (reason == kNone) {
    EXPECT_EQ(segmenter.largest(), largest);
  }
  return reason;
}

// The packet that the far end makes of it, complete with checksums.
Bytes arrive(const Sealed& sealed, const Recipe& r) {
  const MemberAddresses from = test::member(r.source);
  const MemberAddresses to = test::member(r.destination);
  Outside o;
  o.source = &from;
  o.destination = &to;
  o.flow_id = r.flow_label;
  o.protocol = r.protocol;
  o.ttl = r.ttl;
  o.traffic_class = r.traffic_class;
  o.opener = true;
  o.responder_port = protocol_has_ports(r.protocol) ? r.destination_port : std::uint16_t{0};
  Buffer buffer(sealed.plaintext);
  InsidePacket packet;
  EXPECT_EQ(rebuild(buffer.bytes(), o, sealed.identification, packet), kNone);
  EXPECT_EQ(packet.unfinished, sealed.unfinished);
  if (packet.unfinished) {
    std::uint16_t offset = 0;
    EXPECT_TRUE(checksum_offset(packet.ip.protocol, offset));
    finish_checksum(packet.bytes, packet.ip.header_length, offset);
  }
  return Bytes(packet.bytes.begin(), packet.bytes.end());
}

// What a sender without offloads would have sent as segment `i`.
Bytes expected_segment(const Recipe& whole, std::size_t i, std::size_t size) {
  Recipe r = whole;
  const std::size_t at = i * size;
  const std::size_t end = std::min(at + size, whole.payload.size());
  r.unfinished = false;
  r.payload.assign(whole.payload.begin() + static_cast<std::ptrdiff_t>(at),
                   whole.payload.begin() + static_cast<std::ptrdiff_t>(end));
  r.sequence += static_cast<std::uint32_t>(at);
  r.identification = static_cast<std::uint16_t>(r.identification + i);
  if (end != whole.payload.size()) r.flags &= static_cast<std::uint8_t>(~0x09);
  if (i != 0) r.flags &= static_cast<std::uint8_t>(~0x80);
  return test::build(r);
}

TEST(Segmenter, EverySplitIsWhatTheApplicationsHostWouldHaveSent) {
  test::Random random(6);
  for (int i = 0; i < 600; ++i) {
    Recipe r;
    r.version = i % 2 ? 6 : 4;
    r.protocol = i % 4 < 2 ? kProtocolTcp : kProtocolUdp;
    r.unfinished = true;
    r.flags = static_cast<std::uint8_t>(0x10 | (i % 3 ? 0x09 : 0) | (i % 5 ? 0 : 0x80));
    r.sequence = static_cast<std::uint32_t>(0xffff0000u + random() % 0x20000);
    r.identification = static_cast<std::uint16_t>(random());
    r.fragment = i % 3 ? 0x4000 : 0;
    r.traffic_class = static_cast<std::uint8_t>(random());
    r.flow_label = static_cast<std::uint32_t>(random() & 0xfffff);
    r.tcp_options = Bytes(4 * test::below(random, 11), 1);
    if (i % 7 == 0) r.ip_options = Bytes(4, 1);
    if (i % 7 == 0) r.extension = {r.protocol, 0, 1, 4, 0, 0, 0, 0};
    r.extension_first = 60;
    r.payload = test::random_bytes(random, 1 + test::below(random, i % 10 ? 9000 : 65000));
    const auto size = static_cast<std::uint16_t>(i % 11 == 0 ? 1 + test::below(random, 60)
                                                             : 100 + test::below(random, 1500));
    for (const auto checksums : {Segmenter::Checksums::kOctet, Segmenter::Checksums::kFinish}) {
      std::vector<Sealed> out;
      ASSERT_EQ(split(test::build(r), gso(r, size), out, checksums), kNone);
      ASSERT_EQ(out.size(), (r.payload.size() + size - 1) / size);
      for (std::size_t k = 0; k < out.size(); ++k) {
        ASSERT_EQ(out[k].unfinished, checksums == Segmenter::Checksums::kOctet);
        ASSERT_EQ(arrive(out[k], r), expected_segment(r, k, size)) << i << " segment " << k;
      }
    }
  }
}

TEST(Segmenter, PlainPacketGivesOnePlaintext) {
  Recipe r;
  r.payload = {1, 2, 3};
  std::vector<Sealed> out;
  ASSERT_EQ(split(test::build(r), Offload{}, out), kNone);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_FALSE(out[0].unfinished);
  EXPECT_EQ(out[0].plaintext[0], 0);
  EXPECT_EQ(out[0].plaintext[1], 0x44);
  EXPECT_EQ(arrive(out[0], r), test::build(r));
}

TEST(Segmenter, UnfinishedPlainPacketSaysSoOrIsFinished) {
  for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
    Recipe r;
    r.protocol = protocol;
    r.unfinished = true;
    r.payload = {1, 2, 3};
    Offload offload;
    offload.needs_checksum = true;
    offload.checksum_start = 20;
    offload.checksum_offset = protocol == kProtocolTcp ? 16 : 6;
    Recipe finished = r;
    finished.unfinished = false;
    for (const auto checksums : {Segmenter::Checksums::kOctet, Segmenter::Checksums::kFinish}) {
      std::vector<Sealed> out;
      ASSERT_EQ(split(test::build(r), offload, out, checksums), kNone);
      ASSERT_EQ(out.size(), 1u);
      EXPECT_EQ(out[0].plaintext[0], checksums == Segmenter::Checksums::kOctet ? 1 : 0);
      EXPECT_EQ(arrive(out[0], r), test::build(finished));
    }
  }
}

TEST(Segmenter, ChecksumsElsewhereAreFinishedHere) {
  // A tunnel inside UDP leaves the checksum of what it carries: the octet can only speak of UDP's
  // own.
  Recipe r;
  r.protocol = kProtocolUdp;
  r.payload = Bytes(40, 0x11);
  Bytes packet = test::build(r);
  const std::size_t start = 36, field = 44;
  base::store_be16(packet.data() + field, 0x1234);
  const std::uint16_t expected =
      static_cast<std::uint16_t>(~test::slow_sum(base::ByteView(packet).subspan(start)));
  Offload offload;
  offload.needs_checksum = true;
  offload.checksum_start = start;
  offload.checksum_offset = field - start;
  std::vector<Sealed> out;
  ASSERT_EQ(split(packet, offload, out), kNone);
  EXPECT_FALSE(out[0].unfinished);
  EXPECT_EQ(base::load_be16(out[0].plaintext.data() + 2 + field - 20), expected);
}

TEST(Segmenter, RoutingHeaderKeepsItsFinalDestination) {
  // The kernel's sum is over another destination than the header's; the segments' sums have to be,
  // too.
  Recipe r;
  r.version = 6;
  r.unfinished = true;
  r.extension = {6, 2, 4, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  r.extension_first = 43;
  r.payload = Bytes(3000, 5);
  Bytes packet = test::build(r);
  const std::uint16_t skew = 0x0101;
  std::uint8_t* field = packet.data() + 64 + 16;
  base::store_be16(field, static_cast<std::uint16_t>(test::slow_sum({field, 2}, skew)));
  std::vector<Sealed> out;
  ASSERT_EQ(split(packet, gso(r, 1000), out), kNone);
  ASSERT_EQ(out.size(), 3u);
  for (const Sealed& sealed : out) {
    EXPECT_FALSE(sealed.unfinished);
    Bytes inner(sealed.plaintext.begin() + 2, sealed.plaintext.end());
    const std::uint16_t pseudo = static_cast<std::uint16_t>(
        test::slow_sum(Bytes{1, 1}, test::slow_pseudo(inner, 64, kProtocolTcp)));
    EXPECT_EQ(test::slow_sum(base::ByteView(inner).subspan(64), pseudo), 0xffff);
  }
}

TEST(Segmenter, RefusesWhatCannotBeSplit) {
  Recipe r;
  r.protocol = kProtocolUdp;
  r.payload = Bytes(3000, 1);
  Bytes packet = test::build(r);
  base::store_be16(packet.data() + 24, 100);
  std::vector<Sealed> out;
  EXPECT_EQ(split(packet, gso(r, 1000), out), kMalformed);
  r.version = 6;
  r.extension_first = 60;
  r.extension = Bytes(256, 0);
  r.extension[0] = kProtocolUdp;
  r.extension[1] = 31;
  EXPECT_EQ(split(test::build(r), gso(r, 1000), out), kMalformed);
}

TEST(Segmenter, ReportsTheLargestSoThatTooBigCanBeSaid) {
  Recipe r;
  r.payload = Bytes(5000, 1);
  r.tcp_options = Bytes(12, 1);
  const Bytes packet = test::build(r);
  Buffer buffer(packet);
  IpPacket ip;
  ASSERT_EQ(parse(buffer.bytes(), ip), kNone);
  Segmenter segmenter;
  ASSERT_EQ(segmenter.start(buffer.bytes(), ip, gso(r, 1308), Segmenter::Checksums::kOctet), kNone);
  EXPECT_EQ(segmenter.largest(), 1360u);
  EXPECT_EQ(segmenter.count(), 4u);
  ASSERT_EQ(segmenter.start(buffer.bytes(), ip, Offload{}, Segmenter::Checksums::kOctet), kNone);
  EXPECT_EQ(segmenter.largest(), packet.size());
}

TEST(Segmenter, GsoPacketWithoutPayloadIsOneSegment) {
  Recipe r;
  r.unfinished = true;
  std::vector<Sealed> out;
  ASSERT_EQ(split(test::build(r), gso(r, 1000), out), kNone);
  ASSERT_EQ(out.size(), 1u);
  Recipe finished = r;
  finished.unfinished = false;
  EXPECT_EQ(arrive(out[0], r), test::build(finished));
}

}  // namespace
}  // namespace entresol::layer::inner
