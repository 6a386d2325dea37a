#include "io/tun.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <numeric>

#include "base/bytes.h"
#include "base/error_codes.h"
#include "io/test_namespace.h"
#include "io/udp_socket.h"

namespace entresol::io {
namespace {

constexpr std::uint32_t kMtu = 1400;

// Two namespaces, each with a TUN device: 10.64.0.1 and fd35::1 in one, .2 and ::2 in the other.
// Tests carry the packets.
class TunPair : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 2; ++i) ENTRESOL_NEED_NAMESPACE(ends_[i]);
  }
  void open(const TunOffloads& offloads = {}) {
    for (int i = 0; i < 2; ++i) {
      ends_[i].run([&] {
        auto tun = Tun::open("t0", {.offloads = offloads});
        ASSERT_TRUE(tun) << tun.error().message;
        tuns_[i] = std::make_unique<Tun>(std::move(*tun));
        auto netlink = Netlink::open().value();
        ENTRESOL_EXPECT_OK(netlink.set_mtu("t0", kMtu));
        ENTRESOL_EXPECT_OK(netlink.disable_link_local("t0"));
        ENTRESOL_EXPECT_OK(netlink.set_up("t0"));
        ENTRESOL_EXPECT_OK(netlink.add_address("t0", v4(i), 24));
        ENTRESOL_EXPECT_OK(netlink.add_address("t0", v6(i), 64));
      });
    }
  }
  static Address v4(int end) { return address_of(end == 0 ? "10.64.0.1" : "10.64.0.2"); }
  static Address v6(int end) { return address_of(end == 0 ? "fd35::1" : "fd35::2"); }

  UdpSocket udp(int end, const Address& address) {
    std::unique_ptr<UdpSocket> out;
    ends_[end].run([&] {
      out = std::make_unique<UdpSocket>(UdpSocket::open({.bind = {address, 0}}).value());
    });
    return std::move(*out);
  }
  UniqueFd tcp(int end) {
    UniqueFd fd;
    ends_[end].run(
        [&] { fd.reset(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); });
    return fd;
  }
  // Moves one packet out of `from`; the piece sizes of the write are uneven on purpose.
  bool carry(int from) {
    VirtioNetHeader header;
    const std::ptrdiff_t got = tuns_[from]->read(buffer_, header);
    EXPECT_GE(got, 0) << errno_text(static_cast<int>(-got));
    if (got <= 0) return false;
    const auto length = static_cast<std::size_t>(got);
    largest_ = std::max(largest_, length);
    if (header.gso_type != VirtioNetHeader::kGsoNone) ++trains_;
    std::vector<iovec> pieces;
    for (std::size_t at = 0; at < length;) {
      const std::size_t size = std::min(length - at, std::size_t{1} + (at * 7) % 1399);
      pieces.push_back({buffer_.data() + at, size});
      at += size;
    }
    EXPECT_EQ(tuns_[1 - from]->write(header, pieces), 0);
    return true;
  }

  TestNamespace ends_[2];
  std::unique_ptr<Tun> tuns_[2];
  base::Bytes buffer_ = base::Bytes(Tun::kLargestPacket);
  std::size_t largest_ = 0;
  std::size_t trains_ = 0;

  void transfer_over_tcp(std::size_t total);
};

sockaddr_in6 tcp_address(const Address& address, std::uint16_t port) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(port);
  std::memcpy(&out.sin6_addr, address.data(), 16);
  return out;
}

// One TCP connection whose packets this process carries from TUN to TUN.
void TunPair::transfer_over_tcp(std::size_t total) {
  const UniqueFd listener = tcp(1);
  const sockaddr_in6 address = tcp_address(v6(1), 9000);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const UniqueFd client = tcp(0);
  ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);

  UniqueFd server;
  std::vector<std::uint8_t> chunk(1 << 20);
  std::size_t sent = 0;
  std::size_t received = 0;
  while (received < total) {
    pollfd polls[4] = {{tuns_[0]->fd(), POLLIN, 0},
                       {tuns_[1]->fd(), POLLIN, 0},
                       {server ? server.get() : listener.get(), POLLIN, 0},
                       {client.get(), static_cast<short>(sent < total ? POLLOUT : 0), 0}};
    ASSERT_GT(::poll(polls, 4, 10'000), 0) << "the connection hangs";
    for (int end = 0; end < 2; ++end) {
      while (carry(end)) {
      }
    }
    if (!server) server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
    if (sent < total && (polls[3].revents & POLLOUT)) {
      for (std::size_t i = 0; i < chunk.size(); ++i)
        chunk[i] = static_cast<std::uint8_t>((sent + i) % 251);
      const ssize_t put =
          ::send(client.get(), chunk.data(), std::min(chunk.size(), total - sent), MSG_NOSIGNAL);
      if (put > 0) sent += static_cast<std::size_t>(put);
    }
    const ssize_t got = server ? ::recv(server.get(), chunk.data(), chunk.size(), 0) : -1;
    for (ssize_t i = 0; i < got; ++i, ++received) {
      ASSERT_EQ(chunk[static_cast<std::size_t>(i)], received % 251) << "at " << received;
    }
  }
}

TEST_F(TunPair, TcpTravelsInTrains) {
  open();
  if (!tuns_[0]->offloads().tso) GTEST_SKIP() << "no TSO on this kernel's TUN";
  transfer_over_tcp(2'000'000);
  EXPECT_GT(trains_, 0u);
  EXPECT_GT(largest_, 4 * kMtu);
}

TEST_F(TunPair, TcpTravelsPacketByPacketWithOffloadsOff) {
  open({.checksum = false, .tso = false, .uso = false});
  EXPECT_EQ(tuns_[0]->offloads(), (TunOffloads{false, false, false}));
  transfer_over_tcp(500'000);
  EXPECT_EQ(trains_, 0u);
  EXPECT_LE(largest_, kMtu);
}

TEST_F(TunPair, UdpTrainsStayWholeWhereTheKernelCan) {
  open();
  for (const bool ipv6 : {false, true}) {
    UdpSocket a = udp(0, ipv6 ? v6(0) : v4(0));
    UdpSocket b = udp(1, ipv6 ? v6(1) : v4(1));
    base::Bytes data(10 * 1000 - 137);
    std::iota(data.begin(), data.end(), std::uint8_t{0});
    TxBurst burst;
    burst.data = data.data();
    burst.length = static_cast<std::uint32_t>(data.size());
    burst.segment_size = 1000;
    burst.to = b.local();
    EXPECT_EQ(a.send({&burst, 1}).bursts, 1u);
    std::size_t packets = 0;
    while (carry(0)) ++packets;
    EXPECT_EQ(packets, tuns_[0]->offloads().uso ? 1u : 10u);

    base::Bytes got;
    RxRing ring;
    while (got.size() < data.size()) {
      pollfd poll{b.fd(), POLLIN, 0};
      ASSERT_EQ(::poll(&poll, 1, 10'000), 1);
      for (const RxBurst& in : b.receive(ring)) {
        EXPECT_TRUE(in.segment_size == 1000 || in.segment_size == 863) << in.segment_size;
        got.insert(got.end(), in.data, in.data + in.length);
      }
    }
    EXPECT_EQ(got, data);
  }
}

std::uint32_t sum_words(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += base::load_be16(bytes.data() + i);
  if (bytes.size() % 2) sum += static_cast<std::uint32_t>(bytes.back()) << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

// IPv4 and UDP header of a packet, or of a train whose payload has `payload` bytes; the UDP
// checksum is left to the kernel: it holds the sum of the pseudo-header.
base::Bytes udp_headers(const Address& from, const base::Endpoint& to, std::size_t payload) {
  base::Bytes out(28);
  out[0] = 0x45;
  base::store_be16(&out[2], static_cast<std::uint16_t>(28 + payload));
  base::store_be16(&out[6], 0x4000);
  out[8] = 64;
  out[9] = 17;
  std::memcpy(&out[12], from.data() + 12, 4);
  std::memcpy(&out[16], to.address.data() + 12, 4);
  base::store_be16(&out[10], static_cast<std::uint16_t>(~sum_words({out.data(), 20})));
  base::store_be16(&out[20], 4000);
  base::store_be16(&out[22], to.port);
  base::store_be16(&out[24], static_cast<std::uint16_t>(8 + payload));
  const auto pseudo = static_cast<std::uint32_t>(17 + 8 + payload);
  base::store_be16(&out[26], static_cast<std::uint16_t>(sum_words({&out[12], 8}, pseudo)));
  return out;
}

TEST_F(TunPair, SegmentsScatteredInMemoryAreJoinedByOneWrite) {
  open();
  if (!tuns_[0]->offloads().uso) GTEST_SKIP() << "USO needs Linux 6.2";
  UdpSocket b = udp(1, v4(1));
  std::array<base::Bytes, 5> segments;
  base::Bytes all;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    segments[i].assign(i + 1 == segments.size() ? 333 : 1200, static_cast<std::uint8_t>('a' + i));
    all.insert(all.end(), segments[i].begin(), segments[i].end());
  }
  base::Bytes headers = udp_headers(v4(0), b.local(), all.size());
  std::vector<iovec> pieces = {{headers.data(), headers.size()}};
  for (base::Bytes& segment : segments) pieces.push_back({segment.data(), segment.size()});
  const VirtioNetHeader header{
      VirtioNetHeader::kNeedsChecksum, VirtioNetHeader::kGsoUdp, 28, 1200, 20, 6};
  ASSERT_EQ(tuns_[1]->write(header, pieces), 0);
  EXPECT_EQ(tuns_[1]->counters().writes, 1u);
  EXPECT_EQ(tuns_[1]->counters().write_bytes, 28 + all.size());

  RxRing ring;
  base::Bytes got;
  while (got.size() < all.size()) {
    pollfd poll{b.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&poll, 1, 10'000), 1);
    for (const RxBurst& in : b.receive(ring)) {
      EXPECT_EQ(in.from, (base::Endpoint{v4(0), 4000}));
      got.insert(got.end(), in.data, in.data + in.length);
    }
  }
  EXPECT_EQ(got, all);
}

TEST_F(TunPair, AnUnfinishedChecksumIsHandedOverAsSuch) {
  open();
  UdpSocket a = udp(0, v4(0));
  const base::Bytes data(100, 'x');
  TxBurst burst;
  burst.data = data.data();
  burst.length = 100;
  burst.to = {v4(1), 9};
  a.send({&burst, 1});
  VirtioNetHeader header;
  ASSERT_EQ(tuns_[0]->read(buffer_, header), 128);
  EXPECT_EQ(header.flags & VirtioNetHeader::kNeedsChecksum, tuns_[0]->offloads().checksum ? 1 : 0);
  EXPECT_EQ(header.checksum_start, 20);
  EXPECT_EQ(header.checksum_offset, 6);
  EXPECT_EQ(header.gso_type, VirtioNetHeader::kGsoNone);
  EXPECT_EQ(tuns_[0]->read(buffer_, header), 0);
}

TEST_F(TunPair, WhatTheKernelRefusesIsSaid) {
  open();
  const base::Bytes nonsense(40, 0xff);
  EXPECT_EQ(tuns_[0]->write({}, nonsense), EINVAL);
  const base::Bytes headers = udp_headers(v4(1), {v4(0), 9}, 0);
  VirtioNetHeader beyond;
  beyond.flags = VirtioNetHeader::kNeedsChecksum;
  beyond.checksum_start = 5000;
  EXPECT_EQ(tuns_[0]->write(beyond, headers), EINVAL);
  ends_[0].run([] { ENTRESOL_EXPECT_OK(Netlink::open().value().set_up("t0", false)); });
  EXPECT_EQ(tuns_[0]->write({}, headers), EIO);
  EXPECT_EQ(tuns_[0]->counters().write_failures, 3u);
}

TEST_F(TunPair, TheDeviceGoesWithItsDescriptor) {
  open();
  tuns_[0].reset();
  ends_[0].run([] { EXPECT_FALSE(Netlink::open().value().interface_index("t0")); });
}

TEST_F(TunPair, NamesAreChosenAndRefused) {
  ends_[0].run([] {
    const auto numbered = Tun::open("edge%d");
    ASSERT_TRUE(numbered) << numbered.error().message;
    EXPECT_EQ(numbered->name(), "edge0");
    const auto taken = Tun::open("edge0");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, base::code::kConfigBadValue);
    EXPECT_EQ(Tun::open("a-name-that-is-too-long").error().code, base::code::kConfigBadValue);
    const auto first = Tun::open("mq", {.multi_queue = true});
    EXPECT_TRUE(first);
    EXPECT_TRUE(Tun::open("mq", {.multi_queue = true}));
  });
}

// Both change only the thread that does it, which ends with the call.
TEST_F(TunPair, AMissingDeviceAndMissingRightsAreNamed) {
  ends_[0].run([] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", "/dev/net", "tmpfs", 0, nullptr) != 0) {
      GTEST_SKIP() << "cannot mount over /dev/net: " << errno_text(errno);
    }
    const auto missing = Tun::open("t0");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, base::code::kNoTun);
    EXPECT_NE(missing.error().message.find("modprobe tun"), std::string::npos);
  });
  ends_[0].run([] {
    ASSERT_EQ(::syscall(SYS_setresuid, 65534, 65534, 65534), 0);
    const auto refused = Tun::open("t0");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::code::kNoPermission);
    const auto no_rights = Netlink::open().value().set_mtu("lo", 1500);
    ASSERT_FALSE(no_rights);
    EXPECT_EQ(no_rights.error().code, base::code::kNoPermission);
  });
}

}  // namespace
}  // namespace entresol::io
