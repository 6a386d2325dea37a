// When to ask for cookies, and how much one source may cost while they are asked for.
#pragma once

#include <array>
#include <cstdint>

#include "base/endpoint.h"
#include "base/random.h"
#include "base/time.h"

namespace entresol::security::cookie {

// Tokens at a rate, up to a burst.
class Bucket {
 public:
  // True, and one token less, if there is one.
  bool take(base::TimePoint now, std::uint32_t per_second, std::uint32_t burst);

 private:
  base::TimePoint empty_until_{base::Duration{0}};  // GCRA: when the bucket would be full again
};

// Under load: more handshake messages in a second than the limit, and for one second after.
class LoadMeter {
 public:
  explicit LoadMeter(std::uint32_t per_second) : limit_(per_second) {}
  // Counts one message; true if it came under load.
  bool count(base::TimePoint now);

 private:
  std::uint32_t limit_;
  std::uint32_t counted_ = 0;
  base::TimePoint second_{};
  base::TimePoint until_{};
};

// A rate for each address (20 handshakes a second, bursts of 5, as WireGuard's ratelimiter), in memory that does not grow:
// addresses that meet in a slot share it.
class SourceLimiter {
 public:
  explicit SourceLimiter(base::RandomSource& random, std::uint32_t per_second = 20,
                         std::uint32_t burst = 5)
      : per_second_(per_second), burst_(burst), key_(random.bytes<16>()) {}
  bool allow(const base::Endpoint& source, base::TimePoint now);

 private:
  std::uint32_t per_second_, burst_;
  std::array<std::uint8_t, 16> key_;
  std::array<Bucket, 2048> buckets_{};
};

}  // namespace entresol::security::cookie
