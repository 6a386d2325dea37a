// One thread's loop: file descriptors (epoll, level-triggered), timers, signals, calls from other
// threads.
//
// Re-entry: every callback runs on the thread inside run() or run_once(), one at a time. It may
// add, change and remove anything, itself included, arm timers, and call stop(); what it removes is
// not called any more, not even for an event that was already fetched. It must not call run() or
// run_once(). A callback is destroyed only when no callback is running, so what it owns is safe
// until it returns.
//
// Only wake(), post() and stop() may be called from other threads; they and all else must end
// before the destructor.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "io/fd.h"
#include "io/timer_heap.h"

namespace entresol::io {

using WatchId = base::StrongInt<struct WatchIdTag, std::uint64_t>;

// What a file descriptor is watched for, and what has happened to it. Errors and hang-ups are
// always reported, as kRead and kWrite too where those are watched, so that the next call meets
// them.
struct Events {
  static constexpr std::uint32_t kRead = 0x1;
  static constexpr std::uint32_t kWrite = 0x4;
  static constexpr std::uint32_t kError = 0x8;
  static constexpr std::uint32_t kHangUp = 0x10;
};

class EventLoop {
 public:
  using FdCallback = std::function<void(std::uint32_t events)>;
  using Callback = std::function<void()>;

  // kSystemCall, where the process has run out of file descriptors.
  static base::Result<std::unique_ptr<EventLoop>> create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // `fd` stays the caller's and must be unwatched before it is closed.
  base::Result<WatchId> watch(int fd, std::uint32_t events, FdCallback callback);
  void change(WatchId id, std::uint32_t events);  // 0 pauses all but errors and hang-ups
  void unwatch(WatchId id);

  // See timer_heap.h. Timers due are called after the file descriptors of a round.
  TimerId add_timer(Callback callback) { return timers_.add(std::move(callback)); }
  void arm(TimerId id, base::TimePoint when) { timers_.arm(id, when); }
  void disarm(TimerId id) { timers_.arm(id, base::kNever); }
  void remove_timer(TimerId id) { timers_.remove(id); }
  bool armed(TimerId id) const { return timers_.armed(id); }

  // Blocks the signals for this thread (and those that it starts afterwards) and calls back for
  // each. Once.
  base::Result<void> watch_signals(std::initializer_list<int> signals,
                                   std::function<void(int)> callback);

  // Called at the end of every round, when all that had happened has been dealt with: the place to
  // flush what was queued.
  void set_end_of_round(Callback callback) { end_of_round_ = std::move(callback); }

  // From any thread: ends a sleep; one more round begins, even if nobody sleeps.
  void wake();
  // From any thread: runs `task` on the loop's thread. Takes a lock and allocates.
  void post(Callback task);

  void run();                       // until stop()
  void run_once(bool wait = true);  // one round; without `wait` only what is ready
  void stop();  // from any thread; a run() that starts afterwards returns at once, once

  // CLOCK_MONOTONIC at the start of the round's callbacks: cheap, and the same for all of them.
  base::TimePoint now() const { return now_; }

  // How long to ask again and again before sleeping: a sleep costs several microseconds more. 0:
  // sleep at once.
  void set_busy_poll(base::Duration spin) { spin_ = spin; }

 private:
  struct Watch {
    int fd = -1;  // -1: free
    std::uint32_t generation = 0;
    std::unique_ptr<FdCallback> callback;
  };

  EventLoop() = default;
  base::Result<void> set_up();
  Watch* find(WatchId id);
  int wait_for_events(bool wait);
  int poll_once(base::Duration timeout);
  void dispatch(int count);
  void run_posted();
  void end_round();

  static constexpr int kEventsPerRound = 64;
  struct Kernel;  // epoll_event array

  UniqueFd epoll_;
  UniqueFd wake_;
  UniqueFd signals_;
  std::unique_ptr<Kernel> kernel_;
  std::vector<Watch> watches_;
  std::vector<std::uint32_t> free_;
  std::vector<std::unique_ptr<FdCallback>> retired_;  // destroyed between callbacks
  TimerHeap timers_;
  Callback end_of_round_;
  base::TimePoint now_;
  base::Duration spin_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<Callback> posted_;  // under mutex_
};

}  // namespace entresol::io
