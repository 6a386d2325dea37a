#include "security/cookie/load.h"

#include <algorithm>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace entresol::security::cookie {

bool Bucket::take(base::TimePoint now, std::uint32_t per_second, std::uint32_t burst) {
  const base::Duration step = base::Duration(std::chrono::seconds(1)) / std::max(per_second, 1u);
  const base::TimePoint next = std::max(empty_until_, now) + step;
  if (next - now > step * burst) return false;
  empty_until_ = next;
  return true;
}

bool LoadMeter::count(base::TimePoint now) {
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    counted_ = 0;
  }
  if (++counted_ > limit_) until_ = now + std::chrono::seconds(1);
  return now < until_;
}

bool SourceLimiter::allow(const base::Endpoint& source, base::TimePoint now) {
  // IPv6 sources are told apart by their /64, which one customer has; IPv4 lies in the last octets.
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                           0, 0, 0, 0, 0xff, 0xff};
  const base::ByteView address(source.address);
  const bool ipv4 = std::equal(kMapped.begin(), kMapped.end(), address.begin());
  const auto digest = crypto::blake2s_mac(key_, ipv4 ? address : address.first(8));
  return buckets_[base::load_le32(digest.data()) % buckets_.size()].take(now, per_second_, burst_);
}

}  // namespace entresol::security::cookie
