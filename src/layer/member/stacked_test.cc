// A layer over a layer's sessions: the same members, whose datagrams are UDP packets between two names of the layer below.
#include <gtest/gtest.h>

#include "layer/member/test_inner.h"
#include "layer/member/test_sites.h"

namespace entresol::layer::member {
namespace {

using namespace test;

constexpr std::uint16_t kPort = 4850;

// The network that a layer is to the one above it: a member's endpoint there is its carrier's name here.
class Underlay {
 public:
  explicit Underlay(World& world) : world_(world) {
    world.network = [this](Datagram& datagram) { return !carry(datagram); };
  }
  base::Endpoint on(Machine& carrier) {
    carrier.on_delivered = [this](const Delivered& delivered) { arrive(delivered.packet); };
    const base::Endpoint here{carrier.in().addresses.ipv6, kPort};
    carriers_[here] = &carrier;
    return here;
  }
  std::size_t carried = 0;
  std::size_t refused = 0;

 private:
  // False for what is no upper member's.
  bool carry(const Datagram& datagram) {
    const auto carrier = carriers_.find(datagram.from);
    if (carrier == carriers_.end()) return false;
    InnerPacket packet;
    packet.version = 6;
    packet.from_port = datagram.from.port;
    packet.to_port = datagram.to.port;
    packet.traffic_class = datagram.traffic_class;
    packet.payload = datagram.bytes;
    inner::MemberAddresses to;
    to.ipv6 = datagram.to.address;
    const DropReason reason =
        carrier->second->application(build(packet, carrier->second->in().addresses, to));
    ++(reason == DropReason::none ? carried : refused);
    return true;
  }
  void arrive(const Bytes& packet) {
    inner::IpPacket ip;
    ASSERT_EQ(inner::parse(packet, ip), DropReason::none);
    ASSERT_EQ(ip.protocol, inner::kProtocolUdp) << "nothing of the upper layer is bare here";
    ASSERT_EQ(ip.destination_port, kPort);
    const auto inside = ip.payload().subspan(ip.l4_header_length);
    world_.put({world_.now,
                0,
                {ip.source, ip.source_port},
                {ip.destination, ip.destination_port},
                ip.traffic_class,
                Bytes(inside.begin(), inside.end())});
  }

  World& world_;
  std::map<base::Endpoint, Machine*> carriers_;
};

// As runtime::link_max_packet over IPv6.
std::uint16_t links_over(std::uint16_t mtu) {
  return static_cast<std::uint16_t>(mtu - 40 - 8 - security::kNativeRecordHeader -
                                    security::kRecordTag);
}
std::uint16_t mtu_of(Machine& host) {
  const auto& tables = host->tables();
  return forwarding::inner_mtu(tables.links[tables.layers[0].names.default_link].max_packet);
}

// A node and its hosts, each on a host of the layer below; the hosts are told of each other.
struct Upper {
  Upper(World& world, Underlay& underlay, std::uint64_t seed, std::vector<Machine*> carriers)
      : authority(seed), max_packet(links_over(mtu_of(*carriers[0]))) {
    for (std::size_t i = 0; i < carriers.size(); ++i) {
      const auto number = static_cast<std::uint8_t>(1 + i);
      members.push_back(std::make_unique<Machine>(
          world, underlay.on(*carriers[i]), i == 0,
          std::vector<Joined>{join(authority,
                                   i == 0 ? membership::Role::kNode : membership::Role::kHost,
                                   "upper" + std::to_string(i), {100, 64, 0, number})}));
    }
    node()->set_accepted_max_packet(max_packet, max_packet);
    for (std::size_t i = 1; i < members.size(); ++i) {
      members[i]->teach = [this](Machine& self) { teach(self); };
      teach(*members[i]);
    }
  }
  void teach(Machine& self) {
    self.dial(node(), 0, 0, max_packet);
    for (std::size_t i = 1; i < members.size(); ++i)
      if (members[i].get() != &self) self.learn(members[i]->in());
  }
  // As both ends of each link see it.
  bool attached() {
    const auto& tables = node()->tables();
    return std::all_of(members.begin() + 1, members.end(), [&](auto& host) {
      const auto* place = tables.layers[0].names.find(host->in().name);
      return (*host)->attached(0) && place != nullptr && tables.links[place->link].send != nullptr;
    });
  }
  Machine& node() { return *members[0]; }
  Machine& a() { return *members[1]; }
  Machine& b() { return *members[2]; }
  Machine& c() { return *members[3]; }

  Authority authority;
  std::uint16_t max_packet;
  std::vector<std::unique_ptr<Machine>> members;
};

class StackedTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(lower.attach());
    lower.publish();
    upper.emplace(world(), underlay, 7,
                  std::vector{&lower.host(3), &lower.host(0), &lower.host(2), &lower.host(1)});
    ASSERT_TRUE(up(*upper));
  }
  World& world() { return lower.world; }
  bool up(Upper& layer) {
    return world().run_until([&] { return layer.attached(); }, seconds(30));
  }
  bool arrives(Machine& from, Machine& to, const Bytes& packet, base::Duration limit = seconds(2)) {
    to.delivered.clear();
    from.application(packet);
    world().run_until([&] { return !to.delivered.empty(); }, limit);
    return to.delivered.size() == 1 && to.delivered[0].packet.size() == packet.size();
  }
  bool ping(Machine& from, Machine& to, int version = 6) {
    InnerPacket echo;
    echo.version = version;
    echo.protocol = version == 4 ? inner::kProtocolIcmp : inner::kProtocolIcmp6;
    echo.icmp_type = version == 4 ? 8 : 128;
    InnerPacket reply = echo;
    reply.icmp_type = version == 4 ? 0 : 129;
    return arrives(from, to, build(echo, from.in().addresses, to.in().addresses)) &&
           arrives(to, from, build(reply, to.in().addresses, from.in().addresses));
  }
  // In the form that takes most: with options, the header travels too.
  static Bytes of_size(std::size_t octets, Machine& from, Machine& to) {
    InnerPacket packet;
    packet.ip_options = {1, 1, 1, 0};
    packet.payload.assign(octets - 24 - 8, 1);
    return build(packet, from.in().addresses, to.in().addresses);
  }
  // The keys that an upper host has: of its link, and of its session with the other.
  static auto keys_of(Machine& host) {
    const auto& tables = host->tables();
    const auto& link = tables.links[tables.layers[0].names.default_link];
    const auto& sessions = host->agent(0).sessions().all();
    return std::tuple(link.send.get(), sessions.size(),
                      sessions.empty() ? 0 : sessions.begin()->second->keys_changed,
                      host.noted(Happening::kLinkUp));
  }

  // Two sites of two hosts each, over an underlay of 3,000 octets: what is left two layers up is no less than IPv6's 1,280.
  Sites lower{41, 2, 2, 3000};
  Underlay underlay{lower.world};
  std::optional<Upper> upper;
};

TEST_F(StackedTest, HostsPingThroughANodeThatIsAHostBelow) {
  for (int version : {4, 6}) {
    EXPECT_TRUE(ping(upper->a(), upper->b(), version)) << version;
    EXPECT_TRUE(ping(upper->b(), upper->a(), version)) << version;
  }
  EXPECT_GT(underlay.carried, 0u);
  EXPECT_EQ(underlay.refused, 0u);
  // One session below for each link above, and one above that the node between knows nothing of.
  EXPECT_EQ(lower.host(3)->agent(0).sessions().all().size(), 3u);
  EXPECT_EQ(lower.host(0)->agent(0).sessions().all().size(), 1u);
  EXPECT_EQ(upper->a()->agent(0).sessions().all().size(), 1u);
  EXPECT_TRUE(upper->node()->agent(0).sessions().all().empty());
}

TEST_F(StackedTest, TheMtuAboveIsWhatTheOneBelowLeaves) {
  const std::uint16_t below = mtu_of(lower.host(0));
  const std::uint16_t above = mtu_of(upper->a());
  EXPECT_EQ(below, forwarding::inner_mtu(3000));
  EXPECT_EQ(above, forwarding::inner_mtu(links_over(below)));
  ASSERT_TRUE(ping(upper->a(), upper->b()));
  EXPECT_TRUE(arrives(upper->a(), upper->b(), of_size(above, upper->a(), upper->b())));
  upper->a().replies.clear();
  EXPECT_EQ(upper->a().application(of_size(above + 1u, upper->a(), upper->b())),
            DropReason::too_big);
  EXPECT_EQ(upper->a().replies.size(), 1u);
  EXPECT_EQ(underlay.refused, 0u);
  // A link above that takes more (inner_mtu() leaves two octets) is refused below, not cut.
  upper->a().dial(upper->node(), 0, 0, static_cast<std::uint16_t>(upper->max_packet + 3));
  ASSERT_TRUE(up(*upper));
  ASSERT_EQ(mtu_of(upper->a()), above + 3);
  EXPECT_TRUE(arrives(upper->a(), upper->b(), of_size(above + 2u, upper->a(), upper->b())));
  EXPECT_EQ(underlay.refused, 0u);
  EXPECT_FALSE(arrives(upper->a(), upper->b(), of_size(above + 3u, upper->a(), upper->b())));
  EXPECT_EQ(underlay.refused, 1u);
}

TEST_F(StackedTest, AMoveBelowIsNotSeenAbove) {
  ASSERT_TRUE(ping(upper->a(), upper->b()));
  const auto keys_a = keys_of(upper->a()), keys_b = keys_of(upper->b());
  const auto node_ups = upper->node().noted(Happening::kLinkUp);
  const std::array<std::pair<std::size_t, std::size_t>, 4> moves = {
      {{0, 1}, {3, 0}, {2, 0}, {0, 0}}};
  for (const auto& [host, to] : moves) {
    lower.move(host, to);
    ASSERT_TRUE(lower.attach());
    EXPECT_TRUE(ping(upper->a(), upper->b())) << host << " to " << to;
    EXPECT_TRUE(ping(upper->b(), upper->a())) << host << " to " << to;
  }
  EXPECT_EQ(keys_of(upper->a()), keys_a);
  EXPECT_EQ(keys_of(upper->b()), keys_b);
  EXPECT_EQ(upper->node().noted(Happening::kLinkUp), node_ups);
  EXPECT_EQ(upper->node().noted(Happening::kLinkMoved), 0u) << "a name is where it is";
  EXPECT_EQ(upper->node().noted(Happening::kLinkDown), 0u);
}

TEST_F(StackedTest, ANodeBelowThatBeginsAnewIsNotSeenAboveEither) {
  ASSERT_TRUE(ping(upper->a(), upper->b()));
  const auto keys_a = keys_of(upper->a()), keys_b = keys_of(upper->b());
  lower.node(0).restart();
  lower.publish();
  ASSERT_TRUE(lower.attach());
  EXPECT_TRUE(ping(upper->a(), upper->b()));
  EXPECT_TRUE(ping(upper->b(), upper->a()));
  EXPECT_EQ(keys_of(upper->a()), keys_a);
  EXPECT_EQ(keys_of(upper->b()), keys_b);
}

TEST_F(StackedTest, AHostAboveThatBeginsAnewIsBack) {
  ASSERT_TRUE(ping(upper->a(), upper->b()));
  upper->a().restart();
  ASSERT_TRUE(up(*upper));
  world().run_for(seconds(10));
  EXPECT_TRUE(ping(upper->a(), upper->b()));
  EXPECT_TRUE(ping(upper->b(), upper->a()));
}

TEST_F(StackedTest, AThirdLayerGoesOverTheSecond) {
  Upper third(world(), underlay, 8, {&upper->c(), &upper->a(), &upper->b()});
  ASSERT_TRUE(up(third));
  EXPECT_TRUE(ping(third.a(), third.b()));
  EXPECT_TRUE(ping(third.b(), third.a()));
  const std::uint16_t mtu = mtu_of(third.a());
  EXPECT_GE(mtu, 1280);
  EXPECT_TRUE(arrives(third.a(), third.b(), of_size(mtu, third.a(), third.b())));
  EXPECT_EQ(underlay.refused, 0u);
}

}  // namespace
}  // namespace entresol::layer::member
