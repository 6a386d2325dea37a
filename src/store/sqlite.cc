#include "store/sqlite.h"

#include <algorithm>
#include <utility>

#include "store/rows.h"

namespace entresol::store {

namespace directory = layer::directory;

struct SqliteStore::Impl {
  std::unique_ptr<File> file;  // outlives the statements
  Rows rows;
};

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStore::~SqliteStore() = default;

base::Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const SqliteOptions& options) {
  auto file = File::open(options, {kApplicationId, kSchemaVersion, kSchema, &upgrade_to});
  if (!file) return tl::unexpected(file.error());
  auto rows = Rows::prepare((*file)->database());
  if (!rows) return tl::unexpected(rows.error());
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(std::make_unique<Impl>(Impl{std::move(*file), std::move(*rows)})));
}

base::Result<directory::Snapshot> SqliteStore::load() {
  return impl_->rows.read();
}

base::Result<void> SqliteStore::commit(std::span<const directory::Change> changes) {
  return impl_->file->transaction(std::ranges::any_of(changes, directory::is_durable), [&] {
    int result = SQLITE_DONE;
    for (const directory::Change& change : changes) {
      if (result != SQLITE_DONE) break;
      result = impl_->rows.write(change);
    }
    return result;
  });
}

}  // namespace entresol::store
