#include "runtime/metrics_page.h"

#include <gtest/gtest.h>

namespace entresol::runtime {
namespace {

TEST(MetricsPageTest, TextOfCountersAndGauges) {
  auto drops = metric_family("x_drops_total", "Dropped", prometheus::MetricType::Counter);
  add_metric(drops, 3, {{"reason", "too \"big\""}});
  EXPECT_EQ(metrics_text({drops, gauge("x_up", "Whether", 1), counter("x_total", "All", 7)}),
            "# HELP x_drops_total Dropped\n# TYPE x_drops_total counter\n"
            "x_drops_total{reason=\"too \\\"big\\\"\"} 3\n"
            "# HELP x_up Whether\n# TYPE x_up gauge\nx_up 1\n"
            "# HELP x_total All\n# TYPE x_total counter\nx_total 7\n");
}

}  // namespace
}  // namespace entresol::runtime
