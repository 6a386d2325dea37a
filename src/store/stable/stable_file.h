// The stable stores of a node's services, in one file: each owner's keys and values, with the end of those that have one.
//
// One transaction for all that is written together. What has ended goes with the next one. As File: one process, one thread
// at a time, blocks for as long as the disk takes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "service/stable.h"
#include "store/file/file.h"

namespace entresol::store {

struct StableWrite {
  std::string owner;  // of the keys: an instance's, "ID"
  std::vector<service::StableChange> changes;
};

class StableFile {
 public:
  // As File::open().
  static base::Result<std::unique_ptr<StableFile>> open(const FileOptions& options);

  // kStoreBroken for a row that is no entry, kStoreFailed.
  base::Result<std::vector<service::StableEntry>> load(const std::string& owner);
  // All of it, on disk; or nothing of it: kStoreFull, kStoreFailed, kStoreBroken.
  base::Result<void> commit(std::span<const StableWrite* const> writes, std::int64_t unix_nanos);
  // Writes as much as a service may have to, and takes it back: whether the disk works again.
  base::Result<void> try_disk();

 private:
  StableFile() = default;
  int write(const StableWrite& write);

  std::unique_ptr<File> file_;  // outlives the statements
  Statement load_, put_, drop_, end_, note_, forget_;
};

}  // namespace entresol::store
