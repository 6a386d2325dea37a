#include "io/event_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/error_codes.h"
#include "io/clock.h"

namespace entresol::io {

static_assert(Events::kRead == EPOLLIN && Events::kWrite == EPOLLOUT);
static_assert(Events::kError == EPOLLERR && Events::kHangUp == EPOLLHUP);

struct EventLoop::Kernel {
  std::array<epoll_event, kEventsPerRound> events;
};

base::Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  std::unique_ptr<EventLoop> loop(new EventLoop());
  if (auto set = loop->set_up(); !set) return tl::unexpected(set.error());
  return loop;
}

// What callbacks own may unwatch when it goes, so it goes while the loop is still whole.
EventLoop::~EventLoop() {
  for (Watch& watch : watches_) {
    watch.fd = -1;
    retired_.push_back(std::move(watch.callback));
  }
  end_of_round_ = nullptr;
  end_round();
}

base::Result<void> EventLoop::set_up() {
  kernel_ = std::make_unique<Kernel>();
  now_ = io::now();
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return system_failure(base::code::kSystemCall, "cannot make an epoll", errno);
  wake_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_) return system_failure(base::code::kSystemCall, "cannot make an eventfd", errno);
  const auto watched = watch(wake_.get(), Events::kRead, [this](std::uint32_t) {
    std::uint64_t count;
    (void)!::read(wake_.get(), &count, sizeof count);
    run_posted();
  });
  if (!watched) return tl::unexpected(watched.error());
  return {};
}

base::Result<WatchId> EventLoop::watch(int fd, std::uint32_t events, FdCallback callback) {
  std::uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(watches_.size());
    watches_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Watch& watch = watches_[slot];
  const std::uint64_t id = std::uint64_t{++watch.generation} << 32 | slot;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    const int error = errno;
    free_.push_back(slot);
    return system_failure(base::code::kSystemCall,
                          "cannot watch file descriptor " + std::to_string(fd), error);
  }
  watch.fd = fd;
  watch.callback = std::make_unique<FdCallback>(std::move(callback));
  return WatchId(id);
}

EventLoop::Watch* EventLoop::find(WatchId id) {
  const auto slot = static_cast<std::uint32_t>(id.value());
  if (slot >= watches_.size()) return nullptr;
  Watch& watch = watches_[slot];
  return watch.fd >= 0 && watch.generation == id.value() >> 32 ? &watch : nullptr;
}

void EventLoop::change(WatchId id, std::uint32_t events) {
  const Watch* watch = find(id);
  if (watch == nullptr) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id.value();
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, watch->fd, &event);
}

void EventLoop::unwatch(WatchId id) {
  Watch* watch = find(id);
  if (watch == nullptr) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watch->fd, nullptr);
  watch->fd = -1;
  retired_.push_back(std::move(watch->callback));
  free_.push_back(static_cast<std::uint32_t>(id.value()));
}

base::Result<void> EventLoop::watch_signals(std::initializer_list<int> signals,
                                            std::function<void(int)> callback) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr)) {
    return system_failure(base::code::kSystemCall, "cannot block signals", error);
  }
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) return system_failure(base::code::kSystemCall, "cannot make a signalfd", errno);
  const auto watched =
      watch(signals_.get(), Events::kRead, [this, handle = std::move(callback)](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
          handle(static_cast<int>(info.ssi_signo));
        }
      });
  if (!watched) return tl::unexpected(watched.error());
  return {};
}

void EventLoop::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one,
                 sizeof one);  // fails only when it is already awake 2^64-2 times
}

void EventLoop::post(Callback task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  wake();
}

void EventLoop::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
}

void EventLoop::run() {
  while (!stopping_.exchange(false, std::memory_order_acquire)) run_once();
}

void EventLoop::run_once(bool wait) {
  const int count = wait_for_events(wait);
  now_ = io::now();
  dispatch(count);
  timers_.run(now_);
  end_round();
}

int EventLoop::wait_for_events(bool wait) {
  const base::TimePoint next = timers_.next();
  base::TimePoint time = io::now();
  if (!wait || next <= time) return poll_once(base::Duration::zero());
  if (spin_ > base::Duration::zero()) {
    const base::TimePoint until = std::min(time + spin_, next);
    while (time < until) {
      if (const int count = poll_once(base::Duration::zero()); count != 0) return count;
      time = io::now();
    }
    if (next <= time) return 0;
  }
  return poll_once(next == base::kNever ? base::Duration::max() : next - time);
}

// Duration::max() waits without end. A signal that has a handler ends the wait early, which costs a
// round.
int EventLoop::poll_once(base::Duration timeout) {
  timespec ts{};
  ts.tv_sec = timeout.count() / 1'000'000'000;
  ts.tv_nsec = timeout.count() % 1'000'000'000;
  const bool endless = timeout == base::Duration::max();
  int count = ::epoll_pwait2(epoll_.get(), kernel_->events.data(), kEventsPerRound,
                             endless ? nullptr : &ts, nullptr);
  if (count < 0 && errno == ENOSYS) {  // before Linux 5.11: milliseconds, rounded up
    const auto ms = std::min<std::int64_t>((timeout.count() + 999'999) / 1'000'000, 86'400'000);
    count = ::epoll_wait(epoll_.get(), kernel_->events.data(), kEventsPerRound,
                         endless ? -1 : static_cast<int>(ms));
  }
  return std::max(count, 0);
}

void EventLoop::dispatch(int count) {
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = kernel_->events[static_cast<std::size_t>(i)];
    const Watch* watch = find(WatchId(event.data.u64));
    if (watch == nullptr) continue;  // unwatched by a callback of this round
    // unwatch() moves the callback to retired_, so the pointer outlives the call.
    FdCallback* callback = watch->callback.get();
    (*callback)(event.events);
  }
}

void EventLoop::run_posted() {
  std::vector<Callback> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (const Callback& task : tasks) task();
}

void EventLoop::end_round() {
  if (end_of_round_) end_of_round_();
  // Destroying a callback may unwatch more.
  while (!retired_.empty()) {
    const auto going = std::exchange(retired_, {});
  }
}

}  // namespace entresol::io
