// What a role counts, as Prometheus reads it: a page that is served over HTTP, and its text for the control socket.
//
// The page's server has a thread of its own and asks the loop's for each answer.
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"
#include "io/event_loop.h"

namespace entresol::runtime {

using MetricFamilies = std::vector<prometheus::MetricFamily>;
using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

prometheus::MetricFamily metric_family(const char* name, const char* help,
                                       prometheus::MetricType type);
// To a family of counters or of gauges.
void add_metric(prometheus::MetricFamily& to, double value, MetricLabels labels = {});
// A family of one metric without labels.
prometheus::MetricFamily counter(const char* name, const char* help, double value);
prometheus::MetricFamily gauge(const char* name, const char* help, double value);

// The text exposition format, version 0.0.4.
std::string metrics_text(const MetricFamilies& families);

class MetricsPage {
 public:
  using Collect = std::function<MetricFamilies()>;  // on the loop's thread

  // http://ADDRESS/metrics. `loop` outlives the page. kPortTaken.
  static base::Result<std::unique_ptr<MetricsPage>> listen(io::EventLoop& loop, Collect collect,
                                                           const base::Endpoint& address);
  ~MetricsPage();

 private:
  struct State;
  explicit MetricsPage(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace entresol::runtime
