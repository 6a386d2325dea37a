#include "store/file/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error_codes.h"

namespace entresol::store {
namespace {

namespace code = base::code;

constexpr mode_t kMode = 0600;

auto refused(const std::string& path, const char* doing) {
  const int number = errno;
  const std::string_view found = number == EACCES || number == EPERM    ? code::kNoPermission
                                 : number == ENOSPC || number == EDQUOT ? code::kStoreFull
                                                                        : code::kFileUnwritable;
  return base::fail(found, std::string(doing) + " " + path + ": " + std::strerror(number));
}

// A new file is there after a power cut only if its directory was written, too.
base::Result<void> sync_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return refused(folder, "cannot open the directory");
  base::Result<void> result;
  if (::fsync(fd) != 0) result = refused(folder, "cannot write the directory");
  ::close(fd);
  return result;
}

// The file exists afterwards, for its owner alone; SQLite gives its -wal the same mode.
base::Result<void> make_private(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, kMode);
  if (fd < 0) return refused(path, "cannot open the store");
  struct stat found{};
  base::Result<void> result;
  if (::fstat(fd, &found) != 0) {
    result = refused(path, "cannot look at the store");
  } else if (!S_ISREG(found.st_mode)) {
    result = base::fail(code::kStoreBroken, path + " is no regular file");
  } else if ((found.st_mode & 07777) != kMode && ::fchmod(fd, kMode) != 0) {
    result = refused(path, "cannot keep others from the store");
  }
  const bool fresh = found.st_size == 0;
  ::close(fd);
  return result && fresh ? sync_directory(path) : result;
}

base::Result<std::int64_t> ask(sqlite3* database, const char* sql, const std::string& doing) {
  auto question = Statement::prepare(database, sql);
  if (!question) {
    question.error().message = doing + ": " + question.error().message;
    return tl::unexpected(question.error());
  }
  const int result = question->row();
  if (result != SQLITE_ROW) return tl::unexpected(error_of(database, result, doing));
  return question->number(0);
}

}  // namespace

// Exclusive before anything is read: then the index of the log is in this process's memory, and no other process gets in.
// Nothing is written to a file that is no store, or of a newer version.
base::Result<void> File::look(const Schema& schema, bool& fresh) {
  sqlite3* at = database_.get();
  const std::string why = doing("cannot open");
  sqlite3_extended_result_codes(at, 1);
  if (auto done = execute(at, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;", why);
      !done)
    return done;
  // Until the log is used, a journal is deleted to commit: one that is back after a power cut would undo the first step,
  // and with it all that the log has.
  if (auto done = execute(
          at, synchronous_ ? "PRAGMA synchronous = EXTRA" : "PRAGMA synchronous = OFF", why);
      !done)
    return done;
  auto version = ask(at, "PRAGMA user_version", why);
  if (!version) return tl::unexpected(version.error());
  auto application = ask(at, "PRAGMA application_id", why);
  if (!application) return tl::unexpected(application.error());
  auto tables = ask(at, "SELECT count(*) FROM sqlite_schema", why);
  if (!tables) return tl::unexpected(tables.error());
  fresh = *version == 0 && *application == 0 && *tables == 0;
  if (fresh) return {};
  if (*application != schema.application || *version < 1)
    return base::fail(code::kStoreBroken, why + ": it is another program's database");
  if (*version > schema.version)
    return base::fail(code::kStoreNewer, why + ": its version is " + std::to_string(*version) +
                                             ", and this program knows " +
                                             std::to_string(schema.version));
  return {};
}

base::Result<void> File::prepare(const Schema& schema, bool fresh) {
  sqlite3* at = database_.get();
  const std::string why = doing("cannot open");
  auto mode = Statement::prepare(at, "PRAGMA journal_mode = WAL");
  const int result = mode ? mode->row() : SQLITE_ERROR;
  if (result != SQLITE_ROW) return tl::unexpected(error_of(at, sqlite3_errcode(at), why));
  if (mode->text(0) != "wal")
    return base::fail(code::kStoreFailed, why + ": the file system allows no write-ahead log");
  mode = Statement();
  if (auto done =
          execute(at, synchronous_ ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF", why);
      !done)
    return done;
  if (!fresh) return upgrade(schema);
  std::string sql = std::string("BEGIN IMMEDIATE;") + schema.first;
  for (int version = 2; version <= schema.version; ++version) sql += schema.upgrade_to(version);
  sql += "PRAGMA user_version = " + std::to_string(schema.version) +
         "; PRAGMA application_id = " + std::to_string(schema.application) + "; COMMIT;";
  return execute(at, sql.c_str(), why);
}

// One step a version, each with its number in one transaction: one that is cut short is made again.
base::Result<void> File::upgrade(const Schema& schema) {
  const std::string why = doing("cannot upgrade");
  auto found = ask(database_.get(), "PRAGMA user_version", why);
  if (!found) return tl::unexpected(found.error());
  for (int version = static_cast<int>(*found) + 1; version <= schema.version; ++version) {
    const std::string sql = std::string("BEGIN IMMEDIATE;") + schema.upgrade_to(version) +
                            "PRAGMA user_version = " + std::to_string(version) + "; COMMIT;";
    if (auto done = execute(database_.get(), sql.c_str(), why); !done) return done;
  }
  return {};
}

base::Result<void> File::wait_for_disk(bool wait) {
  if (!synchronous_ || wait == waits_for_disk_) return {};
  auto done =
      execute(database_.get(), wait ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
              doing("cannot write"));
  if (done) waits_for_disk_ = wait;
  return done;
}

base::Result<std::unique_ptr<File>> File::open(const FileOptions& options, const Schema& schema) {
  if (options.vfs.empty())
    if (auto done = make_private(options.path); !done) return tl::unexpected(done.error());
  std::unique_ptr<File> file(new File);
  file->path_ = options.path;
  file->synchronous_ = options.synchronous;
  sqlite3* raw = nullptr;
  const int result =
      sqlite3_open_v2(options.path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                      options.vfs.empty() ? nullptr : options.vfs.c_str());
  file->database_.reset(raw);
  if (result != SQLITE_OK) return tl::unexpected(error_of(raw, result, file->doing("cannot open")));
  bool fresh = false;
  if (auto done = file->look(schema, fresh); !done) return tl::unexpected(done.error());
  if (auto done = file->prepare(schema, fresh); !done) return tl::unexpected(done.error());
  const std::pair<Statement*, const char*> statements[] = {
      {&file->begin_, "BEGIN IMMEDIATE"}, {&file->end_, "COMMIT"}, {&file->undo_, "ROLLBACK"}};
  for (const auto& [statement, sql] : statements) {
    auto prepared = Statement::prepare(raw, sql);
    if (!prepared) return tl::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  return file;
}

base::Result<void> File::transaction(bool wait, const std::function<int()>& write) {
  if (auto done = wait_for_disk(wait); !done) return done;
  int result = begin_.run();
  if (result == SQLITE_DONE) result = write();
  if (result == SQLITE_DONE) result = end_.run();
  if (result == SQLITE_DONE) return {};
  auto failed = error_of(database_.get(), result, doing("cannot write"));
  // A failed COMMIT leaves the transaction open; some errors have ended it already.
  if (sqlite3_get_autocommit(database_.get()) == 0) undo_.run();
  return tl::unexpected(std::move(failed));
}

}  // namespace entresol::store
