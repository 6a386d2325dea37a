#include "io/netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/netlink_message.h"

namespace entresol::io {
namespace {

constexpr std::size_t kAnswerSize = 64 * 1024;  // the kernel's dumps use at most 32 KiB a message

std::uint8_t family_of(const Address& address) {
  return is_v4(address) ? AF_INET : AF_INET6;
}

bool is_default(const Route& route) {
  return route.destination.length == 0;
}

std::optional<Route> read_route(const nlmsghdr& header) {
  const auto* body = netlink_body<rtmsg>(header);
  if (header.nlmsg_type != RTM_NEWROUTE || body == nullptr) return std::nullopt;
  if (body->rtm_family != AF_INET && body->rtm_family != AF_INET6) return std::nullopt;
  Route out;
  out.table = body->rtm_table;
  out.type = body->rtm_type;
  if (body->rtm_family == AF_INET) out.destination.address[10] = out.destination.address[11] = 0xff;
  out.destination.length = body->rtm_dst_len;
  visit_attributes(header, sizeof *body, [&](const NetlinkAttribute& a) {
    switch (a.type) {
      case RTA_DST:
        out.destination.address = a.address().value_or(out.destination.address);
        break;
      case RTA_OIF:
        out.interface_index = a.u32();
        break;
      case RTA_GATEWAY:
        out.gateway = a.address();
        break;
      case RTA_PREFSRC:
        out.source = a.address();
        break;
      case RTA_TABLE:
        out.table = a.u32();
        break;
      case RTA_PRIORITY:
        out.metric = a.u32();
        break;
      case RTA_METRICS:
        visit_attributes(a.value, [&](const NetlinkAttribute& metric) {
          if (metric.type == RTAX_MTU) out.mtu = metric.u32();
        });
        break;
      default:
        break;
    }
  });
  return out;
}

NetlinkMessage address_message(std::uint16_t type, std::uint16_t flags, std::uint32_t index,
                               const Address& address, std::uint8_t length,
                               std::uint32_t ifa_flags) {
  NetlinkMessage message(type, flags);
  ifaddrmsg body{};
  body.ifa_family = family_of(address);
  body.ifa_prefixlen = length;
  body.ifa_index = index;
  message.body(body);
  message.attribute_address(IFA_LOCAL, address);
  message.attribute_address(IFA_ADDRESS, address);
  message.attribute_u32(IFA_FLAGS, ifa_flags);
  return message;
}

NetlinkMessage route_message(std::uint16_t type, std::uint16_t flags, const Prefix& destination,
                             std::uint32_t index) {
  NetlinkMessage message(type, flags);
  rtmsg body{};
  body.rtm_family = family_of(destination.address);
  body.rtm_dst_len = destination.length;
  body.rtm_table = RT_TABLE_MAIN;
  if (type == RTM_NEWROUTE) {
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_type = RTN_UNICAST;
  }
  body.rtm_scope = type == RTM_DELROUTE         ? RT_SCOPE_NOWHERE
                   : body.rtm_family == AF_INET ? RT_SCOPE_LINK
                                                : RT_SCOPE_UNIVERSE;
  message.body(body);
  message.attribute_address(RTA_DST, destination.address);
  message.attribute_u32(RTA_OIF, index);
  return message;
}

NetlinkMessage link_message() {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK);
  message.body(ifinfomsg{});
  return message;
}

base::Result<UniqueFd> open_socket(unsigned groups, int flags) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
  if (!fd) return system_failure(base::code::kSystemCall, "cannot open a netlink socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  sockaddr_nl name{};
  name.nl_family = AF_NETLINK;
  name.nl_groups = groups;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return system_failure(base::code::kSystemCall, "cannot bind a netlink socket", errno);
  }
  return fd;
}

base::Result<void> result_of(int error, const std::string& what) {
  if (error == 0) return {};
  return system_failure(base::code::kSystemCall, what, error);
}

}  // namespace

std::string to_text(const Route& route) {
  std::string out = to_text(route.destination);
  if (route.gateway) out += " via " + to_text(*route.gateway);
  if (!route.interface.empty()) out += " on " + route.interface;
  if (route.type == RTN_LOCAL) out += " (an address of this machine)";
  return out;
}

base::Result<Netlink> Netlink::open() {
  auto fd = open_socket(0, 0);
  if (!fd) return tl::unexpected(fd.error());
  Netlink netlink;
  netlink.fd_ = std::move(*fd);
  return netlink;
}

int Netlink::exchange(NetlinkMessage& message, const Visitor& visit) {
  const auto bytes = message.finish(++sequence_);
  if (::send(fd_.get(), bytes.data(), bytes.size(), 0) < 0) return errno;
  std::vector<std::uint8_t> answer(kAnswerSize);
  int failure = 0;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), answer.data(), answer.size(), MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (static_cast<std::size_t>(got) > answer.size()) return EMSGSIZE;
    auto rest = static_cast<std::uint32_t>(got);
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
    for (; NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest)) {
      if (header->nlmsg_seq != sequence_) continue;  // left over from a request that was given up
      if (header->nlmsg_flags & NLM_F_DUMP_INTR) failure = EINTR;
      if (header->nlmsg_type == NLMSG_DONE) return failure;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error = netlink_body<nlmsgerr>(*header);
        return error == nullptr ? EBADMSG : -error->error;
      }
      if (visit) visit(*header);
    }
  }
}

base::Result<std::uint32_t> Netlink::interface_index(std::string_view interface) {
  const unsigned index = ::if_nametoindex(std::string(interface).c_str());
  if (index == 0) {
    return base::fail(base::code::kConfigBadValue,
                      "there is no interface \"" + std::string(interface) + "\"");
  }
  return index;
}

base::Result<std::string> Netlink::interface_name(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(index, name.data()) == nullptr) return std::string();
  return std::string(name.data());
}

base::Result<void> Netlink::change_link(std::string_view interface, NetlinkMessage& message,
                                        const std::string& what) {
  const auto index = interface_index(interface);
  if (!index) return tl::unexpected(index.error());
  message.body_as<ifinfomsg>().ifi_index = static_cast<int>(*index);
  return result_of(exchange(message), "cannot " + what + " of " + std::string(interface));
}

base::Result<Netlink::Link> Netlink::read_link(std::string_view interface) {
  const auto index = interface_index(interface);
  if (!index) return tl::unexpected(index.error());
  NetlinkMessage message(RTM_GETLINK, NLM_F_ACK);
  ifinfomsg body{};
  body.ifi_index = static_cast<int>(*index);
  message.body(body);
  Link out;
  const int error = exchange(message, [&](const nlmsghdr& header) {
    const auto* link = netlink_body<ifinfomsg>(header);
    if (link != nullptr) out.up = (link->ifi_flags & IFF_UP) != 0;
    visit_attributes(header, sizeof(ifinfomsg), [&](const NetlinkAttribute& a) {
      if (a.type == IFLA_MTU) out.mtu = a.u32();
    });
  });
  if (error != 0) {
    return system_failure(base::code::kSystemCall,
                          "cannot read the state of " + std::string(interface), error);
  }
  return out;
}

base::Result<std::uint32_t> Netlink::mtu(std::string_view interface) {
  return read_link(interface).map([](const Link& link) { return link.mtu; });
}

base::Result<void> Netlink::set_mtu(std::string_view interface, std::uint32_t mtu) {
  NetlinkMessage message = link_message();
  message.attribute_u32(IFLA_MTU, mtu);
  return change_link(interface, message, "set the MTU " + std::to_string(mtu));
}

base::Result<void> Netlink::set_up(std::string_view interface, bool up) {
  NetlinkMessage message = link_message();
  message.body_as<ifinfomsg>().ifi_change = IFF_UP;
  message.body_as<ifinfomsg>().ifi_flags = up ? static_cast<unsigned>(IFF_UP) : 0u;
  return change_link(interface, message, "change the state");
}

base::Result<void> Netlink::set_queue_length(std::string_view interface, std::uint32_t packets) {
  NetlinkMessage message = link_message();
  message.attribute_u32(IFLA_TXQLEN, packets);
  return change_link(interface, message, "set the queue length");
}

base::Result<void> Netlink::disable_link_local(std::string_view interface) {
  NetlinkMessage message = link_message();
  const std::size_t spec = message.begin_nested(IFLA_AF_SPEC);
  const std::size_t inet6 = message.begin_nested(AF_INET6);
  message.attribute_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  message.end_nested(inet6);
  message.end_nested(spec);
  return change_link(interface, message, "disable link-local addresses");
}

base::Result<void> Netlink::add_address(std::string_view interface, const Address& address,
                                        std::uint8_t length, bool with_route) {
  const auto index = interface_index(interface);
  if (!index) return tl::unexpected(index.error());
  const std::uint32_t flags = (is_v4(address) ? 0u : static_cast<std::uint32_t>(IFA_F_NODAD)) |
                              (with_route ? 0u : static_cast<std::uint32_t>(IFA_F_NOPREFIXROUTE));
  NetlinkMessage message = address_message(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                                           *index, address, length, flags);
  const auto added =
      result_of(exchange(message), "cannot add the address " + to_text(address) + "/" +
                                       std::to_string(length) + " to " + std::string(interface));
  if (!added || is_v4(address)) return added;
  const auto link = read_link(interface);
  if (!link) return tl::unexpected(link.error());
  return link->up ? wait_until_usable(address) : base::Result<void>();
}

base::Result<void> Netlink::wait_until_usable(const Address& address) {
  auto monitor = NetlinkMonitor::open();  // before the first look, so that no change is missed
  if (!monitor) return tl::unexpected(monitor.error());
  const base::TimePoint deadline = now() + std::chrono::seconds(2);
  for (;;) {
    const auto route = look_up(address);
    if (route && route->type == RTN_LOCAL) return {};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now()).count();
    if (left <= 0) {
      return base::fail(base::code::kSystemCall,
                        "the address " + to_text(address) + " does not become usable");
    }
    pollfd changed{monitor->fd(), POLLIN, 0};
    ::poll(&changed, 1, static_cast<int>(left));
    monitor->drain();
  }
}

base::Result<void> Netlink::remove_address(std::string_view interface, const Address& address,
                                           std::uint8_t length) {
  const auto index = interface_index(interface);
  if (!index) return tl::unexpected(index.error());
  NetlinkMessage message = address_message(RTM_DELADDR, NLM_F_ACK, *index, address, length, 0);
  const int error = exchange(message);
  return result_of(
      error == EADDRNOTAVAIL ? 0 : error,
      "cannot remove the address " + to_text(address) + " from " + std::string(interface));
}

base::Result<std::vector<InterfaceAddress>> Netlink::list_addresses() {
  std::vector<InterfaceAddress> out;
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP);
  message.body(ifaddrmsg{});
  const int error = exchange(message, [&](const nlmsghdr& header) {
    const auto* body = netlink_body<ifaddrmsg>(header);
    if (header.nlmsg_type != RTM_NEWADDR || body == nullptr) return;
    InterfaceAddress entry{body->ifa_index, {}, body->ifa_prefixlen};
    bool local = false;
    visit_attributes(header, sizeof *body, [&](const NetlinkAttribute& a) {
      // IFA_LOCAL is ours where both are given; IFA_ADDRESS then is the other end's.
      if (a.type != IFA_LOCAL && (a.type != IFA_ADDRESS || local)) return;
      entry.address = a.address().value_or(entry.address);
      local |= a.type == IFA_LOCAL;
    });
    out.push_back(entry);
  });
  if (error != 0) return system_failure(base::code::kSystemCall, "cannot list addresses", error);
  return out;
}

base::Result<void> Netlink::add_route(const Prefix& destination, std::string_view interface,
                                      const std::optional<Address>& source, std::uint32_t mtu) {
  const auto index = interface_index(interface);
  if (!index) return tl::unexpected(index.error());
  NetlinkMessage message =
      route_message(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, destination, *index);
  if (source) message.attribute_address(RTA_PREFSRC, *source);
  if (mtu != 0) {
    const std::size_t metrics = message.begin_nested(RTA_METRICS);
    message.attribute_u32(RTAX_MTU, mtu);
    message.end_nested(metrics);
  }
  return result_of(exchange(message), "cannot add the route " + to_text(destination) + " through " +
                                          std::string(interface));
}

base::Result<void> Netlink::remove_route(const Prefix& destination, std::string_view interface) {
  const auto index = interface_index(interface);
  if (!index) return tl::unexpected(index.error());
  NetlinkMessage message = route_message(RTM_DELROUTE, NLM_F_ACK, destination, *index);
  const int error = exchange(message);
  return result_of(error == ESRCH ? 0 : error, "cannot remove the route " + to_text(destination) +
                                                   " through " + std::string(interface));
}

base::Result<std::vector<Route>> Netlink::list_routes() {
  std::vector<Route> out;
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    NetlinkMessage message(RTM_GETROUTE, NLM_F_DUMP);
    rtmsg body{};
    body.rtm_family = family;
    message.body(body);
    const int error = exchange(message, [&](const nlmsghdr& header) {
      auto route = read_route(header);
      // Cloned entries are what single destinations have taught (path MTUs), no routes of their
      // own.
      if (!route || netlink_body<rtmsg>(header)->rtm_flags & RTM_F_CLONED) return;
      if (route->type == RTN_MULTICAST || route->type == RTN_BROADCAST ||
          route->type == RTN_ANYCAST) {
        return;
      }
      if (route->interface_index != 0) {
        route->interface = interface_name(route->interface_index).value_or("");
      }
      out.push_back(std::move(*route));
    });
    // A kernel without IPv6 has no IPv6 routes.
    if (error != 0 && error != EOPNOTSUPP && error != EAFNOSUPPORT) {
      return system_failure(base::code::kSystemCall, "cannot list routes", error);
    }
  }
  return out;
}

base::Result<std::optional<std::string>> Netlink::find_overlapping_route(
    const Prefix& prefix, std::string_view ignoring) {
  const auto routes = list_routes();
  if (!routes) return tl::unexpected(routes.error());
  for (const Route& route : *routes) {
    if (is_default(route) || (!ignoring.empty() && route.interface == ignoring)) continue;
    if (overlap(route.destination, prefix)) return std::optional(to_text(route));
  }
  return std::optional<std::string>();
}

base::Result<Route> Netlink::look_up(const Address& destination) {
  NetlinkMessage message(RTM_GETROUTE, NLM_F_ACK);
  rtmsg body{};
  body.rtm_family = family_of(destination);
  body.rtm_dst_len = is_v4(destination) ? 32 : 128;
  message.body(body);
  message.attribute_address(RTA_DST, destination);
  std::optional<Route> route;
  const int error = exchange(message, [&](const nlmsghdr& header) {
    if (!route) route = read_route(header);
  });
  const std::string what = "no route to " + to_text(destination);
  if (error != 0) return base::fail(base::code::kUnreachable, what + ": " + errno_text(error));
  if (!route || route->interface_index == 0) return base::fail(base::code::kUnreachable, what);
  return *route;
}

base::Result<PathInfo> Netlink::path_to(const Address& destination) {
  const auto route = look_up(destination);
  if (!route) return tl::unexpected(route.error());
  PathInfo out{interface_name(route->interface_index).value_or(""), route->mtu, route->source,
               route->gateway};
  if (out.mtu == 0) {
    const auto interface_mtu = mtu(out.interface);
    if (!interface_mtu) return tl::unexpected(interface_mtu.error());
    out.mtu = *interface_mtu;
  }
  return out;
}

base::Result<NetlinkMonitor> NetlinkMonitor::open() {
  auto fd = open_socket(
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
      SOCK_NONBLOCK);
  if (!fd) return tl::unexpected(fd.error());
  NetlinkMonitor monitor;
  monitor.fd_ = std::move(*fd);
  return monitor;
}

bool NetlinkMonitor::drain() {
  bool changed = false;
  std::array<std::uint8_t, 8192> ignored;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), ignored.data(), ignored.size(), 0);
    if (got > 0) {
      changed = true;
    } else if (got < 0 && errno == ENOBUFS) {
      changed = true;  // more happened than fitted the socket's buffer
    } else if (got == 0 || errno != EINTR) {
      return changed;
    }
  }
}

}  // namespace entresol::io
