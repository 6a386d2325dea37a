// For control_server.cc and control_client.cc alone.
#pragma once

#include <sys/un.h>

#include <algorithm>
#include <string>

#include "base/error_codes.h"
#include "base/result.h"

namespace entresol::io {

inline base::Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path) {
    return base::fail(base::code::kConfigBadValue,
                      "control socket path \"" + path + "\" must have 1 to 107 bytes");
  }
  std::copy(path.begin(), path.end(), out.sun_path);
  return out;
}

}  // namespace entresol::io
