// The controller's store in one SQLite file (and its -wal beside it): what an Authority has said survives the machine.
//
// WAL with synchronous=FULL: a commit of durable changes returns when they are on disk. A commit of soft changes alone
// (registrations) is written without waiting for the disk: it survives the process, and after a power cut may be missing,
// never torn. The file belongs to one process at a time, and has mode 0600: it holds who is a member, and the keys of shared
// names that were made here, in clear (tokens are hashed). Not thread-safe; a commit blocks for as long as the disk takes.
#pragma once

#include <memory>
#include <string>

#include "layer/directory/store.h"
#include "store/file/file.h"

namespace entresol::store {

using SqliteOptions = FileOptions;

class SqliteStore final : public layer::directory::Store {
 public:
  // As File::open().
  static base::Result<std::unique_ptr<SqliteStore>> open(const SqliteOptions& options);
  ~SqliteStore() override;

  // kStoreBroken for a row that is no record, kStoreFailed.
  base::Result<layer::directory::Snapshot> load() override;
  // One transaction. kStoreFull, kStoreFailed, kStoreBroken: nothing of it is kept.
  base::Result<void> commit(std::span<const layer::directory::Change> changes) override;

 private:
  struct Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entresol::store
