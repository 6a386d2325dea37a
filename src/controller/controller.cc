#include "controller/controller.h"

#include <csignal>
#include <filesystem>

#include "base/error_codes.h"
#include "config/registry.h"
#include "controller/metrics.h"
#include "io/files.h"
#include "layer/policy/policy.h"
#include "runtime/files.h"

namespace entresol::controller {
namespace {

namespace code = base::code;
namespace membership = layer::membership;

constexpr std::size_t kMaxFile = 64 * 1024;
// A package of a service, in JSON's base64.
constexpr std::size_t kMaxBody = 4 * directory::kMaxPackage / 3 + (std::size_t{1} << 20);
constexpr base::Duration kWatchInterval = std::chrono::seconds(1);

base::Result<base::Bytes> read_delegation(const std::string& file) {
  auto blocks = runtime::read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  for (const membership::Block& block : *blocks)
    if (block.label == membership::kDelegation) return block.bytes;
  return base::fail(code::kKeyMalformed, file + ": has no delegation by the root");
}

base::Result<void> check_policy(std::string_view text) {
  auto policy = layer::policy::parse(text);
  if (!policy) return tl::unexpected(policy.error());
  return {};
}

}  // namespace

base::Result<void> Controller::open_authority(const config::Controller& config) {
  auto root = runtime::read_root(config.root);
  if (!root) return tl::unexpected(root.error());
  auto key = runtime::read_signing_key(config.operator_key);
  if (!key) return tl::unexpected(key.error());
  auto delegation = read_delegation(config.delegation);
  if (!delegation) return tl::unexpected(delegation.error());
  auto store = store::SqliteStore::open({config.store, {}, true});
  if (!store) return tl::unexpected(store.error());
  store_ = std::move(*store);
  auto snapshot = store_->load();
  if (!snapshot) return tl::unexpected(snapshot.error());
  if (!snapshot->settings)
    return base::fail(code::kStoreBroken,
                      config.store + ": holds no layer; `entresol init` makes one");
  auto authority = directory::Authority::open({*root, std::move(*key), std::move(*delegation)},
                                              *snapshot, random_, check_policy);
  if (!authority) {
    authority.error().message = config.store + ": " + authority.error().message;
    return tl::unexpected(authority.error());
  }
  authority_.emplace(std::move(*authority));
  return {};
}

base::Result<void> Controller::open_server(const config::Controller& config) {
  auto pem = io::read_text_file(config.tls, kMaxFile);
  if (!pem) return tl::unexpected(pem.error());
  auto identity = http::parse_identity(std::move(*pem));
  if (!identity) {
    identity.error().message = config.tls + ": " + identity.error().message;
    return tl::unexpected(identity.error());
  }
  ApiConfig api;
  api.pin = identity->pin;
  if (!config.registry.empty()) {
    auto registry = config::load_registry(config.registry);
    if (!registry) return tl::unexpected(registry.error());
    api.registry = std::move(*registry);
  }
  for (const config::Address& address : config.advertise)
    api.advertise.push_back({address.host, address.port});
  api_ = std::make_unique<Api>(
      std::move(api), *authority_, *store_,
      [this](std::string_view event, std::string_view subject, const base::Endpoint& from) {
        const bool bad = event == "request_refused" || event == "store_failed";
        log_.write(bad ? config::LogLevel::kWarning : config::LogLevel::kInfo, event, io::now(),
                   {{"subject", std::string(subject)}, {"from", io::to_text(from)}});
      });
  auto server = http::Server::listen(
      *loop_, config.listen, *identity,
      [this](const http::Request& request, std::shared_ptr<http::Responder> responder) {
        api_->handle(request, std::move(responder), io::unix_now());
      },
      {.body_bytes = kMaxBody});
  if (!server) return tl::unexpected(server.error());
  server_ = std::move(*server);
  return {};
}

base::Result<std::unique_ptr<Controller>> Controller::create(const config::Controller& config) {
  std::unique_ptr<Controller> self(new Controller(config));
  auto loop = io::EventLoop::create();
  if (!loop) return tl::unexpected(loop.error());
  self->loop_ = std::move(*loop);
  if (auto opened = self->open_authority(config); !opened) return tl::unexpected(opened.error());
  Controller* raw = self.get();
  // Before the server starts a thread, so that signals come here alone.
  auto signals = raw->loop_->watch_signals({SIGINT, SIGTERM}, [raw](int) { raw->loop_->stop(); });
  if (!signals) return tl::unexpected(signals.error());
  auto control = io::ControlServer::listen(
      *raw->loop_, config.control,
      [raw](std::string_view request, const io::ControlServer::Reply& reply) {
        raw->answer(request, reply);
      });
  if (!control) return tl::unexpected(control.error());
  raw->control_ = std::move(*control);
  if (auto opened = self->open_server(config); !opened) return tl::unexpected(opened.error());
  if (config.metrics) {
    auto page = runtime::MetricsPage::listen(
        *raw->loop_, [raw] { return raw->metrics(); }, *config.metrics);
    if (!page) return tl::unexpected(page.error());
    raw->metrics_page_ = std::move(*page);
  }
  raw->watch_timer_ = raw->loop_->add_timer([] {});  // what is due is answered at the round's end
  raw->expire_timer_ = raw->loop_->add_timer([raw] {
    if (auto done = raw->api_->upkeep(io::unix_now()); !done)
      raw->log_.write(config::LogLevel::kError, "store_failed", io::now(),
                      {{"subject", done.error().message}});
    raw->loop_->arm(raw->expire_timer_, io::now() + raw->api_->upkeep_interval());
  });
  raw->loop_->arm(raw->expire_timer_, io::now());  // names may have ended while it was down
  raw->loop_->set_end_of_round([raw] { raw->end_of_round(); });
  return self;
}

void Controller::end_of_round() {
  api_->end_of_round(io::unix_now());
  if (api_->next_timer() && !loop_->armed(watch_timer_))
    loop_->arm(watch_timer_, io::now() + kWatchInterval);
}

Json Controller::status() const {
  const http::ServerCounters http = server_->counters();
  Json out{{"role", "controller"}, {"listen", io::to_text(server_->local())}};
  out.update(api_->status(io::unix_now()));
  out["http"] = {{"open", http.open},
                 {"accepted", http.accepted},
                 {"refused", http.refused},
                 {"handshakes_failed", http.handshakes_failed},
                 {"requests", http.requests},
                 {"malformed", http.malformed},
                 {"too_large", http.too_large},
                 {"timed_out", http.timed_out},
                 {"source_full", http.source_full},
                 {"source_fast", http.source_fast}};
  return out;
}

runtime::MetricFamilies Controller::metrics() const {
  std::uint64_t octets = 0;
  for (const char* part : {"", "-wal"}) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(store_file_ + part, missing);
    if (!missing) octets += size;
  }
  return metrics_of(*api_, *authority_, server_->counters(), octets, io::unix_now());
}

void Controller::answer(std::string_view request, const io::ControlServer::Reply& reply) {
  const Json call = Json::parse(request, nullptr, false);
  const std::string command =
      call.is_object() && call.contains("command") && call["command"].is_string()
          ? call["command"].get<std::string>()
          : "";
  if (command == "status") {
    reply(status().dump());
  } else if (command == "metrics") {
    reply(Json{{"text", runtime::metrics_text(metrics())}}.dump());
  } else if (command == "down") {
    log_.write(config::LogLevel::kInfo, "down_asked", io::now());
    reply(Json{{"stopping", true}}.dump());
    loop_->stop();
  } else {
    reply(Json{
        {"error",
         {{"code", code::kUsage}, {"message", "a controller does not know '" + command + "'"}}}}
              .dump());
  }
}

void Controller::run() {
  log_.write(config::LogLevel::kInfo, "started", io::now(),
             {{"role", "controller"},
              {"listen", io::to_text(server_->local())},
              {"layer", authority_->settings().label}});
  loop_->run();
  log_.write(config::LogLevel::kInfo, "stopped", io::now());
}

base::Result<std::unique_ptr<Controller>> start(const config::Controller& config) {
  return Controller::create(config);
}

}  // namespace entresol::controller
