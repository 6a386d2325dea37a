// Joining a layer with a token: the parts that `join` and `init --up` share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/admission.h"
#include "cli/running.h"

namespace entresol::cli {

struct JoinPlan {
  std::string directory;
  std::string label;  // empty: the token's, or this machine's name
  // Where hosts can dial this node; a host has none.
  std::vector<base::Endpoint> endpoints;
  std::string tun = "ent0";      // of a host
  std::string listen = ":4850";  // of a node
  bool names = false;            // of members, in a host's DNS; a node always answers its guests
  bool node() const { return !endpoints.empty(); }
};

struct Joined {
  Admission admission;
  Service service;  // host or node, not started
};

// Makes an identity, has it admitted, and writes what the host or node needs to run into the plan's directory: all of it, or
// nothing. If the answer may have been lost, the identity stays in a hidden file there, and the same token brings the same
// membership when it is used again. kKeyExists if the directory has such a member already; parse_token's errors, http's, the
// controller's, parse_admission's.
base::Result<Joined> join_layer(const JoinPlan& plan, std::string_view token);

// Where a node is dialled, as --endpoint says it. kUsage.
base::Result<std::vector<base::Endpoint>> endpoints_of(const std::vector<std::string>& texts);

}  // namespace entresol::cli
