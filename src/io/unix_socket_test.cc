#include "io/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <thread>
#include <vector>

#include "base/error_codes.h"

namespace entresol::io {
namespace {

class ControlSocket : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "entresol-ctl-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ + "/control";
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }
  std::unique_ptr<ControlServer> serve(ControlServer::Handler handler, ControlLimits limits = {}) {
    auto server = ControlServer::listen(*loop_, path_, std::move(handler), limits);
    EXPECT_TRUE(server) << server.error().message;
    return server ? std::move(*server) : nullptr;
  }
  // Runs `client` on a thread of its own while the loop serves it.
  template <typename Client>
  void run_beside(Client client) {
    std::thread thread([&] {
      client();
      loop_->stop();
    });
    loop_->run();
    thread.join();
  }
  // A connected, raw client.
  UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), address.sun_path);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // Everything until the server closes, or until `bytes` have come.
  static std::string receive(int fd, std::size_t bytes = SIZE_MAX) {
    std::string out;
    char buffer[4096];
    ssize_t got;
    while (out.size() < bytes && (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0) {
      out.append(buffer, static_cast<std::size_t>(got));
    }
    return out;
  }
  static void put(int fd, std::string_view text) {
    ASSERT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  std::string directory_, path_;
};

void echo(std::string_view request, const ControlServer::Reply& reply) {
  reply("<" + std::string(request) + ">");
}

TEST_F(ControlSocket, AnswersOneRequest) {
  const auto server = serve(echo);
  run_beside([&] {
    const auto answer = control_call(path_, R"({"call":"status"})");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, R"(<{"call":"status"}>)");
  });
}

TEST_F(ControlSocket, OnlyTheOwnerMayConnectAndTheSocketGoesWithTheServer) {
  struct stat status{};
  {
    const auto server = serve(echo);
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_NE(::stat(path_.c_str(), &status), 0);
}

TEST_F(ControlSocket, LongLinesAndManyClientsAtOnce) {
  const auto server = serve(echo, {.request_bytes = 1'000'000, .response_bytes = 2'000'000});
  run_beside([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; ++i) {
      threads.emplace_back([&, i] {
        const std::string request(static_cast<std::size_t>(500'000 + i),
                                  static_cast<char>('a' + i));
        const auto answer = control_call(path_, request);
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(*answer, "<" + request + ">");
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  while (server->clients() > 0) loop_->run_once();  // their hang-ups
}

TEST_F(ControlSocket, SeveralRequestsOfOneConnectionAreAnsweredInOrder) {
  const auto server = serve(echo);
  run_beside([&] {
    const UniqueFd fd = connect();
    put(fd.get(), "1\n2\n3\n");
    EXPECT_EQ(receive(fd.get(), 12), "<1>\n<2>\n<3>\n");
    put(fd.get(), "4");
    put(fd.get(), "5\n");
    EXPECT_EQ(receive(fd.get(), 5), "<45>\n");
  });
}

TEST_F(ControlSocket, AnswersMayComeLaterAndOutOfOrder) {
  std::vector<ControlServer::Reply> waiting;
  std::promise<void> first_has_arrived;
  const auto server = serve([&](std::string_view request, ControlServer::Reply reply) {
    waiting.push_back(std::move(reply));
    if (request == "first") return first_has_arrived.set_value();
    waiting[1]("second");
    waiting[0]("first");
    waiting[0]("a second answer does nothing");
  });
  run_beside([&] {
    const UniqueFd first = connect();
    put(first.get(), "first\n");
    first_has_arrived.get_future().wait();
    EXPECT_EQ(control_call(path_, "second").value_or("none"), "second");
    EXPECT_EQ(receive(first.get(), 6), "first\n");
  });
}

TEST_F(ControlSocket, ARequestThatIsNeverAnsweredClosesItsConnection) {
  const auto server = serve([](std::string_view, ControlServer::Reply) {});
  run_beside([&] {
    const auto answer = control_call(path_, "x");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, base::code::kUnreachable);
  });
}

TEST_F(ControlSocket, TooLongRequestsAndResponsesCloseTheConnection) {
  const auto server = serve(
      [](std::string_view request, ControlServer::Reply reply) {
        reply(request == "line feed" ? "a\nb" : std::string(request.size() + 1, 'x'));
      },
      {.request_bytes = 10, .response_bytes = 10});
  run_beside([&] {
    EXPECT_EQ(control_call(path_, std::string(9, 'a')).value_or(""), std::string(10, 'x'));
    EXPECT_FALSE(control_call(path_, std::string(10, 'a')));
    EXPECT_FALSE(control_call(path_, std::string(11, 'a')));
    EXPECT_FALSE(control_call(path_, "line feed"));
    const UniqueFd endless = connect();
    put(endless.get(), std::string(11, 'a'));
    EXPECT_EQ(receive(endless.get()), "");
  });
}

TEST_F(ControlSocket, AClientThatDoesNotFinishIsCutOff) {
  const auto server = serve(echo, {.idle = std::chrono::milliseconds(5)});
  run_beside([&] {
    const UniqueFd slow = connect();
    put(slow.get(), "half a line");
    EXPECT_EQ(receive(slow.get()), "");
  });
  EXPECT_EQ(server->clients(), 0u);
}

TEST_F(ControlSocket, MoreClientsThanAllowedWaitTheirTurn) {
  std::unique_ptr<ControlServer> server;
  std::size_t most = 0;
  server = serve(
      [&](std::string_view request, ControlServer::Reply reply) {
        most = std::max(most, server->clients());
        echo(request, reply);
      },
      {.clients = 1});
  run_beside([&] {
    UniqueFd first = connect();
    const UniqueFd second = connect();
    put(first.get(), "1\n");
    EXPECT_EQ(receive(first.get(), 4), "<1>\n");
    put(second.get(), "2\n");
    first.reset();
    EXPECT_EQ(receive(second.get(), 4), "<2>\n");
  });
  EXPECT_EQ(most, 1u);
}

TEST_F(ControlSocket, AReplyMayOutliveServerAndClient) {
  ControlServer::Reply kept;
  auto server = serve([&](std::string_view, ControlServer::Reply reply) {
    kept = std::move(reply);
    loop_->stop();
  });
  const UniqueFd fd = connect();
  put(fd.get(), "x\n");
  loop_->run();
  server.reset();
  kept("nobody hears it");
  EXPECT_EQ(receive(fd.get()), "");
}

TEST_F(ControlSocket, TheHandlerMayDestroyTheServer) {
  std::unique_ptr<ControlServer> server;
  server = serve([&](std::string_view, ControlServer::Reply reply) {
    server.reset();
    reply("too late");
    loop_->stop();
  });
  const UniqueFd fd = connect();
  put(fd.get(), "x\n");
  loop_->run();
  EXPECT_EQ(receive(fd.get()), "");
}

TEST_F(ControlSocket, ALiveServerIsNotReplacedButAStaleSocketIs) {
  const auto first = serve(echo);
  const auto second = ControlServer::listen(*loop_, path_, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::code::kAlreadyRunning);

  const std::string stale = directory_ + "/stale";
  {
    UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(stale.begin(), stale.end(), address.sun_path);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  const auto refused = control_call(stale, "x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::code::kNotRunning);
  EXPECT_TRUE(ControlServer::listen(*loop_, stale, echo));
}

TEST_F(ControlSocket, AServerThatWasReplacedLeavesItsSuccessorAlone) {
  auto first = serve(echo);
  ::unlink(path_.c_str());
  const auto second = serve(echo);
  first.reset();
  run_beside([&] { EXPECT_EQ(control_call(path_, "x").value_or(""), "<x>"); });
}

TEST_F(ControlSocket, ErrorsSayWhatIsWrong) {
  const auto nobody = control_call(path_, "x");
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, base::code::kNotRunning);
  EXPECT_NE(nobody.error().message.find(path_), std::string::npos);
  EXPECT_EQ(control_call(path_, "a\nb").error().code, base::code::kUsage);
  EXPECT_EQ(control_call(std::string(200, 'x'), "a").error().code, base::code::kConfigBadValue);

  EXPECT_EQ(ControlServer::listen(*loop_, std::string(200, 'x'), echo).error().code,
            base::code::kConfigBadValue);
  EXPECT_EQ(ControlServer::listen(*loop_, directory_ + "/no/where", echo).error().code,
            base::code::kFileUnwritable);
  EXPECT_EQ(ControlServer::listen(*loop_, directory_, echo).error().code,
            base::code::kFileUnwritable);
}

TEST_F(ControlSocket, AClientThatGivesUpDoesNotDisturbTheServer) {
  std::vector<ControlServer::Reply> waiting;
  const auto server = serve([&](std::string_view request, ControlServer::Reply reply) {
    if (request == "wait") {
      waiting.push_back(std::move(reply));
    } else {
      reply("served");
    }
  });
  run_beside([&] {
    const auto timed_out = control_call(path_, "wait", std::chrono::milliseconds(1));
    ASSERT_FALSE(timed_out);
    EXPECT_EQ(timed_out.error().code, base::code::kUnreachable);
    EXPECT_EQ(control_call(path_, "x").value_or(""), "served");
  });
}

}  // namespace
}  // namespace entresol::io
