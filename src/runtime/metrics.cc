#include "runtime/metrics.h"

#include "runtime/runtime.h"

namespace entresol::runtime {

using prometheus::ClientMetric;
using prometheus::MetricType;

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
  auto services = metric_family("entresol_service_packets_total",
                                "Packets that a service was asked about", MetricType::Counter);
  auto faults = metric_family("entresol_service_faults_total",
                              "Times that a service's instance has ended", MetricType::Counter);
  auto fallbacks =
      metric_family("entresol_service_fallbacks_total",
                    "Packets that a service could not be asked about", MetricType::Counter);
  auto lost = metric_family("entresol_service_stable_lost_total",
                            "Times that a service's writes could not be kept, and it began anew",
                            MetricType::Counter);
  auto stable_refused = metric_family("entresol_service_stable_refused_total",
                                      "Changes that a service was refused, as the disk takes none",
                                      MetricType::Counter);
  auto busy = metric_family("entresol_service_busy_seconds_total",
                            "Time that a service's calls took", MetricType::Counter);
  auto own = metric_family("entresol_service_metric",
                           "Counters and gauges of services' own; of histograms the sum",
                           MetricType::Gauge);
  for (const service::Report& report : runtime.service_reports()) {
    const ClientMetric::Label name{"service", report.name};
    add_metric(services, static_cast<double>(report.usage.packets), {name});
    add_metric(faults, static_cast<double>(report.usage.faults), {name});
    add_metric(fallbacks, static_cast<double>(report.usage.fallbacks), {name});
    add_metric(lost, static_cast<double>(report.usage.lost), {name});
    add_metric(stable_refused, static_cast<double>(report.stable_refused), {name});
    add_metric(busy, std::chrono::duration<double>(report.usage.busy).count(), {name});
    for (const auto& [metric, value] : report.metrics)
      add_metric(own, value.value, {name, {"metric", metric.name}});
  }
  auto denied = metric_family("entresol_policy_denied_total", "Packets that a rule has refused",
                              MetricType::Counter);
  for (const auto& report : runtime.services().rules().reports())
    for (const auto& [rule, refused] : report.denied)
      add_metric(denied, static_cast<double>(refused),
                 {{"layer", member.label(report.layer)}, {"rule", rule}});
  return {drops,     cache, packets,        bytes, up,  services, faults,
          fallbacks, lost,  stable_refused, busy,  own, denied};
}

}  // namespace entresol::runtime
