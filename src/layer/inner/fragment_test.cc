#include "layer/inner/fragment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using base::Bytes;

Bytes counted(std::size_t n) {
  Bytes out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  return out;
}

IpPacket parsed(const Bytes& packet) {
  IpPacket ip;
  EXPECT_EQ(parse(packet, ip), base::DropReason::none);
  return ip;
}

std::vector<Bytes> cut(const Bytes& packet, std::size_t mtu) {
  const IpPacket ip = parsed(packet);
  Fragmenter fragmenter(ip, mtu);
  std::vector<Bytes> out;
  Bytes room(mtu);
  while (const std::size_t n = fragmenter.next(room.data())) {
    EXPECT_LE(n, mtu);
    out.emplace_back(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return out;
}

// What a receiver makes of them.
Bytes joined(const std::vector<Bytes>& fragments) {
  Bytes out;
  for (const Bytes& fragment : fragments) {
    const IpPacket ip = parsed(fragment);
    EXPECT_EQ(ip.fragment_offset, out.size());
    EXPECT_EQ(ip.more_fragments, &fragment != &fragments.back());
    out.insert(out.end(), ip.payload().begin(), ip.payload().end());
  }
  return out;
}

test::Recipe recipe(std::size_t payload) {
  test::Recipe r;
  r.protocol = kProtocolUdp;
  r.fragment = 0;
  r.identification = 77;
  r.payload = counted(payload);
  return r;
}

TEST(FragmentTest, PiecesJoinToThePayload) {
  for (std::size_t payload : {1273u, 1400u, 1420u, 4000u, 65000u}) {
    for (std::size_t mtu : {68u, 576u, 1280u, 1281u, 1287u}) {
      const Bytes packet = test::build(recipe(payload));
      const auto fragments = cut(packet, mtu);
      EXPECT_GT(fragments.size(), 1u);
      EXPECT_EQ(joined(fragments), Bytes(packet.begin() + 20, packet.end()))
          << payload << " at " << mtu;
      for (const Bytes& fragment : fragments) EXPECT_EQ(parsed(fragment).identification, 77u);
    }
  }
}

TEST(FragmentTest, AFragmentIsCutFurther) {
  const Bytes packet = test::build(recipe(3000));
  const auto first = cut(packet, 1500);
  ASSERT_EQ(first.size(), 3u);
  std::vector<Bytes> all;
  for (const Bytes& fragment : first)
    for (Bytes& piece : cut(fragment, 700)) all.push_back(std::move(piece));
  EXPECT_EQ(joined(all), Bytes(packet.begin() + 20, packet.end()));
}

TEST(FragmentTest, OnlyCopiedOptionsTravelOn) {
  test::Recipe r = recipe(2000);
  r.ip_options = {0x44, 8, 5, 0, 0, 0, 0, 0, 0x94, 4, 0, 0};  // time stamp; router alert, copied
  const auto fragments = cut(test::build(r), 1000);
  ASSERT_GT(fragments.size(), 1u);
  EXPECT_EQ(fragments[0][20], 0x44);
  EXPECT_TRUE(std::all_of(&fragments[1][20], &fragments[1][28], [](auto b) { return b == 1; }));
  EXPECT_EQ(fragments[1][28], 0x94);
  EXPECT_EQ(joined(fragments).size(), 2008u);
}

TEST(FragmentTest, DfAndIpv6StayWhole) {
  test::Recipe r = recipe(100);
  EXPECT_TRUE(may_fragment(parsed(test::build(r))));
  r.fragment = 0x4000;
  EXPECT_FALSE(may_fragment(parsed(test::build(r))));
  r.version = 6;
  EXPECT_FALSE(may_fragment(parsed(test::build(r))));
}

}  // namespace
}  // namespace entresol::layer::inner
