// Time as the pure rooms see it: handed in, never read. TimePoint is monotonic (timers, keys); UnixSeconds is the calendar
// (certificates, leases). Only io/ and sim/ have clocks.
#pragma once

#include <chrono>
#include <cstdint>

namespace entresol::base {

using Duration = std::chrono::nanoseconds;

// A clock without now(): a TimePoint can only come from an argument.
struct Monotonic {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<Monotonic, Duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = Monotonic::time_point;

inline constexpr TimePoint kNever = TimePoint::max();

using UnixSeconds = std::int64_t;

}  // namespace entresol::base
