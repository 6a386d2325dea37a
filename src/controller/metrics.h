// What the controller counts, for Prometheus.
#pragma once

#include <cstdint>

#include "controller/api.h"
#include "http/server.h"
#include "runtime/metrics_page.h"

namespace entresol::controller {

// `store_octets`: the store's file and its log.
runtime::MetricFamilies metrics_of(const Api& api, const directory::Authority& authority,
                                   const http::ServerCounters& http, std::uint64_t store_octets,
                                   base::UnixSeconds now);

}  // namespace entresol::controller
