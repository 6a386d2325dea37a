// A member's dealings with its controller while it runs: certificates renewed, the own registration handed in, nodes
// learnt, and for a node the layer's directory watched. What it decides is EnrolmentCore's; this gives it HTTP (docs/api.md),
// timers and the disk (learnt.h).
//
// One thread, the runtime's loop. The runtime outlives it.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "config/config.h"
#include "http/client.h"
#include "runtime/deployment.h"
#include "runtime/enrolment_core.h"
#include "runtime/learnt.h"
#include "runtime/runtime.h"

namespace entresol::runtime {

class Enrolment final : private EnrolmentOutside {
 public:
  // The layer has been added to the runtime's member; `config` has a controller.
  Enrolment(Runtime& runtime, layer::member::LayerIndex layer, const config::LayerIdentity& config);
  Enrolment(const Enrolment&) = delete;
  Enrolment& operator=(const Enrolment&) = delete;
  ~Enrolment() override;

  // Called when nodes may have become known, or have moved.
  void set_nodes_changed(std::function<void()> changed) { nodes_changed_ = std::move(changed); }
  // Learns what the disk has; then requests begin with the loop.
  void start();
  void nodes_wanted();
  void registration_changed();
  Json status() const;

 private:
  void ask(layer::directory::Ask ask, http::Request request,
           const http::Patience& patience) override;
  void set_policy(layer::policy::Policy policy, std::uint64_t revision) override;
  void set_services(std::vector<layer::directory::CatalogueEntry> catalogue,
                    std::uint64_t revision) override;
  void take_package(const crypto::Hash256& hash, base::Bytes octets) override;
  Json standing() const override;
  void nodes_changed() override;
  void keep_certificate(base::ByteView chain) override;
  void keep_node(const std::string& label, base::ByteView certificate,
                 base::ByteView registration) override;
  void keep_learnt(base::Duration wait) override;
  void tell(config::LogLevel level, std::string_view event,
            std::initializer_list<LogField> fields) override;
  void answered(layer::directory::Ask ask, base::Result<http::Response> response);
  void unwritable(const base::Error& error);
  void wake();
  void save();
  void saved(const EnrolmentCore::Mark& mark, const base::Result<void>& kept);

  Runtime& runtime_;
  layer::member::LayerIndex layer_;
  std::string certificate_file_;
  Learnt learnt_;
  EnrolmentCore core_;
  std::unique_ptr<Deployment> deployment_;  // once the layer has services
  bool started_ = false;
  http::Client client_, watcher_;
  std::function<void()> nodes_changed_;
  io::TimerId timer_{};
  // Packets do not wait for the disk: a thread of its own writes.
  io::TimerId save_timer_{};
  std::thread saving_;
  bool save_again_ = false;  // at once
};

}  // namespace entresol::runtime
