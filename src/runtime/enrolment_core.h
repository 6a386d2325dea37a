// What a member decides in its dealings with its controller: what is asked when (layer/directory/registrar.h), what is
// believed of an answer, what it does then, and what is kept. Only what is signed is believed.
//
// No socket, clock or disk: answers and `now` in, requests and what is to be kept out, through EnrolmentOutside. Enrolment
// gives it HTTP and files; the simulator runs it on a network and disks of its own. One thread; what lies outside does not
// call back.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "http/client.h"
#include "layer/directory/catalogue.h"
#include "layer/directory/registrar.h"
#include "layer/member/member.h"
#include "layer/policy/policy.h"
#include "runtime/learnt.h"
#include "runtime/log.h"

namespace entresol::runtime {

class EnrolmentOutside {
 public:
  virtual ~EnrolmentOutside() = default;
  // The answer, or why there is none, goes to EnrolmentCore::answered(), once.
  virtual void ask(layer::directory::Ask ask, http::Request request,
                   const http::Patience& patience) = 0;
  // Flows are held to this policy from now on.
  virtual void set_policy(layer::policy::Policy policy, std::uint64_t revision) = 0;
  // The services that the layer's nodes run from now on, a package that was wanted (unverified; empty: the controller has none
  // such), and what is to be said of them. Of nodes that run services.
  virtual void set_services(std::vector<layer::directory::CatalogueEntry> /*catalogue*/,
                            std::uint64_t /*revision*/) {}
  virtual void take_package(const crypto::Hash256& /*hash*/, base::Bytes /*octets*/) {}
  virtual Json standing() const { return Json::object(); }
  virtual void nodes_changed() = 0;
  // Is on disk when this returns: nothing that rests on it goes out before.
  virtual void keep_certificate(base::ByteView chain) = 0;
  virtual void keep_node(const std::string& label, base::ByteView certificate,
                         base::ByteView registration) = 0;
  // Learnt::text() is to be on disk, begun after this time at the latest; then kept() says so.
  virtual void keep_learnt(base::Duration wait) = 0;
  virtual void tell(config::LogLevel level, std::string_view event,
                    std::initializer_list<LogField> fields) = 0;
};

class EnrolmentCore {
 public:
  // Both clocks of the machine.
  struct Now {
    base::TimePoint at{};
    std::int64_t unix_nanos = 0;
    base::UnixSeconds unix_seconds() const { return unix_nanos / 1'000'000'000; }
  };

  // The layer has been added to the member. All outlive this.
  EnrolmentCore(layer::member::Member& member, layer::member::LayerIndex layer, bool node,
                Learnt& learnt, EnrolmentOutside& outside);

  // `nodes`: what was kept of them. Of `learnt`, which a node has read before, what does not hold any more is forgotten.
  void start(std::span<const layer::membership::Objects> nodes, Now now);
  // Asks what is to be asked now; call it at next_timer().
  void ask_due(Now now);
  base::UnixSeconds next_timer() const { return registrar_->next_timer(); }
  // Afterwards the member may have something to do, and next_timer() is another.
  void answered(layer::directory::Ask ask, base::Result<http::Response> response, Now now);
  // What Learnt::text() has now. Once that is on disk, or cannot be, kept() is to be told; then next_timer() is another.
  struct Mark {
    std::uint64_t number = 0;
    std::uint64_t policy_revision = 0;
  };
  Mark mark() const { return {urgent_, policy_revision_}; }
  void kept(const Mark& mark, bool on_disk, Now now);
  void nodes_wanted() { registrar_->nodes_wanted(); }
  void package_wanted(const crypto::Hash256& hash);
  void standing_changed() {
    if (registrar_) registrar_->report_wanted();
  }
  void registration_changed() {
    if (registrar_) registrar_->registration_changed();
  }

  const std::string& last_error() const { return last_error_; }  // empty: the controller answers
  base::UnixSeconds renews_at() const { return registrar_->renews_at(); }
  std::uint64_t policy_revision() const { return policy_revision_; }

 private:
  using Ask = layer::directory::Ask;
  const layer::membership::Membership& membership() const { return member_.membership(layer_); }
  const std::string& label() const { return member_.label(layer_); }
  http::Request signed_request(std::string method, std::string target, Json body, Now now) const;
  void ask(Ask ask, Now now);
  bool take(Ask ask, const Json& answer, Now now);
  bool take_admission(const Json& answer, Now now);
  bool take_nodes(const Json& nodes, Now now);
  bool take_changes(const Json& answer, Now now);
  void compare_whole();
  void look_for_loss(const wire::Name& name, const base::Bytes& registration);
  http::Request registration_of(const wire::Name& name, Now now) const;
  http::Request hand_in(Now now);
  void take_learnt(Now now);
  std::string apply(const Json& item, Now now);
  std::optional<wire::Name> known_already(const base::Bytes& certificate,
                                          const base::Bytes& registration) const;
  std::string apply_member(const Json& item, Now now);
  std::string apply_guest(const Json& item, Now now);
  std::string apply_name(const Json& item, Now now);
  bool apply_policy(const Json& item, Now now);
  bool apply_services(const Json& item, Now now);
  bool take_package(const Json& answer);
  void certified(Now now);

  layer::member::Member& member_;
  layer::member::LayerIndex layer_;
  bool node_;
  Learnt& learnt_;
  EnrolmentOutside& outside_;
  std::optional<layer::directory::Registrar> registrar_;
  bool watching_ = false;  // a whole answer has come
  bool whole_ = true;      // the next answer may begin anew
  // A whole answer is being read: whom it has named so far.
  std::optional<std::set<wire::Name>> named_;
  std::set<wire::Name> lost_;  // whose registrations are to be handed in
  wire::Name handed_in_{};     // whose is under way
  // Who is out, and what is denied, is on disk before it is acknowledged: the watch goes on when so much has been kept.
  std::uint64_t urgent_ = 0, kept_ = 0;
  bool held_ = false;
  bool report_waits_ = false;
  std::uint64_t policy_kept_ = 0;
  Json policy_;  // that holds
  std::uint64_t policy_revision_ = 0;
  base::UnixSeconds policy_issued_at_ = 0;
  Json services_;  // the catalogue that holds
  std::uint64_t services_revision_ = 0;
  base::UnixSeconds services_issued_at_ = 0;
  std::deque<crypto::Hash256> packages_;  // that are lacking; the first is asked for
  std::string last_error_;
};

}  // namespace entresol::runtime
