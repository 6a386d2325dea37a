// What hosts and nodes have in common when they run: the event loop, the UDP socket, the member behind it, the control
// socket, metrics, logs. The roles add what is theirs: a host its TUN devices.
//
// One thread. main makes one, the role wires it, run() returns when it is told to stop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/service_file.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/event_loop.h"
#include "io/udp_socket.h"
#include "io/unix_socket.h"
#include "layer/member/member.h"
#include "runtime/log.h"
#include "service/dispatcher.h"

namespace entresol::runtime {

using Json = nlohmann::ordered_json;

// Inner packets for applications: a host's TUN devices.
class Applications {
 public:
  virtual ~Applications() = default;
  virtual void deliver(layer::member::LayerIndex layer,
                       const layer::inner::InsidePacket& packet) = 0;
  virtual void deliver_reply(layer::member::LayerIndex layer, base::ByteView packet) = 0;
  virtual void flush() = 0;  // before the bytes of delivered packets are used again
};

class Enrolment;
class MetricsPage;
class ModuleRunner;
class Pings;

class Runtime final : private layer::member::Output {
 public:
  struct Options {
    bool node = false;
    base::Endpoint bind;
    std::string role;                // "host" or "node", for status and logs
    std::string service_store = {};  // a node's: file of what its services keep
  };
  static base::Result<std::unique_ptr<Runtime>> create(const config::Common& common,
                                                       const Options& options);
  ~Runtime() override;

  layer::member::Member& member() { return *member_; }
  io::EventLoop& loop() { return *loop_; }
  void set_applications(Applications* applications) { applications_ = applications; }
  // A role's own part of `status`.
  void set_status(std::function<void(Json&)> extend) { extend_status_ = std::move(extend); }
  // Takes what guests ask the layer's resolver (Member::set_resolver); called outside of the member's functions.
  using ResolverInput = std::function<void(layer::member::LayerIndex, const wire::Name& guest,
                                           base::ByteView packet)>;
  void set_resolver(ResolverInput input) { resolver_ = std::move(input); }
  // Its controller keeps a layer of the member going. The enrolment lives as long as this.
  Enrolment& enrol(layer::member::LayerIndex layer, const config::LayerIdentity& config);
  // Holds the layer's flows to this policy from now on, running ones too. Counts of denials begin anew.
  void set_policy(layer::member::LayerIndex layer, layer::policy::Policy policy,
                  std::uint64_t revision);
  // Called in each round of the loop, after what has arrived; by what lives as long as the loop runs.
  void at_end_of_round(std::function<void()> call) { ends_of_round_.push_back(std::move(call)); }
  base::RandomSource& random() { return random_; }
  // Called by a role after it has fed inner packets to the member.
  void after_input();

  base::Result<void> open_control(const std::string& path);
  base::Result<void> open_metrics(const base::Endpoint& address);
  void run();  // until SIGINT, SIGTERM or the command "down"
  void stop() { loop_->stop(); }

  Json status() const;
  const std::string& role() const { return role_; }
  bool is_node() const { return node_; }
  Log& log() { return *log_; }
  const Enrolment* enrolment(layer::member::LayerIndex layer) const;
  const service::Dispatcher& services() const { return services_; }
  // What runs a node's modules; made when it is asked for.
  ModuleRunner& modules();
  // A node's: a module that its configuration names.
  base::Result<void> add_module(const config::ServiceFile& file,
                                const service::ConfigValues& values, service::Rights rights = {});
  // Which flows of a layer pass which services, and that its members are who rights are about.
  void set_bindings(layer::member::LayerIndex layer, std::vector<service::Binding> bindings);
  // All services, inline ones first.
  std::vector<service::Report> service_reports() const;
  const io::UdpSocket& socket() const { return *socket_; }

 private:
  Runtime() = default;
  void send(const layer::forwarding::OutBurst& burst, const security::Path& path) override;
  void flush() override;
  void send_datagram(base::ByteView datagram, const security::Path& path) override;
  void deliver(layer::member::LayerIndex layer, const layer::inner::InsidePacket& packet) override;
  void deliver_reply(layer::member::LayerIndex layer, base::ByteView packet) override;
  void to_resolver(layer::member::LayerIndex layer, const wire::Name& guest,
                   base::ByteView packet) override;

  void receive();
  void end_of_round();
  void answer(std::string_view request, io::ControlServer::Reply reply);
  void restart_service(const std::string& which, const io::ControlServer::Reply& reply);
  void note(const layer::member::Note& note) override;
  void log_start();
  void log_drops();
  void log_denials();
  void log_endings();
  void write_key_log(security::Purpose purpose, const security::Keys& keys,
                     const layer::membership::LayerId& layer);

  std::string role_, service_store_;
  bool node_ = false;
  config::Common common_;
  io::SystemRandom random_;
  service::Dispatcher services_;
  std::unique_ptr<io::EventLoop> loop_;
  std::unique_ptr<io::UdpSocket> socket_;
  std::unique_ptr<layer::member::Member> member_;
  std::unique_ptr<io::RxRing> ring_;
  std::vector<layer::forwarding::InBurst> in_;
  std::vector<io::TxBurst> out_;
  std::unique_ptr<io::ControlServer> control_;
  std::unique_ptr<MetricsPage> metrics_;
  std::unique_ptr<Pings> pings_;
  std::unique_ptr<ModuleRunner> modules_;
  std::map<layer::member::LayerIndex, std::unique_ptr<Enrolment>> enrolments_;
  Applications* applications_ = nullptr;
  std::function<void(Json&)> extend_status_;
  struct GuestPacket {
    layer::member::LayerIndex layer;
    wire::Name guest;
    base::Bytes packet;
  };
  std::vector<GuestPacket> for_resolver_;
  ResolverInput resolver_;
  std::vector<std::function<void()>> ends_of_round_;
  io::TimerId timer_{};
  io::TimerId log_timer_{};
  base::TimePoint started_{};
  std::uint64_t send_failed_ = 0;
  base::DropCounters drops_logged_;
  std::unique_ptr<Log> log_;
  base::TimePoint endings_logged_{};
};

// Exit codes of the command, for scripts: ok, error, usage, degraded, denied, unreachable.
inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitDegraded = 3;
inline constexpr int kExitDenied = 4;
inline constexpr int kExitUnreachable = 5;

}  // namespace entresol::runtime
