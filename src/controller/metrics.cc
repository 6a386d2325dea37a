#include "controller/metrics.h"

namespace entresol::controller {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
using runtime::add_metric;
using runtime::metric_family;

double real(std::uint64_t n) {
  return static_cast<double>(n);
}

MetricFamily by_state(const char* name, const char* help,
                      std::initializer_list<std::pair<const char*, std::uint64_t>> states,
                      const char* label) {
  MetricFamily out = metric_family(name, help, MetricType::Gauge);
  for (const auto& [state, n] : states) add_metric(out, real(n), {{label, state}});
  return out;
}

MetricFamily members(const directory::Authority& authority) {
  std::uint64_t hosts = 0, nodes = 0, guests = 0, revoked = 0;
  for (const auto& [name, member] : authority.members())
    ++(member.revoked_at != 0 ? revoked : member.role == directory::Role::kNode ? nodes : hosts);
  for (const auto& [name, guest] : authority.guests()) ++(guest.revoked_at != 0 ? revoked : guests);
  return by_state("entresol_controller_members", "Members by kind",
                  {{"host", hosts}, {"node", nodes}, {"guest", guests}, {"revoked", revoked}},
                  "kind");
}

MetricFamily tokens(const directory::Authority& authority, base::UnixSeconds now) {
  std::uint64_t open = 0, used = 0, expired = 0;
  for (const auto& [id, token] : authority.tokens())
    ++(token.used_by ? used : now < token.expires_at ? open : expired);
  return by_state("entresol_controller_tokens", "Join tokens that are remembered",
                  {{"open", open}, {"used", used}, {"expired", expired}}, "state");
}

// The code of what went well is "ok".
MetricFamily requests(const ApiCounters& counters) {
  auto out = metric_family("entresol_controller_requests_total",
                           "Requests, by route and how they were answered", MetricType::Counter);
  for (const auto& [kind, n] : counters.answers)
    add_metric(out, real(n),
               {{"method", std::string(kind.method)},
                {"path", kind.path.empty() ? "other" : std::string(kind.path)},
                {"code", kind.code.empty() ? "ok" : kind.code}});
  return out;
}

MetricFamily connections(const http::ServerCounters& http) {
  auto out =
      metric_family("entresol_controller_connections_total",
                    "Connections, and what became of them before a request", MetricType::Counter);
  const std::pair<const char*, std::uint64_t> kinds[] = {
      {"accepted", http.accepted},       {"refused", http.refused},
      {"timed_out", http.timed_out},     {"handshake_failed", http.handshakes_failed},
      {"malformed", http.malformed},     {"too_large", http.too_large},
      {"source_full", http.source_full}, {"source_fast", http.source_fast}};
  for (const auto& [what, n] : kinds) add_metric(out, real(n), {{"event", what}});
  return out;
}

}  // namespace

runtime::MetricFamilies metrics_of(const Api& api, const directory::Authority& authority,
                                   const http::ServerCounters& http, std::uint64_t store_octets,
                                   base::UnixSeconds now) {
  using runtime::counter;
  using runtime::gauge;
  const ApiCounters& counters = api.counters();
  return {
      members(authority),
      tokens(authority, now),
      gauge("entresol_controller_registrations", "Registrations that hold",
            real(authority.registrations().size())),
      gauge("entresol_controller_free_addresses", "IPv4 addresses that are nobody's",
            real(authority.free_addresses())),
      gauge("entresol_controller_policy_revision", "Revision of the policy",
            real(authority.policy().revision)),
      gauge("entresol_controller_revision", "Changes since it started, as watchers count them",
            real(authority.revision().counter)),
      gauge("entresol_controller_watchers", "Requests that wait for what changes",
            real(api.watchers())),
      requests(counters),
      counter("entresol_controller_commits_total", "Transactions of the store",
              real(counters.commits)),
      counter("entresol_controller_commit_failures_total", "Transactions that failed",
              real(counters.commit_failures)),
      gauge("entresol_controller_last_commit_timestamp_seconds",
            "Unix time of the last transaction that did not fail; 0: none since it started",
            static_cast<double>(counters.committed_at)),
      gauge("entresol_controller_store_bytes", "Size of the store, its log included",
            real(store_octets)),
      connections(http),
      gauge("entresol_controller_connections", "Connections that are open", real(http.open)),
  };
}

}  // namespace entresol::controller
