// What strangers try with a server.
#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "base/error_codes.h"
#include "http/test_peer.h"

namespace entresol::http {
namespace {

namespace code = base::code;

// Passes in each test that waits for it, and is long enough for a handshake on a busy machine.
constexpr auto kShort = std::chrono::seconds(1);

bool is_refusal(const std::string& answer, unsigned status, std::string_view code) {
  return answer.starts_with("HTTP/1.1 " + std::to_string(status) + ' ') &&
         answer.find("{\"error\":{\"code\":\"" + std::string(code)) != std::string::npos &&
         answer.find("Connection: close") != std::string::npos;
}

std::string post(std::size_t length, std::string_view fields = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(length) + "\r\n" +
         std::string(fields) + "\r\n";
}

TEST(Strangers, SilenceInsteadOfAHandshakeEnds) {
  Site site(echo, {.io_time = kShort});
  const io::UniqueFd silent = connect_tcp(site.port());
  EXPECT_TRUE(ends(silent.get()));
  EXPECT_TRUE(await([&] { return site.server->counters().timed_out == 1; }));
}

TEST(Strangers, AHeaderThatNeverEndsIsCutOff) {
  Site site(echo, {.header_bytes = 1024 * 1024 * 1024, .io_time = kShort});
  Peer peer(site.port());
  // Each octet is progress, and buys no time.
  peer.send("GET / HTTP/1.1\r\nA: ");
  while (peer.send("a")) continue;
  EXPECT_EQ(peer.receive_all(), "");
  EXPECT_EQ(site.server->counters().timed_out, 1u);
  EXPECT_EQ(site.server->counters().requests, 0u);
}

TEST(Strangers, ABodyThatNeverEndsIsCutOff) {
  Site site(echo, {.io_time = kShort});
  Peer peer(site.port());
  peer.send(post(100) + "abc");
  EXPECT_EQ(peer.receive_all(), "");
  EXPECT_TRUE(await([&] { return site.server->counters().timed_out == 1; }));
}

TEST(Strangers, WhoTakesNoAnswerIsCutOff) {
  Site site(
      [](const Request&, const std::shared_ptr<Responder>& responder) {
        responder->answer({.body = std::string(32 * 1024 * 1024, 'x')});
      },
      {.io_time = kShort});
  Peer peer(site.port());
  peer.send(get("/"));
  EXPECT_TRUE(await([&] { return site.server->counters().timed_out == 1; }));
  EXPECT_TRUE(await([&] { return site.server->counters().open == 0; }));
}

TEST(Strangers, OnlyTheVouchedForMayIdle) {
  Site site(
      [](const Request& request, const std::shared_ptr<Responder>& responder) {
        if (request.target == "/known") responder->vouch();
        echo(request, responder);
      },
      {.io_time = kShort, .idle = kForever});
  Peer known(site.port()), stranger(site.port());
  known.send(get("/known"));
  EXPECT_NE(known.receive_message(), "");
  stranger.send(get("/"));
  EXPECT_NE(stranger.receive_message(), "");
  EXPECT_TRUE(ends(stranger.fd()));
  Peer later(site.port());
  EXPECT_TRUE(ends(later.fd()));
  known.send(get("/known"));
  EXPECT_NE(known.receive_message(), "") << "after twice the time of a stranger";
  EXPECT_EQ(site.server->counters().timed_out, 0u) << "nobody was in the middle of anything";
}

TEST(Strangers, TheVouchedForMayNotIdleForEver) {
  Site site(
      [](const Request& request, const std::shared_ptr<Responder>& responder) {
        responder->vouch();
        echo(request, responder);
      },
      {.idle = kShort});
  Peer known(site.port());
  known.send(get("/"));
  EXPECT_NE(known.receive_message(), "");
  EXPECT_TRUE(ends(known.fd()));
}

TEST(Strangers, WhatIsTooLargeIsRefused) {
  Site site(echo, {.header_bytes = 1024, .body_bytes = 100'000, .anonymous_body_bytes = 100});
  const struct {
    std::string request;
    unsigned status;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(100'000, 'a'), 431},
      {post(101), 413},
      {post(100'001, "Authorization: a\r\n"), 413},
      // The rest of the body is under way when the answer comes, which arrives nevertheless.
      {post(3'000'000) + std::string(90'000, 'a'), 413},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" +
           std::string(0x50, 'a') + "\r\n50\r\n",
       413},
  };
  std::size_t count = 0;
  for (const auto& test : cases) {
    Peer peer(site.port());
    peer.send(test.request);
    EXPECT_TRUE(is_refusal(peer.receive_message(), test.status, code::kHttpTooLarge));
    EXPECT_EQ(site.server->counters().too_large, ++count);
  }
  EXPECT_EQ(site.server->counters().requests, 0u);
  Peer peer(site.port());
  peer.send(post(100'000, "Authorization: a\r\n") + std::string(100'000, 'a'));
  EXPECT_TRUE(peer.receive_message().starts_with("HTTP/1.1 200 "));
}

TEST(Strangers, WhatIsMalformedIsRefused) {
  Site site(echo);
  const struct {
    std::string request;
    unsigned status;
  } cases[] = {
      {"hello\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {std::string(300, '\0') + "\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
  };
  std::size_t count = 0;
  for (const auto& test : cases) {
    Peer peer(site.port());
    peer.send(test.request);
    EXPECT_TRUE(is_refusal(peer.receive_message(), test.status, code::kHttpBadRequest));
    EXPECT_EQ(site.server->counters().malformed, ++count);
  }
  EXPECT_EQ(site.server->counters().requests, 0u);
}

TEST(Strangers, ARefusedConnectionEndsThoughItsClientDoesNot) {
  Site site(echo, {.io_time = kShort});
  Peer peer(site.port());
  peer.send("hello\r\n\r\n");
  EXPECT_TRUE(is_refusal(peer.receive_all(), 400, code::kHttpBadRequest));
  EXPECT_TRUE(peer.ended_properly());
  EXPECT_TRUE(await([&] { return site.server->counters().open == 0; }));
}

TEST(Strangers, ARequestBehindAnotherIsRefusedAfterItsAnswer) {
  Site site(echo);
  Peer peer(site.port());
  peer.send(get("/1") + "hello\r\n\r\n");
  EXPECT_TRUE(peer.receive_message().starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(is_refusal(peer.receive_message(), 400, code::kHttpBadRequest));
}

TEST(Strangers, LargeBodiesShareTheirRoom) {
  std::atomic<int> handling{0};
  std::vector<std::shared_ptr<Responder>> kept;
  Site site(
      [&](const Request&, std::shared_ptr<Responder> responder) {
        kept.push_back(std::move(responder));
        ++handling;
      },
      {.anonymous_body_bytes = 1000, .large_bodies_bytes = 50'000});
  const std::string large = post(40'000, "Authorization: a\r\n") + std::string(40'000, 'a');
  Peer first(site.port()), second(site.port()), small(site.port()), third(site.port());
  first.send(large);
  ASSERT_TRUE(await([&] { return handling == 1; }));
  second.send(large);
  EXPECT_TRUE(is_refusal(second.receive_message(), 503, code::kHttpBusy));
  small.send(post(1000) + std::string(1000, 'a'));
  ASSERT_TRUE(await([&] { return handling == 2; })) << "has room of its own";
  site.thread.call([&] { kept[0]->answer({}); });
  EXPECT_TRUE(first.receive_message().starts_with("HTTP/1.1 200 "));
  third.send(large);
  EXPECT_TRUE(await([&] { return handling == 3; })) << "the first has given its room back";
}

TEST(Strangers, OlderVersionsOfTlsAreRefused) {
  Site site(echo);
  const Peer peer(site.port(), client_side(TLS1_2_VERSION));
  EXPECT_FALSE(peer.connected());
  EXPECT_TRUE(await([&] { return site.server->counters().handshakes_failed == 1; }));
  EXPECT_EQ(site.server->counters().requests, 0u);
}

TEST(Strangers, OctetsThatAreNoTlsEnd) {
  Site site(echo);
  for (const std::string& octets :
       {get("/"), std::string(1000, '\0'),
        std::string("\x16\x03\x01\xff\xff\x01\xff\xff\xff") + std::string(70'000, 'a')}) {
    const io::UniqueFd fd = connect_tcp(site.port());
    (void)!::send(fd.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    EXPECT_TRUE(ends(fd.get()));
  }
  EXPECT_TRUE(await([&] { return site.server->counters().handshakes_failed == 3; }));
}

TEST(Strangers, NoSessionIsEverResumed) {
  static std::atomic<int> tickets{0};
  Site site(echo);
  const Context context = client_side();
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
  SSL_CTX_sess_set_new_cb(context.get(), [](SSL*, SSL_SESSION*) {
    ++tickets;
    return 0;
  });
  Peer peer(site.port(), context);
  peer.send(get("/"));
  EXPECT_NE(peer.receive_message(), "");
  EXPECT_EQ(tickets, 0);
}

TEST(Strangers, MakeRoomForNewcomersInTheOrderOfTheirCrowding) {
  // Nobody goes for want of time.
  Site site(echo, {.connections = 3, .io_time = kForever});
  std::deque<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(std::make_unique<Peer>(site.port()));
    ASSERT_TRUE(peers.back()->send(get("/")));
    ASSERT_NE(peers.back()->receive_message(), "");
  }
  for (int i = 0; i < 6; ++i) {
    peers.push_back(std::make_unique<Peer>(site.port()));
    ASSERT_TRUE(peers.back()->send(get("/")));
    ASSERT_NE(peers.back()->receive_message(), "");
    EXPECT_TRUE(ends(peers.front()->fd()));
    peers.pop_front();
  }
  EXPECT_EQ(site.server->counters().open, 3u);
  EXPECT_EQ(site.server->counters().refused, 0u);
}

TEST(Strangers, DoNotCrowdOutTheVouchedFor) {
  Site site(
      [](const Request& request, const std::shared_ptr<Responder>& responder) {
        if (request.target == "/known") responder->vouch();
        echo(request, responder);
      },
      {.connections = 3});
  const auto serves = [](Peer& peer, const char* target) {
    return peer.send(get(target)) && !peer.receive_message().empty();
  };
  Peer one(site.port()), two(site.port());
  ASSERT_TRUE(serves(one, "/known"));
  ASSERT_TRUE(serves(two, "/known"));
  for (int i = 0; i < 10; ++i) {
    const io::UniqueFd silent = connect_tcp(site.port());
    Peer stranger(site.port());
    EXPECT_TRUE(serves(stranger, "/"));
  }
  EXPECT_TRUE(serves(one, "/known"));
  EXPECT_TRUE(serves(two, "/known"));
  Peer three(site.port());
  ASSERT_TRUE(serves(three, "/known"));
  EXPECT_EQ(site.server->counters().refused, 0u);
  const Peer four(site.port());
  EXPECT_FALSE(four.connected()) << "nobody has to go";
  EXPECT_EQ(site.server->counters().refused, 1u);
  EXPECT_TRUE(serves(one, "/known"));
}

TEST(Strangers, DoNotCrowdOutWhoIsBeingServed) {
  std::atomic<int> handling{0};
  std::vector<std::shared_ptr<Responder>> kept;
  Site site(
      [&](const Request&, std::shared_ptr<Responder> responder) {
        kept.push_back(std::move(responder));
        ++handling;
      },
      {.connections = 1});
  Peer served(site.port());
  served.send(get("/"));
  ASSERT_TRUE(await([&] { return handling == 1; }));
  const Peer newcomer(site.port());
  EXPECT_FALSE(newcomer.connected());
  site.thread.call([&] { kept[0]->answer({}); });
  EXPECT_NE(served.receive_message(), "");
}

// ---- one source among others ----------------------------------------------------------------------------------------

bool serves(Peer& peer, const char* target = "/") {
  return peer.send(get(target)) && !peer.receive_message().empty();
}

TEST(Sources, ACrowdOfOneMakesRoomForOthers) {
  Site site(echo, {.connections = 6, .io_time = kForever});
  Peer quiet(site.port(), client_side(), 2);
  ASSERT_TRUE(serves(quiet)) << "it has waited longest of all";
  std::deque<std::unique_ptr<Peer>> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.push_back(std::make_unique<Peer>(site.port(), client_side(), 3));
    ASSERT_TRUE(serves(*crowd.back()));
  }
  EXPECT_TRUE(serves(quiet));
  EXPECT_EQ(site.server->counters().open, 6u);
  Peer third(site.port(), client_side(), 4);
  EXPECT_TRUE(serves(third));
  EXPECT_TRUE(serves(quiet));
  EXPECT_EQ(site.server->counters().refused, 0u);
}

TEST(Sources, OneHasSoManyConnectionsAtOnce) {
  Site site(
      [](const Request& request, const std::shared_ptr<Responder>& responder) {
        if (request.target == "/known") responder->vouch();
        echo(request, responder);
      },
      {.source_connections = 2, .io_time = kForever});
  Peer known(site.port());
  ASSERT_TRUE(serves(known, "/known"));
  Peer one(site.port()), two(site.port());
  ASSERT_TRUE(serves(one) && serves(two));
  EXPECT_EQ(site.server->counters().source_full, 0u) << "who was vouched for does not count";
  Peer three(site.port());
  EXPECT_TRUE(serves(three));
  EXPECT_TRUE(ends(one.fd()));
  EXPECT_EQ(site.server->counters().source_full, 1u);
  EXPECT_EQ(site.server->counters().open, 3u);
  Peer other(site.port(), client_side(), 2);
  EXPECT_TRUE(serves(other));
  EXPECT_TRUE(serves(two));
  EXPECT_TRUE(serves(known));
}

TEST(Sources, OneComesOnlySoFast) {
  Site site(echo, {.source_rate = {.per_second = 1, .burst = 3}});
  std::deque<Peer> peers;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(peers.emplace_back(site.port()).connected());
  // A second may pass meanwhile, and one more be let in; not ten.
  int refused = 0;
  for (int i = 0; i < 10; ++i) refused += Peer(site.port()).connected() ? 0 : 1;
  EXPECT_GT(refused, 0);
  EXPECT_EQ(site.server->counters().source_fast, static_cast<std::uint64_t>(refused));
  Peer other(site.port(), client_side(), 2);
  EXPECT_TRUE(serves(other));
}

TEST(Sources, ARequestSaysWhetherItsConnectionWasVouchedFor) {
  std::vector<bool> vouched;
  Site site([&](const Request& request, const std::shared_ptr<Responder>& responder) {
    vouched.push_back(request.vouched);
    responder->vouch();
    echo(request, responder);
  });
  Peer peer(site.port());
  ASSERT_TRUE(serves(peer) && serves(peer));
  site.thread.call([&] { EXPECT_EQ(vouched, (std::vector<bool>{false, true})); });
}

}  // namespace
}  // namespace entresol::http
