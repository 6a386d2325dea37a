#include "service/stable.h"

#include <utility>

#include "entresol/service.h"

namespace entresol::service {

void StableStore::open(std::vector<StableEntry> entries, StableDisk* disk) {
  if (quota_ == 0) return;
  open_ = true;
  disk_ = disk;
  for (StableEntry& each : entries) store_.set(each.key, std::move(each.entry));
}

bool StableStore::take_from(const StableStore& before) {
  if (!before.open_) return true;
  if (!store_.copy_from(before.store_)) return false;
  open_ = true;
  disk_ = before.disk_;
  return true;
}

std::int32_t StableStore::may_change() {
  if (disk_ != nullptr && (!disk_->works() || disk_->lost())) {
    ++refused_;
    return ENTRESOL_FAILED;
  }
  return octets_ < kMaxUnsettled ? 0 : ENTRESOL_QUOTA;
}

std::optional<StableStore::Before::value_type> StableStore::remember(std::string_view key) const {
  if (before_.contains(key)) return std::nullopt;
  const Store::Entry* there = store_.find(key);
  return Before::value_type(key, there == nullptr ? std::nullopt : std::optional(*there));
}

std::int32_t StableStore::changed(std::optional<Before::value_type> before, std::int32_t result) {
  if (result == 0 && before) before_.insert(std::move(*before));
  return result;
}

std::int32_t StableStore::put(std::string_view key, base::ByteView value, base::Duration lifetime,
                              base::TimePoint now) {
  if (const std::int32_t refused = may_change(); refused != 0) return refused;
  auto before = remember(key);
  return changed(std::move(before), store_.put(key, value, lifetime, now));
}

std::int32_t StableStore::swap(std::string_view key, const std::optional<base::ByteView>& expected,
                               base::ByteView value, base::Duration lifetime, base::TimePoint now) {
  if (const std::int32_t refused = may_change(); refused != 0) return refused;
  auto before = remember(key);
  return changed(std::move(before), store_.swap(key, expected, value, lifetime, now));
}

std::int32_t StableStore::remove(std::string_view key, base::TimePoint now) {
  if (const std::int32_t refused = may_change(); refused != 0) return refused;
  auto before = remember(key);
  return changed(std::move(before), store_.remove(key, now) ? 0 : ENTRESOL_NOT_FOUND);
}

void StableStore::commit() {
  if (before_.empty()) return;
  if (disk_ == nullptr) {
    before_.clear();
    return;
  }
  Transaction made;
  std::vector<StableChange> changes;
  changes.reserve(before_.size());
  for (const auto& [key, before] : before_) {
    const Store::Entry* now = store_.find(key);
    made.octets += key.size() + (now == nullptr ? 0 : now->value.size()) + Store::kEntryCost;
    changes.push_back({key, now == nullptr ? std::nullopt : std::optional(*now)});
  }
  made.before = std::exchange(before_, {});
  made.number = disk_->write(std::move(changes));
  octets_ += made.octets;
  unsettled_.push_back(std::move(made));
}

void StableStore::put_back(Before& before) {
  for (auto& [key, entry] : before) store_.set(key, std::move(entry));
  before.clear();
}

void StableStore::undo() {
  put_back(before_);
}

std::uint64_t StableStore::settle() {
  if (disk_ == nullptr) return 0;
  const std::uint64_t settled = disk_->settled();
  while (!unsettled_.empty() && unsettled_.front().number <= settled) {
    octets_ -= unsettled_.front().octets;
    unsettled_.pop_front();
  }
  return settled;
}

void StableStore::revert() {
  settle();
  undo();
  for (; !unsettled_.empty(); unsettled_.pop_back()) put_back(unsettled_.back().before);
  octets_ = 0;
  if (disk_ != nullptr) disk_->forgive();
}

}  // namespace entresol::service
