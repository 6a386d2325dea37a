// UDP sockets with GRO in and GSO out, for the references.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "reference/options.h"

namespace entresol::bench {

inline constexpr std::size_t kMaxTrain = 65507;       // bytes of one GSO call over IPv4
inline constexpr std::size_t kMaxTrainSegments = 64;  // of any kernel; newer ones take 128

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

// "1.2.3.4:5" or "[2001:db8::1]:5"; `shift` is added to the port.
inline Address parse_address(const std::string& text, unsigned shift = 0) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) Options::fail("no port in '" + text + "'");
  const auto port = static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)) + shift);
  std::string host = text.substr(0, colon);
  Address address;
  if (host.starts_with('[')) {
    host = host.substr(1, host.size() - 2);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.bytes);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof *v6;
    if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) Options::fail("bad " + host);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.bytes);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof *v4;
    if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) Options::fail("bad " + host);
  }
  return address;
}

inline int open_udp(const Address& local, bool gro) {
  const int fd = socket(local.bytes.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Options::fail("socket failed");
  const int buffer = 16 << 20;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  if (gro && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) != 0) Options::fail("no UDP_GRO");
  if (bind(fd, local.get(), local.size) != 0) {
    Options::fail(std::string("bind: ") + std::strerror(errno));
  }
  return fd;
}

inline void connect_udp(int fd, const Address& remote) {
  if (connect(fd, remote.get(), remote.size) != 0) Options::fail("connect failed");
}

// Room for one message's control data: the segment size of a train.
union SegmentControl {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

// What sendmsg needs to send `iov` as datagrams of `segment` bytes; 0 sends one datagram.
inline msghdr train_message(iovec* iov, std::size_t count, std::size_t segment, const Address* to,
                            SegmentControl& control) {
  msghdr message{};
  message.msg_iov = iov;
  message.msg_iovlen = count;
  if (to != nullptr) {
    message.msg_name = const_cast<sockaddr_storage*>(&to->bytes);
    message.msg_namelen = to->size;
  }
  if (segment != 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto value = static_cast<std::uint16_t>(segment);
    std::memcpy(CMSG_DATA(header), &value, sizeof value);
  }
  return message;
}

inline bool send_train(int fd, const Address* to, void* data, std::size_t size,
                       std::size_t segment) {
  iovec iov{data, size};
  SegmentControl control;
  const msghdr message = train_message(&iov, 1, segment < size ? segment : 0, to, control);
  return sendmsg(fd, &message, 0) >= 0;
}

// The segment size of a received train; `size` where it was a single datagram.
inline std::size_t train_segment(msghdr& message, std::size_t size) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int value = 0;
      std::memcpy(&value, CMSG_DATA(c), sizeof value);
      return static_cast<std::size_t>(value);
    }
  }
  return size;
}

// SIGTERM and SIGINT end a blocking call and set this; there is no SA_RESTART.
inline volatile sig_atomic_t stop_requested = 0;
inline void stop_on_signal() {
  struct sigaction action{};
  action.sa_handler = [](int) { stop_requested = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

inline double monotonic_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace entresol::bench
