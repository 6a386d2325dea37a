// The stable store of one instance: a Store whose changes go to a disk, and what holds for it when that fails.
//
// What one call of the instance writes is one transaction: all of it, or nothing. A call that ends in a fault has written
// nothing. The store is in memory as a whole, so that a call never waits for the disk; a role's StableDisk writes behind it,
// and what the instance says meanwhile (verdicts, releases, withdrawals) is held back by its runner until what it wrote
// before is on the disk. If it cannot be written, it never was: the store is again as the disk has it, the instance starts
// anew, and nothing of what it said has been seen (docs/decisions/0015-stable-store.md).
//
// Time is that of the calendar, in nanoseconds since 1970, since ends of values have to hold over restarts.
//
// Pure. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/store.h"

namespace entresol::service {

struct StableEntry {
  std::string key;
  Store::Entry entry;
};
struct StableChange {
  std::string key;
  std::optional<Store::Entry> entry;  // none: the key is gone
};

// The disk behind one instance's store; a role's.
class StableDisk {
 public:
  virtual ~StableDisk() = default;
  // One transaction, behind those that were given before. Does not wait. Answers its number, from 1.
  virtual std::uint64_t write(std::vector<StableChange> changes) = 0;
  // All up to this number is on the disk.
  virtual std::uint64_t settled() const = 0;
  // What was given beyond settled() could not be written, and is not there; nor will anything be until forgive().
  virtual bool lost() const = 0;
  virtual void forgive() = 0;
  // Whether it is worth trying.
  virtual bool works() const = 0;
};

class StableStore {
 public:
  // Octets of keys and values on their way to the disk. An instance that is so far ahead of it gets ENTRESOL_QUOTA.
  static constexpr std::size_t kMaxUnsettled = std::size_t{4} << 20;

  explicit StableStore(std::size_t quota) : quota_(quota), store_(quota) {}

  // With what is on the disk. No disk: it lasts as long as this object. An instance that may store nothing has none.
  void open(std::vector<StableEntry> entries, StableDisk* disk);
  bool is_open() const { return open_; }
  // The same with what another one of the same owner has, which writes no more and has settled all: the next version's.
  // False, and nothing is changed, if that is more than this one may have.
  bool take_from(const StableStore& before);

  // ---- Store's, at the calendar's time. Changes: also ENTRESOL_FAILED, if the disk does not take any now
  const base::Bytes* get(std::string_view key, base::TimePoint now) const {
    return store_.get(key, now);
  }
  const std::string* next(std::string_view prefix, std::string_view after,
                          base::TimePoint now) const {
    return store_.next(prefix, after, now);
  }
  std::int32_t put(std::string_view key, base::ByteView value, base::Duration lifetime,
                   base::TimePoint now);
  std::int32_t swap(std::string_view key, const std::optional<base::ByteView>& expected,
                    base::ByteView value, base::Duration lifetime, base::TimePoint now);
  std::int32_t remove(std::string_view key, base::TimePoint now);

  // ---- its runner's
  // The changes since the last one are a transaction.
  void commit();
  // They have not been.
  void undo();
  // The number of the last transaction that is not known to be on the disk; 0: all is.
  std::uint64_t unsettled() const { return unsettled_.empty() ? 0 : unsettled_.back().number; }
  // Looks at the disk; answers up to which number all is there.
  std::uint64_t settle();
  bool lost() const { return disk_ != nullptr && disk_->lost(); }
  // After lost(): as the disk has it.
  void revert();

  std::size_t used() const { return store_.used(); }
  std::size_t size() const { return store_.size(); }
  std::uint64_t refused() const { return refused_; }  // changes that were answered ENTRESOL_FAILED

 private:
  // What was there before, by key.
  using Before = std::map<std::string, std::optional<Store::Entry>, std::less<>>;
  struct Transaction {
    std::uint64_t number = 0;
    std::size_t octets = 0;
    Before before;
  };
  std::int32_t may_change();
  // What is there under the key, for undo(): none if it is kept already.
  std::optional<Before::value_type> remember(std::string_view key) const;
  std::int32_t changed(std::optional<Before::value_type> before, std::int32_t result);
  void put_back(Before& before);

  std::size_t quota_;
  Store store_;
  bool open_ = false;
  StableDisk* disk_ = nullptr;
  Before before_;  // of the call that runs
  std::deque<Transaction> unsettled_;
  std::size_t octets_ = 0;  // of unsettled_
  std::uint64_t refused_ = 0;
};

}  // namespace entresol::service
