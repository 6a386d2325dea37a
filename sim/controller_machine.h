// The layer's controller: the product's API over its Authority and its SQLite store, on a disk that forgets what was not
// synced when the machine dies. It dies between any two writes, and is started again from what the disk has.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/api.h"
#include "http/client.h"
#include "store/file/test_disk.h"
#include "store/sqlite.h"
#include "underlay.h"

namespace entresol::sim {

namespace directory = layer::directory;
using controller::Json;

// Virtual time's calendar begins here.
inline constexpr base::UnixSeconds kEpoch = 1'700'000'000;
std::int64_t unix_nanos_at(base::TimePoint now);

// A conversation's end at the client. Whoever is not answered in time is told so.
using Answered = std::function<void(base::Result<http::Response>)>;

class ControllerMachine {
 public:
  ControllerMachine(Timeline& timeline, Underlay& underlay, std::uint64_t seed, std::size_t site,
                    base::UnixSeconds certificate_lifetime, const std::string& policy);
  ~ControllerMachine();

  // Over the network; `from` is cut off after patience.answer.
  void ask(Underlay::StationId from, http::Request request, const http::Patience& patience,
           Answered answered);

  // The machine's power goes: what was not synced is gone or, if `some`, partly there. start() is called some time later.
  void kill(bool some);
  // In the middle of some later write.
  void die_at_write(std::uint64_t writes) { disk_.die_at(writes); }
  void start();
  void fill_disk() { disk_.limit(disk_.used()); }
  void free_disk() { disk_.limit(UINT64_MAX); }
  bool up() const { return api_ != nullptr; }

  const directory::Authority& authority() const { return *authority_; }
  const std::string& bearer() const { return bearer_; }  // of an API token that may do everything
  const layer::membership::Key& root() const { return root_; }
  Underlay::StationId station() const { return station_; }
  base::UnixSeconds today() const { return unix_nanos_at(timeline_.now) / 1'000'000'000; }

  // After every request that was handled, and whose changes are durable; and after every start.
  std::function<void(Underlay::StationId from, const http::Request&)> on_handled;
  std::function<void()> on_started;
  // It has died by itself, in a write.
  std::function<void()> on_died;
  std::uint64_t deaths = 0, handled = 0, full_disks = 0;

 private:
  struct Conversation;
  class Responder;
  void arrived(const std::shared_ptr<Conversation>& conversation);
  void answer(const std::shared_ptr<Conversation>& conversation, http::Response response);
  void end_of_round();
  void open_authority();
  void due();
  void shut_down();

  Timeline& timeline_;
  Underlay& underlay_;
  security::SeededRandom random_;
  store::test::Disk disk_;
  layer::membership::Key root_{};
  crypto::Ed25519KeyPair root_key_, operator_;
  base::Bytes delegation_;
  std::string bearer_;
  Underlay::StationId station_;
  std::size_t timer_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<directory::Authority> authority_;
  std::unique_ptr<controller::Api> api_;
  base::TimePoint expires_at_{};
  std::uint64_t life_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Conversation>> open_;
  std::uint64_t conversations_ = 0;
};

}  // namespace entresol::sim
