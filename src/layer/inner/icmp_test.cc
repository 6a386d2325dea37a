#include "layer/inner/icmp.h"

#include <gtest/gtest.h>

#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using test::Bytes;
using test::Recipe;

constexpr Address kFrom4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 64, 0, 254};
constexpr Address kFrom6 = {0xfd, 0x35, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe};

Bytes error_about(const Bytes& packet, IcmpError error, std::uint32_t mtu = 0) {
  Bytes out(kMaxIcmpError);
  const bool v4 = !packet.empty() && packet[0] >> 4 == 4;
  out.resize(build_icmp_error(error, mtu, packet, v4 ? kFrom4 : kFrom6, out));
  return out;
}

Recipe udp(int version, std::size_t payload = 20) {
  Recipe r;
  r.version = version;
  r.protocol = kProtocolUdp;
  r.payload = Bytes(payload, 0x5a);
  return r;
}

std::uint16_t icmp_sum(const Bytes& packet) {
  const std::size_t header = packet[0] >> 4 == 4 ? 20 : 40;
  const std::uint16_t pseudo = header == 20 ? std::uint16_t{0} : test::slow_pseudo(packet, 40, 58);
  return test::slow_sum(base::ByteView(packet).subspan(header), pseudo);
}

TEST(IcmpError, IsARightPacketThatQuotesTheOffender) {
  for (const int version : {4, 6}) {
    const Bytes packet = test::build(udp(version));
    const Bytes error = error_about(packet, IcmpError::kNoRoute);
    IpPacket ip;
    ASSERT_EQ(parse(error, ip), base::DropReason::none);
    EXPECT_TRUE(ip.is_icmp);
    EXPECT_EQ(ip.source, version == 4 ? kFrom4 : kFrom6);
    IpPacket about;
    ASSERT_EQ(parse(packet, about), base::DropReason::none);
    EXPECT_EQ(ip.destination, about.source);
    EXPECT_EQ(icmp_sum(error), 0xffff);
    EXPECT_EQ(Bytes(error.end() - static_cast<std::ptrdiff_t>(packet.size()), error.end()), packet);
    EXPECT_EQ(error.size(), packet.size() + 8 + ip.header_length);
  }
}

TEST(IcmpError, TypesAndCodes) {
  struct Case {
    IcmpError error;
    int type4, code4, type6, code6;
  };
  const Case cases[] = {
      {IcmpError::kNoRoute, 3, 0, 1, 0},         {IcmpError::kProhibited, 3, 13, 1, 1},
      {IcmpError::kHostUnreachable, 3, 1, 1, 3}, {IcmpError::kPortUnreachable, 3, 3, 1, 4},
      {IcmpError::kTooBig, 3, 4, 2, 0},          {IcmpError::kTimeExceeded, 11, 0, 3, 0},
  };
  for (const Case& c : cases) {
    const Bytes four = error_about(test::build(udp(4)), c.error, 1360);
    ASSERT_GT(four.size(), 28u);
    EXPECT_EQ(four[20], c.type4);
    EXPECT_EQ(four[21], c.code4);
    const bool too_big = c.error == IcmpError::kTooBig;
    EXPECT_EQ(base::load_be32(four.data() + 24), too_big ? 1360u : 0u);
    const Bytes six = error_about(test::build(udp(6)), c.error, 1340);
    ASSERT_GT(six.size(), 48u);
    EXPECT_EQ(six[40], c.type6);
    EXPECT_EQ(six[41], c.code6);
    EXPECT_EQ(base::load_be32(six.data() + 44), too_big ? 1340u : 0u);
  }
}

TEST(IcmpError, IsNoLargerThanItMayBe) {
  EXPECT_EQ(error_about(test::build(udp(4, 5000)), IcmpError::kTooBig, 1360).size(), 576u);
  EXPECT_EQ(error_about(test::build(udp(6, 5000)), IcmpError::kTooBig, 1360).size(), 1280u);
}

TEST(IcmpError, TheSavedStartOfAPacketIsEnough) {
  for (const int version : {4, 6}) {
    Bytes start = test::build(udp(version, 1000));
    start.resize(128);
    const Bytes error = error_about(start, IcmpError::kProhibited);
    IpPacket ip;
    ASSERT_EQ(parse(error, ip), base::DropReason::none);
    EXPECT_EQ(ip.payload_size(), 136u);
    EXPECT_EQ(icmp_sum(error), 0xffff);
  }
}

TEST(IcmpError, NeverAboutAnIcmpError) {
  Recipe r;
  r.protocol = kProtocolIcmp;
  for (const int type : {3, 4, 5, 11, 12}) {
    r.payload = Bytes(8, 0);
    r.payload[0] = static_cast<std::uint8_t>(type);
    EXPECT_TRUE(error_about(test::build(r), IcmpError::kNoRoute).empty()) << type;
  }
  r.payload[0] = 8;
  const Bytes echo = test::build(r);
  EXPECT_FALSE(error_about(echo, IcmpError::kNoRoute).empty());
  EXPECT_TRUE(error_about(Bytes(echo.begin(), echo.begin() + 20), IcmpError::kNoRoute).empty())
      << "what may be one";
  r.version = 6;
  r.protocol = kProtocolIcmp6;
  for (const int type : {1, 2, 3, 4, 100, 127, 137}) {
    r.payload[0] = static_cast<std::uint8_t>(type);
    EXPECT_TRUE(error_about(test::build(r), IcmpError::kNoRoute).empty()) << type;
  }
  r.payload[0] = 128;
  EXPECT_FALSE(error_about(test::build(r), IcmpError::kNoRoute).empty());
}

TEST(IcmpError, NeverAboutLaterFragments) {
  Recipe r = udp(4, 16);
  r.fragment = 0x2000;
  EXPECT_FALSE(error_about(test::build(r), IcmpError::kNoRoute).empty());
  r.fragment = 0x2003;
  EXPECT_TRUE(error_about(test::build(r), IcmpError::kNoRoute).empty());
}

TEST(IcmpError, NeverToOrAboutMany) {
  const auto with = [](Bytes packet, std::size_t at, const Bytes& address) {
    std::copy(address.begin(), address.end(), packet.begin() + static_cast<std::ptrdiff_t>(at));
    return packet;
  };
  const Bytes four = test::build(udp(4));
  for (const std::size_t at : {12u, 16u}) {
    for (const Bytes& a : {Bytes{224, 0, 0, 1}, Bytes{255, 255, 255, 255}, Bytes{0, 0, 0, 0},
                           Bytes{127, 0, 0, 1}, Bytes{239, 1, 1, 1}}) {
      EXPECT_TRUE(error_about(with(four, at, a), IcmpError::kNoRoute).empty());
    }
  }
  const Bytes six = test::build(udp(6));
  Bytes multicast(16, 0);
  multicast[0] = 0xff;
  for (const std::size_t at : {8u, 24u}) {
    EXPECT_TRUE(error_about(with(six, at, multicast), IcmpError::kNoRoute).empty());
    EXPECT_TRUE(error_about(with(six, at, Bytes(16, 0)), IcmpError::kNoRoute).empty());
  }
}

TEST(IcmpError, NothingForWhatDoesNotParseOrDoesNotFit) {
  EXPECT_TRUE(error_about({}, IcmpError::kNoRoute).empty());
  EXPECT_TRUE(error_about(Bytes(40, 0), IcmpError::kNoRoute).empty());
  Bytes small(60);
  EXPECT_EQ(build_icmp_error(IcmpError::kNoRoute, 0, test::build(udp(4)), kFrom4, small), 0u);
}

}  // namespace
}  // namespace entresol::layer::inner
