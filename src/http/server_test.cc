#include "http/server.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <vector>

#include "base/error_codes.h"
#include "http/test_peer.h"
#include "io/endpoint_text.h"

namespace entresol::http {
namespace {

namespace code = base::code;

// Keeps the requests that it gets. On the loop's thread but for `count`.
struct Keeper {
  Server::Handler handler() {
    return [this](const Request&, std::shared_ptr<Responder> responder) {
      responders.push_back(std::move(responder));
      ++count;
    };
  }
  std::vector<std::shared_ptr<Responder>> responders;
  std::atomic<std::size_t> count{0};
};

bool is_status(const std::string& answer, unsigned status) {
  return answer.starts_with("HTTP/1.1 " + std::to_string(status) + ' ');
}

std::string body_of(const std::string& answer) {
  const auto at = answer.find("\r\n\r\n");
  return at == std::string::npos ? "" : answer.substr(at + 4);
}

TEST(Server, HandsRequestsOverAndAnswersBack) {
  Request seen;
  Site site([&](const Request& request, const std::shared_ptr<Responder>& responder) {
    seen = request;
    responder->answer({.status = 201, .body = "made", .content_type = "text/plain"});
  });
  Peer peer(site.port());
  ASSERT_TRUE(
      peer.send("POST /v1/a?b=c HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: "
                "4\r\n\r\nbody"));
  const std::string answer = peer.receive_message();
  EXPECT_TRUE(is_status(answer, 201)) << answer;
  EXPECT_NE(answer.find("\r\nContent-Type: text/plain\r\n"), std::string::npos);
  EXPECT_NE(answer.find(" GMT\r\n"), std::string::npos);
  EXPECT_EQ(body_of(answer), "made");
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/v1/a?b=c");
  EXPECT_EQ(seen.authorization, "Bearer t");
  EXPECT_EQ(seen.body, "body");
  EXPECT_EQ(seen.peer.address, loopback_endpoint().address);
  EXPECT_NE(seen.peer.port, 0);
}

TEST(Server, HandlersRunOnTheLoopsThread) {
  std::thread::id handlers;
  Site site([&](const Request& request, const std::shared_ptr<Responder>& responder) {
    handlers = std::this_thread::get_id();
    echo(request, responder);
  });
  const auto loops = site.thread.call([] { return std::this_thread::get_id(); });
  Peer peer(site.port());
  peer.send(get("/"));
  EXPECT_TRUE(is_status(peer.receive_message(), 200));
  EXPECT_EQ(handlers, loops);
}

TEST(Server, OneConnectionServesManyRequests) {
  Site site(echo);
  Peer peer(site.port());
  for (int i = 0; i < 5; ++i) {
    peer.send(get("/" + std::to_string(i)));
    EXPECT_EQ(body_of(peer.receive_message()), "GET /" + std::to_string(i) + "  ");
  }
  const ServerCounters counters = site.server->counters();
  EXPECT_EQ(counters.accepted, 1u);
  EXPECT_EQ(counters.requests, 5u);
  EXPECT_EQ(counters.open, 1u);
}

TEST(Server, PipelinedRequestsAreAnsweredInTheirOrder) {
  Site site(echo);
  Peer peer(site.port());
  std::string requests;
  for (int i = 0; i < 300; ++i) requests += get("/" + std::to_string(i));  // more than is kept
  peer.send(requests);
  for (int i = 0; i < 300; ++i)
    ASSERT_EQ(body_of(peer.receive_message()), "GET /" + std::to_string(i) + "  ");
}

TEST(Server, OneRequestOfAConnectionIsHandledAtATime) {
  Keeper keeper;
  Site site(keeper.handler());
  Peer peer(site.port());
  peer.send(get("/1") + get("/2"));
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(await([&] { return keeper.count == i + 1; }));
    site.thread.call([&] { keeper.responders[i]->answer({}); });
    EXPECT_TRUE(is_status(peer.receive_message(), 200));
  }
}

TEST(Server, AnswersLater) {
  Keeper keeper;
  // However long it takes: no limit of the connection's applies to it.
  Site site(keeper.handler(), {.io_time = std::chrono::seconds(1)});
  Peer waiting(site.port());
  waiting.send(get("/"));
  ASSERT_TRUE(await([&] { return keeper.count == 1; }));
  Peer idle(site.port());
  EXPECT_TRUE(ends(idle.fd())) << "whose limit has passed";
  site.thread.call([&] {
    EXPECT_TRUE(keeper.responders[0]->waiting());
    keeper.responders[0]->answer({.body = "late"});
    EXPECT_FALSE(keeper.responders[0]->waiting());
  });
  EXPECT_EQ(body_of(waiting.receive_message()), "late");
}

TEST(Server, NoticesThatAWaitingClientHasGone) {
  Keeper keeper;
  Site site(keeper.handler());
  for (const bool politely : {true, false}) {
    const std::size_t at = keeper.count;
    Peer peer(site.port());
    peer.send(get("/"));
    ASSERT_TRUE(await([&] { return keeper.count == at + 1; }));
    EXPECT_TRUE(site.thread.call([&] { return keeper.responders[at]->waiting(); }));
    politely ? peer.say_goodbye() : peer.close();
    EXPECT_TRUE(await([&] { return !keeper.responders[at]->waiting(); }));
    site.thread.call([&] { keeper.responders[at]->answer({}); });
  }
  EXPECT_TRUE(await([&] { return site.server->counters().open == 0; }));
}

TEST(Server, AForgottenRequestIsAnsweredAllTheSame) {
  Site site([](const Request&, const std::shared_ptr<Responder>&) {});
  Peer peer(site.port());
  peer.send(get("/"));
  const std::string answer = peer.receive_message();
  EXPECT_TRUE(is_status(answer, 500)) << answer;
  EXPECT_NE(answer.find(code::kHttpInternal), std::string::npos);
}

TEST(Server, TheFirstAnswerCounts) {
  Keeper keeper;
  Site site(keeper.handler());
  Peer peer(site.port());
  peer.send(get("/1") + get("/2"));
  ASSERT_TRUE(await([&] { return keeper.count == 1; }));
  site.thread.call([&] { keeper.responders[0]->answer({.body = "first"}); });
  ASSERT_TRUE(await([&] { return keeper.count == 2; }));
  site.thread.call([&] {
    keeper.responders[0]->answer({.body = "second"});  // nor does it answer the next request
    keeper.responders[1]->answer({.body = "third"});
  });
  EXPECT_EQ(body_of(peer.receive_message()), "first");
  EXPECT_EQ(body_of(peer.receive_message()), "third");
}

TEST(Server, ClosesWhereTheClientWantsIt) {
  Site site(echo);
  for (const std::string& request :
       {get("/", "Connection: close\r\n"), std::string("GET / HTTP/1.0\r\n\r\n")}) {
    Peer peer(site.port());
    peer.send(request);
    const std::string answer = peer.receive_all();
    EXPECT_TRUE(is_status(answer, 200));
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(peer.ended_properly());
  }
}

TEST(Server, AsksForABodyThatWaits) {
  Site site(echo);
  Peer peer(site.port());
  peer.send("PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(peer.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("ab");
  EXPECT_EQ(body_of(peer.receive_message()), "PUT /  ab");
}

TEST(Server, ServesTwoHundredAtOnce) {
  constexpr std::size_t kClients = 200;
  Keeper keeper;
  Site site(keeper.handler());
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::size_t i = 0; i < kClients; ++i) {
    peers.push_back(std::make_unique<Peer>(site.port()));
    ASSERT_TRUE(peers.back()->send(get("/")));
  }
  ASSERT_TRUE(await([&] { return keeper.count == kClients; }));
  EXPECT_EQ(site.server->counters().open, kClients);
  site.thread.call([&] {
    for (const auto& responder : keeper.responders) responder->answer({.body = "now"});
  });
  for (const auto& peer : peers) EXPECT_EQ(body_of(peer->receive_message()), "now");
}

TEST(Server, LargeAnswersArriveWhole) {
  const std::string large(3'000'000, 'x');
  Site site([&](const Request&, const std::shared_ptr<Responder>& responder) {
    responder->answer({.body = large});
  });
  Peer peer(site.port());
  peer.send(get("/"));
  EXPECT_EQ(body_of(peer.receive_message()), large);
}

TEST(Server, EndsWithRequestsInFlight) {
  Keeper keeper;
  Site site(keeper.handler());
  Peer waiting(site.port()), idle(site.port()), half(site.port());
  const io::UniqueFd silent = connect_tcp(site.port());
  waiting.send(get("/"));
  half.send("GET / HT");
  ASSERT_TRUE(await([&] { return keeper.count == 1 && site.server->counters().open == 4; }));
  site.stop();
  for (const int fd : {waiting.fd(), idle.fd(), half.fd(), silent.get()}) EXPECT_TRUE(ends(fd));
  EXPECT_FALSE(keeper.responders[0]->waiting());
  keeper.responders[0]->vouch();
  keeper.responders[0]->answer({});
  keeper.responders.clear();
}

TEST(Server, NoHandlerRunsAfterItsEnd) {
  LoopThread thread;
  std::atomic<int> handled{0};
  auto server = Server::listen(*thread.loop, loopback_endpoint(), identity(),
                               [&](const Request& request, const auto& responder) {
                                 ++handled;
                                 echo(request, responder);
                               })
                    .value();
  Peer peer(server->local().port);
  // The loop is busy while the request comes, and then ends the server before it looks at requests.
  thread.call([&] {
    peer.send(get("/"));
    EXPECT_TRUE(await([&] { return server->counters().requests == 1; }));
    server.reset();
  });
  EXPECT_EQ(peer.receive_all(), "");
  thread.call([] {});
  EXPECT_EQ(handled, 0);
}

TEST(Server, AHandlerMayEndIt) {
  LoopThread thread;
  std::unique_ptr<Server> server;
  server = Server::listen(*thread.loop, loopback_endpoint(), identity(),
                          [&](const Request& request, const auto& responder) {
                            server.reset();
                            echo(request, responder);
                          })
               .value();
  Peer peer(server->local().port);
  peer.send(get("/"));
  EXPECT_EQ(peer.receive_all(), "");
  thread.call([] {});
  EXPECT_EQ(server, nullptr);
}

TEST(Server, AnyAddressIsBothFamilies) {
  LoopThread thread;
  auto server = Server::listen(*thread.loop, base::Endpoint{}, identity(), echo);
  ASSERT_TRUE(server) << server.error().message;
  Peer peer((*server)->local().port);
  peer.send(get("/"));
  EXPECT_TRUE(is_status(peer.receive_message(), 200));
}

TEST(Server, SaysWhyItCannotListen) {
  LoopThread thread;
  const Listener other;
  const auto taken =
      Server::listen(*thread.loop, loopback_endpoint(other.port()), identity(), echo);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, code::kPortTaken);
  EXPECT_NE(taken.error().message.find(io::to_text(loopback_endpoint(other.port()))),
            std::string::npos);
  const auto unkeyed = Server::listen(*thread.loop, loopback_endpoint(), {}, echo);
  ASSERT_FALSE(unkeyed);
  EXPECT_EQ(unkeyed.error().code, code::kKeyMalformed);
  base::Endpoint elsewhere{{0x20, 0x01, 0x0d, 0xb8}, 0};
  const auto foreign = Server::listen(*thread.loop, elsewhere, identity(), echo);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, code::kSystemCall);
}

// What a shell command says, with its errors.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* out = ::popen((command + " 2>&1").c_str(), "r");
  char part[512];
  while (std::fgets(part, sizeof part, out) != nullptr) text += part;
  ::pclose(out);
  return text;
}

std::string base64(const Pin& pin) {
  return base::to_base64(pin);
}

TEST(Server, CurlAsksAndChecksThePin) {
  if (output_of("curl --version").find("OpenSSL") == std::string::npos)
    GTEST_SKIP() << "curl is not installed, or has another TLS library";
  Site site(echo);
  const std::string url = " https://127.0.0.1:" + std::to_string(site.port()) + "/v1";
  const std::string curl = "curl --silent --show-error --insecure --max-time 60 ";
  EXPECT_EQ(output_of(curl + "--pinnedpubkey sha256//" + base64(identity().pin) +
                      " -H 'Authorization: Bearer a' --data '{\"a\":1}'" + url),
            "POST /v1 Bearer a {\"a\":1}");
  const auto before = site.server->counters().requests;
  const std::string refused =
      output_of(curl + "--pinnedpubkey sha256//" + base64(make_identity()->pin) + url);
  EXPECT_NE(refused.find("SSL"), std::string::npos) << refused;
  EXPECT_EQ(site.server->counters().requests, before);
  // curl sends the first octets of a large body only when it was asked to go on.
  const std::string large = output_of("head -c 1500000 /dev/zero | tr '\\0' a | " + curl +
                                      "-H 'Authorization: a' -T -" + url + " | wc -c");
  EXPECT_EQ(std::stoul(large), std::string("PUT /v1 a ").size() + 1'500'000) << large;
}

}  // namespace
}  // namespace entresol::http
