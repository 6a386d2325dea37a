#include "runtime/runtime.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/error_codes.h"
#include "runtime/enrolment.h"
#include "runtime/metrics.h"
#include "runtime/module_runner.h"
#include "runtime/ping.h"
#include "runtime/status.h"
#include "service/trusted.h"
#include "services/ip_delivery/ip_delivery.h"

namespace entresol::runtime {
namespace {

using layer::forwarding::InBurst;
using layer::forwarding::LinkKind;
using layer::forwarding::OutBurst;

constexpr int kReceivesPerRound = 8;  // then timers, control and the TUN have their turn
constexpr base::Duration kLogInterval = std::chrono::seconds(10);
constexpr std::size_t kMaxOut = 512;
constexpr std::size_t kMaxForResolver = 256;  // a round

io::LocalAddress local_address(const base::Endpoint& endpoint) {
  io::LocalAddress out;
  out.address = endpoint.address;
  return out;
}

}  // namespace

base::Result<std::unique_ptr<Runtime>> Runtime::create(const config::Common& common,
                                                       const Options& options) {
  std::unique_ptr<Runtime> self(new Runtime());
  self->log_ = std::make_unique<Log>(common);
  self->common_ = common;
  self->role_ = options.role;
  self->node_ = options.node;
  self->service_store_ = options.service_store;
  auto loop = io::EventLoop::create();
  if (!loop) return tl::unexpected(loop.error());
  self->loop_ = std::move(*loop);
  io::UdpOptions udp;
  udp.bind = options.bind;
  udp.gro = common.gro;
  udp.gso = common.gso;
  auto socket = io::UdpSocket::open(udp);
  if (!socket) return tl::unexpected(socket.error());
  self->socket_ = std::make_unique<io::UdpSocket>(std::move(*socket));
  self->ring_ = std::make_unique<io::RxRing>();
  self->services_.add(
      service::trusted(*entresol_service_ip_delivery(), "ip-delivery", wire::service::kIpDelivery,
                       service::fields_of({service::Field::kDestination}), self->random_));
  if (!options.node) self->services_.leave_unknown_to_node();
  layer::member::MemberConfig member;
  member.node = options.node;
  member.cache_entries = options.node ? 32768 : 4096;
  if (!common.key_log.empty())
    member.key_log = [raw = self.get()](security::Purpose purpose, const security::Keys& keys,
                                        const layer::membership::LayerId& layer) {
      raw->write_key_log(purpose, keys, layer);
    };
  layer::member::Output& output = *self;
  self->member_ =
      std::make_unique<layer::member::Member>(member, self->services_, output, self->random_);
  self->pings_ = std::make_unique<Pings>(*self->member_, *self->loop_);
  self->started_ = io::now();

  Runtime* raw = self.get();
  auto watch = raw->loop_->watch(raw->socket_->fd(), io::Events::kRead,
                                 [raw](std::uint32_t) { raw->receive(); });
  if (!watch) return tl::unexpected(watch.error());
  raw->timer_ = raw->loop_->add_timer([raw] {
    raw->member_->tick(io::now(), io::unix_nanos());
    raw->after_input();
  });
  raw->log_timer_ = raw->loop_->add_timer([raw] {
    raw->log_drops();
    raw->log_endings();
    raw->loop_->arm(raw->log_timer_, io::now() + kLogInterval);
  });
  raw->loop_->arm(raw->log_timer_, io::now() + kLogInterval);
  raw->loop_->set_end_of_round([raw] { raw->end_of_round(); });
  auto signals = raw->loop_->watch_signals({SIGINT, SIGTERM}, [raw](int) { raw->stop(); });
  if (!signals) return tl::unexpected(signals.error());
  return self;
}

Runtime::~Runtime() = default;

// ---- packets -----------------------------------------------------------------------------------------------------

void Runtime::receive() {
  for (int i = 0; i < kReceivesPerRound; ++i) {
    const auto bursts = socket_->receive(*ring_);
    if (bursts.empty()) break;
    in_.clear();
    for (const io::RxBurst& burst : bursts) {
      InBurst in;
      in.data = burst.data;
      in.length = burst.length;
      in.segment = burst.segment_size;
      in.traffic_class = burst.traffic_class;
      in.path.remote = burst.from;
      in.path.local.address = burst.local.address;
      in_.push_back(in);
    }
    member_->receive(in_, io::now(), io::unix_nanos());
    if (applications_ != nullptr) applications_->flush();
  }
  after_input();
}

void Runtime::after_input() {
  if (member_->work_waits()) {
    member_->tick(io::now(), io::unix_nanos());
    if (applications_ != nullptr) applications_->flush();
  }
}

void Runtime::end_of_round() {
  pings_->collect();
  for (const GuestPacket& each : std::exchange(for_resolver_, {}))
    resolver_(each.layer, each.guest, each.packet);
  for (const auto& call : ends_of_round_) call();
  log_denials();
  if (modules_ != nullptr) modules_->about_to_sleep();
  base::TimePoint next = member_->next_timer();
  if (member_->work_waits()) next = io::now();
  if (next == base::kNever) {
    loop_->disarm(timer_);
  } else {
    loop_->arm(timer_, next);
  }
}

void Runtime::send(const OutBurst& burst, const security::Path& path) {
  io::TxBurst out;
  out.data = burst.data;
  out.length = burst.length;
  out.segment_size = burst.segment;
  out.traffic_class = burst.traffic_class;
  out.to = path.remote;
  out.local = local_address(path.local);
  out.fragment = member_->tables().links[burst.link].kind == LinkKind::kGuest;
  out_.push_back(out);
  if (out_.size() >= kMaxOut) flush();
}

void Runtime::flush() {
  if (out_.empty()) return;
  const io::TxProgress progress = socket_->send(out_);
  // A full socket buffer: nothing waits here, the ends' own control notices.
  for (std::size_t i = progress.bursts; i < out_.size(); ++i) {
    const std::size_t segment = std::max<std::size_t>(1, out_[i].segment_size);
    const std::size_t left = out_[i].length - (i == progress.bursts ? progress.bytes : 0);
    member_->count_drop(base::DropReason::send_failed, (left + segment - 1) / segment);
  }
  out_.clear();
}

void Runtime::send_datagram(base::ByteView datagram, const security::Path& path) {
  io::TxBurst out;
  out.data = datagram.data();
  out.length = static_cast<std::uint32_t>(datagram.size());
  out.to = path.remote;
  out.local = local_address(path.local);
  out.fragment = true;
  flush();
  (void)socket_->send(std::span(&out, 1));
}

void Runtime::deliver(layer::member::LayerIndex layer, const layer::inner::InsidePacket& packet) {
  if (applications_ != nullptr) applications_->deliver(layer, packet);
}

void Runtime::deliver_reply(layer::member::LayerIndex layer, base::ByteView packet) {
  if (applications_ != nullptr) applications_->deliver_reply(layer, packet);
}

void Runtime::to_resolver(layer::member::LayerIndex layer, const wire::Name& guest,
                          base::ByteView packet) {
  if (!resolver_ || for_resolver_.size() >= kMaxForResolver)
    return member_->count_drop(base::DropReason::queue_full);
  for_resolver_.push_back({layer, guest, {packet.begin(), packet.end()}});
}

Enrolment& Runtime::enrol(layer::member::LayerIndex layer, const config::LayerIdentity& config) {
  return *(enrolments_[layer] = std::make_unique<Enrolment>(*this, layer, config));
}

void Runtime::set_policy(layer::member::LayerIndex layer, layer::policy::Policy policy,
                         std::uint64_t revision) {
  services_.rules().set(layer, std::move(policy), revision, member_->membership(layer));
}

ModuleRunner& Runtime::modules() {
  if (modules_ == nullptr)
    modules_ = std::make_unique<ModuleRunner>(
        *loop_, services_, service_store_,
        [this](std::uint32_t level, const std::string& name, const std::string& text) {
          log_->write(static_cast<config::LogLevel>(level), "service", io::now(),
                      {{"service", name}, {"text", text}});
        });
  return *modules_;
}

base::Result<void> Runtime::add_module(const config::ServiceFile& file,
                                       const service::ConfigValues& values,
                                       service::Rights rights) {
  return modules().add(file, values, std::move(rights));
}

void Runtime::set_bindings(layer::member::LayerIndex layer,
                           std::vector<service::Binding> bindings) {
  services_.bindings().set(layer, std::move(bindings), member_->membership(layer));
}

void Runtime::restart_service(const std::string& which, const io::ControlServer::Reply& reply) {
  const auto refuse = [&](const std::string& what) {
    reply(Json{{"error", {{"code", base::code::kServiceUnknown}, {"message", what}}}}.dump());
  };
  const auto all = service_reports();
  const auto found = std::find_if(all.begin(), all.end(), [&](const service::Report& each) {
    return each.name == which || std::to_string(each.id) == which;
  });
  if (found == all.end()) return refuse("no service '" + which + "' is here");
  if (!found->remote)
    return refuse("service '" + found->name + "' is part of this program: modules are restarted");
  log_->write(config::LogLevel::kInfo, "service_restart_asked", io::now(),
              {{"service", found->name}});
  modules_->restart(found->id, [reply, was = found->standing](const service::Report& now) {
    reply(Json{{"service", now.name},
               {"id", now.id},
               {"was", to_string(was)},
               {"standing", to_string(now.standing)},
               {"faults", now.usage.faults}}
              .dump());
  });
}

std::vector<service::Report> Runtime::service_reports() const {
  std::vector<service::Report> out;
  for (const service::Instance* instance : services_.instances()) out.push_back(instance->report());
  if (modules_ != nullptr)
    out.insert(out.end(), modules_->reports().begin(), modules_->reports().end());
  return out;
}

const Enrolment* Runtime::enrolment(layer::member::LayerIndex layer) const {
  const auto at = enrolments_.find(layer);
  return at == enrolments_.end() ? nullptr : at->second.get();
}

// ---- for people --------------------------------------------------------------------------------------------------

base::Result<void> Runtime::open_control(const std::string& path) {
  auto server = io::ControlServer::listen(
      *loop_, path, [this](std::string_view request, io::ControlServer::Reply reply) {
        answer(request, std::move(reply));
      });
  if (!server) return tl::unexpected(server.error());
  control_ = std::move(*server);
  return {};
}

base::Result<void> Runtime::open_metrics(const base::Endpoint& address) {
  auto metrics = MetricsPage::listen(*loop_, [this] { return metrics_of(*this); }, address);
  if (!metrics) return tl::unexpected(metrics.error());
  metrics_ = std::move(*metrics);
  return {};
}

void Runtime::answer(std::string_view request, io::ControlServer::Reply reply) {
  const Json call = Json::parse(request, nullptr, false);
  const std::string command =
      call.is_object() && call.contains("command") && call["command"].is_string()
          ? call["command"].get<std::string>()
          : "";
  auto refuse = [&](std::string_view code, const std::string& what) {
    reply(Json{{"error", {{"code", code}, {"message", what}}}}.dump());
  };
  if (command == "status") {
    reply(status().dump());
  } else if (command == "metrics") {
    reply(Json{{"text", metrics_text(metrics_of(*this))}}.dump());
  } else if (command == "protocols") {
    reply(protocols(*member_).dump());
  } else if (command == "rekey") {
    log_->write(config::LogLevel::kInfo, "rekey_asked", io::now());
    member_->rekey(io::now(), io::unix_nanos());
    reply(Json{{"rekeyed", true}}.dump());
  } else if (command == "ping") {
    pings_->start(call, std::move(reply));
  } else if (command == "service_restart") {
    restart_service(call.contains("service") && call["service"].is_string()
                        ? call["service"].get<std::string>()
                        : "",
                    reply);
  } else if (command == "down") {
    log_->write(config::LogLevel::kInfo, "down_asked", io::now());
    reply(Json{{"stopping", true}}.dump());
    stop();
  } else {
    refuse(base::code::kUsage, "unknown command '" + command + "'");
  }
}

// docs/wire.md's decoder reads this; whoever has it can read the traffic. Off unless configured.
void Runtime::write_key_log(security::Purpose purpose, const security::Keys& keys,
                            const layer::membership::LayerId& layer_id) {
  if (keys.protocol != security::Protocol::kNative) return;
  const int fd = ::open(common_.key_log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) {
    log_->write(config::LogLevel::kError, "key_log_failed", io::now(), {{"file", common_.key_log}});
    return;
  }
  const char* kind = purpose == security::Purpose::kLink ? "LINK" : "SESSION";
  const std::string layer = base::to_hex(layer_id);
  dprintf(fd, "%s %06x %d %s %s\n", kind, keys.local_index, static_cast<int>(keys.suite),
          base::to_hex({keys.receive.data(), 32}).c_str(), layer.c_str());
  ::close(fd);
}

void Runtime::run() {
  member_->tick(io::now(), io::unix_nanos());
  log_start();
  end_of_round();
  loop_->run();
  log_->write(config::LogLevel::kInfo, "stopped", io::now());
}

}  // namespace entresol::runtime
