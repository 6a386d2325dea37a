#include "service/store.h"

#include <algorithm>

#include "entresol/service.h"

namespace entresol::service {

const base::Bytes* Store::get(std::string_view key, base::TimePoint now) const {
  const auto found = entries_.find(key);
  return found == entries_.end() || found->second.end <= now ? nullptr : &found->second.value;
}

std::int32_t Store::put(std::string_view key, base::ByteView value, base::Duration lifetime,
                        base::TimePoint now) {
  if (key.empty() || key.size() > kMaxKey || value.size() > kMaxValue) return ENTRESOL_INVALID;
  expire(now);
  auto found = entries_.find(key);
  const std::size_t before = found == entries_.end() ? 0 : cost(key, found->second.value.size());
  if (used_ - before + cost(key, value.size()) > quota_) return ENTRESOL_QUOTA;
  if (found == entries_.end()) found = entries_.emplace(std::string(key), Entry{}).first;
  Entry& entry = found->second;
  if (entry.end != base::kNever) ends_.erase({entry.end, found->first});
  used_ += cost(key, value.size()) - before;
  entry.value.assign(value.begin(), value.end());
  entry.end = lifetime == base::Duration::zero() ? base::kNever : now + lifetime;
  if (entry.end != base::kNever) ends_.emplace(entry.end, found->first);
  return 0;
}

std::int32_t Store::swap(std::string_view key, const std::optional<base::ByteView>& expected,
                         base::ByteView value, base::Duration lifetime, base::TimePoint now) {
  const base::Bytes* there = get(key, now);
  const bool same = there == nullptr ? !expected.has_value()
                                     : expected && std::equal(there->begin(), there->end(),
                                                              expected->begin(), expected->end());
  return same ? put(key, value, lifetime, now) : ENTRESOL_CHANGED;
}

bool Store::remove(std::string_view key, base::TimePoint now) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  const bool was_there = found->second.end > now;
  erase(found);
  return was_there;
}

const std::string* Store::next(std::string_view prefix, std::string_view after,
                               base::TimePoint now) const {
  auto at = after < prefix ? entries_.lower_bound(prefix) : entries_.upper_bound(after);
  for (; at != entries_.end() && at->first.starts_with(prefix); ++at)
    if (at->second.end > now) return &at->first;
  return nullptr;
}

const Store::Entry* Store::find(std::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void Store::set(const std::string& key, std::optional<Entry> entry) {
  if (const auto found = entries_.find(key); found != entries_.end()) erase(found);
  if (!entry) return;
  used_ += cost(key, entry->value.size());
  if (entry->end != base::kNever) ends_.emplace(entry->end, key);
  entries_.emplace(key, std::move(*entry));
}

void Store::clear() {
  entries_.clear();
  ends_.clear();
  used_ = 0;
}

bool Store::copy_from(const Store& other) {
  if (other.used_ > quota_) return false;
  entries_ = other.entries_;
  ends_ = other.ends_;
  used_ = other.used_;
  return true;
}

void Store::erase(Entries::iterator entry) {
  if (entry->second.end != base::kNever) ends_.erase({entry->second.end, entry->first});
  used_ -= cost(entry->first, entry->second.value.size());
  entries_.erase(entry);
}

void Store::expire(base::TimePoint now) {
  while (!ends_.empty() && ends_.begin()->first <= now) erase(entries_.find(ends_.begin()->second));
}

}  // namespace entresol::service
