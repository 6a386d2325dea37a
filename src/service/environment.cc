#include "service/environment.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace entresol::service {
namespace {

using std::chrono::milliseconds;

std::int32_t copy_out(base::ByteView from, base::MutableBytes out) {
  if (from.size() > out.size()) return ENTRESOL_TOO_SMALL;
  std::copy(from.begin(), from.end(), out.begin());
  return static_cast<std::int32_t>(from.size());
}

base::ByteView octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What goes to a log is text on one line, whatever a module writes.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, Environment::kMaxLine));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return out;
}

}  // namespace

double Rate::refill(base::TimePoint now) {
  if (now > at_) {
    left_ += a_second_ * std::chrono::duration<double>(now - at_).count();
    left_ = std::min(left_, a_second_);
    at_ = now;
  }
  return left_;
}

bool Rate::take(base::TimePoint now, double amount) {
  if (refill(now) < amount) return false;
  left_ -= amount;
  return true;
}

void Rate::charge(base::TimePoint now, double amount) {
  refill(now);
  left_ -= amount;
}

Environment::Environment(const Manifest& manifest, base::RandomSource& random, LogSink log)
    : manifest_(manifest),
      random_(random),
      log_(std::move(log)),
      ephemeral_(manifest.limits.ephemeral),
      stable_(manifest.limits.stable),
      metrics_(manifest.metrics.size()),
      lines_(manifest.limits.log_lines),
      withdrawals_(manifest.limits.withdrawals) {
  configure({});
}

void Environment::log(std::uint32_t level, std::string_view text) {
  if (!lines_.take(now_)) {
    ++lines_left_out_;
    return;
  }
  if (log_) log_(std::min<std::uint32_t>(level, ENTRESOL_LOG_DEBUG), printable(text));
}

// ---- timers ------------------------------------------------------------------------------------------------------

std::int32_t Environment::timer_set(std::uint64_t name, std::uint64_t delay) {
  const auto found = timers_.find(name);
  if (found == timers_.end() && timers_.size() >= manifest_.limits.timers) return ENTRESOL_QUOTA;
  if (found != timers_.end()) due_.erase({found->second, name});
  const auto most = static_cast<std::uint64_t>(kLongest.count());
  const base::TimePoint at =
      now_ + base::Duration(static_cast<std::int64_t>(std::min(delay, most)));
  timers_[name] = at;
  due_.emplace(at, name);
  find_next_timer();
  return 0;
}

std::int32_t Environment::timer_cancel(std::uint64_t name) {
  const auto found = timers_.find(name);
  if (found == timers_.end()) return ENTRESOL_NOT_FOUND;
  due_.erase({found->second, name});
  timers_.erase(found);
  find_next_timer();
  return 0;
}

std::optional<std::uint64_t> Environment::take_timer(base::TimePoint now) {
  if (next_timer_ > now || due_.empty()) return std::nullopt;
  const std::uint64_t name = due_.begin()->second;
  due_.erase(due_.begin());
  timers_.erase(name);
  find_next_timer();
  return name;
}

// ---- stores ------------------------------------------------------------------------------------------------------

template <typename Self, typename Call>
std::int32_t Environment::in_store(Self& self, std::uint32_t which, const Call& call) {
  if (which == ENTRESOL_EPHEMERAL) return call(self.ephemeral_, self.now_);
  if (which != ENTRESOL_STABLE || !self.stable_.is_open()) return ENTRESOL_DENIED;
  return call(self.stable_, base::TimePoint(base::Duration(self.unix_nanos_)));
}

std::int32_t Environment::get(std::uint32_t which, std::string_view key,
                              base::MutableBytes out) const {
  return in_store(*this, which, [&](const auto& from, base::TimePoint now) -> std::int32_t {
    const base::Bytes* value = from.get(key, now);
    return value == nullptr ? ENTRESOL_NOT_FOUND : copy_out(*value, out);
  });
}

std::int32_t Environment::put(std::uint32_t which, std::string_view key, base::ByteView value,
                              std::uint32_t lifetime_ms) {
  wrote_ |= which == ENTRESOL_STABLE;
  return in_store(*this, which, [&](auto& to, base::TimePoint now) {
    return to.put(key, value, milliseconds(lifetime_ms), now);
  });
}

std::int32_t Environment::swap(std::uint32_t which, std::string_view key,
                               const std::optional<base::ByteView>& expected, base::ByteView value,
                               std::uint32_t lifetime_ms) {
  wrote_ |= which == ENTRESOL_STABLE;
  return in_store(*this, which, [&](auto& to, base::TimePoint now) {
    return to.swap(key, expected, value, milliseconds(lifetime_ms), now);
  });
}

std::int32_t Environment::remove(std::uint32_t which, std::string_view key) {
  if (which == ENTRESOL_EPHEMERAL) return ephemeral_.remove(key, now_) ? 0 : ENTRESOL_NOT_FOUND;
  if (which != ENTRESOL_STABLE || !stable_.is_open()) return ENTRESOL_DENIED;
  wrote_ = true;
  return stable_.remove(key, base::TimePoint(base::Duration(unix_nanos_)));
}

std::int32_t Environment::next(std::uint32_t which, std::string_view prefix, std::string_view after,
                               base::MutableBytes out) const {
  return in_store(*this, which, [&](const auto& from, base::TimePoint now) -> std::int32_t {
    const std::string* key = from.next(prefix, after, now);
    return key == nullptr ? ENTRESOL_NOT_FOUND : copy_out(octets(*key), out);
  });
}

void Environment::commit_stable() {
  wrote_ = false;
  stable_.commit();
  unsettled_ = stable_.unsettled() != 0;
}

std::uint64_t Environment::settle() {
  const std::uint64_t settled = stable_.settle();
  unsettled_ = stable_.unsettled() != 0;
  return settled;
}

void Environment::revert() {
  stable_.revert();
  wrote_ = unsettled_ = false;
}

std::uint32_t Environment::features() const {
  return (stable_.is_open() ? ENTRESOL_FEATURE_STABLE : 0u) |
         (allows(Use::kCrypto) ? ENTRESOL_FEATURE_CRYPTO : 0u);
}

// ---- configuration, metrics --------------------------------------------------------------------------------------

std::int32_t Environment::config(std::string_view name, base::MutableBytes out) const {
  const auto found = config_.find(name);
  return found == config_.end() ? ENTRESOL_NOT_FOUND : copy_out(octets(found->second), out);
}

void Environment::configure(const ConfigValues& values) {
  config_.clear();
  for (const ConfigKey& key : manifest_.config) {
    const auto set = values.find(key.name);
    config_[key.name] = set == values.end() ? key.otherwise : set->second;
  }
}

void Environment::metric(std::uint32_t number, double value) {
  if (number >= metrics_.size() || !std::isfinite(value)) return;
  MetricValue& metric = metrics_[number];
  switch (manifest_.metrics[number].kind) {
    case MetricKind::kCounter:
      if (value > 0) metric.value += value;
      return;
    case MetricKind::kGauge:
      metric.value = value;
      return;
    case MetricKind::kHistogram: {
      std::size_t bucket = 0;
      for (double most = 1.0 / 16; bucket < MetricValue::kBuckets && value > most; most *= 2)
        ++bucket;
      ++metric.buckets[bucket];
      ++metric.count;
      metric.value += value;
      return;
    }
  }
}

// ---- packets -----------------------------------------------------------------------------------------------------

std::int32_t Environment::release(std::uint32_t handle, const entresol_verdict& verdict) {
  if (verdict.action > ENTRESOL_DELIVER) return ENTRESOL_INVALID;
  if (held_.erase(handle) == 0) return ENTRESOL_NOT_FOUND;
  releases_.push_back({handle, verdict});
  return 0;
}

std::int32_t Environment::withdraw() {
  if (!withdrawals_.take(now_)) return ENTRESOL_QUOTA;
  withdrawn_ = true;
  return 0;
}

void Environment::restart() {
  timers_.clear();
  due_.clear();
  next_timer_ = base::kNever;
  ephemeral_.clear();
  if (std::exchange(wrote_, false)) stable_.undo();
}

}  // namespace entresol::service
