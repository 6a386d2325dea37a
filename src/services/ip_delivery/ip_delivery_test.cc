#include "services/ip_delivery/ip_delivery.h"

#include <gtest/gtest.h>

namespace entresol::services {
namespace {

TEST(IpDelivery, DeliversEachPacketToItsOwnDestinationAndKeepsTheVerdict) {
  std::array<sdk::Packet, 3> packets;
  for (std::size_t i = 0; i < packets.size(); ++i)
    packets[i].destination[15] = static_cast<std::uint8_t>(i + 1);
  std::array<sdk::Verdict, 3> verdicts;
  IpDelivery().decide({packets, verdicts});
  for (std::size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(verdicts[i].action, sdk::Action::kDeliver);
    EXPECT_TRUE(verdicts[i].keep);
    EXPECT_EQ(verdicts[i].to, packets[i].destination);
  }
}

TEST(IpDelivery, AsksForNothingButTheDestination) {
  EXPECT_EQ(IpDelivery().manifest().fields, static_cast<std::uint32_t>(sdk::Field::kDestination));
}

}  // namespace
}  // namespace entresol::services
