// The controller's role: an Authority over a SQLite store behind an HTTPS API, a control socket, a log.
//
// One thread (http::Server has one of its own for TLS). Killed at any time it has lost nothing that it acknowledged.
#pragma once

#include <memory>
#include <optional>

#include "config/config.h"
#include "controller/api.h"
#include "http/server.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/event_loop.h"
#include "io/unix_socket.h"
#include "runtime/log.h"
#include "runtime/metrics_page.h"
#include "store/sqlite.h"

namespace entresol::controller {

class Controller {
 public:
  // Opens what the configuration names. Errors name the file; those of Authority::open, SqliteStore::open, Server::listen.
  static base::Result<std::unique_ptr<Controller>> create(const config::Controller& config);
  void run();  // until SIGINT, SIGTERM or the command "down"
  Json status() const;
  base::Endpoint local() const { return server_->local(); }

 private:
  explicit Controller(const config::Controller& config) : log_(config), store_file_(config.store) {}
  base::Result<void> open_authority(const config::Controller& config);
  base::Result<void> open_server(const config::Controller& config);
  void end_of_round();
  runtime::MetricFamilies metrics() const;
  void answer(std::string_view request, const io::ControlServer::Reply& reply);

  runtime::Log log_;
  const std::string store_file_;
  io::SystemRandom random_;
  std::unique_ptr<io::EventLoop> loop_;
  std::unique_ptr<store::SqliteStore> store_;
  std::optional<directory::Authority> authority_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<io::ControlServer> control_;
  std::unique_ptr<runtime::MetricsPage> metrics_page_;
  io::TimerId watch_timer_{}, expire_timer_{};
};

base::Result<std::unique_ptr<Controller>> start(const config::Controller& config);

}  // namespace entresol::controller
