#include "runtime/module_runner.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/files.h"

namespace entresol::runtime {
namespace {

constexpr std::size_t kSlots = 4096;     // packets on their way to modules and back
constexpr std::size_t kSlotSize = 2048;  // octets of a packet
constexpr std::size_t kMaxModule = 8 << 20;
constexpr std::uint32_t kMaxInstances = 256;
constexpr base::Duration kReportInterval = std::chrono::seconds(1);

std::string_view to_text(service::Standing standing) {
  switch (standing) {
    case service::Standing::kRunning:
      return "runs";
    case service::Standing::kResting:
      return "rests";
    case service::Standing::kQuarantined:
      return "is quarantined";
  }
  return "?";
}

}  // namespace

struct ModuleRunner::Machinery {
  explicit Machinery(std::unique_ptr<service::modules::Sandbox> made)
      : sandbox(std::move(made)),
        crossing(kSlots, kSlotSize),
        remote(crossing, kSlots),
        services(crossing) {}

  std::unique_ptr<service::modules::Sandbox> sandbox;
  std::unique_ptr<store::StableWriter>
      stable;  // outlives the instances; none: no service stores anything
  service::Crossing crossing;
  service::Remote remote;
  service::ServiceThread services;
  std::unique_ptr<io::EventLoop> loop;  // the service thread's
  io::TimerId timer{};
  std::atomic<bool> busy{false};  // calls run: the clock ticks
  std::atomic<bool> stopping{false}, clock_stopping{false};
  std::thread thread, clock, writer;
};

ModuleRunner::ModuleRunner(io::EventLoop& loop, service::Dispatcher& dispatcher,
                           std::string stable_file, Say say)
    : loop_(loop),
      dispatcher_(dispatcher),
      stable_file_(std::move(stable_file)),
      say_(std::move(say)) {}

ModuleRunner::~ModuleRunner() {
  if (machinery_ == nullptr) return;
  machinery_->stopping = true;
  machinery_->loop->stop();
  machinery_->thread.join();  // a call that does not end is ended by the clock
  machinery_->clock_stopping = true;
  machinery_->busy = true;
  machinery_->busy.notify_all();
  machinery_->clock.join();
  if (machinery_->stable == nullptr) return;
  machinery_->stable->stop();  // after what it was given
  machinery_->writer.join();
}

base::Result<void> ModuleRunner::begin() {
  if (machinery_ != nullptr) return {};
  auto sandbox = service::modules::Sandbox::create({.instances = kMaxInstances});
  if (!sandbox) return tl::unexpected(sandbox.error());
  auto loop = io::EventLoop::create();
  if (!loop) return tl::unexpected(loop.error());
  machinery_ = std::make_unique<Machinery>(std::move(*sandbox));
  machinery_->loop = std::move(*loop);
  machinery_->crossing.wake_thread = [this] { machinery_->loop->wake(); };
  machinery_->crossing.wake_worker = [this] { loop_.wake(); };
  machinery_->timer = machinery_->loop->add_timer([] {});
  machinery_->loop->set_end_of_round([this] { run_service_thread(); });
  machinery_->thread = std::thread([this] {
    // Below the workers: when all cores are busy, packets that are decided go first, and a small share is left.
    sched_param none{};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    run_service_thread();
    machinery_->loop->run();
  });
  machinery_->clock = std::thread([this] { run_clock(); });
  report_timer_ = loop_.add_timer([this] { ask_for_reports(); });
  loop_.arm(report_timer_, io::now());
  return {};
}

base::Result<void> ModuleRunner::check(const service::Manifest& manifest,
                                       const service::ConfigValues& values) const {
  if (const std::string wrong = manifest.wrong(values); !wrong.empty())
    return base::fail(base::code::kConfigBadValue, wrong);
  const bool known =
      dispatcher_.find(manifest.id) != nullptr || dispatcher_.find_remote(manifest.id) != nullptr;
  if (known && !deployed(manifest.id))
    return base::fail(
        base::code::kConfigBadValue,
        "service '" + manifest.name + "': another one has its id " + std::to_string(manifest.id));
  if (manifest.payload)
    return base::fail(base::code::kConfigBadValue,
                      "service '" + manifest.name +
                          "' asks for payload, which is sealed end to end: this node has no "
                          "sessions of its own to show it");
  return {};
}

base::Result<ModuleRunner::Code> ModuleRunner::prepare(base::ByteView wasm) {
  service::modules::Sandbox& sandbox = *machinery_->sandbox;
  if (cache_ == nullptr) return sandbox.prepare(wasm);
  auto module = cache_->module_of(sandbox.engine(), wasm);
  if (!module) return tl::unexpected(module.error());
  return sandbox.prepare(*module);
}

std::unique_ptr<service::Instance> ModuleRunner::instance_of(const service::Manifest& manifest,
                                                             const Code& code,
                                                             const service::ConfigValues& values) {
  auto instance = std::make_unique<service::Instance>(
      manifest, std::make_unique<service::modules::ModuleProgram>(code, manifest.limits), random_,
      [] { return io::now(); },
      [this, name = manifest.name](std::uint32_t level, std::string_view text) {
        loop_.post([this, level, name, line = std::string(text)] { say_(level, name, line); });
      });
  instance->environment().configure(values);
  return instance;
}

std::uint32_t ModuleRunner::fresh_number() {
  if (free_numbers_.empty()) return last_number_++;
  const std::uint32_t number = free_numbers_.back();
  free_numbers_.pop_back();
  return number;
}

base::Result<void> ModuleRunner::add(const config::ServiceFile& file,
                                     const service::ConfigValues& values, service::Rights rights) {
  const service::Manifest& manifest = file.manifest;
  if (auto fits = check(manifest, values); !fits) return fits;
  auto wasm = io::read_file(file.module, kMaxModule);
  if (!wasm) return tl::unexpected(wasm.error());
  if (auto begun = begin(); !begun) return begun;
  auto code = prepare(*wasm);
  if (!code) {
    code.error().message = file.module + ": " + code.error().message;
    return tl::unexpected(code.error());
  }
  auto instance = instance_of(manifest, *code, values);
  if (auto opened = open_stable(*instance); !opened) return opened;
  const std::uint32_t number = fresh_number();
  // A function that is copied takes the instance along.
  auto shared = std::make_shared<std::unique_ptr<service::Instance>>(std::move(instance));
  machinery_->services.post([shared, number](service::ServiceThread& thread) {
    thread.add(number, std::move(*shared), io::now(), io::unix_nanos());
  });
  dispatcher_.add(manifest, machinery_->remote, number, std::move(rights));
  machinery_->loop->wake();
  return {};
}

base::Result<void> ModuleRunner::open_stable(service::Instance& instance) {
  if (instance.manifest().limits.stable == 0) return {};
  Machinery& all = *machinery_;
  if (all.stable == nullptr) {
    auto file = store::StableFile::open({stable_file_, "", true});
    if (!file) return tl::unexpected(file.error());
    all.stable = std::make_unique<store::StableWriter>(
        std::move(*file), store::StableWriter::Surroundings{[] { return io::unix_nanos(); },
                                                            [&all] { all.loop->wake(); },
                                                            [this](const base::Error& why) {
                                                              loop_.post([this, why] {
                                                                say_(ENTRESOL_LOG_ERROR, "services",
                                                                     why.code + " " + why.message);
                                                              });
                                                            }});
    all.writer = std::thread([writer = all.stable.get()] { writer->run(); });
  }
  const std::string owner = std::to_string(instance.manifest().id);
  auto entries = all.stable->load(owner);
  if (!entries) return tl::unexpected(entries.error());
  instance.environment().open_stable(std::move(*entries), &all.stable->disk(owner));
  return {};
}

// ---- services that come and go -----------------------------------------------------------------------------------

void ModuleRunner::deploy(const service::Manifest& manifest, const Code& code,
                          const service::ConfigValues& values, Started done) {
  const auto before = deployed_.find(manifest.id);
  const std::uint32_t old =
      before == deployed_.end() ? service::ServiceThread::kNone : before->second;
  auto instance = instance_of(manifest, code, values);
  // What the old one stores for good goes to the new one when it takes over; else it is on the disk.
  const service::RemoteService* remote = dispatcher_.find_remote(manifest.id);
  if (remote == nullptr || remote->manifest.limits.stable == 0)
    if (auto opened = open_stable(*instance); !opened)
      return done(service::Fault{opened.error().code + " " + opened.error().message, {}, false});
  const std::uint32_t number = fresh_number();
  dispatcher_.pause(manifest.id);
  auto shared = std::make_shared<std::unique_ptr<service::Instance>>(std::move(instance));
  machinery_->services.post_after(
      machinery_->remote.pushed(), old,
      [=, this, done = std::move(done)](service::ServiceThread& thread) {
        auto fault = thread.take_over(number, std::move(*shared), old);
        loop_.post([=, this, fault = std::move(fault)] {
          started(manifest, number, old, fault);
          done(fault);
        });
      });
  machinery_->loop->wake();
}

void ModuleRunner::started(const service::Manifest& manifest, std::uint32_t number,
                           std::uint32_t old, const std::optional<service::Fault>& fault) {
  const bool first = old == service::ServiceThread::kNone;
  if (fault) {
    free_numbers_.push_back(number);
    dispatcher_.go_on(manifest.id);
  } else if (first) {
    // By whom a published service is, nobody has said: it is a third party's.
    dispatcher_.add(manifest, machinery_->remote, number, service::Rights{});
    deployed_[manifest.id] = number;
  } else {
    dispatcher_.replace(manifest, number, io::now());
    deployed_[manifest.id] = number;
    free_numbers_.push_back(old);
  }
  ask_for_reports();
}

void ModuleRunner::withdraw(service::ServiceId id) {
  const auto found = deployed_.find(id);
  if (found == deployed_.end()) return;
  const std::uint32_t number = found->second;
  deployed_.erase(found);
  dispatcher_.remove(id, io::now());
  machinery_->services.post_after(machinery_->remote.pushed(), service::ServiceThread::kNone,
                                  [this, number](service::ServiceThread& thread) {
                                    thread.remove(number);
                                    // In its next pass: then all that was said of it can be taken.
                                    thread.post([this, number](service::ServiceThread&) {
                                      loop_.post([this, number] {
                                        machinery_->remote.take_all(io::now());
                                        free_numbers_.push_back(number);
                                      });
                                    });
                                  });
  machinery_->loop->wake();
}

// ---- threads -----------------------------------------------------------------------------------------------------

// A round of the service thread: until nothing waits.
void ModuleRunner::run_service_thread() {
  Machinery& all = *machinery_;
  if (all.stopping) return;
  all.busy = true;
  all.busy.notify_one();
  while (all.services.pass(io::now(), io::unix_nanos()) && !all.stopping) {
  }
  all.busy = false;
  all.crossing.thread_sleeps = true;
  if (!all.services.idle()) all.loop->wake();
  if (all.services.next_timer() == base::kNever) {
    all.loop->disarm(all.timer);
  } else {
    all.loop->arm(all.timer, all.services.next_timer());
  }
}

// Ticks with the time that the service thread has had: on a busy machine it waits for its turn, and that is no module's
// fault. Sleeps while no module runs.
void ModuleRunner::run_clock() {
  Machinery& all = *machinery_;
  clockid_t its_time{};
  if (pthread_getcpuclockid(all.thread.native_handle(), &its_time) != 0) return;
  const auto used = [&] {
    timespec time{};
    clock_gettime(its_time, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  for (auto ticked = used(); !all.clock_stopping;) {
    all.busy.wait(false);
    for (; ticked + service::modules::Sandbox::kTick <= used();
         ticked += service::modules::Sandbox::kTick)
      all.sandbox->engine().tick();
    std::this_thread::sleep_for(service::modules::Sandbox::kTick);
  }
}

void ModuleRunner::about_to_sleep() {
  if (machinery_ != nullptr) machinery_->crossing.worker_sleeps = true;
}

// ---- for people --------------------------------------------------------------------------------------------------

void ModuleRunner::ask_for_reports() {
  machinery_->services.post([this](service::ServiceThread& thread) {
    auto reports = std::make_shared<std::vector<service::Report>>();
    for (std::uint32_t i = 0; i < thread.size(); ++i)
      if (const service::Instance* instance = thread.find(i))
        reports->push_back(instance->report());
    loop_.post([this, reports, at = io::now()] { take(std::move(*reports), at); });
  });
  machinery_->loop->wake();
  loop_.arm(report_timer_, io::now() + kReportInterval);
}

void ModuleRunner::take(std::vector<service::Report> reports, base::TimePoint at) {
  for (service::Report& each : reports) complete(each, at);
  const bool moved = !std::ranges::equal(reports, reports_, [](const auto& a, const auto& b) {
    return a.id == b.id && a.standing == b.standing;
  });
  watch(reports);
  reports_ = std::move(reports);
  reported_ = at;
  if (moved)
    for (const auto& tell : standing_changed_) tell();
}

// With what is known on this thread, and with what has changed since the last report.
void ModuleRunner::complete(service::Report& report, base::TimePoint at) {
  report.remote = true;
  if (const service::RemoteService* remote = dispatcher_.find_remote(report.id)) {
    report.queue_full = remote->queue_full;
    report.over_rate = remote->over_rate;
  }
  const auto before =
      std::find_if(reports_.begin(), reports_.end(),
                   [&](const service::Report& each) { return each.id == report.id; });
  const double seconds = std::chrono::duration<double>(at - reported_).count();
  if (before == reports_.end() || seconds <= 0) return;
  const auto rate = [&](auto now, auto then) { return static_cast<double>(now - then) / seconds; };
  report.rates.packets = rate(report.usage.packets, before->usage.packets);
  report.rates.batches = rate(report.usage.batches, before->usage.batches);
  report.rates.cpu = rate(report.usage.busy.count(), before->usage.busy.count()) / 1e9;
}

bool ModuleRunner::restart(service::ServiceId id,
                           std::function<void(const service::Report& now)> done) {
  const service::RemoteService* remote = dispatcher_.find_remote(id);
  if (remote == nullptr) return false;
  machinery_->services.post(
      [this, number = remote->number, done = std::move(done)](service::ServiceThread& thread) {
        thread.restart(number, io::now(), io::unix_nanos());
        const service::Instance* instance = thread.find(number);
        if (instance == nullptr) return;
        loop_.post([done, report = instance->report()] { done(report); });
      });
  machinery_->loop->wake();
  return true;
}

// Says what has become of an instance since the last report.
void ModuleRunner::watch(const std::vector<service::Report>& reports) {
  for (const service::Report& now : reports) {
    const auto before =
        std::find_if(reports_.begin(), reports_.end(),
                     [&](const service::Report& each) { return each.id == now.id; });
    const std::uint64_t faults = before == reports_.end() ? 0 : before->usage.faults;
    if (now.usage.faults == faults || !now.last_fault) continue;
    std::string text = "it has ended " + std::to_string(now.usage.faults) +
                       " times, last by: " + now.last_fault->what;
    if (!now.last_fault->backtrace.empty()) text += ", at " + now.last_fault->backtrace.front();
    text += "; it " + std::string(to_text(now.standing));
    say_(ENTRESOL_LOG_ERROR, now.name, text);
  }
}

}  // namespace entresol::runtime
