#include "runtime/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <future>

#include "base/error_codes.h"
#include "io/endpoint_text.h"
#include "runtime/runtime.h"

namespace entresol::runtime {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr auto kAnswerTime = std::chrono::seconds(2);

MetricFamily family(const char* name, const char* help, MetricType type) {
  MetricFamily out;
  out.name = name;
  out.help = help;
  out.type = type;
  return out;
}

void add(MetricFamily& to, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (to.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  to.metric.push_back(std::move(metric));
}

std::vector<MetricFamily> collect(const Runtime& runtime_const) {
  Runtime& runtime = const_cast<Runtime&>(runtime_const);
  const auto& member = runtime.member();
  const auto& counters = member.counters();
  auto drops = family("entresol_drops_total", "Packets dropped, by reason", MetricType::Counter);
  for (std::size_t r = 1; r < base::kDropReasons; ++r) {
    const auto reason = static_cast<base::DropReason>(r);
    add(drops, static_cast<double>(counters.drops[reason]),
        {{"reason", std::string(to_string(reason))}});
  }
  auto cache = family("entresol_decision_cache_total", "Decisions, by where they came from",
                      MetricType::Counter);
  add(cache, static_cast<double>(counters.hits), {{"result", "hit"}});
  add(cache, static_cast<double>(counters.misses), {{"result", "miss"}});
  auto packets = family("entresol_link_packets_total", "Packets of a link", MetricType::Counter);
  auto bytes =
      family("entresol_link_bytes_total", "Plaintext octets of a link", MetricType::Counter);
  auto up = family("entresol_link_up", "Whether a link has keys", MetricType::Gauge);
  const auto& links = member.tables().links;
  for (std::uint32_t i = 1; i < links.size(); ++i) {
    const auto& link = links[layer::forwarding::LinkId(i)];
    if (!link.used) continue;
    const ClientMetric::Label name{"name", wire::to_string(link.name)};
    add(packets, static_cast<double>(link.rx_packets), {name, {"direction", "in"}});
    add(packets, static_cast<double>(link.tx_packets), {name, {"direction", "out"}});
    add(bytes, static_cast<double>(link.rx_bytes), {name, {"direction", "in"}});
    add(bytes, static_cast<double>(link.tx_bytes), {name, {"direction", "out"}});
    add(up, link.send ? 1 : 0, {name});
  }
  auto services = family("entresol_service_packets_total", "Packets that a service was asked about",
                         MetricType::Counter);
  auto faults = family("entresol_service_faults_total", "Times that a service's instance has ended",
                       MetricType::Counter);
  auto fallbacks = family("entresol_service_fallbacks_total",
                          "Packets that a service could not be asked about", MetricType::Counter);
  auto busy = family("entresol_service_busy_seconds_total", "Time that a service's calls took",
                     MetricType::Counter);
  auto own =
      family("entresol_service_metric",
             "Counters and gauges of services' own; of histograms the sum", MetricType::Untyped);
  for (const service::Report& report : runtime.service_reports()) {
    const ClientMetric::Label name{"service", report.name};
    add(services, static_cast<double>(report.usage.packets), {name});
    add(faults, static_cast<double>(report.usage.faults), {name});
    add(fallbacks, static_cast<double>(report.usage.fallbacks), {name});
    add(busy, std::chrono::duration<double>(report.usage.busy).count(), {name});
    for (const auto& [metric, value] : report.metrics)
      add(own, value.value, {name, {"metric", metric.name}});
  }
  auto denied = family("entresol_policy_denied_total", "Packets that a rule has refused",
                       MetricType::Counter);
  for (const auto& report : runtime.services().rules().reports())
    for (const auto& [rule, refused] : report.denied)
      add(denied, static_cast<double>(refused),
          {{"layer", member.label(report.layer)}, {"rule", rule}});
  return {drops, cache, packets, bytes, up, services, faults, fallbacks, busy, own, denied};
}

class OnLoop final : public prometheus::Collectable {
 public:
  explicit OnLoop(Runtime& runtime) : runtime_(runtime) {}
  std::vector<MetricFamily> Collect() const override {
    auto promise = std::make_shared<std::promise<std::vector<MetricFamily>>>();
    auto answer = promise->get_future();
    runtime_.loop().post([this, promise] { promise->set_value(collect(runtime_)); });
    if (answer.wait_for(kAnswerTime) != std::future_status::ready) return {};
    return answer.get();
  }

 private:
  Runtime& runtime_;
};

}  // namespace

std::string metrics_text(const Runtime& runtime) {
  return prometheus::TextSerializer().Serialize(collect(runtime));
}

struct Metrics::State {
  std::shared_ptr<OnLoop> source;
  std::unique_ptr<prometheus::Exposer> exposer;
};

Metrics::Metrics(std::unique_ptr<State> state) : state_(std::move(state)) {}
Metrics::~Metrics() = default;

base::Result<std::unique_ptr<Metrics>> Metrics::listen(Runtime& runtime,
                                                       const base::Endpoint& address) {
  auto state = std::make_unique<State>();
  const std::string text = io::to_text(address);
  try {
    state->exposer = std::make_unique<prometheus::Exposer>(text, 1);
  } catch (const std::exception&) {
    return base::fail(base::code::kPortTaken, "metrics: cannot listen on " + text);
  }
  state->source = std::make_shared<OnLoop>(runtime);
  state->exposer->RegisterCollectable(state->source);
  return std::unique_ptr<Metrics>(new Metrics(std::move(state)));
}

}  // namespace entresol::runtime
