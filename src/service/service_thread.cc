#include "service/service_thread.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace entresol::service {
namespace {

constexpr std::size_t kPass = 256;  // jobs of one pass: then posts and timers have their turn
constexpr std::size_t kAhead = 4;   // instances are asked for this many before their turn

}  // namespace

ServiceThread::ServiceThread(Crossing& crossing) : crossing_(crossing), next_(kPass) {
  active_.reserve(kPass);
  packets_.resize(ENTRESOL_BATCH);
  verdicts_.resize(ENTRESOL_BATCH);
  out_.resize(ENTRESOL_OUT_SIZE);
}

void ServiceThread::post(std::function<void(ServiceThread&)> act) {
  post_after(0, kNone, std::move(act));
}

void ServiceThread::post_after(std::uint64_t pushed, std::uint32_t settled,
                               std::function<void(ServiceThread&)> act) {
  const std::lock_guard lock(posts_mutex_);
  posts_.push_back({pushed, settled, std::move(act)});
  posted_.store(true, std::memory_order_release);
}

// What was said until then was published by the passes before.
bool ServiceThread::due(const Post& post) const {
  return taken_ >= post.after && (post.after == 0 || late_.empty()) &&
         !waiting_.contains(post.settled);
}

void ServiceThread::take_posts() {
  if (posted_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(posts_mutex_);
    std::move(posts_.begin(), posts_.end(), std::back_inserter(later_));
    posts_.clear();
    posted_.store(false, std::memory_order_relaxed);
  }
  if (later_.empty()) return;
  std::vector<Post> waiting = std::exchange(later_, {});
  for (Post& each : waiting) {
    if (due(each)) {
      each.act(*this);
    } else {
      later_.push_back(std::move(each));
    }
  }
}

void ServiceThread::add(std::uint32_t number, std::unique_ptr<Instance> instance,
                        base::TimePoint now, std::int64_t unix_nanos) {
  if (seats_.size() <= number) seats_.resize(number + 1);
  instance->start(now, unix_nanos);
  seats_[number].instance = std::move(instance);
  after_call(number, *seats_[number].instance);
}

void ServiceThread::remove(std::uint32_t number) {
  if (number >= seats_.size() || seats_[number].instance == nullptr) return;
  give_up(number);
  seats_[number].instance.reset();
}

bool ServiceThread::restart(std::uint32_t number, base::TimePoint now, std::int64_t unix_nanos) {
  Instance* const instance = find(number);
  if (instance == nullptr) return false;
  instance->restart(now, unix_nanos);
  after_call(number, *instance);
  return true;
}

std::optional<Fault> ServiceThread::take_over(std::uint32_t number,
                                              std::unique_ptr<Instance> instance,
                                              std::uint32_t old) {
  if (const Instance* before = find(old);
      before != nullptr && !instance->environment().take_state(before->environment()))
    return Fault{"the version before keeps more in its stores than this one may have", {}, false};
  instance->start(now_, unix_nanos_);
  if (instance->standing() != Standing::kRunning) return instance->last_fault();
  if (seats_.size() <= number) seats_.resize(number + 1);
  seats_[number].instance = std::move(instance);
  remove(old);
  after_call(number, *seats_[number].instance);
  return std::nullopt;
}

bool ServiceThread::pass(base::TimePoint now, std::int64_t unix_nanos) {
  now_ = now;
  unix_nanos_ = unix_nanos;
  // Before posts are looked at: whoever posts first and pushes then finds it done in this order.
  const std::size_t n = std::min(crossing_.jobs.available(), kPass);
  take_posts();
  flush_late();
  if (!waiting_.empty()) settle();
  if (n > 0) run_jobs(n);
  taken_ += n;
  if (next_timer_ <= now) run_timers();
  if (crossing_.done.publish() && Crossing::to_wake(crossing_.worker_sleeps))
    crossing_.wake_worker();
  return n > 0 || std::ranges::any_of(later_, [this](const Post& each) { return due(each); });
}

// The jobs of each instance are asked together, in their order; instances in order of their first.
void ServiceThread::run_jobs(std::size_t n) {
  ++pass_;
  active_.clear();
  for (std::size_t i = 0; i < n + kAhead; ++i) {
    if (i < n && crossing_.jobs[i].instance < seats_.size())
      __builtin_prefetch(&seats_[crossing_.jobs[i].instance]);
    if (i < kAhead) continue;
    const auto job = static_cast<std::uint32_t>(i - kAhead);
    const std::uint32_t number = crossing_.jobs[job].instance;
    if (number >= seats_.size() || seats_[number].instance == nullptr) {
      say({DoneKind::kFallback, crossing_.jobs[job].slot, number, 0, {}});
      continue;
    }
    Seat& seat = seats_[number];
    next_[job] = kNone;
    if (seat.pass != pass_) {
      seat.pass = pass_;
      seat.first = job;
      active_.push_back(number);
    } else {
      next_[seat.last] = job;
    }
    seat.last = job;
  }
  ask_active();
  crossing_.jobs.pop(n);
}

// Memory of thousands of instances is not in the cache, and what a call needs is a chain: each link is asked for some calls
// before its turn, once the one that names it has come.
void ServiceThread::ask_active() {
  lap_.reset();
  const std::size_t n = active_.size();
  const auto instance = [&](std::size_t i) -> Instance& { return *seats_[active_[i]].instance; };
  for (std::size_t i = 0; i < n + 3 * kAhead; ++i) {
    if (i < n) instance(i).prefetch();
    if (i >= kAhead && i - kAhead < n) instance(i - kAhead).prefetch_program();
    if (i >= 2 * kAhead && i - 2 * kAhead < n) instance(i - 2 * kAhead).prefetch_call();
    if (i >= 3 * kAhead) ask(active_[i - 3 * kAhead]);
  }
}

void ServiceThread::ask(std::uint32_t number) {
  Instance& instance = *seats_[number].instance;
  std::array<std::uint32_t, ENTRESOL_BATCH> slots;
  std::uint32_t job = seats_[number].first;
  while (job != kNone) {
    std::uint32_t n = 0;
    for (; job != kNone && n < ENTRESOL_BATCH; job = next_[job], ++n) {
      packets_[n] = crossing_.jobs[job].packet;
      slots[n] = crossing_.jobs[job].slot;
    }
    const entresol_batch batch{n, 0, packets_.data(), verdicts_.data(), nullptr, out_.data()};
    const bool asked = instance.packets(batch, now_, unix_nanos_, &lap_);
    for (std::uint32_t i = 0; i < n; ++i) {
      const entresol_verdict& verdict = verdicts_[i];
      // Before the verdict is seen: the packet may be released by the time it is held.
      if (asked && verdict.action == ENTRESOL_HOLD) instance.environment().held(packets_[i].handle);
      if (asked && verdict.action == ENTRESOL_REPLICATE) take_names(slots[i], verdict);
      tell(number, {asked ? DoneKind::kVerdict : DoneKind::kFallback, slots[i], number,
                    packets_[i].handle, verdict});
    }
  }
  after_call(number, instance);
}

void ServiceThread::take_names(std::uint32_t slot, const entresol_verdict& verdict) {
  lap_.reset();
  std::vector<entresol_name>& names = crossing_.names(slot);
  names.resize(verdict.count);
  std::memcpy(names.data(), out_.data() + verdict.data, verdict.count * sizeof(entresol_name));
}

// What the instance has asked for meanwhile.
void ServiceThread::after_call(std::uint32_t number, Instance& instance) {
  Environment& environment = instance.environment();
  next_timer_ = std::min(next_timer_, instance.next_timer());
  if (environment.unsettled() != 0 && !seats_[number].waits) {
    seats_[number].waits = true;
    waiting_[number];
  }
  if (!environment.asked()) return;
  lap_.reset();  // the next one does not pay for this
  for (const Environment::Release& release : environment.take_releases()) {
    Done done{DoneKind::kRelease, 0, number, release.handle, release.verdict};
    instance.check(done.verdict);
    tell(number, done);
  }
  if (environment.take_withdrawal()) tell(number, {DoneKind::kWithdrawal, 0, number, 0, {}});
}

void ServiceThread::tell(std::uint32_t number, const Done& done) {
  Seat& seat = seats_[number];
  const std::uint64_t after = seat.instance->environment().unsettled();
  if (after == 0 && !seat.waits) [[likely]]
    return say(done);
  seat.waits = true;
  waiting_[number].push_back({after, done});
}

// What the disk has taken meanwhile, and what it never will.
void ServiceThread::settle() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    auto& [number, kept] = *at;
    Seat& seat = seats_[number];
    if (seat.instance != nullptr) {
      Environment& environment = seat.instance->environment();
      const bool lost = environment.stable().lost();  // settled is final then
      const std::uint64_t settled = environment.settle();
      for (; !kept.empty() && kept.front().after <= settled; kept.pop_front())
        say(kept.front().done);
      if (lost) {
        give_up(number);
        seat.instance->lost(now_, unix_nanos_);
        next_timer_ = std::min(next_timer_, seat.instance->next_timer());
      }
      if (environment.unsettled() != 0) {
        ++at;
        continue;
      }
    }
    seat.waits = false;
    at = waiting_.erase(at);
  }
}

// Nothing of what the instance has said rests on what is there: its packets go the way of the fallback, and those that it has
// let go stay until their time is over. Withdrawn verdicts can be given again.
void ServiceThread::give_up(std::uint32_t number) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) return;
  for (Kept& kept : std::exchange(found->second, {})) {
    if (kept.done.kind == DoneKind::kRelease) continue;
    if (kept.done.kind == DoneKind::kVerdict) {
      seats_[number].instance->environment().held_no_more(kept.done.handle);
      kept.done.kind = DoneKind::kFallback;
    }
    say(kept.done);
  }
}

void ServiceThread::say(const Done& done) {
  Done* room = late_.empty() ? crossing_.done.room() : nullptr;
  if (room == nullptr) {
    late_.push_back(done);
    return;
  }
  *room = done;
  crossing_.done.push();
}

// What there was no room for: the worker has not taken what it was told.
void ServiceThread::flush_late() {
  while (!late_.empty()) {
    Done* room = crossing_.done.room();
    if (room == nullptr) return;
    *room = late_.front();
    crossing_.done.push();
    late_.pop_front();
  }
}

void ServiceThread::run_timers() {
  next_timer_ = base::kNever;
  for (std::uint32_t number = 0; number < seats_.size(); ++number) {
    Instance* instance = seats_[number].instance.get();
    if (instance == nullptr) continue;
    if (instance->next_timer() <= now_) {
      instance->run_due(now_, unix_nanos_);
      after_call(number, *instance);
    }
    next_timer_ = std::min(next_timer_, instance->next_timer());
  }
}

}  // namespace entresol::service
