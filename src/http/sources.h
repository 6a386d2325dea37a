// What one source may cost a server. A source is an IPv4 address, or the /64 of an IPv6 one, which one customer has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "base/endpoint.h"
#include "base/time.h"

namespace entresol::http {

using Source = std::array<std::uint8_t, 16>;
Source source_of(const base::Endpoint& endpoint);

struct Rate {
  std::uint32_t per_second = 1;
  std::uint32_t burst = 1;
};

// Tokens that come back at a rate, for each source. Memory is bounded: beyond `sources` that have spent something lately,
// those that are new share what one has.
class SourceBudget {
 public:
  explicit SourceBudget(Rate rate, std::size_t sources = 8192);

  // One token less, or false where there is none. A clock that goes back makes nobody wait longer than a full refill.
  bool take(const Source& source, base::TimePoint now);
  // Whether take() would succeed.
  bool has(const Source& source, base::TimePoint now);
  std::size_t size() const { return full_at_.size(); }

 private:
  bool fits(base::TimePoint& full_at, base::TimePoint now) const;
  void sweep(base::TimePoint now);

  base::Duration step_;  // in which one token comes back
  base::Duration whole_;
  std::size_t most_;
  std::map<Source, base::TimePoint> full_at_;  // when each has all its tokens again
  base::TimePoint others_full_at_{};
  base::TimePoint swept_{};
};

}  // namespace entresol::http
