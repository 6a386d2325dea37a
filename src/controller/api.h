// The controller's API (docs/api.md): requests in, answers out, an Authority and its Store behind them.
//
// Requests of one round of the loop share a transaction: each sees what those before it have changed, and nobody is answered
// before end_of_round() has made it durable. Knows nothing of sockets and TLS, so tests and fuzzers drive it directly.
//
// One thread. The authority, the store and the observer outlive it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/registry.h"
#include "controller/json.h"
#include "controller/watchers.h"
#include "http/server.h"
#include "layer/directory/batch.h"

namespace entresol::controller {

inline constexpr int kApiMajor = 1;
inline constexpr int kApiMinor = 3;

struct ApiConfig {
  std::vector<directory::TokenEndpoint> advertise;  // what tokens carry
  http::Pin pin{};                                  // of the controller's TLS key
  std::size_t page = 1000;                          // items of one answer to a watcher
  // How often a source may fail to prove itself before its requests are not looked at.
  http::Rate failures = {.per_second = 1, .burst = 60};
  std::vector<config::RegistryEntry> registry{};  // who may publish under public ids
};

// How requests of a route were answered. Method and path are the API's own words, empty for what is no route.
struct AnswerKind {
  std::string_view method, path;
  std::string code;  // empty: well, or it waits for what changes
  friend auto operator<=>(const AnswerKind&, const AnswerKind&) = default;
};

struct ApiCounters {
  std::uint64_t requests = 0;
  std::uint64_t commits = 0, commit_failures = 0;             // the latter among the former
  base::UnixSeconds committed_at = 0;                         // the last that did not fail; 0: none
  std::map<std::string, std::uint64_t, std::less<>> refused;  // by code
  std::map<AnswerKind, std::uint64_t> answers;
};

class Api {
 public:
  // What a log wants to know: a constant word, who or what, and from where.
  using Observer =
      std::function<void(std::string_view event, std::string_view subject, const base::Endpoint&)>;

  Api(ApiConfig config, directory::Authority& authority, directory::Store& store,
      Observer observer = nullptr);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void handle(const http::Request& request, std::shared_ptr<http::Responder> responder,
              base::UnixSeconds now);
  // Commits, answers, and tells the watchers what has changed. Also when a watcher's time has come.
  void end_of_round(base::UnixSeconds now);
  // When end_of_round() is wanted although nothing happens; nothing if nobody waits.
  std::optional<base::UnixSeconds> next_timer() const { return watchers_.next_timer(); }
  // Forgets what has ended, and renews names; every upkeep_interval().
  base::Result<void> upkeep(base::UnixSeconds now);
  base::Duration upkeep_interval() const;

  const ApiCounters& counters() const { return counters_; }
  std::size_t watchers() const { return watchers_.size(); }
  Json status(base::UnixSeconds now) const;

 private:
  struct Call;
  struct Route;
  using Answer = base::Result<Json>;

  static const Route* find(const Call& call, bool& known_path);
  static Watch watch_of(const Call& call, std::shared_ptr<http::Responder> responder,
                        std::size_t page);
  base::Result<void> admit(const Route& route, Call& call, http::Responder& responder) const;
  Answer answer(const http::Request& request, http::Responder& responder, base::UnixSeconds now,
                bool& waits, Call& call);
  bool held_up(const http::Request& request, base::UnixSeconds now);
  void observe(std::string_view event, std::string_view subject, const Call& call) const;
  template <typename T>
  base::Result<T> settle(directory::Outcome<T> outcome);

  // members_api.cc
  Answer join(const Call& call);
  Answer renew(const Call& call);
  Answer put_registration(const Call& call);
  Answer list_nodes(const Call& call);
  Answer watch(const Call& call);
  Json admission(const directory::Issued& issued, directory::Role role,
                 base::UnixSeconds now) const;
  // people_api.cc
  Answer version(const Call& call);
  Answer get_status(const Call& call);
  Answer list_members(const Call& call);
  Answer show_member(const Call& call);
  Answer revoke_member(const Call& call);
  Answer list_tokens(const Call& call);
  Answer create_token(const Call& call);
  Answer revoke_token(const Call& call);
  Answer list_guests(const Call& call);
  Answer show_guest(const Call& call);
  Answer add_guest(const Call& call);
  Answer remove_guest(const Call& call);
  // names_api.cc
  Answer list_names(const Call& call);
  Answer show_name(const Call& call);
  Answer create_name(const Call& call);
  Answer change_name(const Call& call);
  Answer revoke_name(const Call& call);
  // services_api.cc
  Answer list_services(const Call& call);
  Answer show_service(const Call& call);
  Answer publish_service(const Call& call);
  Answer change_service(const Call& call);
  Answer remove_service(const Call& call);
  Answer get_package(const Call& call);
  Answer report_services(const Call& call);
  base::Result<void> configure(directory::PublishRequest& request,
                               const service::Manifest& manifest,
                               service::ConfigValues given) const;
  Json service_json(const directory::ServiceRecord& service) const;
  // people_api.cc
  Answer get_policy(const Call& call);
  // Whether a node watches, and what it has said that it holds.
  Json standing(const wire::Name& node) const;
  Json nodes_standing() const;
  Json described(const directory::MemberRecord& member) const;
  Answer set_policy(const Call& call);
  Answer list_api_tokens(const Call& call);
  Answer create_api_token(const Call& call);
  Answer revoke_api_token(const Call& call);

  struct Pending {
    std::shared_ptr<http::Responder> responder;
    http::Response response;
    AnswerKind kind;
  };

  // What a node has said of the services that it is to run. Soft, as what Watchers hear: said again after a restart.
  struct Reported {
    std::uint64_t revision = 0;              // of the catalogue that it has read
    std::map<std::uint32_t, Json> services;  // by id
  };

  ApiConfig config_;
  directory::Authority& authority_;
  directory::Store& store_;
  Observer observer_;
  ApiCounters counters_;
  http::SourceBudget failures_;
  std::unique_ptr<directory::Batch> batch_;  // of this round
  std::vector<Pending> pending_;             // answers of this round
  Watchers watchers_;
  std::map<wire::Name, Reported> reported_;
};

// The status that goes with an error's code.
unsigned http_status(const base::Error& error);

}  // namespace entresol::controller
