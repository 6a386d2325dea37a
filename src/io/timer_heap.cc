#include "io/timer_heap.h"

#include <utility>

namespace entresol::io {
namespace {

TimerId make_id(std::uint32_t slot, std::uint32_t generation) {
  return TimerId(std::uint64_t{generation} << 32 | slot);
}

}  // namespace

TimerId TimerHeap::add(Callback callback) {
  std::uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(timers_.size());
    timers_.emplace_back();
    heap_.reserve(timers_.capacity());  // so that arm() never allocates
    free_.reserve(timers_.capacity());
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Timer& timer = timers_[slot];
  ++timer.generation;
  timer.callback = std::make_shared<Callback>(std::move(callback));
  ++live_;
  return make_id(slot, timer.generation);
}

TimerHeap::Timer* TimerHeap::find(TimerId id) {
  const auto slot = static_cast<std::uint32_t>(id.value());
  if (slot >= timers_.size()) return nullptr;
  Timer& timer = timers_[slot];
  return timer.callback && timer.generation == id.value() >> 32 ? &timer : nullptr;
}

bool TimerHeap::armed(TimerId id) const {
  const Timer* timer = const_cast<TimerHeap*>(this)->find(id);
  return timer != nullptr && timer->position != kIdle;
}

void TimerHeap::arm(TimerId id, base::TimePoint when) {
  Timer* timer = find(id);
  if (timer == nullptr || (timer->position != kIdle && timer->when == when)) return;
  if (timer->position != kIdle) take_out(*timer);
  if (when == base::kNever) return;
  timer->when = when;
  timer->order = ++order_;
  if (when <= running_) {
    timer->position = kDeferred;
    deferred_.push_back(id);
  } else {
    insert(static_cast<std::uint32_t>(id.value()));
  }
}

void TimerHeap::remove(TimerId id) {
  Timer* timer = find(id);
  if (timer == nullptr) return;
  if (timer->position != kIdle) take_out(*timer);
  // The callback may own things whose destruction comes back here, so the slot is in order before
  // it goes.
  const auto callback = std::exchange(timer->callback, nullptr);
  free_.push_back(static_cast<std::uint32_t>(id.value()));
  --live_;
}

base::TimePoint TimerHeap::next() const {
  return heap_.empty() ? base::kNever : timers_[heap_.front()].when;
}

std::size_t TimerHeap::run(base::TimePoint now) {
  running_ = now;
  std::size_t called = 0;
  while (!heap_.empty() && timers_[heap_.front()].when <= now) {
    Timer& timer = timers_[heap_.front()];
    take_out(timer);
    const auto callback = timer.callback;  // outlives its timer, should it remove itself
    ++called;
    (*callback)();
  }
  running_ = base::TimePoint::min();
  for (const TimerId id : deferred_) {
    const Timer* timer = find(id);
    if (timer != nullptr && timer->position == kDeferred) {
      insert(static_cast<std::uint32_t>(id.value()));
    }
  }
  deferred_.clear();
  return called;
}

void TimerHeap::insert(std::uint32_t slot) {
  heap_.push_back(slot);
  timers_[slot].position = static_cast<std::uint32_t>(heap_.size() - 1);
  sift_up(timers_[slot].position);
}

bool TimerHeap::earlier(std::uint32_t a, std::uint32_t b) const {
  const Timer& x = timers_[heap_[a]];
  const Timer& y = timers_[heap_[b]];
  return x.when != y.when ? x.when < y.when : x.order < y.order;
}

void TimerHeap::place(std::uint32_t slot, std::uint32_t position) {
  heap_[position] = slot;
  timers_[slot].position = position;
}

void TimerHeap::sift_up(std::uint32_t position) {
  while (position > 0) {
    const std::uint32_t parent = (position - 1) / 2;
    if (!earlier(position, parent)) return;
    const std::uint32_t slot = heap_[position];
    place(heap_[parent], position);
    place(slot, parent);
    position = parent;
  }
}

void TimerHeap::sift_down(std::uint32_t position) {
  for (;;) {
    const auto size = static_cast<std::uint32_t>(heap_.size());
    std::uint32_t least = position;
    for (std::uint32_t child = 2 * position + 1; child <= 2 * position + 2 && child < size;
         ++child) {
      if (earlier(child, least)) least = child;
    }
    if (least == position) return;
    const std::uint32_t slot = heap_[position];
    place(heap_[least], position);
    place(slot, least);
    position = least;
  }
}

void TimerHeap::take_out(Timer& timer) {
  const std::uint32_t position = std::exchange(timer.position, kIdle);
  if (position == kDeferred) return;
  const std::uint32_t last = heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  place(last, position);
  sift_up(position);
  sift_down(timers_[last].position);
}

}  // namespace entresol::io
