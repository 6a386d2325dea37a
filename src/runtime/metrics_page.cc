#include "runtime/metrics_page.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>

#include <future>
#include <utility>

#include "base/error_codes.h"
#include "io/endpoint_text.h"

namespace entresol::runtime {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr auto kAnswerTime = std::chrono::seconds(2);

MetricFamily single(const char* name, const char* help, MetricType type, double value) {
  MetricFamily out = metric_family(name, help, type);
  add_metric(out, value);
  return out;
}

class OnLoop final : public prometheus::Collectable {
 public:
  OnLoop(io::EventLoop& loop, MetricsPage::Collect collect)
      : loop_(loop), collect_(std::move(collect)) {}
  MetricFamilies Collect() const override {
    auto promise = std::make_shared<std::promise<MetricFamilies>>();
    auto answer = promise->get_future();
    loop_.post([this, promise] { promise->set_value(collect_()); });
    if (answer.wait_for(kAnswerTime) != std::future_status::ready) return {};
    return answer.get();
  }

 private:
  io::EventLoop& loop_;
  const MetricsPage::Collect collect_;
};

}  // namespace

MetricFamily metric_family(const char* name, const char* help, MetricType type) {
  MetricFamily out;
  out.name = name;
  out.help = help;
  out.type = type;
  return out;
}

void add_metric(MetricFamily& to, double value, MetricLabels labels) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  if (to.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  to.metric.push_back(std::move(metric));
}

MetricFamily counter(const char* name, const char* help, double value) {
  return single(name, help, MetricType::Counter, value);
}

MetricFamily gauge(const char* name, const char* help, double value) {
  return single(name, help, MetricType::Gauge, value);
}

std::string metrics_text(const MetricFamilies& families) {
  return prometheus::TextSerializer().Serialize(families);
}

struct MetricsPage::State {
  std::shared_ptr<OnLoop> source;
  std::unique_ptr<prometheus::Exposer> exposer;
};

MetricsPage::MetricsPage(std::unique_ptr<State> state) : state_(std::move(state)) {}
MetricsPage::~MetricsPage() = default;

base::Result<std::unique_ptr<MetricsPage>> MetricsPage::listen(io::EventLoop& loop, Collect collect,
                                                               const base::Endpoint& address) {
  auto state = std::make_unique<State>();
  const std::string text = io::to_text(address);
  try {
    state->exposer = std::make_unique<prometheus::Exposer>(text, 1);
  } catch (const std::exception&) {
    return base::fail(base::code::kPortTaken, "metrics: cannot listen on " + text);
  }
  state->source = std::make_shared<OnLoop>(loop, std::move(collect));
  state->exposer->RegisterCollectable(state->source);
  return std::unique_ptr<MetricsPage>(new MetricsPage(std::move(state)));
}

}  // namespace entresol::runtime
