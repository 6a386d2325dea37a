// The thread that runs instances which a worker does not wait for: one pass takes what has come, groups it by instance,
// asks each, and publishes the verdicts. Thread and sleep are the role's; this is what it does while awake.
//
// One thread, but for post().
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "service/crossing.h"
#include "service/instance.h"

namespace entresol::service {

class ServiceThread {
 public:
  // Outlives the crossing's use by this side.
  explicit ServiceThread(Crossing& crossing);

  // From any thread: `act` is called in the next pass.
  void post(std::function<void(ServiceThread&)> act);

  // The same, once every job has been asked about that the worker had pushed when it counted `pushed` (Remote::pushed()), and
  // what came of them is published; and once all is on the disk that the instance with the number `settled` has written (kNone:
  // that does not matter).
  void post_after(std::uint64_t pushed, std::uint32_t settled,
                  std::function<void(ServiceThread&)> act);

  // Within a pass, or before the thread begins. `number` is what jobs name. The instance has not been started.
  void add(std::uint32_t number, std::unique_ptr<Instance> instance, base::TimePoint now,
           std::int64_t unix_nanos);
  void remove(std::uint32_t number);
  // By a person: out of quarantine, or anew. False: there is none.
  bool restart(std::uint32_t number, base::TimePoint now, std::int64_t unix_nanos);
  // The instance, which has not been started, starts with what the stores have of the one with the number `old` (kNone:
  // there is none) and takes its place. Or why it does not: the old one then goes on as though nothing had happened.
  std::optional<Fault> take_over(std::uint32_t number, std::unique_ptr<Instance> instance,
                                 std::uint32_t old);
  static constexpr std::uint32_t kNone = ~0u;
  Instance* find(std::uint32_t number) {
    return number < seats_.size() ? seats_[number].instance.get() : nullptr;
  }

  std::size_t size() const { return seats_.size(); }

  // Whether anything was done.
  bool pass(base::TimePoint now, std::int64_t unix_nanos);
  // When a pass is due although nothing comes.
  base::TimePoint next_timer() const { return next_timer_; }
  // Nothing waits: it may sleep, if it still says so after it has announced that in the crossing.
  bool idle() const {
    return crossing_.jobs.empty() && late_.empty() && !posted_.load(std::memory_order_acquire);
  }

 private:
  // What an instance has said while something that it wrote before was on its way to the disk: the number of that.
  struct Kept {
    std::uint64_t after = 0;
    Done done;
  };
  // An instance, and its jobs of this pass: a chain through next_.
  struct Seat {
    std::unique_ptr<Instance> instance;
    std::uint32_t pass = 0, first = kNone, last = kNone;
    bool waits = false;  // in waiting_
  };
  struct Post {
    std::uint64_t after = 0;  // jobs
    std::uint32_t settled = kNone;
    std::function<void(ServiceThread&)> act;
  };
  bool due(const Post& post) const;
  void take_posts();
  void run_jobs(std::size_t n);
  void ask_active();
  void ask(std::uint32_t number);
  void take_names(std::uint32_t slot, const entresol_verdict& verdict);
  void after_call(std::uint32_t number, Instance& instance);
  // Says it once all that the instance has written by now is on the disk.
  void tell(std::uint32_t number, const Done& done);
  void say(const Done& done);
  void settle();
  void give_up(std::uint32_t number);
  void flush_late();
  void run_timers();

  Crossing& crossing_;
  base::TimePoint now_{};
  std::int64_t unix_nanos_ = 0;
  std::vector<Seat> seats_;  // by number
  std::uint32_t pass_ = 0;
  std::vector<std::uint32_t> next_;    // by job of this pass
  std::vector<std::uint32_t> active_;  // instances of this pass, in order of first use
  std::vector<entresol_packet> packets_;
  std::vector<entresol_verdict> verdicts_;
  base::Bytes out_;
  Instance::Lap lap_;
  std::deque<Done> late_;
  // Instances that the disk is not done with, and what they have said since, in order.
  std::map<std::uint32_t, std::deque<Kept>> waiting_;
  base::TimePoint next_timer_ = base::kNever;
  std::atomic<bool> posted_{false};
  std::mutex posts_mutex_;
  std::vector<Post> posts_;
  std::uint64_t taken_ = 0;  // jobs
  std::vector<Post> later_;  // whose jobs have not all come
};

}  // namespace entresol::service
