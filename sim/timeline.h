// Virtual time: what happens when, in one order. Each station has one timer, which may be set again and again at no cost, so
// that a run costs what happens in it, and not how many there are to whom nothing happens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/time.h"

namespace entresol::sim {

class Timeline {
 public:
  using Act = std::function<void()>;

  void at(base::TimePoint when, Act act) { push({std::max(when, now), ++order_, std::move(act)}); }
  void after(base::Duration wait, Act act) { at(now + wait, std::move(act)); }
  // `due` is called when the station's timer has come.
  std::size_t add_station(Act due) {
    stations_.push_back({std::move(due), base::kNever, base::kNever});
    return stations_.size() - 1;
  }
  void arm(std::size_t station, base::TimePoint when) {
    Station& it = stations_[station];
    it.at = when;
    if (when < it.queued) wait_for(station, when);
  }
  void run_until(base::TimePoint end) {
    while (!events_.empty() && events_.front().at <= end) step();
    now = end;
  }
  void run_for(base::Duration duration) { run_until(now + duration); }

  base::TimePoint now{std::chrono::seconds(1000)};
  std::uint64_t steps = 0;

 private:
  struct Event {
    base::TimePoint at{};
    std::uint64_t order = 0;
    Act act;  // empty: a station's timer
    std::size_t station = 0;
  };
  struct Station {
    Act due;
    base::TimePoint at = base::kNever;
    base::TimePoint queued = base::kNever;  // the first of its events
  };
  static bool later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
  void push(Event event) {
    events_.push_back(std::move(event));
    std::push_heap(events_.begin(), events_.end(), later);
  }
  void wait_for(std::size_t station, base::TimePoint when) {
    stations_[station].queued = when;
    push({std::max(when, now), ++order_, nullptr, station});
  }
  void step() {
    std::pop_heap(events_.begin(), events_.end(), later);
    const Event event = std::move(events_.back());
    events_.pop_back();
    now = event.at;
    ++steps;
    if (event.act) return event.act();
    Station& station = stations_[event.station];
    if (station.queued > now) return;  // an older event of it
    station.queued = base::kNever;
    if (station.at <= now) {
      station.at = base::kNever;
      station.due();
    } else if (station.at != base::kNever && station.queued == base::kNever) {
      wait_for(event.station, station.at);
    }
  }

  std::vector<Event> events_;
  std::vector<Station> stations_;
  std::uint64_t order_ = 0;
};

}  // namespace entresol::sim
