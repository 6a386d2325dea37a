// The host role: joins layers through its nodes and gives applications a TUN device for each.
#pragma once

#include <memory>
#include <vector>

#include "config/config.h"
#include "host/applications.h"
#include "host/way_in.h"
#include "runtime/dns_host.h"
#include "runtime/runtime.h"

namespace entresol::host {

// A host ready to run. The devices go with it, whatever ends it.
struct Host {
  std::unique_ptr<runtime::Runtime> runtime;
  std::unique_ptr<TunApplications> applications;
  std::vector<std::unique_ptr<WayIn>> ways_in;  // one a layer
  std::unique_ptr<runtime::HostDns> dns;        // null: no layer wants it
};

// Errors: configuration's, files', kNoTun, kNoPermission, kRouteOverlap, kUnderlayTooSmall.
base::Result<Host> start(const config::Host& config);

}  // namespace entresol::host
