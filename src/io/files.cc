#include "io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/error_codes.h"
#include "io/entropy.h"
#include "io/fd.h"

namespace entresol::io {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_beside(const std::string& path) {
  SystemRandom random;
  const auto salt = random.bytes<6>();
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + "." + base::to_hex(salt) + ".tmp";
}

tl::unexpected<base::Error> unwritable(const std::string& path, int error_number) {
  return system_failure(base::code::kFileUnwritable, "cannot write " + path, error_number);
}

// 0, or the errno of what failed.
int write_all(int fd, base::ByteView content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

int sync_directory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno;
  // Some file systems cannot sync a directory and say EINVAL; there is nothing better to do on
  // them.
  return ::fsync(fd.get()) != 0 && errno != EINVAL ? errno : 0;
}

int write_temporary(const std::string& path, base::ByteView content, mode_t mode) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return errno;
  if (::fchmod(fd.get(), mode) != 0) return errno;
  if (const int error = write_all(fd.get(), content)) return error;
  return ::fsync(fd.get()) != 0 ? errno : 0;
}

// link(2) fails where the name exists, on every file system that has it; the temporary name goes
// afterwards.
int install(const std::string& temporary, const std::string& path, bool overwrite) {
  if (overwrite) return ::rename(temporary.c_str(), path.c_str()) != 0 ? errno : 0;
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) {
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (::link(temporary.c_str(), path.c_str()) != 0) return errno;
  ::unlink(temporary.c_str());
  return 0;
}

template <typename Container>
base::Result<Container> read_into(const std::string& path, std::size_t limit) {
  const auto unreadable = [&](int error) {
    return system_failure(base::code::kFileUnreadable, "cannot read " + path, error);
  };
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return unreadable(errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return unreadable(errno);
  if (S_ISDIR(status.st_mode)) return unreadable(EISDIR);
  if (!S_ISREG(status.st_mode)) {
    return base::fail(base::code::kFileUnreadable, "cannot read " + path + ": no regular file");
  }

  // st_size is only a hint: files of /proc and /sys say 0, and a file may grow while it is read.
  Container out;
  std::size_t filled = 0;
  std::size_t step = static_cast<std::size_t>(status.st_size) + 1;
  while (filled <= limit) {
    out.resize(filled + std::min(std::max<std::size_t>(step, 4096), limit + 1 - filled));
    const ssize_t n = ::read(fd.get(), out.data() + filled, out.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return unreadable(errno);
    filled += static_cast<std::size_t>(n);
    if (n == 0) {
      out.resize(filled);
      return out;
    }
    step = filled;
  }
  return base::fail(base::code::kFileUnreadable,
                    "cannot read " + path + ": larger than " + std::to_string(limit) + " bytes");
}

}  // namespace

base::Result<base::Bytes> read_file(const std::string& path, std::size_t limit) {
  return read_into<base::Bytes>(path, limit);
}

base::Result<std::string> read_text_file(const std::string& path, std::size_t limit) {
  return read_into<std::string>(path, limit);
}

base::Result<void> write_file(const std::string& path, base::ByteView content,
                              const WriteOptions& options) {
  const std::string temporary = temporary_beside(path);
  int error = write_temporary(temporary, content, options.mode);
  if (error == 0) error = install(temporary, path, options.overwrite);
  if (error != 0) ::unlink(temporary.c_str());
  if (error == 0) error = sync_directory(directory_of(path));
  if (error == EEXIST && !options.overwrite) {
    return base::fail(base::code::kKeyExists,
                      path + " exists and is not overwritten: remove it first if it may go");
  }
  if (error != 0) return unwritable(path, error);
  return {};
}

base::Result<void> write_text_file(const std::string& path, std::string_view content,
                                   const WriteOptions& options) {
  return write_file(path, {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()},
                    options);
}

base::Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return system_failure(base::code::kFileUnwritable, "cannot remove " + path, errno);
  }
  if (const int error = sync_directory(directory_of(path))) return unwritable(path, error);
  return {};
}

base::Result<void> make_directories(const std::string& path, mode_t mode) {
  for (std::size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (part.empty() || ::mkdir(part.c_str(), mode) == 0) continue;
    const int error = errno;
    struct stat status{};
    if (::stat(part.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) continue;
    return system_failure(base::code::kFileUnwritable, "cannot make directory " + part, error);
  }
  return {};
}

}  // namespace entresol::io
