// What hosts and nodes count.
#pragma once

#include "runtime/metrics_page.h"

namespace entresol::runtime {

class Runtime;

// On the loop's thread.
MetricFamilies metrics_of(Runtime& runtime);

}  // namespace entresol::runtime
