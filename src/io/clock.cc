#include "io/clock.h"

#include <ctime>

namespace entresol::io {

base::TimePoint now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return base::TimePoint(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

base::UnixSeconds unix_now() {
  timespec ts{};
  ::clock_gettime(CLOCK_REALTIME, &ts);
  return ts.tv_sec;
}

std::int64_t unix_nanos() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace entresol::io
