// ABI version 1 from the node's side: what a module may import, what it has to export, and the shape of what it says of
// itself. docs/services.md is the same for authors; sdk/include/entresol/module.h is the module's side.
#pragma once

#include <vector>

#include "service/sandbox/imports.h"
#include "service/sandbox/instance.h"

namespace entresol::service::modules {

// Functions of a module, by number of Prepared. The one that is called most is entry 0.
enum Entry : std::size_t { kPackets, kDescribe, kStart, kConfigure, kTimer, kStop };
std::vector<sandbox::Entry> entries();

// Adds every call of sdk/include/entresol/service.h as an import of module "entresol". The context of an instance is its
// Environment. A pointer outside the module's memory ends the instance.
void add_host_calls(sandbox::Imports& imports);

}  // namespace entresol::service::modules
