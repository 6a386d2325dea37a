#include "io/fd.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error_codes.h"

namespace entresol::io {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

std::string errno_text(int error_number) {
  return std::generic_category().message(error_number);
}

tl::unexpected<base::Error> system_failure(std::string_view code, const std::string& what,
                                           int error_number) {
  const bool rights = error_number == EACCES || error_number == EPERM;
  return base::fail(rights ? base::code::kNoPermission : code,
                    what + ": " + errno_text(error_number));
}

}  // namespace entresol::io
