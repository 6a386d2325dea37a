// Sending over a link with a small MTU: the loopback of a namespace of the test's own.
#include <gtest/gtest.h>
#include <poll.h>

#include "base/bytes.h"
#include "io/test_namespace.h"
#include "io/udp_socket.h"

namespace entresol::io {
namespace {

constexpr std::uint32_t kMtu = 1280;

class UdpMtu : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ENTRESOL_NEED_NAMESPACE(namespace_);
    namespace_.run([] {
      auto netlink = Netlink::open().value();
      ENTRESOL_EXPECT_OK(netlink.set_up("lo"));
      ENTRESOL_EXPECT_OK(netlink.set_mtu("lo", kMtu));
    });
  }
  UdpSocket open() const {
    auto socket = UdpSocket::open({.bind = endpoint_of(GetParam(), 0)});
    EXPECT_TRUE(socket) << socket.error().message;
    return std::move(*socket);
  }
  static std::vector<std::uint32_t> sizes(UdpSocket& socket, std::size_t bytes) {
    std::vector<std::uint32_t> out;
    RxRing ring;
    for (std::size_t got = 0; got < bytes;) {
      pollfd poll{socket.fd(), POLLIN, 0};
      if (::poll(&poll, 1, 10'000) != 1) break;
      for (const RxBurst& burst : socket.receive(ring)) {
        for (std::uint32_t at = 0; at < burst.length; at += burst.segment_size) {
          out.push_back(std::min<std::uint32_t>(burst.segment_size, burst.length - at));
        }
        got += burst.length;
      }
    }
    return out;
  }
  TestNamespace namespace_;
};

TxBurst burst_of(const base::Bytes& data, std::uint16_t segment_size, const UdpSocket& to) {
  TxBurst out;
  out.data = data.data();
  out.length = static_cast<std::uint32_t>(data.size());
  out.segment_size = segment_size;
  out.to = to.local();
  return out;
}

TEST_P(UdpMtu, SegmentsBeyondTheMtuAreDroppedAndTheShortLastOneArrives) {
  namespace_.run([&] {
    UdpSocket a = open();
    UdpSocket b = open();
    const base::Bytes data(5 * 1400 + 200, 7);
    const base::Bytes fits(3 * 1000, 8);
    const std::vector<TxBurst> bursts = {burst_of(data, 1400, b), burst_of(fits, 1000, b)};
    EXPECT_EQ(a.send(bursts).bursts, 2u);
    EXPECT_EQ(a.counters().gso_fallbacks, 1u);
    EXPECT_EQ(a.counters().tx_too_big, 5u);
    EXPECT_EQ(a.counters().tx_datagrams, 4u);
    EXPECT_TRUE(a.gso());
    EXPECT_EQ(sizes(b, 3200), (std::vector<std::uint32_t>{200, 1000, 1000, 1000}));
    const auto too_big = a.take_too_big();
    ASSERT_TRUE(too_big);
    EXPECT_EQ(too_big->to, b.local());
    EXPECT_EQ(too_big->size, 1400u);
    EXPECT_FALSE(a.take_too_big());
  });
}

TEST_P(UdpMtu, SegmentsBeyondTheMtuAreFragmentedWhereThatIsAllowed) {
  namespace_.run([&] {
    UdpSocket a = open();
    UdpSocket b = open();
    const base::Bytes data(5 * 1400 + 200, 7);
    TxBurst fragment = burst_of(data, 1400, b);
    fragment.fragment = true;
    const TxBurst whole = burst_of(data, 1400, b);
    const std::vector<TxBurst> bursts = {fragment, whole, fragment};
    EXPECT_EQ(a.send(bursts).bursts, 3u);
    EXPECT_EQ(a.counters().tx_too_big, 5u);  // those of `whole`
    EXPECT_EQ(sizes(b, 2 * data.size() + 200),
              (std::vector<std::uint32_t>{1400, 1400, 1400, 1400, 1400, 200, 200, 1400, 1400, 1400,
                                          1400, 1400, 200}));
  });
}

TEST_P(UdpMtu, LargeSingleDatagramsToo) {
  namespace_.run([&] {
    UdpSocket a = open();
    UdpSocket b = open();
    const base::Bytes data(9000, 7);
    TxBurst fragment = burst_of(data, 0, b);
    fragment.fragment = true;
    const TxBurst whole = burst_of(data, 0, b);
    const std::vector<TxBurst> bursts = {whole, fragment, whole, fragment, fragment};
    EXPECT_EQ(a.send(bursts).bursts, 5u);
    EXPECT_EQ(a.counters().tx_too_big, 2u);
    EXPECT_EQ(sizes(b, 3 * 9000), (std::vector<std::uint32_t>{9000, 9000, 9000}));
  });
}

TEST_P(UdpMtu, NoRouteIsCounted) {
  namespace_.run([&] {
    auto a = UdpSocket::open({}).value();
    const base::Bytes data(3000, 7);
    TxBurst burst;
    burst.data = data.data();
    burst.length = 3000;
    burst.segment_size = 1000;
    burst.to = endpoint_of(GetParam()[0] == ':' ? "2001:db8::1" : "203.0.113.7", 9);
    EXPECT_EQ(a.send({&burst, 1}).bursts, 1u);
    EXPECT_EQ(a.counters().tx_unreachable, 3u);
  });
}

INSTANTIATE_TEST_SUITE_P(SmallLink, UdpMtu, testing::Values("127.0.0.1", "::1"),
                         [](const auto& tested) { return tested.param[0] == ':' ? "V6" : "V4"; });

}  // namespace
}  // namespace entresol::io
