// A file descriptor with one owner, and the one way in which this room turns errno into an error
// that a person can read.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace entresol::io {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);  // closes what it held

 private:
  int fd_ = -1;
};

// "Permission denied" for EACCES; safe to call from any thread.
std::string errno_text(int error_number);

// `what`: "cannot …", to which ": <errno text>" is added. EACCES and EPERM become kNoPermission,
// whatever `code` is.
tl::unexpected<base::Error> system_failure(std::string_view code, const std::string& what,
                                           int error_number);

}  // namespace entresol::io
