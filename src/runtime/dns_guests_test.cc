#include "runtime/dns_guests.h"

#include <gtest/gtest.h>

#include "layer/inner/checksum.h"

namespace entresol::runtime {
namespace {

namespace inner = layer::inner;

inner::IpPacket query(std::uint8_t version) {
  inner::IpPacket out{};
  out.version = version;
  const bool six = version == 6;
  out.source = *io::parse_address(six ? "fd35:1234::7" : "100.64.0.7");
  out.destination = *io::parse_address(six ? "fd35:1234::35" : "100.127.255.254");
  out.source_port = 40000;
  out.destination_port = 53;
  return out;
}

TEST(UdpReply, GoesBackWithRightChecksums) {
  for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
    for (const std::size_t size : {0u, 1u, 12u, 333u, 1232u}) {
      base::Bytes payload(size);
      for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(i * 7);
      const base::Bytes packet = udp_reply(query(version), payload);
      inner::IpPacket out;
      ASSERT_EQ(inner::parse(packet, out), base::DropReason::none) << int{version} << " " << size;
      EXPECT_EQ(out.source, query(version).destination);
      EXPECT_EQ(out.destination, query(version).source);
      EXPECT_EQ(out.source_port, 53);
      EXPECT_EQ(out.destination_port, 40000);
      EXPECT_TRUE(inner::checksum_valid(out));
      EXPECT_NE(base::load_be16(out.payload().data() + 6), 0);
      EXPECT_TRUE(std::ranges::equal(out.payload().subspan(8), payload));
    }
  }
}

}  // namespace
}  // namespace entresol::runtime
