#include "store/stable/stable_writer.h"

#include <algorithm>
#include <utility>

namespace entresol::store {

// One owner's writes. Numbers are settled in their order; after one that could not be written none is, until the owner has
// gone back to what is there.
class StableWriter::Lane final : public service::StableDisk {
 public:
  Lane(StableWriter& writer, std::string owner) : writer_(writer), owner_(std::move(owner)) {}

  std::uint64_t write(std::vector<service::StableChange> changes) override {
    const std::lock_guard lock(writer_.mutex_);
    ++last_;
    if (!lost_) {
      writer_.items_.push_back({this, last_, {owner_, std::move(changes)}});
      writer_.came_.notify_one();
    }
    return last_;
  }
  std::uint64_t settled() const override { return settled_.load(std::memory_order_acquire); }
  bool lost() const override { return lost_.load(std::memory_order_acquire); }
  void forgive() override {
    const std::lock_guard lock(writer_.mutex_);
    settled_ = last_;
    lost_ = false;
  }
  bool works() const override { return works_.load(std::memory_order_relaxed); }

 private:
  friend class StableWriter;
  StableWriter& writer_;
  const std::string owner_;
  std::uint64_t last_ = 0;
  std::atomic<std::uint64_t> settled_{0};
  std::atomic<bool> lost_{false}, works_{true};
};

StableWriter::StableWriter(std::unique_ptr<StableFile> file, Surroundings surroundings)
    : surroundings_(std::move(surroundings)), file_(std::move(file)) {}
StableWriter::~StableWriter() = default;

service::StableDisk& StableWriter::disk(const std::string& owner) {
  const std::lock_guard lock(mutex_);
  auto& lane = lanes_[owner];
  if (lane == nullptr) lane = std::make_unique<Lane>(*this, owner);
  return *lane;
}

base::Result<std::vector<service::StableEntry>> StableWriter::load(const std::string& owner) {
  const std::lock_guard lock(file_mutex_);
  return file_->load(owner);
}

bool StableWriter::commit(std::span<const StableWrite* const> writes) {
  const std::lock_guard lock(file_mutex_);
  auto done = file_->commit(writes, surroundings_.unix_nanos());
  if (!done) why_ = done.error();
  return done.has_value();
}

bool StableWriter::step() {
  std::vector<Item> items;
  {
    const std::lock_guard lock(mutex_);
    items.assign(std::make_move_iterator(items_.begin()), std::make_move_iterator(items_.end()));
    items_.clear();
  }
  if (items.empty()) return false;
  std::vector<const StableWrite*> all;
  all.reserve(items.size());
  for (const Item& item : items) all.push_back(&item.write);
  const auto written = std::make_unique<bool[]>(items.size());
  const bool together = commit(all);
  std::vector<const Lane*> lost;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool in_order = std::find(lost.begin(), lost.end(), items[i].lane) == lost.end();
    written[i] = together || (in_order && commit(std::span(all).subspan(i, 1)));
    if (!written[i] && in_order) lost.push_back(items[i].lane);
  }
  settle(items, {written.get(), items.size()});
  return true;
}

void StableWriter::settle(const std::vector<Item>& items, std::span<const bool> written) {
  bool worked = true;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < items.size(); ++i) {
      Lane& lane = *items[i].lane;
      worked &= written[i];
      lane.works_ = written[i];
      if (written[i]) {
        lane.settled_.store(items[i].number, std::memory_order_release);
        continue;
      }
      lane.lost_.store(true, std::memory_order_release);
    }
    // What has come since rests on what is lost.
    std::erase_if(items_, [](const Item& item) { return item.lane->lost(); });
  }
  if (!worked && works_.exchange(false) && surroundings_.failed) surroundings_.failed(why_);
  if (surroundings_.wake) surroundings_.wake();
}

void StableWriter::try_again() {
  if (works_) return;
  {
    const std::lock_guard lock(file_mutex_);
    if (!file_->try_disk()) return;
  }
  const std::lock_guard lock(mutex_);
  works_ = true;
  for (const auto& [owner, lane] : lanes_) lane->works_ = true;
}

void StableWriter::run() {
  using Clock = std::chrono::steady_clock;
  Clock::time_point next_try;
  bool worked = true;
  const auto ready = [&] { return stopping_ || !items_.empty(); };
  for (std::unique_lock lock(mutex_); !stopping_ || !items_.empty(); lock.lock()) {
    if (works_) {
      came_.wait(lock, ready);
    } else {
      came_.wait_until(lock, next_try, ready);
    }
    lock.unlock();
    step();
    if (!works_ && (worked || Clock::now() >= next_try)) {
      if (!worked) try_again();
      next_try = Clock::now() + kTryAgain;
    }
    worked = works_;
  }
}

void StableWriter::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  came_.notify_one();
}

}  // namespace entresol::store
