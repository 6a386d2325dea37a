// One instance of a service: its program, its environment, and its standing. A fault ends the instance and nothing else: it
// starts anew after a pause that doubles, and after several faults in a short time it is quarantined, with the reason and
// the backtrace, until a person restarts it. While it cannot be asked, or has used up its time, the manifest's fallback is
// the verdict, which its caller carries out.
//
// Pure. One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "service/program.h"

namespace entresol::service {

enum class Standing : std::uint8_t { kRunning, kResting, kQuarantined };
std::string_view to_string(Standing standing);

struct Usage {
  std::uint64_t packets = 0, batches = 0;  // that it was asked about
  std::uint64_t fallbacks = 0;             // packets that it was not
  std::uint64_t throttled = 0;             // of these: its time was used up
  std::uint64_t faults = 0, starts = 0;
  std::uint64_t invalid = 0;  // verdicts that could not be carried out
  std::uint64_t lost = 0;     // times that what it had written could not be kept
  base::Duration busy{};
};

// In the second before the report.
struct Rates {
  double packets = 0, batches = 0;
  double cpu = 0;  // of one core
};

// What people are told of an instance; a value, so that it may go to another thread.
struct Report {
  ServiceId id = 0;
  std::string name;
  std::uint32_t version = 1;
  Standing standing = Standing::kRunning;
  Usage usage;
  std::optional<Fault> last_fault;
  std::size_t held = 0, memory = 0, stored = 0;
  std::size_t stable = 0;            // octets
  std::uint64_t stable_refused = 0;  // changes, as the disk takes none
  std::uint64_t lines_left_out = 0;
  std::vector<std::pair<Metric, MetricValue>> metrics;
  Limits limits;
  // Of one at a service thread, by its runner.
  bool remote = false;
  std::uint64_t queue_full = 0, over_rate = 0;  // packets that did not get to it, or not out again
  Rates rates;
};

class Instance {
 public:
  // Time that passes during a call, for its budget. None: its time is not counted, as it is trusted.
  using Clock = std::function<base::TimePoint()>;
  static constexpr unsigned kFaultsBeforeQuarantine = 5;
  static constexpr base::Duration kFaultsWithin = std::chrono::seconds(60);
  static constexpr base::Duration kFirstRest = std::chrono::milliseconds(100);

  // `random` outlives it.
  Instance(Manifest manifest, std::unique_ptr<Program> program, base::RandomSource& random,
           Clock clock, Environment::LogSink log);

  // The program ends before what it uses.
  ~Instance() { program_.reset(); }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Before anything else. A program that faults here rests, as after any fault.
  void start(base::TimePoint now, std::int64_t unix_nanos);
  void configure(const ConfigValues& values, base::TimePoint now, std::int64_t unix_nanos);
  // Verdicts, each one that may be carried out. At most ENTRESOL_BATCH packets. False: the instance was not asked, or faulted,
  // and the manifest's fallback holds.
  //
  // `lap`, of a caller that asks one instance after another: when the last call has ended, which is when this one begins, and
  // afterwards when this one has. The clock is read once a call then.
  using Lap = std::optional<base::TimePoint>;
  bool packets(const entresol_batch& batch, base::TimePoint now, std::int64_t unix_nanos,
               Lap* lap = nullptr);
  // Timers whose time has come, and a start whose time has.
  void run_due(base::TimePoint now, std::int64_t unix_nanos);
  base::TimePoint next_timer() const;
  // By a person: out of quarantine, or anew.
  void restart(base::TimePoint now, std::int64_t unix_nanos);
  // What it has written last cannot be kept (StableStore::lost()), and it had built upon that: it starts anew, with the
  // store as the disk has it. That is no fault of its own.
  void lost(base::TimePoint now, std::int64_t unix_nanos);
  // False: it cannot be carried out, and is a drop now.
  bool check(entresol_verdict& verdict) const {
    if (verdict.action > ENTRESOL_DELIVER) return check_rare(verdict);
    if (!may_keep_) verdict.keep = 0;
    return true;
  }

  // What the next call will need, asked for before its turn where there are many instances: each once what the one before
  // it asked for has come.
  void prefetch() const { prefetch_lines(this, kHotLines); }
  void prefetch_program() const { prefetch_lines(program_.get(), 2); }
  void prefetch_call() const { program_->prefetch(); }

  Environment& environment() { return environment_; }
  const Environment& environment() const { return environment_; }
  const Manifest& manifest() const { return *manifest_; }
  Standing standing() const { return standing_; }
  const std::optional<Fault>& last_fault() const { return last_fault_; }

  const Usage& usage() const { return usage_; }
  Report report() const;

 private:
  template <typename Call>
  bool call(Call&& call, base::TimePoint now, std::int64_t unix_nanos, Lap* lap = nullptr);
  bool check_rare(entresol_verdict& verdict) const;
  void faulted(Fault fault, base::TimePoint now);

  static constexpr int kHotLines = 4;
  static void prefetch_lines(const void* at, int lines) {
    for (int line = 0; line < lines; ++line)
      __builtin_prefetch(static_cast<const char*>(at) + line * 64);
  }

  // What every call needs lies on the first four cache lines, as many instances take turns.
  alignas(64) std::unique_ptr<Program> program_;
  const std::unique_ptr<const Manifest> manifest_;
  Rate cpu_;                      // nanoseconds
  base::TimePoint not_before_{};  // timers: its time was used up
  base::TimePoint start_at_ = base::kNever;
  Standing standing_ = Standing::kResting;
  const bool may_keep_;
  Clock clock_;
  Usage usage_;
  Environment environment_;

  std::deque<base::TimePoint> faults_;  // within kFaultsWithin
  std::optional<Fault> last_fault_;
};

}  // namespace entresol::service
