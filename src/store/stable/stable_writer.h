// Writes the stable stores of a node's instances, from a thread of its own: what has come while the disk was busy is its
// next transaction, so that however many instances write, the disk is waited for once. Whatever one of them cannot have
// written (a full disk, an error) is not held against the others: they are tried one by one then.
//
// run() and step() belong to one thread, stop() and load() to any; a disk() to the thread of its instance.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/stable/stable_file.h"

namespace entresol::store {

class StableWriter {
 public:
  // How long after a failure the disk is tried again.
  static constexpr base::Duration kTryAgain = std::chrono::seconds(1);

  struct Surroundings {
    std::function<std::int64_t()> unix_nanos;
    std::function<void()> wake;  // after something has been settled; may be empty
    std::function<void(const base::Error&)> failed;  // the first time since it worked; may be empty
  };
  StableWriter(std::unique_ptr<StableFile> file, Surroundings surroundings);
  ~StableWriter();
  StableWriter(const StableWriter&) = delete;
  StableWriter& operator=(const StableWriter&) = delete;

  // The disk of this owner; the same each time. As long as the writer.
  service::StableDisk& disk(const std::string& owner);
  base::Result<std::vector<service::StableEntry>> load(const std::string& owner);

  // Writes all that has come. Whether anything had.
  bool step();
  // Whether it failed last, and does so again.
  void try_again();
  // Steps until stop(); what has come before that is written.
  void run();
  void stop();

 private:
  class Lane;
  struct Item {
    Lane* lane = nullptr;
    std::uint64_t number = 0;
    StableWrite write;
  };
  bool commit(std::span<const StableWrite* const> writes);
  void settle(const std::vector<Item>& items, std::span<const bool> written);

  Surroundings surroundings_;
  std::mutex file_mutex_;
  std::unique_ptr<StableFile> file_;
  std::atomic<bool> works_{true};
  base::Error why_;

  std::mutex mutex_;  // of all below
  std::condition_variable came_;
  std::deque<Item> items_;
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  bool stopping_ = false;
};

}  // namespace entresol::store
