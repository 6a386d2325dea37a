// The interfaces, addresses and routes of this network namespace: rtnetlink(7). Blocking, a few
// tens of microseconds a call; for starting, stopping and looking around, never on a packet's way.
//
// Changes are idempotent: adding what is there and removing what is not succeeds. Errors:
// kNoPermission without CAP_NET_ADMIN, kConfigBadValue for an interface that does not exist,
// kSystemCall. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/endpoint_text.h"
#include "io/fd.h"

struct nlmsghdr;

namespace entresol::io {

class NetlinkMessage;

struct Route {
  Prefix destination;
  std::string interface;  // "" for a route without one (unreachable, multipath)
  std::uint32_t interface_index = 0;
  std::optional<Address> gateway;
  std::optional<Address> source;  // preferred
  std::uint32_t table = 0;        // 254 main, 255 local
  std::uint32_t metric = 0;
  std::uint32_t mtu = 0;  // 0: the interface's
  std::uint8_t type = 0;  // RTN_UNICAST 1, RTN_LOCAL 2, RTN_BLACKHOLE 6 …
};
std::string to_text(const Route& route);  // "10.1.0.0/16 via 192.0.2.1 on eth0"

struct InterfaceAddress {
  std::uint32_t interface_index = 0;
  Address address{};
  std::uint8_t length = 0;
};

// The way that a packet from here to a destination takes now.
struct PathInfo {
  std::string interface;
  std::uint32_t mtu = 0;  // of the packet: the route's, a learned one, or the interface's
  std::optional<Address> source;
  std::optional<Address> gateway;
};

class Netlink {
 public:
  static base::Result<Netlink> open();

  base::Result<std::uint32_t> interface_index(std::string_view interface);
  base::Result<std::uint32_t> mtu(std::string_view interface);
  base::Result<void> set_mtu(std::string_view interface, std::uint32_t mtu);
  base::Result<void> set_up(std::string_view interface, bool up = true);
  // Packets that wait for the TUN's reader.
  base::Result<void> set_queue_length(std::string_view interface, std::uint32_t packets);
  // No fe80:: address and no router solicitations of the kernel's own. Call it before set_up.
  base::Result<void> disable_link_local(std::string_view interface);

  // Without duplicate address detection. `length` as in Prefix. With `with_route` false the kernel
  // makes no route to the prefix. On an interface that is up the address is usable on return: call
  // set_up first. (The kernel finishes IPv6 addresses in the background and would drop packets that
  // come earlier.) IPv6 does not survive on an interface with an MTU below 1280.
  base::Result<void> add_address(std::string_view interface, const Address& address,
                                 std::uint8_t length, bool with_route = true);
  // Waits, up to two seconds, until packets to `address` are this machine's own.
  base::Result<void> wait_until_usable(const Address& address);
  base::Result<void> remove_address(std::string_view interface, const Address& address,
                                    std::uint8_t length);
  base::Result<std::vector<InterfaceAddress>> list_addresses();

  // Through the device itself, no gateway, main table. An `mtu` of 0 leaves it to the interface.
  base::Result<void> add_route(const Prefix& destination, std::string_view interface,
                               const std::optional<Address>& source = std::nullopt,
                               std::uint32_t mtu = 0);
  base::Result<void> remove_route(const Prefix& destination, std::string_view interface);

  // All tables, both families; without multicast, broadcast and anycast entries.
  base::Result<std::vector<Route>> list_routes();
  // A route or an address of this machine that shares addresses with `prefix`, as text for an error
  // message. Default routes do not count, nor does what leads to the interface `ignoring` (which
  // need not exist).
  base::Result<std::optional<std::string>> find_overlapping_route(const Prefix& prefix,
                                                                  std::string_view ignoring);

  // kUnreachable if there is no route.
  base::Result<PathInfo> path_to(const Address& destination);

 private:
  Netlink() = default;
  using Visitor = std::function<void(const nlmsghdr&)>;
  // 0, or the kernel's errno. `visit` sees every answer but the acknowledgement.
  int exchange(NetlinkMessage& message, const Visitor& visit = {});
  base::Result<void> change_link(std::string_view interface, NetlinkMessage& message,
                                 const std::string& what);
  struct Link {
    std::uint32_t mtu = 0;
    bool up = false;
  };
  base::Result<Link> read_link(std::string_view interface);
  // The kernel's choice for a packet from here; kUnreachable.
  base::Result<Route> look_up(const Address& destination);
  base::Result<std::string> interface_name(std::uint32_t index);

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

// Tells that links, addresses or routes have changed, so that a host can look whether it has moved.
class NetlinkMonitor {
 public:
  static base::Result<NetlinkMonitor> open();
  int fd() const { return fd_.get(); }  // readable when something has changed
  bool drain();                         // reads all there is; whether there was anything

 private:
  UniqueFd fd_;
};

}  // namespace entresol::io
