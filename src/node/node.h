// The node role: forwards between the links that hosts dial and the guests that attach, for each of its layers.
#pragma once

#include <memory>

#include "config/config.h"
#include "runtime/dns_guests.h"
#include "runtime/runtime.h"

namespace entresol::node {

struct Node {
  std::unique_ptr<runtime::Runtime> runtime;
  std::unique_ptr<runtime::GuestDns> dns;
};

// Ready to run(). Errors: configuration's, files', kPortTaken, kUnderlayTooSmall.
base::Result<Node> start(const config::Node& config);

}  // namespace entresol::node
