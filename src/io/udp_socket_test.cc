#include "io/udp_socket.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error_codes.h"
#include "io/endpoint_text.h"
#include "io/test_namespace.h"

namespace entresol::io {
namespace {

struct Datagram {
  base::Bytes bytes;
  base::Endpoint from;
  LocalAddress local;
  std::uint8_t traffic_class;
};

UdpSocket open_on(const char* address, UdpOptions options = {}) {
  options.bind = endpoint_of(address, 0);
  auto socket = UdpSocket::open(options);
  EXPECT_TRUE(socket) << socket.error().message;
  return std::move(*socket);
}

void wait_readable(const UdpSocket& socket) {
  pollfd poll{socket.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll, 1, 10'000), 1) << "nothing arrives";
}

// Datagrams as they were sent, whatever the kernel coalesced; until `bytes` have come.
std::vector<Datagram> receive_datagrams(UdpSocket& socket, RxRing& ring, std::size_t bytes) {
  std::vector<Datagram> out;
  std::size_t got = 0;
  while (got < bytes && !testing::Test::HasFatalFailure()) {
    wait_readable(socket);
    for (const RxBurst& burst : socket.receive(ring)) {
      for (std::uint32_t at = 0; at < burst.length; at += burst.segment_size) {
        const std::uint32_t size = std::min<std::uint32_t>(burst.segment_size, burst.length - at);
        out.push_back({base::Bytes(burst.data + at, burst.data + at + size), burst.from,
                       burst.local, burst.traffic_class});
        got += size;
      }
    }
  }
  return out;
}

base::Bytes pattern(std::size_t size) {
  base::Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return out;
}

TxBurst burst_of(const base::Bytes& data, std::uint16_t segment_size, const base::Endpoint& to) {
  TxBurst burst;
  burst.data = data.data();
  burst.length = static_cast<std::uint32_t>(data.size());
  burst.segment_size = segment_size;
  burst.to = to;
  return burst;
}

void expect_segments(const std::vector<Datagram>& datagrams, const base::Bytes& data,
                     std::size_t segment_size) {
  std::size_t at = 0;
  for (const Datagram& datagram : datagrams) {
    const std::size_t size = std::min(segment_size, data.size() - at);
    ASSERT_EQ(datagram.bytes.size(), size) << "at " << at;
    ASSERT_TRUE(std::equal(datagram.bytes.begin(), datagram.bytes.end(), data.begin() + at));
    at += size;
  }
  EXPECT_EQ(at, data.size());
}

struct Case {
  const char* address;
  bool gso;
  bool gro;
};

class UdpLoopback : public testing::TestWithParam<Case> {
 protected:
  UdpOptions options() const { return {.gro = GetParam().gro, .gso = GetParam().gso}; }
};

TEST_P(UdpLoopback, ATrainWithAnOddEndArrivesAsItsSegments) {
  UdpSocket a = open_on(GetParam().address, options());
  UdpSocket b = open_on(GetParam().address, options());
  RxRing ring;
  for (const std::size_t size : {10'000u, 9'137u, 1'000u, 1'001u, 999u, 1u}) {
    const base::Bytes data = pattern(size);
    const TxBurst burst = burst_of(data, 1000, b.local());
    const TxProgress done = a.send({&burst, 1});
    EXPECT_EQ(done.bursts, 1u);
    EXPECT_EQ(done.bytes, 0u);
    const auto datagrams = receive_datagrams(b, ring, size);
    expect_segments(datagrams, data, 1000);
    for (const Datagram& datagram : datagrams) EXPECT_EQ(datagram.from, a.local());
  }
  EXPECT_EQ(a.counters().tx_datagrams, 10u + 10u + 1u + 2u + 1u + 1u);
  EXPECT_EQ(b.counters().rx_datagrams, a.counters().tx_datagrams);
  EXPECT_EQ(b.counters().rx_bytes, a.counters().tx_bytes);
  EXPECT_EQ(a.counters().tx_dropped(), 0u);
  EXPECT_EQ(a.counters().gso_fallbacks, 0u);
  if (GetParam().gso) {
    EXPECT_EQ(a.counters().tx_calls, 6u);
  }
  if (!GetParam().gro) {
    EXPECT_EQ(b.counters().rx_bursts, b.counters().rx_datagrams);
  }
  if (GetParam().gso && GetParam().gro && b.gro()) {
    EXPECT_EQ(b.counters().rx_bursts, 6u);  // on loopback a train stays whole
  }
}

// More than 64 segments, and more than 65507 bytes.
TEST_P(UdpLoopback, LongTrainsAreDivided) {
  UdpSocket a = open_on(GetParam().address, options());
  UdpSocket b = open_on(GetParam().address, options());
  if (b.receive_buffer() < 4'000'000) {
    GTEST_SKIP() << "needs net.core.rmem_max of 4 MB, or CAP_NET_ADMIN: all of it waits unread";
  }
  RxRing ring;
  const base::Bytes data = pattern(300'000);
  for (const std::uint16_t segment :
       {std::uint16_t{1400}, std::uint16_t{9000}, std::uint16_t{300}}) {
    const TxBurst burst = burst_of(data, segment, b.local());
    EXPECT_EQ(a.send({&burst, 1}).bursts, 1u);
    expect_segments(receive_datagrams(b, ring, data.size()), data, segment);
  }
  EXPECT_EQ(a.counters().gso_fallbacks, 0u);
  EXPECT_EQ(a.counters().tx_dropped(), 0u);
}

TEST_P(UdpLoopback, ManyBurstsToSeveralDestinations) {
  UdpSocket a = open_on(GetParam().address, options());
  UdpSocket b = open_on(GetParam().address, options());
  UdpSocket c = open_on(GetParam().address, options());
  const base::Bytes data = pattern(200 * 150);
  std::vector<TxBurst> bursts;
  for (std::size_t i = 0; i < 200; ++i) {
    bursts.push_back(burst_of(data, 100, i % 2 == 0 ? b.local() : c.local()));
    bursts.back().data += i * 150;
    bursts.back().length = 150;
  }
  EXPECT_EQ(a.send(bursts).bursts, 200u);
  RxRing ring(8);
  EXPECT_EQ(receive_datagrams(b, ring, 100 * 150).size(), 200u);
  EXPECT_EQ(receive_datagrams(c, ring, 100 * 150).size(), 200u);
}

TEST_P(UdpLoopback, TrafficClassTravels) {
  UdpSocket a = open_on(GetParam().address, options());
  UdpSocket b = open_on(GetParam().address, options());
  RxRing ring;
  const base::Bytes data = pattern(2000);
  for (const std::uint8_t traffic_class : std::vector<std::uint8_t>{0, 0xb8, 0x03, 0x01}) {
    TxBurst burst = burst_of(data, 1000, b.local());
    burst.traffic_class = traffic_class;
    a.send({&burst, 1});
    for (const Datagram& datagram : receive_datagrams(b, ring, 2000)) {
      EXPECT_EQ(datagram.traffic_class, traffic_class);
    }
  }
}

TEST_P(UdpLoopback, AnEmptyDatagramIsADatagram) {
  UdpSocket a = open_on(GetParam().address, options());
  UdpSocket b = open_on(GetParam().address, options());
  RxRing ring;
  const TxBurst burst = burst_of({}, 0, b.local());
  EXPECT_EQ(a.send({&burst, 1}).bursts, 1u);
  wait_readable(b);
  const auto bursts = b.receive(ring);
  ASSERT_EQ(bursts.size(), 1u);
  EXPECT_EQ(bursts[0].length, 0u);
  EXPECT_EQ(bursts[0].segment_size, 0u);
  EXPECT_EQ(b.counters().rx_datagrams, 1u);
}

TEST_P(UdpLoopback, NothingThereIsAnEmptySpan) {
  UdpSocket a = open_on(GetParam().address, options());
  RxRing ring;
  EXPECT_TRUE(a.receive(ring).empty());
  EXPECT_EQ(a.counters().rx_errors, 0u);
}

// A closed port answers with ICMP, which must cost later datagrams nothing.
TEST_P(UdpLoopback, ARefusedDatagramDoesNotHurtTheNext) {
  UdpSocket a = open_on(GetParam().address, options());
  UdpSocket b = open_on(GetParam().address, options());
  base::Endpoint closed;
  {
    const UdpSocket gone = open_on(GetParam().address);
    closed = gone.local();
  }
  RxRing ring;
  const base::Bytes data = pattern(500);
  for (int i = 0; i < 10; ++i) {
    const std::vector<TxBurst> bursts = {burst_of(data, 0, closed), burst_of(data, 0, b.local())};
    EXPECT_EQ(a.send(bursts).bursts, 2u);
    EXPECT_TRUE(a.receive(ring).empty());
  }
  EXPECT_EQ(receive_datagrams(b, ring, 5000).size(), 10u);
}

TEST_P(UdpLoopback, AFullBufferIsReportedWithTheExactPlace) {
  UdpOptions small = options();
  small.buffer_bytes = 1;  // the kernel gives its minimum, less than one train's skb
  UdpSocket a = open_on(GetParam().address, small);
  UdpSocket b = open_on(GetParam().address, options());
  const base::Bytes data = pattern(60'000);
  const std::vector<TxBurst> bursts(8, burst_of(data, 1000, b.local()));
  RxRing ring;
  std::size_t next = 0;
  std::uint32_t bytes = 0;
  std::vector<Datagram> datagrams;
  while (next < bursts.size() && datagrams.size() < 480) {
    std::vector<TxBurst> rest(bursts.begin() + static_cast<std::ptrdiff_t>(next), bursts.end());
    rest[0].data += bytes;
    rest[0].length -= bytes;
    const TxProgress done = a.send(rest);
    EXPECT_EQ(done.bytes % 1000, 0u);
    bytes = done.bursts == 0 ? bytes + done.bytes : done.bytes;
    next += done.bursts;
    const std::size_t sent = next * 60'000 + bytes;
    const auto more = receive_datagrams(b, ring, sent - datagrams.size() * 1000);
    datagrams.insert(datagrams.end(), more.begin(), more.end());
  }
  EXPECT_EQ(next, bursts.size());
  base::Bytes all;
  for (int i = 0; i < 8; ++i) all.insert(all.end(), data.begin(), data.end());
  expect_segments(datagrams, all, 1000);
  EXPECT_EQ(a.counters().tx_dropped(), 0u);
}

std::string case_name(const testing::TestParamInfo<Case>& tested) {
  return std::string(tested.param.address[0] == ':' ? "V6" : "V4") +
         (tested.param.gso ? "Gso" : "NoGso") + (tested.param.gro ? "Gro" : "NoGro");
}

INSTANTIATE_TEST_SUITE_P(Loopback, UdpLoopback,
                         testing::Values(Case{"127.0.0.1", true, true},
                                         Case{"127.0.0.1", false, true},
                                         Case{"127.0.0.1", true, false},
                                         Case{"127.0.0.1", false, false}, Case{"::1", true, true},
                                         Case{"::1", false, false}),
                         case_name);

TEST(UdpSocket, OneSocketServesBothFamiliesAndAnswersFromWhereItWasReached) {
  auto opened = UdpSocket::open({});
  ASSERT_TRUE(opened) << opened.error().message;
  UdpSocket server = std::move(*opened);
  RxRing ring;
  const base::Bytes data = pattern(3000);
  for (const char* text : {"127.0.0.1", "127.0.0.77", "::1"}) {
    if (server.v4_only() && text[0] == ':') continue;
    UdpSocket client = open_on(text[0] == ':' ? "::1" : "127.0.0.1");
    TxBurst burst = burst_of(data, 1000, endpoint_of(text, server.local().port));
    burst.traffic_class = 0x2e;
    client.send({&burst, 1});
    const auto asked = receive_datagrams(server, ring, data.size());
    ASSERT_FALSE(asked.empty());
    EXPECT_EQ(asked[0].from, client.local());
    EXPECT_EQ(to_text(asked[0].local.address), text);
    EXPECT_EQ(asked[0].traffic_class, 0x2e);

    TxBurst answer = burst_of(data, 1000, asked[0].from);
    answer.local = asked[0].local;
    answer.traffic_class = 0x17;
    server.send({&answer, 1});
    const auto answered = receive_datagrams(client, ring, data.size());
    ASSERT_FALSE(answered.empty());
    EXPECT_EQ(to_text(answered[0].from.address), text);
    EXPECT_EQ(answered[0].traffic_class, 0x17);
  }
  EXPECT_EQ(server.counters().local_fallbacks, 0u);
}

TEST(UdpSocket, ALocalAddressThatHasGoneIsDoneWithout) {
  for (const bool ipv6 : {false, true}) {
    auto a = UdpSocket::open({.family = ipv6 ? Family::kV6 : Family::kV4});
    ASSERT_TRUE(a);
    UdpSocket b = open_on(ipv6 ? "::1" : "127.0.0.1");
    const base::Bytes data = pattern(2500);
    TxBurst burst = burst_of(data, 1000, b.local());
    burst.local.address = address_of(ipv6 ? "2001:db8::7" : "203.0.113.7");
    EXPECT_EQ(a->send({&burst, 1}).bursts, 1u);
    EXPECT_GT(a->counters().local_fallbacks, 0u);
    ASSERT_EQ(a->counters().tx_dropped(), 0u);
    RxRing ring;
    expect_segments(receive_datagrams(b, ring, data.size()), data, 1000);
  }
}

TEST(UdpSocket, ADestinationThatCannotBeReachedIsCountedAndSkipped) {
  UdpSocket a = open_on("127.0.0.1");  // an IPv4 socket
  UdpSocket b = open_on("127.0.0.1");
  const base::Bytes data = pattern(2500);
  const std::vector<TxBurst> bursts = {burst_of(data, 1000, endpoint_of("2001:db8::1", 9)),
                                       burst_of(data, 1000, b.local())};
  EXPECT_EQ(a.send(bursts).bursts, 2u);
  EXPECT_EQ(a.counters().tx_dropped(), 3u);
  RxRing ring;
  EXPECT_EQ(receive_datagrams(b, ring, data.size()).size(), 3u);
}

TEST(UdpSocket, ATakenPortAndAForeignAddressAreNamed) {
  const UdpSocket a = open_on("127.0.0.1");
  const auto taken = UdpSocket::open({.bind = a.local()});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, base::code::kPortTaken);
  EXPECT_NE(taken.error().message.find(to_text(a.local())), std::string::npos);

  const auto foreign = UdpSocket::open({.bind = endpoint_of("203.0.113.7", 0)});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, base::code::kConfigBadValue);
}

TEST(UdpSocket, SharedPortsMayBeOpenedTwice) {
  const auto first = UdpSocket::open({.bind = endpoint_of("127.0.0.1", 0), .share_port = true});
  ASSERT_TRUE(first);
  EXPECT_TRUE(UdpSocket::open({.bind = first->local(), .share_port = true}));
}

TEST(UdpSocket, TheKernelsDropsAreSeen) {
  UdpSocket a = open_on("127.0.0.1");
  UdpSocket b = open_on("127.0.0.1", {.buffer_bytes = 4096});
  const base::Bytes data = pattern(1000);
  const std::vector<TxBurst> bursts(200, burst_of(data, 0, b.local()));
  EXPECT_EQ(a.send(bursts).bursts, 200u);
  EXPECT_GT(b.kernel_drops(), 0u);
}

TEST(RxRing, BuffersHaveRoomAroundThem) {
  UdpSocket a = open_on("127.0.0.1");
  UdpSocket b = open_on("127.0.0.1");
  RxRing ring(2);
  const base::Bytes data = pattern(1200);
  const std::vector<TxBurst> bursts(2, burst_of(data, 0, b.local()));
  a.send(bursts);
  wait_readable(b);
  const auto got = b.receive(ring);
  ASSERT_EQ(got.size(), 2u);
  // Writing all the room that is promised to the first touches nothing of the second.
  std::fill(got[0].data - kRxHeadroom, got[0].data + kRxBufferSize + kRxTailroom, 0xee);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), got[1].data));
  std::fill(got[1].data - kRxHeadroom, got[1].data + kRxBufferSize + kRxTailroom, 0xdd);
  EXPECT_EQ(got[0].data[kRxBufferSize + kRxTailroom - 1], 0xee);
}

}  // namespace
}  // namespace entresol::io
