#include "http/server.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error_codes.h"
#include "http/address.h"
#include "http/connection.h"
#include "http/thread.h"
#include "http/tls.h"
#include "io/clock.h"
#include "io/endpoint_text.h"
#include "io/fd.h"

namespace entresol::http {
namespace {

namespace asio = boost::asio;
namespace code = base::code;
using asio::ip::tcp;
using SystemError = boost::system::error_code;

// Where the process has no file descriptor left and nobody's can be taken.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

base::Result<tcp::acceptor> bind(asio::io_context& io, const base::Endpoint& address) {
  tcp::endpoint at = endpoint_of(address);
  tcp::acceptor acceptor(io);
  SystemError failed;
  const bool any = io::is_unspecified(address.address);
  acceptor.open(at.protocol(), failed);
  if (failed == asio::error::address_family_not_supported && any) {
    at = tcp::endpoint(tcp::v4(), address.port);  // a machine without IPv6
    failed = {};
    acceptor.open(at.protocol(), failed);
  }
  const auto step = [&failed](auto action) {
    if (!failed) action();
  };
  step([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), failed); });
  step([&] {
    if (at.address().is_v6()) acceptor.set_option(asio::ip::v6_only(!any), failed);
  });
  step([&] { acceptor.bind(at, failed); });
  step([&] { acceptor.listen(asio::socket_base::max_listen_connections, failed); });
  if (!failed) return acceptor;
  const int number = failed.value();
  return io::system_failure(number == EADDRINUSE ? code::kPortTaken : code::kSystemCall,
                            "cannot listen on TCP " + io::to_text(address), number);
}

bool out_of_resources(const SystemError& error) {
  return error == asio::error::no_descriptors || error.value() == ENFILE ||
         error == asio::error::no_buffer_space || error == asio::error::no_memory;
}

}  // namespace

struct Server::Impl {
  Impl(std::shared_ptr<Shared> with, tcp::acceptor listening)
      : shared(std::move(with)), acceptor(std::move(listening)), pause(shared->io) {
    local = endpoint_of(acceptor.local_endpoint());
    accept();
    thread = start_thread([this] { shared->io.run(); });
  }

  // The thread ends when everything that it waits for has been cut off; then nothing refers to a connection any more.
  ~Impl() {
    asio::post(shared->io, [this] {
      stopping = true;
      SystemError ignored;
      acceptor.close(ignored);
      pause.cancel();
      while (!shared->connections.empty()) {
        const auto connection = shared->connections.begin()->second;
        connection->close();
      }
    });
    thread.join();
  }

  void accept() {
    acceptor.async_accept([this](SystemError error, tcp::socket socket) {
      if (stopping) return;
      if (!error) {
        admit(std::move(socket));
      } else if (out_of_resources(error) && !shared->make_room()) {
        pause.expires_after(kAcceptPause);
        pause.async_wait([this](SystemError) {
          if (!stopping) accept();
        });
        return;
      }
      accept();
    });
  }

  void admit(tcp::socket socket) {
    ++shared->counters.accepted;
    SystemError failed;
    const tcp::endpoint peer = socket.remote_endpoint(failed);
    if (failed) return;
    const Source source = source_of(endpoint_of(peer));
    if (!shared->newcomers.take(source, io::now())) {
      ++shared->counters.source_fast;
      return;
    }
    if (const auto here = shared->strangers.find(source);
        here != shared->strangers.end() && here->second.open >= shared->limits.source_connections) {
      ++shared->counters.source_full;
      if (!shared->make_room_of(source)) return;
    }
    if (shared->connections.size() >= shared->limits.connections && !shared->make_room()) {
      ++shared->counters.refused;
      return;
    }
    socket.set_option(tcp::no_delay(true), failed);
    auto connection = std::make_shared<Connection>(*shared, std::move(socket), endpoint_of(peer));
    shared->connections.emplace(connection.get(), connection);
    shared->counters.open = shared->connections.size();
    connection->start();
  }

  const std::shared_ptr<Shared> shared;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  base::Endpoint local;
  bool stopping = false;  // on the server's thread
  std::thread thread;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

base::Result<std::unique_ptr<Server>> Server::listen(io::EventLoop& loop,
                                                     const base::Endpoint& address,
                                                     const Identity& identity, Handler handler,
                                                     const ServerLimits& limits) {
  auto tls = server_context(identity);
  if (!tls) return tl::unexpected(tls.error());
  auto shared = std::make_shared<Shared>(loop, std::move(*tls), std::move(handler), limits);
  auto acceptor = bind(shared->io, address);
  if (!acceptor) return tl::unexpected(acceptor.error());
  return std::unique_ptr<Server>(
      new Server(std::make_unique<Impl>(std::move(shared), std::move(*acceptor))));
}

base::Endpoint Server::local() const {
  return impl_->local;
}

ServerCounters Server::counters() const {
  const Counters& now = impl_->shared->counters;
  return {.accepted = now.accepted,
          .refused = now.refused,
          .source_full = now.source_full,
          .source_fast = now.source_fast,
          .handshakes_failed = now.handshakes_failed,
          .requests = now.requests,
          .malformed = now.malformed,
          .too_large = now.too_large,
          .timed_out = now.timed_out,
          .open = now.open};
}

}  // namespace entresol::http
