// The other side in tests: a TLS peer on a blocking socket that sends what it is told, octet by octet if need be; a server of
// such peers that follows a script; and a real Server whose loop has a thread.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "http/client.h"
#include "http/server.h"
#include "io/event_loop.h"
#include "io/fd.h"

namespace entresol::http {

inline constexpr auto kPatience = std::chrono::seconds(60);
inline constexpr auto kForever = std::chrono::hours(24);

// For what no callback tells. False: it did not come true in a generous time.
template <typename Condition>
bool await(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

inline base::Endpoint loopback_endpoint(std::uint16_t port = 0) {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, port};
}

// `last`: of the address 127.0.0.x that it comes from.
inline io::UniqueFd connect_tcp(std::uint16_t port, std::uint8_t last = 1) {
  io::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{kPatience.count(), 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in from = loopback(0);
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
  const sockaddr_in at = loopback(port);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  return fd;
}

// Until the other side has ended. What came is of no interest.
inline bool ends(int fd) {
  char octets[512];
  ssize_t got;
  while ((got = ::recv(fd, octets, sizeof octets, 0)) > 0) continue;
  return got == 0 || errno == ECONNRESET;
}

using Context = std::shared_ptr<SSL_CTX>;

inline Context client_side(int newest = TLS1_3_VERSION) {
  Context context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_max_proto_version(context.get(), newest);
  return context;
}

inline Context server_side(const Identity& identity) {
  Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  BIO* pem = BIO_new_mem_buf(identity.pem.data(), static_cast<int>(identity.pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(pem, nullptr, nullptr, nullptr);
  X509* certificate = PEM_read_bio_X509(pem, nullptr, nullptr, nullptr);
  EXPECT_EQ(SSL_CTX_use_certificate(context.get(), certificate), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key), 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
  BIO_free(pem);
  return context;
}

class Peer {
 public:
  // A client, connected; connected() says whether the handshake is done.
  explicit Peer(std::uint16_t port, const Context& context = client_side(), std::uint8_t last = 1)
      : Peer(connect_tcp(port, last), context) {
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  // The server's side of `fd`.
  static Peer accept(io::UniqueFd fd, const Context& context) {
    Peer peer(std::move(fd), context);
    peer.connected_ = SSL_accept(peer.ssl_.get()) == 1;
    return peer;
  }

  bool connected() const { return connected_; }
  // False: the other side has gone.
  bool send(std::string_view text) {
    ERR_clear_error();
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }
  // Up to and with `end`, or what came before the end of the stream.
  std::string receive_until(std::string_view end) {
    while (kept_.find(end) == std::string::npos && receive_some()) continue;
    const auto at = kept_.find(end);
    return take(at == std::string::npos ? kept_.size() : at + end.size());
  }
  // A whole answer (or request) with Content-Length.
  std::string receive_message() {
    std::string head = receive_until("\r\n\r\n");
    const auto at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    const std::size_t size = std::stoul(head.substr(at + 16));
    while (kept_.size() < size && receive_some()) continue;
    return head + take(std::min(size, kept_.size()));
  }
  std::string receive_all() {
    while (receive_some()) continue;
    return take(kept_.size());
  }
  // After receive_all: the other side has said that this was the end.
  bool ended_properly() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  void say_goodbye() { SSL_shutdown(ssl_.get()); }
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  Peer(io::UniqueFd fd, const Context& context)
      : fd_(std::move(fd)), ssl_(SSL_new(context.get()), SSL_free) {
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to the socket itself
    SSL_set_fd(ssl_.get(), fd_.get());
  }
  bool receive_some() {
    char octets[4096];
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), octets, sizeof octets);
    if (got > 0) kept_.append(octets, static_cast<std::size_t>(got));
    return got > 0;
  }
  std::string take(std::size_t size) {
    std::string taken = kept_.substr(0, size);
    kept_.erase(0, size);
    return taken;
  }

  io::UniqueFd fd_;
  std::shared_ptr<SSL> ssl_;
  bool connected_ = false;
  std::string kept_;
};

// A TCP port of this machine.
class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(fd_.get(), 16), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
  }
  std::uint16_t port() const { return port_; }
  io::UniqueFd accept() const {
    return io::UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  void shut() { ::shutdown(fd_.get(), SHUT_RDWR); }

 private:
  io::UniqueFd fd_;
  std::uint16_t port_ = 0;
};

inline std::uint16_t dead_port() {
  return Listener().port();
}

// Runs `script` with each connection after its handshake, one after the other.
class ScriptedServer {
 public:
  using Script = std::function<void(Peer&, int number)>;
  ScriptedServer(const Identity& identity, Script script)
      : context_(server_side(identity)), script_(std::move(script)), thread_([this] { serve(); }) {}
  ~ScriptedServer() {
    listener_.shut();
    thread_.join();
  }
  std::uint16_t port() const { return listener_.port(); }
  int connections() const { return connections_; }

 private:
  void serve() {
    for (;;) {
      io::UniqueFd fd = listener_.accept();
      if (!fd) return;
      ++connections_;
      Peer peer = Peer::accept(std::move(fd), context_);
      script_(peer, connections_);
    }
  }

  const Context context_;
  const Script script_;
  Listener listener_;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

// A loop on a thread of its own.
class LoopThread {
 public:
  LoopThread() : thread_([this] { loop->run(); }) {}
  ~LoopThread() { end(); }
  void end() {
    if (!thread_.joinable()) return;
    loop->stop();
    thread_.join();
  }
  template <typename Action>
  auto call(Action action) {
    std::packaged_task<decltype(action())()> task(std::move(action));
    auto result = task.get_future();
    loop->post([&task] { task(); });
    return result.get();
  }
  const std::unique_ptr<io::EventLoop> loop = io::EventLoop::create().value();

 private:
  std::thread thread_;
};

inline const Identity& identity() {
  static const Identity made = make_identity().value();
  return made;
}

inline Destination destination_of(std::uint16_t port) {
  return {{{"127.0.0.1", port}}, identity().pin};
}

// A Server on 127.0.0.1.
class Site {
 public:
  explicit Site(Server::Handler handler, const ServerLimits& limits = {}, std::uint16_t port = 0)
      : server(Server::listen(*thread.loop, loopback_endpoint(port), identity(), std::move(handler),
                              limits)
                   .value()) {}
  ~Site() { stop(); }
  void stop() {
    thread.end();
    server.reset();
  }
  std::uint16_t port() const { return server->local().port; }
  Destination destination() const { return destination_of(port()); }

  LoopThread thread;
  std::unique_ptr<Server> server;
};

// Answers with what it was asked.
inline void echo(const Request& request, const std::shared_ptr<Responder>& responder) {
  responder->answer({.status = 200,
                     .body = request.method + ' ' + request.target + ' ' + request.authorization +
                             ' ' + request.body,
                     .content_type = "text/plain"});
}

inline std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

}  // namespace entresol::http
