// What one instance of a service has of its node: clocks, timers, stores, configuration, metrics, its log, and what it has
// asked for meanwhile (packets to release, verdicts to withdraw). Native code reaches it through entresol_host, a module
// through its imports; both have checked pointers and sizes before they call. Results are those of
// sdk/include/entresol/service.h.
//
// Pure: time comes with at(), randomness from the source that was given. One thread at a time. The manifest and the random
// source outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "entresol/service.h"
#include "service/manifest.h"
#include "service/stable.h"
#include "service/store.h"

namespace entresol::service {

// A second's worth of something, saved up for at most a second.
class Rate {
 public:
  explicit Rate(double a_second) : a_second_(a_second), left_(a_second) {}
  bool take(base::TimePoint now, double amount = 1);
  // May be below zero: what was used is taken after it is known.
  void charge(base::TimePoint now, double amount);
  bool left(base::TimePoint now) { return refill(now) > 0; }

 private:
  double refill(base::TimePoint now);
  double a_second_, left_;
  base::TimePoint at_{};
};

struct MetricValue {
  static constexpr std::size_t kBuckets = 24;  // bucket i: up to 2^(i - 4)
  double value = 0;                            // of a histogram: the sum
  std::uint64_t count = 0;                     // of a histogram
  std::array<std::uint64_t, kBuckets + 1> buckets{};
};

class Environment {
 public:
  using LogSink = std::function<void(std::uint32_t level, std::string_view text)>;
  static constexpr std::size_t kMaxLine = 256;
  static constexpr base::Duration kLongest = std::chrono::hours(24 * 365);  // of a timer

  Environment(const Manifest& manifest, base::RandomSource& random, LogSink log);

  // The time of the calls that follow.
  void at(base::TimePoint now, std::int64_t unix_nanos) {
    now_ = now;
    unix_nanos_ = unix_nanos;
  }

  // ---- what the instance calls
  std::uint64_t now() const { return static_cast<std::uint64_t>(now_.time_since_epoch().count()); }
  std::uint64_t unix_time() const { return static_cast<std::uint64_t>(unix_nanos_); }
  void random(base::MutableBytes out) { random_.fill(out); }
  void log(std::uint32_t level, std::string_view text);
  std::int32_t timer_set(std::uint64_t name, std::uint64_t delay);
  std::int32_t timer_cancel(std::uint64_t name);
  std::int32_t get(std::uint32_t store, std::string_view key, base::MutableBytes out) const;
  std::int32_t put(std::uint32_t store, std::string_view key, base::ByteView value,
                   std::uint32_t lifetime_ms);
  std::int32_t swap(std::uint32_t store, std::string_view key,
                    const std::optional<base::ByteView>& expected, base::ByteView value,
                    std::uint32_t lifetime_ms);
  std::int32_t remove(std::uint32_t store, std::string_view key);
  std::int32_t next(std::uint32_t store, std::string_view prefix, std::string_view after,
                    base::MutableBytes out) const;
  // What this instance may use here (ENTRESOL_FEATURE_…). Calls of what it may not use answer ENTRESOL_DENIED.
  std::uint32_t features() const;
  bool allows(Use use) const { return manifest_.may(use); }
  std::int32_t config(std::string_view name, base::MutableBytes out) const;
  void metric(std::uint32_t number, double value);
  std::int32_t release(std::uint32_t handle, const entresol_verdict& verdict);
  std::int32_t withdraw();

  // ---- what its runner asks
  struct Release {
    std::uint32_t handle = 0;
    entresol_verdict verdict{};
  };
  // The packets that wait for a release; only these can be.
  void held(std::uint32_t handle) { held_.insert(handle); }
  void held_no_more(std::uint32_t handle) { held_.erase(handle); }
  std::size_t held() const { return held_.size(); }
  bool asked() const { return withdrawn_ || !releases_.empty(); }
  std::vector<Release> take_releases() { return std::exchange(releases_, {}); }
  bool take_withdrawal() { return std::exchange(withdrawn_, false); }
  base::TimePoint next_timer() const { return next_timer_; }
  // The next timer whose time has come, which is not set any more.
  std::optional<std::uint64_t> take_timer(base::TimePoint now);
  // The stable store, as StableStore's functions of the same names; a call whose writes are to last is followed by commit().
  void open_stable(std::vector<StableEntry> entries, StableDisk* disk) {
    stable_.open(std::move(entries), disk);
  }
  void commit() {
    if (wrote_) commit_stable();
  }
  std::uint64_t unsettled() const { return unsettled_ ? stable_.unsettled() : 0; }
  std::uint64_t settle();
  void revert();
  // Values that the operator has set; the manifest's defaults stand for the others.
  void configure(const ConfigValues& values);
  // What the version before has kept, for good too, and all of that is on the disk; before the start. False if this one's
  // quotas are too small for it.
  bool take_state(const Environment& before) {
    return ephemeral_.copy_from(before.ephemeral_) && stable_.take_from(before.stable_);
  }
  // The instance begins anew: timers and the ephemeral store are gone, and what the call that runs has written to the stable
  // one. Metrics go on.
  void restart();

  const std::vector<MetricValue>& metrics() const { return metrics_; }
  const Store& ephemeral() const { return ephemeral_; }
  const StableStore& stable() const { return stable_; }
  std::uint64_t lines_left_out() const { return lines_left_out_; }

 private:
  // Of `call`, which is given the store and its time; ENTRESOL_DENIED where there is none.
  template <typename Self, typename Call>
  static std::int32_t in_store(Self& self, std::uint32_t which, const Call& call);

  void commit_stable();

  void find_next_timer() { next_timer_ = due_.empty() ? base::kNever : due_.begin()->first; }

  // What every call needs lies on one cache line, as many instances take turns.
  alignas(64) base::TimePoint now_{};
  std::int64_t unix_nanos_ = 0;
  base::TimePoint next_timer_ = base::kNever;
  std::vector<Release> releases_;
  bool withdrawn_ = false;
  bool wrote_ = false;      // to the stable store, in this call
  bool unsettled_ = false;  // something of it is on its way to the disk

  const Manifest& manifest_;
  base::RandomSource& random_;
  LogSink log_;
  std::map<std::uint64_t, base::TimePoint> timers_;
  std::set<std::pair<base::TimePoint, std::uint64_t>> due_;
  Store ephemeral_;
  StableStore stable_;
  std::map<std::string, std::string, std::less<>> config_;
  std::vector<MetricValue> metrics_;
  std::set<std::uint32_t> held_;
  Rate lines_, withdrawals_;
  std::uint64_t lines_left_out_ = 0;
};

}  // namespace entresol::service
