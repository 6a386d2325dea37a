#include "layer/inner/checksum.h"

#include <gtest/gtest.h>

#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using test::Bytes;

TEST(Checksum, Rfc1071Example) {
  // RFC 1071 section 3: the sum of these octets is ddf2.
  const Bytes data = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  OnesSum sum;
  sum.add(data);
  EXPECT_EQ(sum.folded(), 0xddf2);
  EXPECT_EQ(checksum(data), 0x220d);
}

TEST(Checksum, Rfc1624Example) {
  // RFC 1624 section 4: with equation 2 this gives -0, 0xffff, where 0x0000 is right.
  EXPECT_EQ(update_checksum(0xdd2f, 0x5555, 0x3285), 0x0000);
}

TEST(Checksum, OfAnIpv4Header) {
  // A header with a known checksum (RFC 1071 applied by hand): 4500 0073 0000 4000 4011 b861 c0a8
  // 0001 c0a8 00c7.
  Bytes header;
  ASSERT_TRUE(base::from_hex("450000730000400040110000c0a80001c0a800c7", header));
  write_ipv4_checksum(header.data(), header.size());
  EXPECT_EQ(base::load_be16(header.data() + 10), 0xb861);
  EXPECT_EQ(checksum(header), 0);
}

TEST(Checksum, FastSumIsTheTextbooksForEverySizeAndAlignment) {
  test::Random random(1);
  const Bytes data = test::random_bytes(random, 4096);
  for (std::size_t at = 0; at < 9; ++at) {
    for (std::size_t n = 0; n < 700; ++n) {
      const base::ByteView view = base::ByteView(data).subspan(at, n);
      OnesSum sum;
      sum.add(view);
      ASSERT_EQ(sum.folded(), test::slow_sum(view)) << at << " " << n;
    }
  }
}

TEST(Checksum, LosesNoCarryInLongRunsOfOnes) {
  const Bytes ones(65535, 0xff);
  OnesSum sum;
  sum.add(ones);
  sum.add(ones);
  EXPECT_EQ(OnesSum(sum).folded(), test::slow_sum(ones, test::slow_sum(ones)));
  Bytes mixed(65534, 0xff);
  mixed[3] = 0;
  OnesSum pieces;
  pieces.add(base::ByteView(mixed).first(1024));
  pieces.add(base::ByteView(mixed).subspan(1024));
  EXPECT_EQ(pieces.folded(), test::slow_sum(mixed));
}

TEST(Checksum, UpdateAgreesWithSummingAnew) {
  test::Random random(2);
  for (int i = 0; i < 5000; ++i) {
    Bytes data = test::random_bytes(random, 20);
    data[2] = 0x45;  // never all zeros, where ones' complement has two answers
    const std::uint16_t old_sum = checksum(data);
    const std::size_t at = 2 * test::below(random, 10);
    const std::uint16_t before = base::load_be16(data.data() + at);
    const std::uint16_t after = at == 2 ? before : static_cast<std::uint16_t>(random());
    base::store_be16(data.data() + at, after);
    ASSERT_EQ(update_checksum(old_sum, before, after), checksum(data));
  }
}

TEST(Checksum, FinishesWhatThePseudoHeaderBegan) {
  test::Random random(3);
  for (int i = 0; i < 500; ++i) {
    test::Recipe r;
    r.version = i % 2 ? 6 : 4;
    r.protocol = i % 4 < 2 ? kProtocolTcp : kProtocolUdp;
    r.payload = test::random_bytes(random, test::below(random, 1500));
    r.unfinished = true;
    Bytes packet = test::build(r);
    ASSERT_FALSE(test::checksums_right(packet));
    IpPacket ip;
    ASSERT_EQ(parse(packet, ip), base::DropReason::none);
    EXPECT_FALSE(checksum_valid(ip));
    std::uint16_t offset = 0;
    ASSERT_TRUE(checksum_offset(ip.protocol, offset));
    finish_checksum(packet, ip.header_length, offset);
    ASSERT_TRUE(test::checksums_right(packet));
    EXPECT_TRUE(checksum_valid(ip));
    packet.back() ^= 1;
    EXPECT_FALSE(checksum_valid(ip));
  }
}

TEST(Checksum, ZeroIsWrittenAsAllOnes) {
  // A UDP datagram whose checksum comes out as 0: the payload is chosen to make the sum ffff.
  test::Recipe r;
  r.protocol = kProtocolUdp;
  r.payload = {0, 0};
  r.unfinished = true;
  Bytes packet = test::build(r);
  const std::uint16_t sum = test::slow_sum(base::ByteView(packet).subspan(20));
  base::store_be16(packet.data() + 28, static_cast<std::uint16_t>(0xffff - sum));
  finish_checksum(packet, 20, 6);
  EXPECT_EQ(base::load_be16(packet.data() + 26), 0xffff);
  EXPECT_TRUE(test::checksums_right(packet));
}

TEST(Checksum, UdpWithoutChecksumIsRightInIpv4Only) {
  for (const int version : {4, 6}) {
    test::Recipe r;
    r.version = version;
    r.protocol = kProtocolUdp;
    r.payload = {1, 2, 3};
    Bytes packet = test::build(r);
    IpPacket ip;
    ASSERT_EQ(parse(packet, ip), base::DropReason::none);
    base::store_be16(packet.data() + ip.header_length + 6, 0);
    EXPECT_EQ(checksum_valid(ip), version == 4);
  }
}

}  // namespace
}  // namespace entresol::layer::inner
