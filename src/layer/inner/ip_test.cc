#include "layer/inner/ip.h"

#include <gtest/gtest.h>

#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;
using test::Bytes;
using test::Recipe;

constexpr auto kNone = DropReason::none;
constexpr auto kMalformed = DropReason::inside_malformed;

Bytes destination_options(std::uint8_t next) {
  return {next, 0, 1, 4, 0, 0, 0, 0};
}
Bytes fragment_header(std::uint8_t next, std::uint16_t offset, bool more) {
  Bytes out;
  base::ByteWriter w(out);
  w.u8(next);
  w.u8(0);
  w.u16(static_cast<std::uint16_t>(offset | (more ? 1 : 0)));
  w.u32(0xabcdef01);
  return out;
}
Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Ip, ReadsTcpOverIpv4) {
  Recipe r;
  r.traffic_class = 0xb9;
  r.identification = 0x1234;
  r.tcp_options = Bytes(12, 1);
  r.payload = {1, 2, 3};
  const Bytes packet = test::build(r);
  IpPacket ip;
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_EQ(ip.version, 4);
  EXPECT_EQ(ip.header_length, 20);
  EXPECT_EQ(ip.l4_header_length, 32);
  EXPECT_EQ(ip.protocol, kProtocolTcp);
  EXPECT_EQ(ip.ttl, 64);
  EXPECT_EQ(ip.traffic_class, 0xb9);
  EXPECT_EQ(ip.identification, 0x1234u);
  EXPECT_TRUE(ip.dont_fragment);
  EXPECT_FALSE(ip.is_fragment);
  EXPECT_TRUE(ip.is_first_fragment);
  EXPECT_FALSE(ip.has_options);
  EXPECT_TRUE(ip.has_ports);
  EXPECT_EQ(ip.source_port, 1000);
  EXPECT_EQ(ip.destination_port, 443);
  EXPECT_EQ(ip.source, (Address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 64, 0, 1}));
  EXPECT_EQ(ip.payload_size(), 35u);
}

TEST(Ip, ReadsUdpOverIpv6) {
  Recipe r;
  r.version = 6;
  r.protocol = kProtocolUdp;
  r.traffic_class = 0x2e;
  r.flow_label = 0xabcde;
  r.ttl = 3;
  const Bytes packet = test::build(r);
  IpPacket ip;
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_EQ(ip.version, 6);
  EXPECT_EQ(ip.header_length, 40);
  EXPECT_EQ(ip.traffic_class, 0x2e);
  EXPECT_EQ(ip.flow_label, 0xabcdeu);
  EXPECT_EQ(ip.ttl, 3);
  EXPECT_EQ(ip.destination, test::member(2).ipv6);
  EXPECT_EQ(ip.l4_header_length, 8);
}

TEST(Ip, LengthMustBeThePackets) {
  for (const int version : {4, 6}) {
    Recipe r;
    r.version = version;
    r.payload = Bytes(40, 9);
    const Bytes packet = test::build(r);
    IpPacket ip;
    ASSERT_EQ(parse(packet, ip), kNone);
    EXPECT_EQ(parse(packet + Bytes{0}, ip), kMalformed);
    for (std::size_t n = 0; n < packet.size(); ++n) {
      EXPECT_EQ(parse(base::ByteView(packet).first(n), ip), kMalformed) << n;
    }
  }
}

TEST(Ip, HeaderChecksumIsVerifiedUnlessTrusted) {
  Bytes packet = test::build({});
  packet[10] ^= 1;
  IpPacket ip;
  EXPECT_EQ(parse(packet, ip), kMalformed);
  EXPECT_EQ(parse(packet, ip, HeaderChecksum::kTrust), kNone);
}

TEST(Ip, BadHeaderLengthsAndVersions) {
  IpPacket ip;
  Bytes packet = test::build({});
  for (const int first : {0x44, 0x40, 0x4f, 0x55, 0x05, 0x75}) {
    packet[0] = static_cast<std::uint8_t>(first);
    EXPECT_EQ(parse(packet, ip, HeaderChecksum::kTrust), kMalformed) << first;
  }
}

TEST(Ip, TransportHeadersMustFit) {
  IpPacket ip;
  for (const int offset : {0, 4, 6, 15}) {
    Bytes packet = test::build({});
    packet[20 + 12] = static_cast<std::uint8_t>(offset << 4);
    EXPECT_EQ(parse(packet, ip), kMalformed) << offset;
  }
  Recipe udp;
  udp.protocol = kProtocolUdp;
  udp.payload = Bytes(10, 1);
  for (const int length : {0, 7, 19, 65535}) {
    Bytes packet = test::build(udp);
    base::store_be16(packet.data() + 24, static_cast<std::uint16_t>(length));
    EXPECT_EQ(parse(packet, ip), kMalformed) << length;
  }
  Bytes short_of_payload = test::build(udp);
  base::store_be16(short_of_payload.data() + 24, 12);  // UDP options live behind the datagram
  EXPECT_EQ(parse(short_of_payload, ip), kNone);
  for (const std::uint8_t protocol : {kProtocolSctp, kProtocolDccp}) {
    Recipe r;
    r.protocol = protocol;
    r.payload = Bytes(11, 1);
    EXPECT_EQ(parse(test::build(r), ip), kMalformed);
    r.payload = {0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0, 0, 0, 0};
    const Bytes packet = test::build(r);
    ASSERT_EQ(parse(packet, ip), kNone);
    EXPECT_EQ(ip.source_port, 0x1234);
    EXPECT_EQ(ip.destination_port, 0x5678);
  }
}

TEST(Ip, IcmpEcho) {
  Recipe r;
  r.protocol = kProtocolIcmp;
  r.payload = {8, 0, 0, 0, 0xbe, 0xef, 0, 1};
  Bytes packet = test::build(r);
  IpPacket ip;
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_TRUE(ip.is_icmp);
  EXPECT_EQ(ip.icmp_type, 8);
  EXPECT_EQ(ip.icmp_identifier, 0xbeef);
  EXPECT_FALSE(ip.has_ports);
  r.payload.pop_back();
  EXPECT_EQ(parse(test::build(r), ip), kMalformed);
  r.version = 6;
  packet = test::build(r);  // ICMPv4 in IPv6 is just another protocol
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_FALSE(ip.is_icmp);
  r.protocol = kProtocolIcmp6;
  r.payload = {129, 0, 0, 0, 0xbe, 0xef, 0, 1};
  packet = test::build(r);
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_EQ(ip.icmp_identifier, 0xbeef);
}

TEST(Ip, Ipv4OptionsAreFoundAndSkipped) {
  Recipe r;
  r.ip_options = {1, 1, 1, 0};
  IpPacket ip;
  const Bytes packet = test::build(r);
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_TRUE(ip.has_options);
  EXPECT_EQ(ip.header_length, 24);
  EXPECT_EQ(ip.destination_port, 443);
}

TEST(Ip, Ipv4Fragments) {
  Recipe r;
  r.protocol = kProtocolUdp;
  r.payload = Bytes(16, 3);
  r.fragment = 0x2000;
  IpPacket ip;
  Bytes packet = test::build(r);
  base::store_be16(packet.data() + 24, 2000);  // the datagram is longer than its first fragment
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_TRUE(ip.is_fragment);
  EXPECT_TRUE(ip.is_first_fragment);
  EXPECT_TRUE(ip.has_ports);
  r.fragment = 0x0003;
  packet = test::build(r);
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_TRUE(ip.is_fragment);
  EXPECT_FALSE(ip.is_first_fragment);
  EXPECT_FALSE(ip.has_ports);
  EXPECT_EQ(ip.fragment_offset, 24);
}

TEST(Ip, HostileFragments) {
  IpPacket ip;
  Recipe r;
  r.protocol = kProtocolUdp;
  r.payload = Bytes(15, 3);  // 23 octets with the header, and more to come
  r.fragment = 0x2001;
  EXPECT_EQ(parse(test::build(r), ip), kMalformed);
  r.payload = Bytes(16, 3);
  r.fragment = 0x1fff;  // ends beyond 65,535
  EXPECT_EQ(parse(test::build(r), ip), kMalformed);
  r.protocol = kProtocolTcp;
  r.payload = Bytes(4, 3);
  r.fragment = 0x2000;  // RFC 1858: whole TCP header in the first
  Bytes tiny = test::build(r);
  tiny.resize(20 + 16);
  base::store_be16(tiny.data() + 2, 36);
  EXPECT_EQ(parse(tiny, ip, HeaderChecksum::kTrust), kMalformed);
  r.fragment = 0x0001;  // RFC 3128: reaches back into it
  EXPECT_EQ(parse(test::build(r), ip), kMalformed);
  r.fragment = 0x0003;
  EXPECT_EQ(parse(test::build(r), ip), kNone);
}

TEST(Ip, WalksExtensionHeaders) {
  Recipe r;
  r.version = 6;
  r.extension =
      destination_options(43) + Bytes{60, 0, 4, 0, 0, 0, 0, 0} + destination_options(kProtocolTcp);
  r.extension_first = 0;
  const Bytes packet = test::build(r);
  IpPacket ip;
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_EQ(ip.header_length, 64);
  EXPECT_EQ(ip.protocol, kProtocolTcp);
  EXPECT_TRUE(ip.has_options);
  EXPECT_TRUE(ip.has_routing_header);
  EXPECT_EQ(ip.destination_port, 443);
}

TEST(Ip, HostileExtensionHeaders) {
  IpPacket ip;
  Recipe r;
  r.version = 6;
  r.extension_first = 60;
  for (int n = 0; n < 8; ++n) r.extension = r.extension + destination_options(n < 7 ? 60 : 6);
  EXPECT_EQ(parse(test::build(r), ip), kNone);
  r.extension = destination_options(60) + r.extension;
  EXPECT_EQ(parse(test::build(r), ip), kMalformed) << "nine of them";
  r.extension = destination_options(0) + destination_options(6);
  EXPECT_EQ(parse(test::build(r), ip), kMalformed) << "hop-by-hop is not the first";
  r.extension = {6, 200, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(parse(test::build(r), ip), kMalformed) << "runs over the end";
  r.extension = fragment_header(44, 0, false) + fragment_header(6, 0, false);
  r.extension_first = 44;
  EXPECT_EQ(parse(test::build(r), ip), kMalformed) << "two fragment headers";
}

TEST(Ip, Ipv6Fragments) {
  IpPacket ip;
  Recipe r;
  r.version = 6;
  r.extension_first = 44;
  r.payload = Bytes(20, 1);
  r.extension = fragment_header(6, 0, false);
  Bytes packet = test::build(r);
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_FALSE(ip.is_fragment) << "atomic, RFC 6946";
  EXPECT_TRUE(ip.has_options);
  EXPECT_EQ(ip.identification, 0xabcdef01u);
  r.extension = fragment_header(6, 0, true);
  packet = test::build(r);
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_TRUE(ip.is_fragment);
  EXPECT_EQ(ip.destination_port, 443);
  r.extension = fragment_header(60, 64, false);  // what follows is not looked into
  packet = test::build(r);
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_FALSE(ip.is_first_fragment);
  EXPECT_EQ(ip.protocol, 60);
  EXPECT_EQ(ip.header_length, 48);
  EXPECT_FALSE(ip.has_ports);
  r.extension = fragment_header(60, 0, true) + destination_options(6);
  packet = test::build(r);
  ASSERT_EQ(parse(packet, ip), kNone);
  EXPECT_EQ(ip.protocol, kProtocolTcp) << "the first shows its upper layer";
}

TEST(Ip, StartOfAPacketIsEnoughForItsHeaders) {
  Recipe r;
  r.payload = Bytes(1000, 1);
  const Bytes packet = test::build(r);
  IpPacket ip;
  ASSERT_EQ(parse_start(base::ByteView(packet).first(28), ip), kNone);
  EXPECT_EQ(ip.destination_port, 443);
  ASSERT_EQ(parse_start(base::ByteView(packet).first(22), ip), kNone);
  EXPECT_FALSE(ip.has_ports);
  EXPECT_EQ(parse_start(base::ByteView(packet).first(19), ip), kMalformed);
  EXPECT_EQ(parse_start(packet + Bytes{0}, ip), kMalformed);
}

TEST(Ip, NoOctetStringIsReadBeyondItsEnd) {
  // Random changes of valid packets, each in a block of exactly its size: a sanitizer sees what is
  // read beyond.
  test::Random random(4);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    Recipe r;
    r.version = i % 2 ? 6 : 4;
    r.protocol = i % 3 ? kProtocolTcp : kProtocolUdp;
    if (i % 5 == 0) r.extension = destination_options(r.protocol);
    r.extension_first = 60;
    r.payload = test::random_bytes(random, test::below(random, 60));
    Bytes packet = test::build(r);
    for (std::size_t n = test::below(random, 4); n > 0; --n) {
      packet[test::below(random, packet.size())] = static_cast<std::uint8_t>(random());
    }
    packet.resize(1 + test::below(random, packet.size() + 4));
    packet.shrink_to_fit();
    IpPacket ip;
    if (parse(packet, ip, HeaderChecksum::kTrust) != kNone) continue;
    ++accepted;
    ASSERT_LE(ip.header_length + ip.l4_header_length, packet.size());
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace entresol::layer::inner
