// Runs a node's modules: the sandbox, the service thread with its crossing, and the clock that ends calls. All of it is made
// when the first module is added; a process without modules has none of it.
//
// The runtime's thread, but for what its own threads do. The loop, the dispatcher and the log outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "config/service_file.h"
#include "io/entropy.h"
#include "io/event_loop.h"
#include "runtime/code_cache.h"
#include "service/dispatcher.h"
#include "service/modules/module_program.h"
#include "service/service_thread.h"
#include "store/stable/stable_writer.h"

namespace entresol::runtime {

class ModuleRunner {
 public:
  // A line that a module has written, or what became of it; on the runtime's thread.
  using Say =
      std::function<void(std::uint32_t level, const std::string& service, const std::string& text)>;

  // `stable_file` is opened, or made, with the first service that stores something.
  ModuleRunner(io::EventLoop& loop, service::Dispatcher& dispatcher, std::string stable_file,
               Say say);
  ~ModuleRunner();
  ModuleRunner(const ModuleRunner&) = delete;
  ModuleRunner& operator=(const ModuleRunner&) = delete;

  // Compiles the module of a manifest and starts an instance with these values. Errors of the files, of the module (E0701,
  // E0703), of the stable store's file (File::open()), and kConfigBadValue for values that the manifest does not take, or a
  // second service with an id.
  base::Result<void> add(const config::ServiceFile& file, const service::ConfigValues& values,
                         service::Rights rights);

  // By a person: out of quarantine, or anew. `done` is called on the runtime's thread once it has begun, with what it is
  // now. False: no module has this id, and nothing is called.
  bool restart(service::ServiceId id, std::function<void(const service::Report& now)> done);

  // Where compiled code is kept, before anything is compiled. None: nowhere.
  void set_cache(std::unique_ptr<CodeCache> cache) { cache_ = std::move(cache); }
  const CodeCache* cache() const { return cache_.get(); }

  // What runs modules, from now on.
  base::Result<void> begin();
  using Code = std::shared_ptr<const service::sandbox::Prepared>;
  // Compiled, or from the cache; any thread, after begin(). E0701, E0703.
  base::Result<Code> prepare(base::ByteView wasm);
  // Why this service cannot run here with these values; for one that takes another's place of the same id too.
  base::Result<void> check(const service::Manifest& manifest,
                           const service::ConfigValues& values) const;
  // Starts an instance. One with this id that was deployed before goes on until this one has started, with its ephemeral store,
  // and then ends; packets wait meanwhile. A fault: nothing has changed. One of an id at a time.
  using Started = std::function<void(std::optional<service::Fault>)>;
  void deploy(const service::Manifest& manifest, const Code& code,
              const service::ConfigValues& values, Started done);
  // Of one that was deployed; its packets on the way get its fallback.
  void withdraw(service::ServiceId id);
  bool deployed(service::ServiceId id) const { return deployed_.contains(id); }
  // Called when reports() have another standing than before.
  void at_standing_changed(std::function<void()> changed) {
    standing_changed_.push_back(std::move(changed));
  }

  // Before the runtime's loop sleeps: what comes back from now on wakes it.
  void about_to_sleep();

  // What the other thread said lately: at most a second old.
  const std::vector<service::Report>& reports() const { return reports_; }

 private:
  struct Machinery;
  base::Result<void> open_stable(service::Instance& instance);
  std::unique_ptr<service::Instance> instance_of(const service::Manifest& manifest,
                                                 const Code& code,
                                                 const service::ConfigValues& values);
  std::uint32_t fresh_number();
  void started(const service::Manifest& manifest, std::uint32_t number, std::uint32_t old,
               const std::optional<service::Fault>& fault);
  void run_service_thread();
  void run_clock();
  void take(std::vector<service::Report> reports, base::TimePoint at);
  void complete(service::Report& report, base::TimePoint at);
  void watch(const std::vector<service::Report>& reports);
  void ask_for_reports();

  io::EventLoop& loop_;
  service::Dispatcher& dispatcher_;
  std::string stable_file_;
  Say say_;
  io::SystemRandom random_;
  std::unique_ptr<Machinery> machinery_;
  std::vector<service::Report> reports_;
  base::TimePoint reported_{};
  std::unique_ptr<CodeCache> cache_;
  std::vector<std::function<void()>> standing_changed_;
  std::map<service::ServiceId, std::uint32_t> deployed_;  // numbers at the service thread
  std::uint32_t last_number_ = 0;
  std::vector<std::uint32_t> free_numbers_;  // nothing of them is on its way any more
  io::TimerId report_timer_{};
};

}  // namespace entresol::runtime
