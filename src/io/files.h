// Whole files, read with a limit and written atomically: after a crash a reader finds the old
// content or the new one, never a mixture. Errors name the path and what the kernel said.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace entresol::io {

// kFileUnreadable; kNoPermission where the rights are missing. A file larger than `limit` bytes is
// refused, and so is whatever is no regular file once links are followed (a FIFO would block).
base::Result<base::Bytes> read_file(const std::string& path, std::size_t limit);
base::Result<std::string> read_text_file(const std::string& path, std::size_t limit);

struct WriteOptions {
  mode_t mode = 0644;  // exactly this, whatever the umask; 0600 for keys
  bool overwrite =
      true;  // false: kKeyExists if there is anything at `path`, checked without a race
};

// Temporary file in the same directory, fsync, rename, fsync of the directory. kFileUnwritable,
// kNoPermission, kKeyExists. The temporary file is removed on every error; a crash can leave one
// named ".NAME.XXXXXX.tmp".
base::Result<void> write_file(const std::string& path, base::ByteView content,
                              const WriteOptions& options = {});
base::Result<void> write_text_file(const std::string& path, std::string_view content,
                                   const WriteOptions& options = {});

// Durable: the directory is synced. Nothing there is no error.
base::Result<void> remove_file(const std::string& path);

// Makes `path` and the directories above it that are missing, with `mode` (umask applies); existing
// ones stay as they are.
base::Result<void> make_directories(const std::string& path, mode_t mode = 0755);

}  // namespace entresol::io
