#include "runtime/metrics.h"

#include "runtime/runtime.h"

namespace entresol::runtime {

using prometheus::ClientMetric;
using prometheus::MetricType;

namespace {

// What `entresol service top` shows, and what services count themselves.
MetricFamilies metrics_of_services(Runtime& runtime) {
  struct Kind {
    const char *name, *help;
    MetricType type;
    double (*value)(const service::Report&);
  };
  static constexpr Kind kKinds[] = {
      {"entresol_service_packets_total", "Packets that a service was asked about",
       MetricType::Counter, [](const auto& r) { return static_cast<double>(r.usage.packets); }},
      {"entresol_service_batches_total", "Batches that a service was asked about",
       MetricType::Counter, [](const auto& r) { return static_cast<double>(r.usage.batches); }},
      {"entresol_service_faults_total", "Times that a service's instance has ended",
       MetricType::Counter, [](const auto& r) { return static_cast<double>(r.usage.faults); }},
      {"entresol_service_fallbacks_total", "Packets that a service could not be asked about",
       MetricType::Counter, [](const auto& r) { return static_cast<double>(r.usage.fallbacks); }},
      {"entresol_service_throttled_total", "Of the fallbacks: its share of a core was used up",
       MetricType::Counter, [](const auto& r) { return static_cast<double>(r.usage.throttled); }},
      {"entresol_service_queue_full_total", "Packets dropped as too many waited for a service",
       MetricType::Counter, [](const auto& r) { return static_cast<double>(r.queue_full); }},
      {"entresol_service_over_rate_total", "Packets dropped as beyond a service's rate",
       MetricType::Counter, [](const auto& r) { return static_cast<double>(r.over_rate); }},
      {"entresol_service_stable_lost_total",
       "Times that a service's writes could not be kept, and it began anew", MetricType::Counter,
       [](const auto& r) { return static_cast<double>(r.usage.lost); }},
      {"entresol_service_stable_refused_total",
       "Changes that a service was refused, as the disk takes none", MetricType::Counter,
       [](const auto& r) { return static_cast<double>(r.stable_refused); }},
      {"entresol_service_busy_seconds_total", "Time that a service's calls took",
       MetricType::Counter,
       [](const auto& r) { return std::chrono::duration<double>(r.usage.busy).count(); }},
      {"entresol_service_memory_bytes", "Memory of a service's module", MetricType::Gauge,
       [](const auto& r) { return static_cast<double>(r.memory); }},
      {"entresol_service_stored_bytes", "What its ephemeral store holds", MetricType::Gauge,
       [](const auto& r) { return static_cast<double>(r.stored); }},
      {"entresol_service_stable_bytes", "What its stable store holds", MetricType::Gauge,
       [](const auto& r) { return static_cast<double>(r.stable); }},
      {"entresol_service_up", "Whether a service runs: no rest, no quarantine", MetricType::Gauge,
       [](const auto& r) { return r.standing == service::Standing::kRunning ? 1.0 : 0.0; }}};
  const std::vector<service::Report> reports = runtime.service_reports();
  MetricFamilies out;
  for (const Kind& kind : kKinds) {
    auto& family = out.emplace_back(metric_family(kind.name, kind.help, kind.type));
    for (const service::Report& report : reports)
      add_metric(family, kind.value(report), {{"service", report.name}});
  }
  auto& own = out.emplace_back(metric_family(
      "entresol_service_metric", "Counters and gauges of services' own; of histograms the sum",
      MetricType::Gauge));
  for (const service::Report& report : reports)
    for (const auto& [metric, value] : report.metrics)
      add_metric(own, value.value, {{"service", report.name}, {"metric", metric.name}});
  return out;
}

}  // namespace

MetricFamilies metrics_of(Runtime& runtime) {
  const auto& member = runtime.member();
  const auto& counters = member.counters();
  auto drops =
      metric_family("entresol_drops_total", "Packets dropped, by reason", MetricType::Counter);
  for (std::size_t r = 1; r < base::kDropReasons; ++r) {
    const auto reason = static_cast<base::DropReason>(r);
    add_metric(drops, static_cast<double>(counters.drops[reason]),
               {{"reason", std::string(to_string(reason))}});
  }
  auto cache = metric_family("entresol_decision_cache_total", "Decisions, by where they came from",
                             MetricType::Counter);
  add_metric(cache, static_cast<double>(counters.hits), {{"result", "hit"}});
  add_metric(cache, static_cast<double>(counters.misses), {{"result", "miss"}});
  auto packets =
      metric_family("entresol_link_packets_total", "Packets of a link", MetricType::Counter);
  auto bytes =
      metric_family("entresol_link_bytes_total", "Plaintext octets of a link", MetricType::Counter);
  auto up = metric_family("entresol_link_up", "Whether a link has keys", MetricType::Gauge);
  const auto& links = member.tables().links;
  for (std::uint32_t i = 1; i < links.size(); ++i) {
    const auto& link = links[layer::forwarding::LinkId(i)];
    if (!link.used) continue;
    const ClientMetric::Label name{"name", wire::to_string(link.name)};
    add_metric(packets, static_cast<double>(link.rx_packets), {name, {"direction", "in"}});
    add_metric(packets, static_cast<double>(link.tx_packets), {name, {"direction", "out"}});
    add_metric(bytes, static_cast<double>(link.rx_bytes), {name, {"direction", "in"}});
    add_metric(bytes, static_cast<double>(link.tx_bytes), {name, {"direction", "out"}});
    add_metric(up, link.send ? 1 : 0, {name});
  }
  auto denied = metric_family("entresol_policy_denied_total", "Packets that a rule has refused",
                              MetricType::Counter);
  for (const auto& report : runtime.services().rules().reports())
    for (const auto& [rule, refused] : report.denied)
      add_metric(denied, static_cast<double>(refused),
                 {{"layer", member.label(report.layer)}, {"rule", rule}});
  MetricFamilies all{drops, cache, packets, bytes, up, denied};
  for (prometheus::MetricFamily& family : metrics_of_services(runtime))
    all.push_back(std::move(family));
  return all;
}

}  // namespace entresol::runtime
