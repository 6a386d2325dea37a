// The only clocks of the product. The pure rooms get what these return as an argument.
#pragma once

#include "base/time.h"

namespace entresol::io {

base::TimePoint now();         // CLOCK_MONOTONIC
base::UnixSeconds unix_now();  // CLOCK_REALTIME, whole seconds since 1970
std::int64_t unix_nanos();     // the same in nanoseconds

}  // namespace entresol::io
