#include "store/file/statement.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error_codes.h"

namespace entresol::store {
namespace {

namespace code = base::code;

std::string_view code_of(sqlite3* database, int result) {
  const int system = sqlite3_system_errno(database);
  switch (result & 0xff) {
    case SQLITE_FULL:
      return code::kStoreFull;
    case SQLITE_IOERR:
      return system == ENOSPC || system == EDQUOT ? code::kStoreFull : code::kStoreFailed;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return code::kStoreLocked;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return code::kStoreBroken;
    case SQLITE_CANTOPEN:
      return system == EACCES || system == EPERM ? code::kNoPermission : code::kFileUnwritable;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return code::kNoPermission;
    case SQLITE_READONLY:
      return code::kFileUnwritable;
    default:
      return code::kStoreFailed;
  }
}

}  // namespace

base::Error error_of(sqlite3* database, int result, std::string_view doing) {
  const std::string_view found = code_of(database, result);
  std::string what = sqlite3_errmsg(database);
  if (found == code::kStoreLocked) what = "another process has it open";
  if (const int system = sqlite3_system_errno(database);
      system != 0 && (result & 0xff) == SQLITE_IOERR)
    what += std::string(" (") + std::strerror(system) + ")";
  return {std::string(found), std::string(doing) + ": " + what};
}

base::Result<void> execute(sqlite3* database, const char* sql, std::string_view doing) {
  const int result = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return tl::unexpected(error_of(database, result, doing));
  return {};
}

base::Result<Statement> Statement::prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* handle = nullptr;
  const int result =
      sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (result != SQLITE_OK)
    return tl::unexpected(error_of(database, result, "cannot read the store"));
  Statement statement;
  statement.handle_.reset(handle);
  return statement;
}

Statement& Statement::bind(base::ByteView octets) {
  // A null pointer would bind NULL; an empty value is none.
  const void* at = octets.empty() ? static_cast<const void*>("") : octets.data();
  sqlite3_bind_blob64(handle_.get(), next_++, at, octets.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  const char* at = text.empty() ? "" : text.data();
  sqlite3_bind_text64(handle_.get(), next_++, at, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  sqlite3_bind_int64(handle_.get(), next_++, number);
  return *this;
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(handle_.get(), next_++);
  return *this;
}

int Statement::run() {
  int result = SQLITE_ROW;
  while (result == SQLITE_ROW) result = sqlite3_step(handle_.get());
  rewind();
  return result;
}

void Statement::rewind() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  next_ = 1;
}

int Statement::row() {
  const int result = sqlite3_step(handle_.get());
  if (result != SQLITE_ROW) sqlite3_reset(handle_.get());
  return result;
}

std::string Statement::text(int column) const {
  const auto* at = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return at == nullptr ? std::string() : std::string(at, static_cast<std::size_t>(size));
}

base::Bytes Statement::octets(int column) const {
  const auto* at = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_.get(), column));
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return at == nullptr ? base::Bytes() : base::Bytes(at, at + size);
}

}  // namespace entresol::store
