// A store of one instance: small values by key, in memory, within a quota, each perhaps with an end. The ephemeral one is
// this alone; the stable one (stable.h) has a disk behind it. The calls and their results are those of
// sdk/include/entresol/service.h.
//
// Pure. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/time.h"

namespace entresol::service {

class Store {
 public:
  static constexpr std::size_t kMaxKey = 256;
  static constexpr std::size_t kMaxValue = 64 << 10;
  static constexpr std::size_t kEntryCost = 64;  // beside key and value, of the quota

  struct Entry {
    base::Bytes value;
    base::TimePoint end = base::kNever;
  };

  explicit Store(std::size_t quota) : quota_(quota) {}

  // Null if there is none, or its time is over. Valid until the next change.
  const base::Bytes* get(std::string_view key, base::TimePoint now) const;
  // `lifetime` zero: for ever. 0, ENTRESOL_INVALID, ENTRESOL_QUOTA.
  std::int32_t put(std::string_view key, base::ByteView value, base::Duration lifetime,
                   base::TimePoint now);
  // put(), if `expected` is what is there; none: if nothing is. Also ENTRESOL_CHANGED.
  std::int32_t swap(std::string_view key, const std::optional<base::ByteView>& expected,
                    base::ByteView value, base::Duration lifetime, base::TimePoint now);
  bool remove(std::string_view key, base::TimePoint now);
  // The first key behind `after` that begins with `prefix`; null at the end.
  const std::string* next(std::string_view prefix, std::string_view after,
                          base::TimePoint now) const;

  // As it lies there, whether or not its time is over; null if there is none.
  const Entry* find(std::string_view key) const;
  // Whatever the quota says. None: the key is gone.
  void set(const std::string& key, std::optional<Entry> entry);

  std::size_t used() const { return used_; }
  std::size_t size() const { return entries_.size(); }
  void clear();
  // All that the other one has, with its ends. False, and nothing is changed, if that is more than this one may have.
  bool copy_from(const Store& other);

 private:
  using Entries = std::map<std::string, Entry, std::less<>>;
  static std::size_t cost(std::string_view key, std::size_t value) {
    return key.size() + value + kEntryCost;
  }
  void erase(Entries::iterator entry);
  void expire(base::TimePoint now);

  std::size_t quota_;
  std::size_t used_ = 0;
  Entries entries_;
  std::set<std::pair<base::TimePoint, std::string>> ends_;
};

}  // namespace entresol::service
