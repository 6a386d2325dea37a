#include "layer/inner/offload.h"

#include <gtest/gtest.h>

#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;
using test::Bytes;
using test::Recipe;

constexpr auto kNone = DropReason::none;
constexpr auto kMalformed = DropReason::inside_malformed;

DropReason parse_for(const Recipe& recipe, const Bytes& header, Offload* out = nullptr) {
  const Bytes packet = test::build(recipe);
  IpPacket ip;
  EXPECT_EQ(parse(packet, ip), kNone);
  Offload offload;
  const DropReason reason = parse(header, ip, offload);
  if (out != nullptr) *out = offload;
  return reason;
}

Bytes vnet(int flags, int type, int gso_size, int start, int offset) {
  const auto u8 = [](int v) { return static_cast<std::uint8_t>(v); };
  return {u8(flags),         u8(type),  0xff,           0xff,       u8(gso_size),
          u8(gso_size >> 8), u8(start), u8(start >> 8), u8(offset), u8(offset >> 8)};
}

TEST(Offload, PlainPacket) {
  Offload offload;
  EXPECT_EQ(parse_for({}, vnet(0, 0, 99, 77, 66), &offload), kNone);
  EXPECT_FALSE(offload.needs_checksum);
  EXPECT_EQ(offload.gso, Gso::kNone);
  EXPECT_EQ(offload.gso_size, 0);
  EXPECT_EQ(offload.header_length, 40) << "computed, not believed";
}

TEST(Offload, GsoMustFitTheProtocol) {
  Recipe tcp4, tcp6, udp;
  tcp6.version = 6;
  udp.protocol = kProtocolUdp;
  tcp4.payload = tcp6.payload = udp.payload = Bytes(3000, 1);
  EXPECT_EQ(parse_for(tcp4, vnet(1, 1, 1000, 20, 16)), kNone);
  EXPECT_EQ(parse_for(tcp4, vnet(1, 0x81, 1000, 20, 16)), kNone);
  EXPECT_EQ(parse_for(tcp6, vnet(1, 4, 1000, 40, 16)), kNone);
  EXPECT_EQ(parse_for(udp, vnet(1, 5, 1000, 20, 6)), kNone);
  EXPECT_EQ(parse_for(tcp4, vnet(1, 4, 1000, 20, 16)), kMalformed);
  EXPECT_EQ(parse_for(tcp4, vnet(1, 5, 1000, 20, 16)), kMalformed);
  EXPECT_EQ(parse_for(tcp6, vnet(1, 1, 1000, 40, 16)), kMalformed);
  EXPECT_EQ(parse_for(udp, vnet(1, 1, 1000, 20, 6)), kMalformed);
  EXPECT_EQ(parse_for(udp, vnet(1, 3, 1000, 20, 6)), kMalformed) << "UFO";
  EXPECT_EQ(parse_for(tcp4, vnet(1, 2, 1000, 20, 16)), kMalformed);
  EXPECT_EQ(parse_for(tcp4, vnet(1, 1, 0, 20, 16)), kMalformed) << "no size";
  EXPECT_EQ(parse_for(tcp4, vnet(1, 1, 1000, 24, 16)), kMalformed);
  EXPECT_EQ(parse_for(tcp4, vnet(1, 1, 1000, 20, 6)), kMalformed);
  EXPECT_EQ(parse_for(tcp4, vnet(5, 1, 1000, 20, 16)), kMalformed) << "unknown flag";
  tcp4.payload.resize(3004);
  tcp4.fragment = 0x2000;
  EXPECT_EQ(parse_for(tcp4, vnet(1, 1, 1000, 20, 16)), kMalformed) << "a fragment";
}

TEST(Offload, GsoImpliesTheChecksum) {
  Recipe tcp;
  tcp.payload = Bytes(3000, 1);
  Offload offload;
  EXPECT_EQ(parse_for(tcp, vnet(0, 1, 1000, 0, 0), &offload), kNone);
  EXPECT_TRUE(offload.needs_checksum);
  EXPECT_EQ(offload.checksum_start, 20);
  EXPECT_EQ(offload.checksum_offset, 16);
}

TEST(Offload, ChecksumFieldMustBeInside) {
  Recipe tcp;
  const int size = static_cast<int>(test::build(tcp).size());
  EXPECT_EQ(parse_for(tcp, vnet(1, 0, 0, 20, 16)), kNone);
  EXPECT_EQ(parse_for(tcp, vnet(1, 0, 0, 19, 16)), kMalformed);
  EXPECT_EQ(parse_for(tcp, vnet(1, 0, 0, 20, size - 22)), kNone);
  EXPECT_EQ(parse_for(tcp, vnet(1, 0, 0, 20, size - 21)), kMalformed);
  EXPECT_EQ(parse_for(tcp, vnet(1, 0, 0, 65535, 65535)), kMalformed);
}

TEST(Offload, TooShort) {
  for (std::size_t n = 0; n < kVnetHeader; ++n) EXPECT_EQ(parse_for({}, Bytes(n)), kMalformed);
}

TEST(Offload, WritesWhatItReads) {
  Recipe tcp;
  tcp.payload = Bytes(3000, 1);
  Bytes header = vnet(1, 0x81, 1000, 20, 16);
  Offload offload;
  ASSERT_EQ(parse_for(tcp, header, &offload), kNone);
  Bytes out(kVnetHeader);
  emit(offload, out.data());
  header[2] = 40;
  header[3] = 0;
  EXPECT_EQ(out, header);
}

}  // namespace
}  // namespace entresol::layer::inner
