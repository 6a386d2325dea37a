#include "http/client.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error_codes.h"
#include "http/test_peer.h"

namespace entresol::http {
namespace {

namespace code = base::code;
using std::chrono::milliseconds;

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

// A client on a loop, asked from the test's thread.
class Asking {
 public:
  explicit Asking(Destination destination)
      : client_(std::make_unique<Client>(*thread_.loop, std::move(destination))) {}
  ~Asking() { end(); }
  base::Result<Response> ask(const Request& request, const Patience& patience = {}) {
    std::promise<base::Result<Response>> promise;
    client_->ask(request, patience,
                 [&](base::Result<Response> response) { promise.set_value(std::move(response)); });
    return promise.get_future().get();
  }
  void end() {
    thread_.call([this] { client_.reset(); });
  }
  Client& client() { return *client_; }
  LoopThread& thread() { return thread_; }

 private:
  LoopThread thread_;
  std::unique_ptr<Client> client_;
};

Request request_for(std::string target) {
  return {.target = std::move(target)};
}

bool names(const base::Error& error, std::uint16_t port) {
  return error.message.find("127.0.0.1:" + std::to_string(port)) != std::string::npos;
}

TEST(Ask, BringsRequestAndAnswer) {
  Site site(echo);
  const auto response = ask(site.destination(), {.method = "PUT",
                                                 .target = "/v1/a?b=c",
                                                 .authorization = "Bearer x",
                                                 .body = std::string(100'000, 'b')});
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200u);
  EXPECT_EQ(response->content_type, "text/plain");
  EXPECT_EQ(response->body, "PUT /v1/a?b=c Bearer x " + std::string(100'000, 'b'));
}

TEST(Ask, AnyStatusIsAnAnswer) {
  Site site([](const Request&, const std::shared_ptr<Responder>& responder) {
    responder->answer(error_response(404, {"E0518", "nobody"}));
  });
  const auto response = ask(site.destination(), request_for("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404u);
  EXPECT_EQ(check(response).error().code, "E0518");
}

TEST(Ask, ReadsWhyALargeBodyWasRefused) {
  Site site(echo);
  const auto response = ask(site.destination(),
                            {.method = "PUT", .target = "/", .body = std::string(1'900'000, 'b')});
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 413u);
}

TEST(Ask, RefusesWhatIsNoRequestBeforeItConnects) {
  const Listener nobody;
  const auto response = ask(destination_of(nobody.port()), request_for("no path"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, code::kHttpBadRequest);
}

TEST(Ask, AnotherKeyGetsNoOctetOfTheRequest) {
  std::promise<std::pair<bool, std::string>> met;
  ScriptedServer server(*make_identity(), [&](Peer& peer, int) {
    const bool connected = peer.connected();
    met.set_value({connected, connected ? peer.receive_all() : ""});
  });
  const auto response = ask(destination_of(server.port()), request_for("/secret"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, code::kHttpWrongKey);
  EXPECT_TRUE(names(response.error(), server.port())) << response.error().message;
  const auto [connected, octets] = met.get_future().get();
  EXPECT_FALSE(connected) << "the handshake itself ends there";
  EXPECT_EQ(octets, "");
}

TEST(Ask, NoOlderVersionOfTls) {
  const Listener listener;
  const Context context = server_side(identity());
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  auto served = std::async(std::launch::async,
                           [&] { return Peer::accept(listener.accept(), context).connected(); });
  const auto response = ask(destination_of(listener.port()), request_for("/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, code::kHttpUnreachable);
  EXPECT_FALSE(served.get());
}

TEST(Ask, ADeadAddressIsPassedBy) {
  Site site(echo);
  Destination destination = site.destination();
  const std::uint16_t dead = dead_port();
  destination.addresses.insert(destination.addresses.begin(), {"127.0.0.1", dead});
  EXPECT_TRUE(ask(destination, request_for("/")));
  destination.addresses.resize(1);
  destination.addresses.push_back({"::1", dead});
  const auto response = ask(destination, request_for("/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, code::kHttpUnreachable);
  EXPECT_TRUE(names(response.error(), dead));
  EXPECT_NE(response.error().message.find("[::1]:" + std::to_string(dead)), std::string::npos);
  EXPECT_EQ(ask({}, request_for("/")).error().code, code::kHttpUnreachable);
}

TEST(Ask, AnImpostorBesideTheServerIsPassedBy) {
  Site site(echo);
  ScriptedServer impostor(*make_identity(), [](Peer&, int) {});
  Destination destination = site.destination();
  destination.addresses.insert(destination.addresses.begin(), {"127.0.0.1", impostor.port()});
  EXPECT_TRUE(ask(destination, request_for("/")));
  destination.addresses[1].port = dead_port();
  EXPECT_EQ(ask(destination, request_for("/")).error().code, code::kHttpWrongKey);
}

TEST(Ask, NamesAreResolved) {
  Site site(echo);
  Destination destination = site.destination();
  destination.addresses[0].host = "localhost";
  const auto response = ask(destination, request_for("/"));
  EXPECT_TRUE(response) << response.error().message;
  destination.addresses[0].host = "no-such-host.invalid";
  const auto nowhere = ask(destination, request_for("/"));
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, code::kHttpUnreachable);
  EXPECT_NE(nowhere.error().message.find("no-such-host.invalid"), std::string::npos);
}

TEST(Ask, PatienceEnds) {
  std::vector<std::shared_ptr<Responder>> kept;
  Site site([&](const Request&, std::shared_ptr<Responder> responder) {
    kept.push_back(std::move(responder));
  });
  const auto unanswered = ask(site.destination(), request_for("/"), {.answer = milliseconds(50)});
  ASSERT_FALSE(unanswered);
  EXPECT_EQ(unanswered.error().code, code::kHttpTimeout);
  EXPECT_TRUE(names(unanswered.error(), site.port()));
  const Listener silent;  // the kernel connects, and nobody says anything
  const auto unmet =
      ask(destination_of(silent.port()), request_for("/"), {.connect = milliseconds(50)});
  ASSERT_FALSE(unmet);
  EXPECT_EQ(unmet.error().code, code::kHttpUnreachable);
  EXPECT_TRUE(names(unmet.error(), silent.port()));
}

TEST(Ask, BadAnswersAreNone) {
  struct Case {
    std::string answer;
    bool goodbye;
  };
  for (
      const Case& test : std::initializer_list<Case>{
          {"", true},
          {"", false},
          {"SSH-2.0-OpenSSH_9.2\r\n\r\n", true},
          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true},
          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", false},
          // The end of the stream is the end of the body: without a goodbye, anybody may have cut it.
          {"HTTP/1.1 200 OK\r\n\r\nab", false},
          {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", true},
          {"HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'a'), true},
      }) {
    ScriptedServer server(identity(), [&](Peer& peer, int) {
      peer.receive_message();
      if (!test.answer.empty()) peer.send(test.answer);
      if (test.goodbye) peer.say_goodbye();
    });
    const auto response =
        ask(destination_of(server.port()), request_for("/"), {.body_bytes = 1000});
    ASSERT_FALSE(response) << test.answer;
    EXPECT_EQ(response.error().code, code::kHttpBadAnswer) << response.error().message;
    EXPECT_TRUE(names(response.error(), server.port()));
    EXPECT_EQ(server.connections(), 1);
  }
}

TEST(Ask, TheEndOfTheStreamMayEndTheBody) {
  ScriptedServer server(identity(), [&](Peer& peer, int) {
    peer.receive_message();
    peer.send("HTTP/1.1 200 OK\r\n\r\nab");
    peer.say_goodbye();
  });
  const auto response = ask(destination_of(server.port()), request_for("/"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "ab");
}

TEST(Client, AsksOneAfterTheOtherOnOneConnection) {
  Site site(echo);
  Asking asking(site.destination());
  std::vector<std::string> bodies;
  std::promise<void> all;
  std::thread::id answered_on;
  for (int i = 0; i < 20; ++i)
    asking.client().ask(request_for("/" + std::to_string(i)), {},
                        [&](const base::Result<Response>& response) {
                          answered_on = std::this_thread::get_id();
                          bodies.push_back(response->body);
                          if (bodies.size() == 20) all.set_value();
                        });
  all.get_future().get();
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(bodies[static_cast<std::size_t>(i)], "GET /" + std::to_string(i) + "  ");
  EXPECT_EQ(site.server->counters().accepted, 1u);
  EXPECT_EQ(answered_on, asking.thread().call([] { return std::this_thread::get_id(); }));
}

TEST(Client, ComesBackAfterTheServerHasBeenAway) {
  auto site = std::make_unique<Site>(echo);
  const std::uint16_t port = site->port();
  Asking asking(site->destination());
  EXPECT_TRUE(asking.ask(request_for("/")));
  site.reset();
  const auto away = asking.ask(request_for("/"));
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code, code::kHttpUnreachable);
  site = std::make_unique<Site>(echo, ServerLimits{}, port);
  EXPECT_TRUE(asking.ask(request_for("/")));
  site.reset();
  site = std::make_unique<Site>(echo, ServerLimits{}, port);
  // The kept connection is dead, which the client can see; it need not be told.
  const auto response = asking.ask({.method = "POST", .target = "/"}, {.repeatable = false});
  EXPECT_TRUE(response) << response.error().message;
}

// The server takes a second request of the first connection, and goes without a word.
void leave_at_the_second(Peer& peer, int number) {
  peer.receive_message();
  peer.send(kAnswer);
  if (peer.receive_message().empty() || number == 1) return;
  peer.send(kAnswer);
}

TEST(Client, AsksAgainWhereAKeptConnectionBreaks) {
  ScriptedServer server(identity(), leave_at_the_second);
  Asking asking(destination_of(server.port()));
  EXPECT_TRUE(asking.ask(request_for("/")));
  const auto response = asking.ask(request_for("/"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "hi");
  EXPECT_EQ(server.connections(), 2);
}

TEST(Client, AsksNotAgainWhatMayNotBeRepeated) {
  ScriptedServer server(identity(), leave_at_the_second);
  Asking asking(destination_of(server.port()));
  EXPECT_TRUE(asking.ask(request_for("/")));
  const auto response = asking.ask(request_for("/"), {.repeatable = false});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, code::kHttpBadAnswer);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, AsksNotAgainWhatHasBeenAnsweredInPart) {
  ScriptedServer server(identity(), [](Peer& peer, int) {
    peer.receive_message();
    peer.send(kAnswer);
    if (!peer.receive_message().empty()) peer.send("H");
  });
  Asking asking(destination_of(server.port()));
  EXPECT_TRUE(asking.ask(request_for("/")));
  const auto response = asking.ask(request_for("/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, code::kHttpBadAnswer);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, KeepsNoConnectionThatSaysMoreThanItWasAsked) {
  ScriptedServer server(identity(), [](Peer& peer, int) {
    peer.receive_message();
    peer.send(kAnswer + kAnswer);
    peer.receive_all();
  });
  Asking asking(destination_of(server.port()));
  EXPECT_TRUE(asking.ask(request_for("/")));
  EXPECT_TRUE(asking.ask(request_for("/")));
  EXPECT_EQ(server.connections(), 2);
}

TEST(Client, RemembersWhichAddressHasAnswered) {
  ScriptedServer impostor(*make_identity(), [](Peer&, int) {});
  ScriptedServer server(identity(), [](Peer& peer, int) {
    peer.receive_message();
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  Destination destination = destination_of(server.port());
  destination.addresses.insert(destination.addresses.begin(), {"127.0.0.1", impostor.port()});
  Asking asking(destination);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(asking.ask(request_for("/")));
  EXPECT_EQ(server.connections(), 3);
  EXPECT_EQ(impostor.connections(), 1);
}

TEST(Client, ItsEndCutsOffARequestInFlight) {
  std::promise<void> handling;
  std::shared_ptr<Responder> kept;
  Site site([&](const Request&, std::shared_ptr<Responder> responder) {
    kept = std::move(responder);
    handling.set_value();
  });
  std::atomic<int> done{0};
  Asking asking(site.destination());
  for (int i = 0; i < 3; ++i)
    asking.client().ask(request_for("/"), {.answer = kForever},
                        [&](const base::Result<Response>&) { ++done; });
  handling.get_future().get();
  asking.end();
  EXPECT_TRUE(await([&] { return !kept->waiting(); }));
  asking.thread().call([] {});
  EXPECT_EQ(done, 0);
}

TEST(Client, ItsEndCutsOffAHandshake) {
  const Listener silent;
  Asking asking(destination_of(silent.port()));
  bool done = false;
  asking.client().ask(request_for("/"), {.connect = kForever},
                      [&](const base::Result<Response>&) { done = true; });
  const io::UniqueFd accepted = silent.accept();
  asking.end();
  EXPECT_FALSE(done);
}

TEST(Client, ItsEndAtOnceIsFine) {
  Site site(echo);
  for (int i = 0; i < 50; ++i) {
    Asking asking(site.destination());
    asking.client().ask(request_for("/"), {}, [](const base::Result<Response>&) {});
  }
}

TEST(Client, NoAnswerComesAfterItsEnd) {
  Site site(echo);
  LoopThread thread;
  auto client = std::make_unique<Client>(*thread.loop, site.destination());
  bool done = false;
  // The loop is busy until the first answer waits for it, as the second request shows, and then ends the client.
  thread.call([&] {
    for (int i = 0; i < 2; ++i)
      client->ask(request_for("/"), {}, [&](const base::Result<Response>&) { done = true; });
    EXPECT_TRUE(await([&] { return site.server->counters().requests == 2; }));
    client.reset();
  });
  thread.call([] {});
  EXPECT_FALSE(done);
}

TEST(Client, AnAnswerMayEndIt) {
  Site site(echo);
  LoopThread thread;
  auto client = std::make_unique<Client>(*thread.loop, site.destination());
  std::promise<void> ended;
  thread.call([&] {
    client->ask(request_for("/"), {}, [&](const base::Result<Response>&) {
      client.reset();
      ended.set_value();
    });
  });
  ended.get_future().get();
  EXPECT_EQ(client, nullptr);
}

TEST(Client, TwoHundredAskAtOnce) {
  constexpr std::size_t kClients = 200;
  std::vector<std::shared_ptr<Responder>> kept;
  Site site([&](const Request&, std::shared_ptr<Responder> responder) {
    kept.push_back(std::move(responder));
    if (kept.size() < kClients) return;
    for (const auto& waiting : kept) waiting->answer({.body = "now"});
  });
  LoopThread thread;
  std::vector<std::unique_ptr<Client>> clients;
  std::atomic<std::size_t> good{0};
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(*thread.loop, site.destination()));
    clients.back()->ask(request_for("/"), {.connect = kForever, .answer = kForever},
                        [&](const base::Result<Response>& response) {
                          if (response && response->body == "now") ++good;
                        });
  }
  EXPECT_TRUE(await([&] { return good == kClients; }));
  thread.call([&] { clients.clear(); });
}

}  // namespace
}  // namespace entresol::http
