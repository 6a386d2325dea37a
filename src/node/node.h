// The node role: forwards between the links that hosts dial and the guests that attach, for each of its layers.
#pragma once

#include <memory>

#include "config/config.h"
#include "runtime/runtime.h"

namespace entresol::node {

// Ready to run(). Errors: configuration's, files', kPortTaken, kUnderlayTooSmall.
base::Result<std::unique_ptr<runtime::Runtime>> start(const config::Node& config);

}  // namespace entresol::node
