// A member's dealings with its controller while it runs: certificates renewed, the own registration handed in, nodes
// learnt, and for a node the layer's directory watched. What is to be asked when is layer/directory/registrar.h's; this makes
// the requests (docs/api.md), believes only what is signed, and keeps it on disk (learnt.h).
//
// One thread, the runtime's loop. The runtime outlives it.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "config/config.h"
#include "http/client.h"
#include "layer/directory/registrar.h"
#include "runtime/learnt.h"
#include "runtime/runtime.h"

namespace entresol::runtime {

class Enrolment {
 public:
  // The layer has been added to the runtime's member; `config` has a controller.
  Enrolment(Runtime& runtime, layer::member::LayerIndex layer, const config::LayerIdentity& config);
  Enrolment(const Enrolment&) = delete;
  Enrolment& operator=(const Enrolment&) = delete;
  ~Enrolment();

  // Called when nodes may have become known, or have moved.
  void set_nodes_changed(std::function<void()> changed) { nodes_changed_ = std::move(changed); }
  // Learns what the disk has; then requests begin with the loop.
  void start();
  void nodes_wanted();
  void registration_changed();
  Json status() const;

 private:
  using Ask = layer::directory::Ask;
  void ask_due();
  void ask(Ask ask);
  // The request of a member: signed.
  http::Request signed_request(std::string method, std::string target, Json body) const;
  void answered(Ask ask, base::Result<http::Response> response);
  bool take(Ask ask, const Json& answer);
  bool take_admission(const Json& answer);
  bool take_nodes(const Json& nodes);
  bool take_changes(const Json& answer);
  void take_learnt();
  std::string apply(const Json& item);
  bool apply_policy(const Json& item);
  void certified();
  void wake();
  void save_soon(base::Duration wait);
  void save();

  Runtime& runtime_;
  layer::member::LayerIndex layer_;
  std::string label_, certificate_file_;
  Learnt learnt_;
  std::unique_ptr<layer::directory::Registrar> registrar_;
  http::Client client_, watcher_;
  std::function<void()> nodes_changed_;
  io::TimerId timer_{};
  bool watching_ = false;  // a whole answer has come
  bool whole_ = true;      // the next answer may begin anew
  Json policy_;            // that holds
  std::uint64_t policy_revision_ = 0;
  base::UnixSeconds policy_issued_at_ = 0;
  std::string last_error_;  // of the controller; empty: it answers
  // Packets do not wait for the disk: a thread of its own writes.
  io::TimerId save_timer_{};
  std::thread saving_;
};

}  // namespace entresol::runtime
