#include "io/netlink.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "base/error_codes.h"
#include "io/test_namespace.h"
#include "io/tun.h"

namespace entresol::io {
namespace {

Prefix prefix_of(const char* text) {
  return parse_prefix(text).value();
}

class NetlinkTest : public testing::Test {
 protected:
  void SetUp() override { ENTRESOL_NEED_NAMESPACE(namespace_); }
  // Runs `body` in a namespace with a TUN device "t0".
  void with_tun(const std::function<void(Netlink&, Tun&)>& body) const {
    namespace_.run([&] {
      auto tun = Tun::open("t0");
      ASSERT_TRUE(tun) << tun.error().message;
      auto netlink = Netlink::open();
      ASSERT_TRUE(netlink);
      body(*netlink, *tun);
    });
  }
  TestNamespace namespace_;
};

bool has_route(Netlink& netlink, const char* text, const char* interface) {
  const auto routes = netlink.list_routes().value();
  for (const Route& route : routes) {
    if (route.table == 254 && route.destination == prefix_of(text) &&
        route.interface == interface) {
      return true;
    }
  }
  return false;
}

bool has_address(Netlink& netlink, const char* text) {
  const auto addresses = netlink.list_addresses().value();
  for (const InterfaceAddress& entry : addresses) {
    if (entry.address == address_of(text)) return true;
  }
  return false;
}

TEST_F(NetlinkTest, SetsTheMtu) {
  with_tun([](Netlink& netlink, Tun&) {
    ENTRESOL_EXPECT_OK(netlink.set_mtu("t0", 1360));
    EXPECT_EQ(netlink.mtu("t0").value_or(0), 1360u);
    ENTRESOL_EXPECT_OK(netlink.set_queue_length("t0", 1000));
    const auto refused = netlink.set_mtu("t0", 1);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("t0"), std::string::npos);
  });
}

TEST_F(NetlinkTest, AddsAddressesAndTheirRoutes) {
  with_tun([](Netlink& netlink, Tun&) {
    ENTRESOL_EXPECT_OK(netlink.disable_link_local("t0"));
    ENTRESOL_EXPECT_OK(netlink.set_up("t0"));
    for (int twice = 0; twice < 2; ++twice) {
      ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("10.64.0.1"), 16));
      ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("fd35:1::1"), 32));
    }
    EXPECT_TRUE(has_address(netlink, "10.64.0.1"));
    EXPECT_TRUE(has_address(netlink, "fd35:1::1"));
    EXPECT_TRUE(has_route(netlink, "10.64.0.0/16", "t0"));
    EXPECT_TRUE(has_route(netlink, "fd35:1::/32", "t0"));
    const auto addresses = netlink.list_addresses().value();
    for (const InterfaceAddress& entry : addresses) {
      EXPECT_FALSE(is_link_local(entry.address)) << to_text(entry.address);
    }
    for (int twice = 0; twice < 2; ++twice) {
      ENTRESOL_EXPECT_OK(netlink.remove_address("t0", address_of("10.64.0.1"), 16));
      ENTRESOL_EXPECT_OK(netlink.remove_address("t0", address_of("fd35:1::1"), 32));
    }
    EXPECT_FALSE(has_address(netlink, "10.64.0.1"));
    EXPECT_FALSE(has_address(netlink, "fd35:1::1"));
    EXPECT_FALSE(has_route(netlink, "10.64.0.0/16", "t0"));
  });
}

// The kernel finishes IPv6 addresses in the background: on this processor, so that it is late.
TEST_F(NetlinkTest, AnAddressIsUsableOnReturn) {
  with_tun([](Netlink& netlink, Tun&) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    ENTRESOL_EXPECT_OK(
        netlink.add_address("t0", address_of("fd35:ffff::1"), 128));  // down: no wait
    ENTRESOL_EXPECT_OK(netlink.set_up("t0"));
    ENTRESOL_EXPECT_OK(netlink.wait_until_usable(address_of("fd35:ffff::1")));
    for (int i = 0; i < 50; ++i) {
      Address address = address_of("fd35:1::1");
      address[15] = static_cast<std::uint8_t>(i + 1);
      ENTRESOL_EXPECT_OK(netlink.add_address("t0", address, 128));
      const auto path = netlink.path_to(address);
      ASSERT_TRUE(path) << path.error().message;
      EXPECT_EQ(path->source, address);
    }
  });
}

TEST_F(NetlinkTest, AnAddressWithoutARoute) {
  with_tun([](Netlink& netlink, Tun&) {
    ENTRESOL_EXPECT_OK(netlink.set_up("t0"));
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("10.64.0.1"), 16, false));
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("fd35:1::1"), 32, false));
    EXPECT_FALSE(has_route(netlink, "10.64.0.0/16", "t0"));
    EXPECT_FALSE(has_route(netlink, "fd35:1::/32", "t0"));
  });
}

TEST_F(NetlinkTest, RoutesComeAndGoAndCarryTheirSourceAndMtu) {
  with_tun([](Netlink& netlink, Tun&) {
    ENTRESOL_EXPECT_OK(netlink.set_up("t0"));
    ENTRESOL_EXPECT_OK(netlink.set_mtu("t0", 1400));
    // Neither is the address that the kernel would choose without being told.
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("10.64.0.9"), 32));
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("10.64.0.1"), 32));
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("fd35:1::1"), 128));
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("fd99::9"), 128));
    for (int twice = 0; twice < 2; ++twice) {
      ENTRESOL_EXPECT_OK(
          netlink.add_route(prefix_of("10.99.0.0/16"), "t0", address_of("10.64.0.1"), 1300));
      ENTRESOL_EXPECT_OK(netlink.add_route(prefix_of("fd99::/16"), "t0", address_of("fd35:1::1")));
    }
    const auto v4 = netlink.path_to(address_of("10.99.1.1"));
    ASSERT_TRUE(v4) << v4.error().message;
    EXPECT_EQ(v4->interface, "t0");
    EXPECT_EQ(v4->mtu, 1300u);
    EXPECT_EQ(v4->source, address_of("10.64.0.1"));
    const auto v6 = netlink.path_to(address_of("fd99::1"));
    ASSERT_TRUE(v6) << v6.error().message;
    EXPECT_EQ(v6->interface, "t0");
    EXPECT_EQ(v6->mtu, 1400u);
    EXPECT_EQ(v6->source, address_of("fd35:1::1"));

    for (int twice = 0; twice < 2; ++twice) {
      ENTRESOL_EXPECT_OK(netlink.remove_route(prefix_of("10.99.0.0/16"), "t0"));
      ENTRESOL_EXPECT_OK(netlink.remove_route(prefix_of("fd99::/16"), "t0"));
    }
    EXPECT_FALSE(has_route(netlink, "10.99.0.0/16", "t0"));
    const auto gone = netlink.path_to(address_of("10.99.1.1"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, base::code::kUnreachable);
  });
}

TEST_F(NetlinkTest, FindsWhatOverlaps) {
  with_tun([](Netlink& netlink, Tun&) {
    const auto overlapping = [&](const char* text, const char* ignoring) {
      return netlink.find_overlapping_route(prefix_of(text), ignoring).value().value_or("none");
    };
    ENTRESOL_EXPECT_OK(netlink.set_up("t0"));
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("10.64.0.1"), 32));
    ENTRESOL_EXPECT_OK(netlink.add_route(prefix_of("10.99.0.0/16"), "t0"));
    ENTRESOL_EXPECT_OK(netlink.add_route(prefix_of("0.0.0.0/0"), "t0"));
    ENTRESOL_EXPECT_OK(netlink.add_route(prefix_of("fd99::/16"), "t0"));
    ENTRESOL_EXPECT_OK(netlink.add_route(prefix_of("::/0"), "t0"));
    EXPECT_EQ(overlapping("10.99.5.0/24", "other"), "10.99.0.0/16 on t0");
    EXPECT_EQ(overlapping("10.96.0.0/12", ""), "10.99.0.0/16 on t0");
    EXPECT_EQ(overlapping("10.64.0.0/24", ""), "10.64.0.1/32 on t0 (an address of this machine)");
    EXPECT_EQ(overlapping("fd99:1::/32", ""), "fd99::/16 on t0");
    EXPECT_EQ(overlapping("10.99.5.0/24", "t0"), "none");
    EXPECT_EQ(overlapping("172.16.0.0/12", ""), "none");
    EXPECT_EQ(overlapping("fd98::/16", ""), "none");
  });
}

TEST_F(NetlinkTest, AMissingInterfaceIsNamed) {
  namespace_.run([] {
    auto netlink = Netlink::open().value();
    const auto missing = netlink.set_mtu("nosuch", 1400);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, base::code::kConfigBadValue);
    EXPECT_NE(missing.error().message.find("nosuch"), std::string::npos);
    EXPECT_FALSE(netlink.mtu("nosuch"));
    EXPECT_FALSE(netlink.add_route(prefix_of("10.0.0.0/8"), "nosuch"));
  });
}

TEST_F(NetlinkTest, TheMonitorTellsOfChanges) {
  with_tun([](Netlink& netlink, Tun&) {
    auto monitor = NetlinkMonitor::open();
    ASSERT_TRUE(monitor);
    EXPECT_FALSE(monitor->drain());
    ENTRESOL_EXPECT_OK(netlink.set_up("t0"));
    ENTRESOL_EXPECT_OK(netlink.add_address("t0", address_of("10.64.0.1"), 16));
    EXPECT_TRUE(monitor->drain());
    EXPECT_FALSE(monitor->drain());
  });
}

TEST(NetlinkHere, AnyoneMayLook) {
  auto netlink = Netlink::open();
  ASSERT_TRUE(netlink);
  const auto loopback = netlink->path_to(address_of("127.0.0.1"));
  ASSERT_TRUE(loopback) << loopback.error().message;
  EXPECT_EQ(loopback->interface, "lo");
  EXPECT_GT(loopback->mtu, 1280u);
}

}  // namespace
}  // namespace entresol::io
