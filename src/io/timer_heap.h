// Timers of one thread: a binary heap with positions, so that moving a timer costs O(log n) and
// allocates nothing. Knows no clock; EventLoop runs it, tests run it with times of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/strong.h"
#include "base/time.h"

namespace entresol::io {

// Never used twice (until 2^32 timers have lived in one slot), so an old id is harmless.
using TimerId = base::StrongInt<struct TimerIdTag, std::uint64_t>;

class TimerHeap {
 public:
  using Callback = std::function<void()>;

  // Unarmed until arm().
  TimerId add(Callback callback);
  // Moves the timer to `when` (kNever: disarm). Firing disarms it; its callback may arm it again.
  // Unknown ids are ignored.
  void arm(TimerId id, base::TimePoint when);
  void remove(TimerId id);
  bool armed(TimerId id) const;

  base::TimePoint next() const;  // kNever if no timer is armed
  // Calls those that are due at `now`, earliest first, and among equals in the order in which they
  // were armed. Callbacks may add, arm and remove any timer, themselves included. A timer that a
  // callback arms at or before `now` waits for the next run(), so that run() always ends. Not
  // re-entrant. Returns how many were called.
  std::size_t run(base::TimePoint now);

  std::size_t size() const { return live_; }

 private:
  struct Timer {
    std::uint32_t generation = 0;
    std::uint32_t position = kIdle;  // in heap_
    base::TimePoint when = base::kNever;
    std::uint64_t order = 0;
    std::shared_ptr<Callback>
        callback;  // shared with run() while it is being called; null: slot is free
  };
  static constexpr std::uint32_t kIdle = 0xffffffff;
  static constexpr std::uint32_t kDeferred = 0xfffffffe;  // armed for the next run(), see deferred_

  Timer* find(TimerId id);
  bool earlier(std::uint32_t a, std::uint32_t b) const;
  void place(std::uint32_t slot, std::uint32_t position);
  void sift_up(std::uint32_t position);
  void sift_down(std::uint32_t position);
  void insert(std::uint32_t slot);
  void take_out(Timer& timer);

  std::vector<Timer> timers_;
  std::vector<std::uint32_t> heap_;  // slots
  std::vector<std::uint32_t> free_;
  std::vector<TimerId> deferred_;
  base::TimePoint running_ = base::TimePoint::min();  // the now of the run() that is going on
  std::uint64_t order_ = 0;
  std::size_t live_ = 0;
};

}  // namespace entresol::io
