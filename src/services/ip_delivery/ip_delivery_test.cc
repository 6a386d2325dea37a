#include "services/ip_delivery/ip_delivery.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace {

TEST(IpDelivery, DeliversEachPacketToItsOwnDestinationAndKeepsTheVerdict) {
  const entresol_service& service = *entresol_service_ip_delivery();
  std::array<entresol_packet, 3> packets{};
  for (std::size_t i = 0; i < packets.size(); ++i)
    packets[i].destination.octets[15] = static_cast<std::uint8_t>(i + 1);
  std::array<entresol_verdict, 3> verdicts{};
  const entresol_batch batch{3, 0, packets.data(), verdicts.data(), nullptr, nullptr};
  alignas(16) std::array<std::uint8_t, 64> state{};
  ASSERT_LE(service.state_size, state.size());
  service.start(nullptr, state.data());
  service.packets(nullptr, state.data(), &batch);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(verdicts[i].action, ENTRESOL_DELIVER);
    EXPECT_TRUE(verdicts[i].keep);
    EXPECT_EQ(std::memcmp(&verdicts[i].to, &packets[i].destination, 16), 0);
  }
}

}  // namespace
