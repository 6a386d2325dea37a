// Opening a UDP socket: family, options, buffers, address.
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error_codes.h"
#include "io/endpoint_text.h"
#include "io/udp_socket.h"
#include "io/udp_tx_scratch.h"

namespace entresol::io {
namespace {

bool set_int(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

base::Endpoint endpoint_of(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  return from_sockaddr(name);
}

}  // namespace

base::Endpoint from_sockaddr(const sockaddr_storage& name) {
  base::Endpoint out;
  if (name.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(name);
    out.address[10] = out.address[11] = 0xff;
    std::memcpy(out.address.data() + 12, &v4.sin_addr, 4);
    out.port = ntohs(v4.sin_port);
  } else if (name.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(name);
    std::memcpy(out.address.data(), &v6.sin6_addr, 16);
    out.port = ntohs(v6.sin6_port);
  }
  return out;
}

socklen_t to_sockaddr(const base::Endpoint& endpoint, bool v4_socket, std::uint32_t zone,
                      sockaddr_storage& name) {
  if (v4_socket && is_v4(endpoint.address)) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(name);
    v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.data() + 12, 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(name);
  v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, endpoint.address.data(), 16);
  if (is_link_local(endpoint.address)) v6.sin6_scope_id = zone;
  return sizeof v6;
}

UdpSocket::UdpSocket() : tx_(std::make_unique<TxScratch>()) {}
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&&) noexcept = default;
UdpSocket::~UdpSocket() = default;

base::Result<UdpSocket> UdpSocket::open(const UdpOptions& options) {
  UdpSocket socket;
  if (auto created = socket.create(options); !created) return tl::unexpected(created.error());
  socket.set_buffers(options.buffer_bytes);
  socket.set_receive_options(options);
  if (auto bound = socket.bind_to(options); !bound) return tl::unexpected(bound.error());
  return socket;
}

base::Result<void> UdpSocket::create(const UdpOptions& options) {
  constexpr int kType = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const bool any = options.bind.address == Address{};
  v4_ = any ? options.family == Family::kV4 : is_v4(options.bind.address);
  fd_.reset(::socket(v4_ ? AF_INET : AF_INET6, kType, 0));
  if (!fd_ && errno == EAFNOSUPPORT && any && options.family == Family::kBoth) {
    v4_ = true;
    fd_.reset(::socket(AF_INET, kType, 0));
  }
  if (!fd_) {
    const bool family = errno == EAFNOSUPPORT;
    return system_failure(family ? base::code::kConfigBadValue : base::code::kSystemCall,
                          std::string("cannot open a UDP socket for ") + (v4_ ? "IPv4" : "IPv6"),
                          errno);
  }
  if (!v4_) {
    const bool only_v6 = !any || options.family == Family::kV6;
    if (!set_int(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, only_v6)) {
      return system_failure(base::code::kSystemCall, "cannot set IPV6_V6ONLY", errno);
    }
  }
  if (options.share_port && !set_int(fd_.get(), SOL_SOCKET, SO_REUSEPORT, 1)) {
    return system_failure(base::code::kSystemCall, "cannot share the UDP port (SO_REUSEPORT)",
                          errno);
  }
  if (options.mark != 0 &&
      !set_int(fd_.get(), SOL_SOCKET, SO_MARK, static_cast<int>(options.mark))) {
    return system_failure(base::code::kSystemCall, "cannot mark the UDP socket (SO_MARK)", errno);
  }
  return {};
}

void UdpSocket::set_buffers(int bytes) {
  if (bytes <= 0) return;
  const auto set = [&](int forced, int plain) {
    if (!set_int(fd_.get(), SOL_SOCKET, forced, bytes))
      set_int(fd_.get(), SOL_SOCKET, plain, bytes);
  };
  set(SO_RCVBUFFORCE, SO_RCVBUF);
  set(SO_SNDBUFFORCE, SO_SNDBUF);
}

// None of these is fatal: without them bursts are shorter, traffic classes are lost, or the kernel
// chooses addresses.
void UdpSocket::set_receive_options(const UdpOptions& options) {
  const int fd = fd_.get();
  gro_ = options.gro && set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
  gso_ = options.gso && set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
  set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
  if (v4_) {
    set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);  // gives mapped addresses for IPv4
  }
  if (options.busy_poll_us != 0) {
    set_int(fd, SOL_SOCKET, SO_BUSY_POLL, static_cast<int>(options.busy_poll_us));
  }
  fragment_ = true;
  set_fragment(false);
}

void UdpSocket::set_fragment(bool fragment) {
  if (fragment_ == fragment) return;
  fragment_ = fragment;
  set_int(fd_.get(), IPPROTO_IP, IP_MTU_DISCOVER, fragment ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
  if (!v4_) {
    set_int(fd_.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER,
            fragment ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
  }
}

base::Result<void> UdpSocket::bind_to(const UdpOptions& options) {
  sockaddr_storage name{};
  base::Endpoint wanted = options.bind;
  if (v4_ && wanted.address == Address{}) wanted.address[10] = wanted.address[11] = 0xff;
  const socklen_t size = to_sockaddr(wanted, v4_, 0, name);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0) {
    local_ = endpoint_of(fd_.get());
    return {};
  }
  const int error = errno;
  const std::string what = "cannot listen on UDP " + to_text(wanted);
  if (error == EADDRINUSE) {
    return base::fail(base::code::kPortTaken,
                      what +
                          ": another process has this port; choose another one, or find it with "
                          "\"ss -ulpn sport = " +
                          std::to_string(wanted.port) + "\"");
  }
  if (error == EADDRNOTAVAIL || error == EINVAL) {
    return base::fail(base::code::kConfigBadValue, what + ": no interface has this address");
  }
  return system_failure(base::code::kSystemCall, what, error);
}

int UdpSocket::receive_buffer() const {
  int value = 0;
  socklen_t size = sizeof value;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &value, &size);
  return value;
}

std::uint64_t UdpSocket::kernel_drops() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &size) != 0) return 0;
  return info[SK_MEMINFO_DROPS];
}

}  // namespace entresol::io
