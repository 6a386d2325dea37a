// Shared by udp_options.cc and udp_socket.cc alone: the message headers that send() fills, and
// socket addresses.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <limits>

#include "io/udp_socket.h"

namespace entresol::io {

base::Endpoint from_sockaddr(const sockaddr_storage& name);
// IPv4 sockets get an IPv4 address where there is one; everything else is IPv6. `zone` serves
// link-local addresses.
socklen_t to_sockaddr(const base::Endpoint& endpoint, bool v4_socket, std::uint32_t zone,
                      sockaddr_storage& name);

struct UdpSocket::Chunk {
  std::uint32_t burst;
  std::uint32_t offset;
  std::uint32_t length;
  std::uint32_t segments;
  bool has_local;
};

struct UdpSocket::TxScratch {
  static constexpr unsigned kMessages = 64;
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  struct Control {
    alignas(8) std::uint8_t bytes[128];
  };
  std::array<mmsghdr, kMessages> messages{};
  std::array<iovec, kMessages> iovecs{};
  std::array<sockaddr_storage, kMessages> names{};
  std::array<Control, kMessages> controls{};
  std::array<Chunk, kMessages> chunks{};
  // What recovery has found out about the burst that send() is at.
  std::size_t single_burst = kNone;     // goes out without GSO
  std::size_t any_local_burst = kNone;  // its wanted local address is refused
  std::size_t retried_burst = kNone;    // has consumed a pending ICMP error
};

}  // namespace entresol::io
