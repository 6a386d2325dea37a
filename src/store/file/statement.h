// A thin cover of SQLite's C interface: statements that end themselves, and errors as codes.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace entresol::store {

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

// What went wrong last, with what was being done: "cannot write the store FILE: disk is full".
base::Error error_of(sqlite3* database, int result, std::string_view doing);
// One or several statements without values.
base::Result<void> execute(sqlite3* database, const char* sql, std::string_view doing);

class Statement {
 public:
  Statement() = default;
  static base::Result<Statement> prepare(sqlite3* database, const char* sql);

  // Values in the order of the question marks; what they refer to stays until run() or row() has returned.
  Statement& bind(base::ByteView octets);
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind_null();
  // To its end; ready for other values afterwards, whatever happened. SQLite's result: SQLITE_DONE.
  int run();
  // The next row: SQLITE_ROW, or SQLITE_DONE.
  int row();
  // Rows that were not asked for are none of the next time's; ready for other values.
  void rewind();

  std::int64_t number(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  bool is_null(int column) const {
    return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
  }
  std::string text(int column) const;
  base::Bytes octets(int column) const;
  // Copied from SQLite's memory once; false if it has another length.
  template <std::size_t N>
  bool secret(int column, crypto::SecretBytes<N>& out) const {
    const void* at = sqlite3_column_blob(handle_.get(), column);
    if (at == nullptr || sqlite3_column_bytes(handle_.get(), column) != int{N}) return false;
    std::memcpy(out.data(), at, N);
    return true;
  }
  // False if it has another length.
  template <std::size_t N>
  bool array(int column, std::array<std::uint8_t, N>& out) const {
    const base::Bytes found = octets(column);
    if (found.size() != N) return false;
    std::copy(found.begin(), found.end(), out.begin());
    return true;
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int next_ = 1;
};

}  // namespace entresol::store
