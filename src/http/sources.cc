#include "http/sources.h"

#include <algorithm>
#include <chrono>

namespace entresol::http {
namespace {

constexpr base::Duration kSweep = std::chrono::seconds(1);

}  // namespace

Source source_of(const base::Endpoint& endpoint) {
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                           0, 0, 0, 0, 0xff, 0xff};
  Source out = endpoint.address;
  if (!std::equal(kMapped.begin(), kMapped.end(), out.begin()))
    std::fill(out.begin() + 8, out.end(), std::uint8_t{0});
  return out;
}

SourceBudget::SourceBudget(Rate rate, std::size_t sources)
    : step_(base::Duration(std::chrono::seconds(1)) / std::max(rate.per_second, 1u)),
      whole_(step_ * std::max(rate.burst, 1u)),
      most_(std::max<std::size_t>(sources, 1)) {}

bool SourceBudget::fits(base::TimePoint& full_at, base::TimePoint now) const {
  full_at = std::min(full_at, now + whole_);  // the clock may have gone back
  return std::max(full_at, now) + step_ - now <= whole_;
}

bool SourceBudget::has(const Source& source, base::TimePoint now) {
  const auto known = full_at_.find(source);
  if (known != full_at_.end()) return fits(known->second, now);
  return full_at_.size() < most_ || fits(others_full_at_, now);
}

bool SourceBudget::take(const Source& source, base::TimePoint now) {
  auto known = full_at_.find(source);
  if (known == full_at_.end() && full_at_.size() >= most_) sweep(now);
  if (known == full_at_.end() && full_at_.size() < most_)
    known = full_at_.emplace(source, now).first;
  base::TimePoint& full_at = known == full_at_.end() ? others_full_at_ : known->second;
  if (!fits(full_at, now)) return false;
  full_at = std::max(full_at, now) + step_;
  return true;
}

// Who has all its tokens again is as one who was never here.
void SourceBudget::sweep(base::TimePoint now) {
  if (now >= swept_ && now - swept_ < kSweep) return;
  swept_ = now;
  std::erase_if(full_at_, [&](const auto& each) { return each.second <= now; });
}

}  // namespace entresol::http
