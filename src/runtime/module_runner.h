// Runs a node's modules: the sandbox, the service thread with its crossing, and the clock that ends calls. All of it is made
// when the first module is added; a process without modules has none of it.
//
// The runtime's thread, but for what its own threads do. The loop, the dispatcher and the log outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "config/service_file.h"
#include "io/entropy.h"
#include "io/event_loop.h"
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

  // Before the runtime's loop sleeps: what comes back from now on wakes it.
  void about_to_sleep();

  // What the other thread said lately: at most a second old.
  const std::vector<service::Report>& reports() const { return reports_; }

 private:
  struct Machinery;
  base::Result<void> begin();
  base::Result<void> open_stable(service::Instance& instance);
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
  std::uint32_t last_number_ = 0;
  io::TimerId report_timer_{};
};

}  // namespace entresol::runtime
