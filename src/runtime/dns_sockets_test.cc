#include "runtime/dns_sockets.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/endpoint_text.h"

namespace entresol::runtime {
namespace {

constexpr base::Duration kDeadline = std::chrono::seconds(30);

sockaddr_in at(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

io::UniqueFd socket_of(int kind) {
  return io::UniqueFd(::socket(AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

std::uint16_t bind_somewhere(int fd) {
  sockaddr_in address = at(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

io::UniqueFd connected(int kind, std::uint16_t port) {
  io::UniqueFd fd = socket_of(kind);
  const sockaddr_in address = at(port);
  const int done = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  EXPECT_TRUE(done == 0 || errno == EINPROGRESS);
  return fd;
}

// A message of `size` octets that begins with `first`.
base::Bytes message(std::uint8_t first, std::size_t size = 20) {
  base::Bytes out(size, 0);
  out[0] = first;
  return out;
}

base::Bytes framed(const base::Bytes& content) {
  base::Bytes out{static_cast<std::uint8_t>(content.size() >> 8),
                  static_cast<std::uint8_t>(content.size())};
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

class SocketsTest : public ::testing::Test {
 protected:
  std::unique_ptr<io::EventLoop> loop = std::move(*io::EventLoop::create());
  io::TimerId late_timer = loop->add_timer([this] { late = true; });
  bool late = false;

  template <typename Condition>
  ::testing::AssertionResult until(Condition condition) {
    late = false;
    loop->arm(late_timer, io::now() + kDeadline);
    while (!condition()) {
      if (late) return ::testing::AssertionFailure() << "in vain";
      loop->run_once(false);
    }
    return ::testing::AssertionSuccess();
  }
  // What has come on a socket; false at its end.
  static bool read(int fd, base::Bytes& in) {
    std::array<std::uint8_t, 4096> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got > 0) in.insert(in.end(), buffer.begin(), buffer.begin() + got);
    return got > 0 || (got < 0 && errno == EAGAIN);
  }
};

class ListenerTest : public SocketsTest {
 protected:
  struct Question {
    base::Bytes message;
    bool stream;
    DnsListener::Reply reply;
  };
  std::vector<Question> asked;
  std::vector<dns::Asker> gone;
  bool answers = true;
  std::uint16_t port = 0;
  std::unique_ptr<DnsListener> listener;

  // UDP and TCP have to be free at one port.
  void SetUp() override {
    for (int i = 0; i < 50 && !listener; ++i) {
      {
        const io::UniqueFd probe = socket_of(SOCK_STREAM);
        port = bind_somewhere(probe.get());
      }
      if (auto opened = open(port)) listener = std::move(*opened);
    }
    ASSERT_TRUE(listener);
  }
  base::Result<std::unique_ptr<DnsListener>> open(std::uint16_t number) {
    return DnsListener::open(
        *loop, {*io::parse_address("127.0.0.1"), number},
        [this](base::ByteView question, bool stream, DnsListener::Reply reply) -> dns::Asker {
          if (!answers) return 0;
          asked.push_back({{question.begin(), question.end()}, stream, std::move(reply)});
          return asked.size();
        },
        [this](dns::Asker asker) { gone.push_back(asker); });
  }
};

TEST_F(ListenerTest, ADatagramIsAnsweredToItsSender) {
  const io::UniqueFd one = connected(SOCK_DGRAM, port), two = connected(SOCK_DGRAM, port);
  const auto first = message(1), second = message(2);
  ASSERT_EQ(::send(one.get(), first.data(), first.size(), 0), 20);
  ASSERT_TRUE(until([&] { return asked.size() == 1; }));
  ASSERT_EQ(::send(two.get(), second.data(), second.size(), 0), 20);
  ASSERT_TRUE(until([&] { return asked.size() == 2; }));
  EXPECT_EQ(asked[0].message, first);
  EXPECT_FALSE(asked[0].stream);
  asked[1].reply(second);
  asked[0].reply(first);
  base::Bytes in_one, in_two;
  ASSERT_TRUE(until([&] {
    return read(one.get(), in_one), read(two.get(), in_two), !in_one.empty() && !in_two.empty();
  }));
  EXPECT_EQ(in_one, first);
  EXPECT_EQ(in_two, second);
}

TEST_F(ListenerTest, QueriesOfOneStreamAreAnsweredInTurn) {
  const io::UniqueFd client = connected(SOCK_STREAM, port);
  base::Bytes both = framed(message(1)), rest = framed(message(2, 300));
  both.insert(both.end(), rest.begin(), rest.end());
  for (const std::uint8_t octet : both) {
    ASSERT_EQ(::send(client.get(), &octet, 1, 0), 1);
    loop->run_once(false);
  }
  ASSERT_TRUE(until([&] { return asked.size() == 1; }));
  EXPECT_TRUE(asked[0].stream);
  asked[0].reply(message(1));
  ASSERT_TRUE(until([&] { return asked.size() == 2; }));
  EXPECT_EQ(asked[1].message.size(), 300u);
  asked[1].reply(message(2, 5000));
  base::Bytes in;
  ASSERT_TRUE(until([&] { return read(client.get(), in), in.size() >= 22 + 5002; }));
  EXPECT_EQ(in[2], 1);
  EXPECT_EQ(in[24], 2);
}

TEST_F(ListenerTest, AStreamOfNonsenseIsClosed) {
  for (const base::Bytes& nonsense : {base::Bytes{0, 0}, base::Bytes{0, 11}}) {
    const io::UniqueFd client = connected(SOCK_STREAM, port);
    ASSERT_EQ(::send(client.get(), nonsense.data(), nonsense.size(), 0), 2);
    base::Bytes in;
    ASSERT_TRUE(until([&] { return !read(client.get(), in); }));
  }
  answers = false;
  const io::UniqueFd client = connected(SOCK_STREAM, port);
  const base::Bytes question = framed(message(1));
  ASSERT_EQ(::send(client.get(), question.data(), question.size(), 0), 22);
  base::Bytes in;
  ASSERT_TRUE(until([&] { return !read(client.get(), in); }));
}

TEST_F(ListenerTest, WhoGoesIsCalledOff) {
  {
    const io::UniqueFd client = connected(SOCK_STREAM, port);
    const base::Bytes question = framed(message(1));
    ASSERT_EQ(::send(client.get(), question.data(), question.size(), 0), 22);
    ASSERT_TRUE(until([&] { return asked.size() == 1; }));
    const linger at_once{1, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  ASSERT_TRUE(until([&] { return gone.size() == 1; }));
  EXPECT_EQ(gone[0], 1u);
  asked[0].reply(message(1));  // to nobody
}

TEST_F(ListenerTest, MoreClientsThanThereIsRoomForWaitTheirTurn) {
  std::vector<io::UniqueFd> clients;
  const base::Bytes question = framed(message(1));
  for (std::size_t i = 0; i <= DnsListener::kMostClients; ++i) {
    clients.push_back(connected(SOCK_STREAM, port));
    ASSERT_EQ(::send(clients.back().get(), question.data(), question.size(), 0), 22);
  }
  ASSERT_TRUE(until([&] { return asked.size() == DnsListener::kMostClients; }));
  loop->run_once(false);
  EXPECT_EQ(asked.size(), DnsListener::kMostClients);
  asked[0].reply(message(1));
  base::Bytes in;
  ASSERT_TRUE(until([&] { return read(clients[0].get(), in), in.size() == 22; }));
  clients[0].reset();
  ASSERT_TRUE(until([&] { return asked.size() == DnsListener::kMostClients + 1; }));
}

TEST_F(ListenerTest, ATakenPortIsSaidSo) {
  const auto second = open(port);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::code::kPortTaken);
  const auto elsewhere = DnsListener::open(*loop, {*io::parse_address("192.0.2.1"), port}, {}, {});
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, base::code::kConfigBadValue);
}

class UpstreamTest : public SocketsTest {
 protected:
  std::vector<base::Bytes> answers;
  std::size_t unreachable = 0;
  DnsUpstream upstream{*loop,
                       [this](dns::Ticket ticket, base::ByteView in) {
                         answers.emplace_back(in.begin(), in.end());
                         upstream.close(ticket);
                       },
                       [this](dns::Ticket ticket) {
                         ++unreachable;
                         upstream.close(ticket);
                       }};
  static dns::Send to(std::uint16_t port, bool stream) {
    return {dns::Ticket(1), {*io::parse_address("127.0.0.1"), port}, stream, message(7)};
  }
};

TEST_F(UpstreamTest, ADatagramAndItsAnswer) {
  const io::UniqueFd server = socket_of(SOCK_DGRAM);
  ASSERT_TRUE(upstream.send(to(bind_somewhere(server.get()), false)));
  sockaddr_in from{};
  std::array<std::uint8_t, 100> buffer;
  ASSERT_TRUE(until([&] {
    socklen_t size = sizeof from;
    return ::recvfrom(server.get(), buffer.data(), buffer.size(), 0,
                      reinterpret_cast<sockaddr*>(&from), &size) == 20;
  }));
  // Nobody else gets in between.
  const io::UniqueFd stranger = socket_of(SOCK_DGRAM);
  const auto forged = message(66), answer = message(8);
  ::sendto(stranger.get(), forged.data(), forged.size(), 0, reinterpret_cast<sockaddr*>(&from),
           sizeof from);
  ::sendto(server.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from),
           sizeof from);
  ASSERT_TRUE(until([&] { return !answers.empty(); }));
  EXPECT_EQ(answers, std::vector<base::Bytes>{answer});
}

TEST_F(UpstreamTest, NobodyThereIsSaidAtOnce) {
  std::uint16_t port = 0;
  {
    const io::UniqueFd gone = socket_of(SOCK_DGRAM);
    port = bind_somewhere(gone.get());
  }
  ASSERT_TRUE(upstream.send(to(port, false)));
  ASSERT_TRUE(until([&] { return unreachable == 1; }));
  {
    const io::UniqueFd gone = socket_of(SOCK_STREAM);
    port = bind_somewhere(gone.get());
  }
  if (upstream.send(to(port, true))) {
    ASSERT_TRUE(until([&] { return unreachable == 2; }));
  }
}

TEST_F(UpstreamTest, AStreamAndItsAnswerInPieces) {
  const io::UniqueFd server = socket_of(SOCK_STREAM);
  const std::uint16_t port = bind_somewhere(server.get());
  ASSERT_EQ(::listen(server.get(), 1), 0);
  ASSERT_TRUE(upstream.send(to(port, true)));
  io::UniqueFd peer;
  base::Bytes in;
  ASSERT_TRUE(until([&] {
    if (!peer) peer = io::UniqueFd(::accept4(server.get(), nullptr, nullptr, SOCK_NONBLOCK));
    if (peer) read(peer.get(), in);
    return in.size() == 22;
  }));
  EXPECT_EQ(in, framed(message(7)));
  const base::Bytes answer = framed(message(8, 3000));
  ASSERT_EQ(::send(peer.get(), answer.data(), 1000, 0), 1000);
  loop->run_once(false);
  EXPECT_TRUE(answers.empty());
  ASSERT_EQ(::send(peer.get(), answer.data() + 1000, answer.size() - 1000, 0), 2002);
  ASSERT_TRUE(until([&] { return !answers.empty(); }));
  EXPECT_EQ(answers[0], message(8, 3000));
}

TEST_F(UpstreamTest, AStreamThatEndsEarlyIsNoAnswer) {
  const io::UniqueFd server = socket_of(SOCK_STREAM);
  const std::uint16_t port = bind_somewhere(server.get());
  ASSERT_EQ(::listen(server.get(), 1), 0);
  ASSERT_TRUE(upstream.send(to(port, true)));
  ASSERT_TRUE(
      until([&] { return io::UniqueFd(::accept4(server.get(), nullptr, nullptr, 0)).get() >= 0; }));
  ASSERT_TRUE(until([&] { return unreachable == 1; }));
}

}  // namespace
}  // namespace entresol::runtime
