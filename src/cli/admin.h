// A person's way to a controller: the admin file, which `entresol init` writes, and the API behind it (docs/api.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"
#include "config/address.h"
#include "http/client.h"

namespace entresol::cli {

// What the admin file holds. Whoever has it may do what its token's scopes allow.
struct AdminAccess {
  std::string layer;                       // its label
  std::vector<config::Address> addresses;  // of the controller
  http::Pin pin{};
  std::string token;  // API token, "enta1.…"
};
std::string emit_admin(const AdminAccess& access);
// An empty `file` is admin.json in the default directory. kFileUnreadable, kConfigBadValue.
base::Result<AdminAccess> read_admin(const std::string& file);

http::Destination destination_of(const std::vector<config::Address>& addresses,
                                 const http::Pin& pin);

// One request; the answer's body. Errors are http's, and those that the controller gives.
base::Result<Json> ask_controller(const AdminAccess& access, const std::string& method,
                                  const std::string& target, const Json& body = nullptr);

// One segment of a target: what has a meaning there is written as %XX.
std::string segment(std::string_view text);

}  // namespace entresol::cli
