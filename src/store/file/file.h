// One SQLite file (and its -wal beside it), crash-safe, of one program and version: what the stores of this room lie in.
//
// WAL with synchronous=FULL: a transaction that waits for the disk returns when it is there; one that does not survives the
// process, and after a power cut may be missing, never torn. The file belongs to one process at a time, and has mode 0600.
// Not thread-safe; a transaction blocks for as long as the disk takes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "store/file/statement.h"

namespace entresol::store {

struct FileOptions {
  std::string path;
  // For tests of durability alone: another file system below SQLite, and no waiting for the disk.
  std::string vfs;
  bool synchronous = true;
};

// What lies in it.
struct Schema {
  int application;    // SQLite's application_id
  int version;        // of this program
  const char* first;  // of version 1
  const char* (*upgrade_to)(
      int version);  // from the version before, 2 or more; may be null at version 1
};

class File {
 public:
  // Opens the file, or makes an empty one in a directory that exists; one of an older version becomes one of this version,
  // which older programs refuse. Errors: kStoreLocked (another process has it), kStoreNewer, kStoreBroken (damaged, or
  // another program's database), kStoreFull, kStoreFailed, kFileUnwritable, kNoPermission.
  static base::Result<std::unique_ptr<File>> open(const FileOptions& options, const Schema& schema);

  sqlite3* database() const { return database_.get(); }
  // "cannot write the store PATH"
  std::string doing(const char* what) const { return std::string(what) + " the store " + path_; }
  // One transaction. `write` answers SQLITE_DONE, or what failed. kStoreFull, kStoreFailed, kStoreBroken: nothing of it is
  // kept. `wait`: until it is on disk.
  base::Result<void> transaction(bool wait, const std::function<int()>& write);

 private:
  File() = default;
  base::Result<void> look(const Schema& schema, bool& fresh);
  base::Result<void> prepare(const Schema& schema, bool fresh);
  base::Result<void> upgrade(const Schema& schema);
  base::Result<void> wait_for_disk(bool wait);

  std::string path_;
  bool synchronous_ = true;
  bool waits_for_disk_ = true;  // of the next transaction, as SQLite has been told
  Database database_;           // outlives the statements
  Statement begin_, end_, undo_;
};

}  // namespace entresol::store
