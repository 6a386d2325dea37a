// The services that a node runs for a layer: what the layer's catalogue says, fetched, verified, compiled, started, and what
// became of it, for the controller and for people. A service that cannot be run changes nothing: the version before goes on,
// and the reason is kept. All of it is on disk, so that a node that starts alone runs what it had:
//
//   STATE/services/SHA256.esvc   packages that the catalogue names, or that a service ran last
//   STATE/services/ID.good       which version of a service has started last (layer/directory/catalogue.h, emit_version)
//
// Reading, writing and compiling is done by a thread of its own, one thing at a time. Everything else is the runtime's
// thread, which the runner, the loop and what is handed in outlive.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "config/service_file.h"
#include "layer/directory/catalogue.h"
#include "runtime/module_runner.h"

namespace entresol::runtime {

using Json = nlohmann::ordered_json;

class Deployment {
 public:
  struct Outside {
    // The package with this hash is to be asked for; take_package() is told.
    std::function<void(const crypto::Hash256&)> want;
    // standing() is another than before.
    std::function<void()> changed;
    // A line for the log: what happened to which service, and why.
    std::function<void(bool bad, const std::string& service, const std::string& text)> tell;
  };

  Deployment(ModuleRunner& runner, io::EventLoop& loop, std::string directory,
             const wire::Name& own, Outside outside);
  ~Deployment();
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  // What holds from now on; it has been verified.
  void set(std::vector<layer::directory::CatalogueEntry> catalogue, std::uint64_t revision);
  // Octets that came for a hash, unverified; empty: there are none.
  void take_package(const crypto::Hash256& hash, base::Bytes octets);

  std::uint64_t revision() const { return revision_; }
  // {"revision", "services": […]} as docs/api.md has it for PUT /v1/standing.
  Json standing() const;

 private:
  using Entry = layer::directory::CatalogueEntry;
  using Version = layer::directory::ServiceVersion;
  enum class State : std::uint8_t { kWaiting, kAccepted, kRefused };
  struct Wanted {
    Entry entry;
    State state = State::kWaiting;
    bool asked = false;  // its package is on its way
    std::optional<base::Error> why;
  };
  // A version that is ready to start.
  struct Ready {
    service::Manifest manifest;
    ModuleRunner::Code code;
  };
  struct Read {
    base::Result<Ready> ready;
    bool absent = false;  // there is no such package here
  };

  void step();
  bool busy() const { return working_.joinable() || starting_; }
  void keep(const std::shared_ptr<const base::Bytes>& octets);
  void work(std::function<std::function<void()>()> job);
  void begin(const Entry& entry, bool stand_in);
  void read_done(const Entry& entry, bool stand_in, const Read& read);
  void started(const Entry& entry, bool stand_in, const std::optional<service::Fault>& fault);
  void refuse(const Entry& entry, bool stand_in, base::Error why);
  void stand_in_for(const Entry& entry);
  void remember(const Entry& entry);
  void clean();
  std::string package_file(const crypto::Hash256& hash) const;
  std::string good_file(std::uint32_t id) const;
  Read read(const Entry& entry) const;
  base::Result<Ready> verify(const Entry& entry, base::ByteView octets) const;
  Wanted* wanted(std::uint32_t id);

  ModuleRunner& runner_;
  io::EventLoop& loop_;
  std::string directory_;
  wire::Name own_;
  Outside outside_;
  std::uint64_t revision_ = 0;
  std::map<std::uint32_t, Wanted> wanted_;                  // by id
  std::map<std::uint32_t, Version> runs_;                   // what runs here
  std::set<crypto::Hash256> needed_;                        // packages that the catalogue names
  std::deque<std::shared_ptr<const base::Bytes>> arrived_;  // packages
  std::thread working_;
  bool starting_ = false;  // the runner has an instance to start
  bool cleaned_ = true;
};

}  // namespace entresol::runtime
