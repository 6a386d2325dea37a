// What guests ask the resolver of their layer comes out at their node, and answers go back inside their tunnels.
#include <gtest/gtest.h>

#include "layer/member/test_guest.h"
#include "layer/member/test_inner.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class ResolverTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(star.attach());
    ASSERT_TRUE(
        (*star.node)->add_guest(0, guest.grant, std::nullopt, 1420, star.world.unix_seconds()));
    resolver.ipv6 = star.node->in().name.octets;
    std::fill(resolver.ipv6.begin() + 4, resolver.ipv6.end(), std::uint8_t{0});
    resolver.ipv6[15] = 0x35;
    (*star.node)->set_resolver(0, resolver);
  }
  static InnerPacket query(int version) {
    InnerPacket out;
    out.version = version;
    out.to_port = 53;
    return out;
  }
  bool asks(const InnerPacket& packet) { return asks(build(packet, guest.addresses, resolver)); }
  bool asks(const Bytes& packet) {
    star.node->asked.clear();
    guest.send(packet);
    star.world.run_for(seconds(1));
    return !star.node->asked.empty();
  }

  Star star{11};
  Guest guest{star.world, 40, *star.node, {100, 64, 0, 40}, star.authority, {star.node->in().name}};
  inner::MemberAddresses resolver{{}, {100, 127, 255, 254}};
};

TEST_F(ResolverTest, GetsWhatIsForItsPort) {
  for (const int version : {4, 6}) {
    const Bytes packet = build(query(version), guest.addresses, resolver);
    ASSERT_TRUE(asks(packet)) << version;
    ASSERT_EQ(star.node->asked.size(), 1u);
    EXPECT_EQ(star.node->asked[0].first, guest.name);
    EXPECT_EQ(star.node->asked[0].second, packet);
    EXPECT_EQ(star.node->drops(DropReason::destination_unknown), 0u);
  }
}

TEST_F(ResolverTest, GetsNothingElse) {
  ASSERT_TRUE(asks(query(6)));
  for (const int version : {4, 6}) {
    InnerPacket other_port = query(version), tcp = query(version);
    other_port.to_port = 54;
    tcp.protocol = inner::kProtocolTcp;
    EXPECT_FALSE(asks(other_port));
    guest.delivered.clear();
    EXPECT_FALSE(asks(tcp));
    EXPECT_EQ(guest.delivered.size(), 1u);  // an ICMP error, so that nobody waits
    Bytes broken = build(query(version), guest.addresses, resolver);
    broken.back() ^= 1;  // its checksum is wrong now
    EXPECT_FALSE(asks(broken));
    EXPECT_FALSE(asks(build(query(version), star.host(1).in().addresses, resolver)));
    EXPECT_FALSE(asks(build(query(version), guest.addresses, star.host(0).in().addresses)));
  }
  InnerPacket fragment = query(4);
  fragment.fragment = 0x2000;
  EXPECT_FALSE(asks(fragment));
  (*star.node)->set_resolver(0, {resolver.ipv6, {}});
  EXPECT_FALSE(asks(query(4)));
  EXPECT_TRUE(asks(query(6)));
}

TEST_F(ResolverTest, AnswersGoBackToTheGuest) {
  ASSERT_TRUE(asks(query(6)));
  InnerPacket answer = query(6);
  answer.from_port = 53;
  const Bytes packet = build(answer, resolver, guest.addresses);
  guest.delivered.clear();
  EXPECT_TRUE((*star.node)->send_to_guest(0, guest.name, packet, star.world.now));
  star.world.run_for(seconds(1));
  ASSERT_EQ(guest.delivered.size(), 1u);
  EXPECT_EQ(guest.delivered[0], packet);
  EXPECT_FALSE((*star.node)->send_to_guest(0, guest.name, Bytes(1421), star.world.now));
  ASSERT_TRUE((*star.node)->remove_guest(0, guest.name));
  EXPECT_FALSE((*star.node)->send_to_guest(0, guest.name, packet, star.world.now));
}

}  // namespace
}  // namespace entresol::layer::member
