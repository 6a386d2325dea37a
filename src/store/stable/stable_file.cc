#include "store/stable/stable_file.h"

#include <utility>

#include "base/error_codes.h"

namespace entresol::store {
namespace {

constexpr std::size_t kTrial = 256 << 10;  // octets

constexpr Schema kStableSchema = {0x456e7473,  // "Ents"
                                  1, R"(
CREATE TABLE entries (
  owner TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, until INTEGER, UNIQUE (owner, key)) STRICT;
CREATE INDEX entries_until ON entries (until) WHERE until IS NOT NULL;
CREATE TABLE trial (id INTEGER PRIMARY KEY CHECK (id = 1), content BLOB NOT NULL) STRICT;
)",
                                  nullptr};

base::ByteView octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

base::Result<std::unique_ptr<StableFile>> StableFile::open(const FileOptions& options) {
  auto file = File::open(options, kStableSchema);
  if (!file) return tl::unexpected(file.error());
  std::unique_ptr<StableFile> out(new StableFile);
  out->file_ = std::move(*file);
  const std::pair<Statement*, const char*> statements[] = {
      {&out->load_, "SELECT key, value, until FROM entries WHERE owner = ?"},
      {&out->put_,
       "INSERT INTO entries (owner, key, value, until) VALUES (?, ?, ?, ?) ON CONFLICT (owner, "
       "key) "
       "DO UPDATE SET value = excluded.value, until = excluded.until"},
      {&out->drop_, "DELETE FROM entries WHERE owner = ? AND key = ?"},
      {&out->end_, "DELETE FROM entries WHERE until <= ?"},
      {&out->note_, "INSERT OR REPLACE INTO trial VALUES (1, ?)"},
      {&out->forget_, "DELETE FROM trial"}};
  for (const auto& [statement, sql] : statements) {
    auto prepared = Statement::prepare(out->file_->database(), sql);
    if (!prepared) return tl::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  return out;
}

base::Result<std::vector<service::StableEntry>> StableFile::load(const std::string& owner) {
  std::vector<service::StableEntry> out;
  load_.bind(std::string_view(owner));
  int result = load_.row();
  for (; result == SQLITE_ROW; result = load_.row()) {
    const base::Bytes key = load_.octets(0);
    service::StableEntry& entry = out.emplace_back();
    entry.key.assign(key.begin(), key.end());
    entry.entry.value = load_.octets(1);
    if (!load_.is_null(2)) entry.entry.end = base::TimePoint(base::Duration(load_.number(2)));
    if (key.empty() || key.size() > service::Store::kMaxKey ||
        entry.entry.value.size() > service::Store::kMaxValue) {
      load_.rewind();
      return base::fail(base::code::kStoreBroken, file_->doing("cannot read") +
                                                      ": an entry of service " + owner +
                                                      " has no key or value that it could have");
    }
  }
  load_.rewind();
  if (result != SQLITE_DONE)
    return tl::unexpected(error_of(file_->database(), result, file_->doing("cannot read")));
  return out;
}

int StableFile::write(const StableWrite& write) {
  int result = SQLITE_DONE;
  for (const service::StableChange& change : write.changes) {
    if (!change.entry) {
      result = drop_.bind(std::string_view(write.owner)).bind(octets(change.key)).run();
    } else {
      put_.bind(std::string_view(write.owner)).bind(octets(change.key)).bind(change.entry->value);
      if (change.entry->end == base::kNever) {
        put_.bind_null();
      } else {
        put_.bind(static_cast<std::int64_t>(change.entry->end.time_since_epoch().count()));
      }
      result = put_.run();
    }
    if (result != SQLITE_DONE) break;
  }
  return result;
}

base::Result<void> StableFile::commit(std::span<const StableWrite* const> writes,
                                      std::int64_t unix_nanos) {
  return file_->transaction(true, [&] {
    int result = end_.bind(unix_nanos).run();
    for (const StableWrite* each : writes) {
      if (result != SQLITE_DONE) break;
      result = write(*each);
    }
    return result;
  });
}

base::Result<void> StableFile::try_disk() {
  const base::Bytes content(kTrial, 0x5a);
  auto done = file_->transaction(true, [&] { return note_.bind(content).run(); });
  if (!done) return done;
  return file_->transaction(false, [&] { return forget_.run(); });
}

}  // namespace entresol::store
