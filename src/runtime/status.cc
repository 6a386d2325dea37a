// What a running role says of itself, as JSON; the command turns it into text. Its keys are stable: "version" moves when
// one changes its meaning.
#include "runtime/status.h"
#include "runtime/enrolment.h"
#include "runtime/module_runner.h"
#include "runtime/runtime.h"

namespace entresol::runtime {
namespace {

using layer::forwarding::Link;
using layer::forwarding::LinkId;
using layer::forwarding::LinkKind;
using layer::member::LayerIndex;
using layer::member::Member;

constexpr int kStatusVersion = 1;

std::string_view kind_name(LinkKind kind) {
  switch (kind) {
    case LinkKind::kHere:
      return "self";
    case LinkKind::kHost:
      return "host";
    case LinkKind::kNode:
      return "node";
    case LinkKind::kGuest:
      return "guest";
  }
  return "";
}

std::string ipv4_text(const layer::membership::Ipv4& v4) {
  if (v4 == layer::membership::Ipv4{}) return "";
  return std::to_string(v4[0]) + "." + std::to_string(v4[1]) + "." + std::to_string(v4[2]) + "." +
         std::to_string(v4[3]);
}

double seconds_since(base::TimePoint then) {
  return std::chrono::duration<double>(io::now() - then).count();
}

// Of a module: what it uses, of what it may.
void describe_budget(const service::Report& report, Json& out) {
  const service::Limits& limits = report.limits;
  out["queue_full"] = report.queue_full;
  out["over_rate"] = report.over_rate;
  out["packets_per_second"] = report.rates.packets;
  out["batches_per_second"] = report.rates.batches;
  out["cpu_percent"] = report.rates.cpu * 100;
  out["limits"] = {{"cpu_percent", limits.cpu_permille / 10.0},
                   {"memory", limits.memory},
                   {"ephemeral", limits.ephemeral},
                   {"waiting", limits.waiting},
                   {"packets_per_second", limits.packets},
                   {"octets_per_second", limits.octets}};
}

Json describe(const service::Report& report) {
  const service::Usage& usage = report.usage;
  Json out = {{"id", report.id},
              {"name", report.name},
              {"version", report.version},
              {"standing", service::to_string(report.standing)},
              {"packets", usage.packets},
              {"batches", usage.batches},
              {"fallbacks", usage.fallbacks},
              {"throttled", usage.throttled},
              {"faults", usage.faults},
              {"invalid_verdicts", usage.invalid},
              {"starts", usage.starts},
              {"held", report.held},
              {"memory", report.memory},
              {"stored", report.stored},
              {"stable", report.stable},
              {"stable_lost", usage.lost},
              {"stable_refused", report.stable_refused},
              {"log_lines_left_out", report.lines_left_out},
              {"busy_ns", usage.busy.count()},
              {"runner", report.remote ? "service thread" : "inline"}};
  if (report.remote) describe_budget(report, out);
  if (!report.metrics.empty()) {
    Json metrics = Json::object();
    for (const auto& [metric, value] : report.metrics) metrics[metric.name] = value.value;
    out["metrics"] = metrics;
  }
  if (report.last_fault)
    out["last_fault"] = {{"what", report.last_fault->what},
                         {"backtrace", report.last_fault->backtrace}};
  return out;
}

Json describe_link(const Member& member, LinkId id) {
  const Link& link = member.tables().links[id];
  const auto& membership = member.membership(link.layer);
  const auto* far = membership.find(link.name);
  Json out{
      {"name", far != nullptr ? far->label : ""},
      {"address", wire::to_string(link.name)},
      {"kind", kind_name(link.kind)},
      {"layer", member.label(link.layer)},
      {"up", link.send != nullptr},
      {"protocol", link.protocol == security::Protocol::kNative ? "native" : "wireguard"},
      {"endpoint", link.path.remote.port == 0 ? "" : io::to_text(link.path.remote)},
      {"inner_mtu", link.kind == LinkKind::kGuest ? link.max_packet
                                                  : layer::forwarding::inner_mtu(link.max_packet)},
      {"packets_in", link.rx_packets},
      {"bytes_in", link.rx_bytes},
      {"packets_out", link.tx_packets},
      {"bytes_out", link.tx_bytes}};
  if (auto state = member.peer_state(id)) {
    out["handshakes"] = state->handshakes;
    if (state->has_keys) out["keys_age_s"] = seconds_since(state->keys_since);
  }
  return out;
}

std::string_view kind_of(const layer::membership::Member& member) {
  if (member.shared)
    return member.name_kind == layer::membership::NameKind::kService ? "service" : "shared";
  if (member.guest) return "guest";
  return member.is_node() ? "node" : "host";
}

Json describe_layer(const Member& member, LayerIndex index) {
  const auto& membership = member.membership(index);
  const auto& own = membership.own();
  Json out{{"label", member.label(index)},
           {"id", base::to_hex(membership.trust().layer())},
           {"name", own.label},
           {"address", wire::to_string(own.name)},
           {"ipv4", ipv4_text(own.ipv4)},
           {"attached", member.attached(index)}};
  Json members = Json::array();
  for (const auto& [name, far] : membership.all())
    members.push_back({{"name", far.label},
                       {"address", wire::to_string(name)},
                       {"ipv4", ipv4_text(far.ipv4)},
                       {"kind", kind_of(far)}});
  out["members"] = members;
  Json sessions = Json::array();
  for (const auto& [names, session] : member.agent(index).sessions().all()) {
    const auto* far = membership.find(session->far);
    const auto* local = membership.find(session->local);
    const bool far_guest = far != nullptr && far->guest;
    const bool local_guest = local != nullptr && local->guest;
    sessions.push_back({{"local", local != nullptr ? local->label : ""},
                        {"far", far != nullptr ? far->label : wire::to_string(session->far)},
                        {"up", session->send != nullptr},
                        {"sealed", far_guest || local_guest ? "terminated at node" : "end to end"},
                        {"packets_out", session->packets_sent},
                        {"packets_in", session->packets_received},
                        {"waiting", session->waiting.size()}});
  }
  out["sessions"] = sessions;
  out["flows"] = member.agent(index).flows().size();
  return out;
}

}  // namespace

Json Runtime::status() const {
  const Member& member = *member_;
  Json out{{"version", kStatusVersion},
           {"role", role_},
           {"uptime_s", seconds_since(started_)},
           {"port", socket_->local().port},
           {"gso", socket_->gso()},
           {"gro", socket_->gro()}};
  Json layers = Json::array();
  for (std::size_t i = 0; i < member.layer_count(); ++i) {
    const auto index = static_cast<LayerIndex>(i);
    layers.push_back(describe_layer(member, index));
    if (const Enrolment* enrolled = enrolment(index))
      layers.back()["enrolment"] = enrolled->status();
  }
  for (const auto& report : services_.rules().reports()) {
    Json denied = Json::object();
    for (const auto& [rule, packets] : report.denied) denied[rule] = packets;
    layers[report.layer]["policy"] = {
        {"revision", report.revision}, {"rules", report.rules}, {"denied", denied}};
  }
  for (const auto& report : services_.bindings().reports())
    layers[report.layer]["bindings"].push_back({{"service", report.service},
                                                {"traffic", report.text},
                                                {"order", report.order},
                                                {"flows", report.flows}});
  out["layers"] = layers;
  Json links = Json::array();
  for (std::uint32_t i = 1; i < member.tables().links.size(); ++i)
    if (member.tables().links[LinkId(i)].used) links.push_back(describe_link(member, LinkId(i)));
  out["links"] = links;
  Json services = Json::array();
  for (const service::Report& report : service_reports()) {
    services.push_back(describe(report));
    Json violations = Json::object();
    const auto counts = services_.violations(report.id);
    for (std::size_t rule = 0; rule < counts.size(); ++rule)
      if (counts[rule] > 0) violations[std::string(service::kViolationNames[rule])] = counts[rule];
    if (!violations.empty()) services.back()["violations"] = violations;
  }
  out["services"] = services;
  if (modules_ != nullptr && modules_->cache() != nullptr) {
    const CodeCache::Counters code = modules_->cache()->counters();
    out["code_cache"] = {{"found", code.found},
                         {"compiled", code.compiled},
                         {"refused", code.refused},
                         {"unwritable", code.unwritable}};
  }
  const auto& counters = member.counters();
  out["decisions"] = {
      {"hits", counters.hits}, {"misses", counters.misses}, {"refreshed", counters.refreshed}};
  Json drops = Json::object();
  for (std::size_t r = 1; r < base::kDropReasons; ++r) {
    const auto reason = static_cast<base::DropReason>(r);
    if (counters.drops[reason] > 0) drops[std::string(to_string(reason))] = counters.drops[reason];
  }
  out["drops"] = drops;
  const auto& udp = socket_->counters();
  out["udp"] = {{"received", udp.rx_datagrams},
                {"sent", udp.tx_datagrams},
                {"not_sent", udp.tx_dropped()},
                {"receive_buffer_full", socket_->kernel_drops()},
                {"gso_fallbacks", udp.gso_fallbacks}};
  if (extend_status_) extend_status_(out);
  return out;
}

Json protocols(const Member& member) {
  Json out = Json::array();
  for (std::uint32_t i = 1; i < member.tables().links.size(); ++i) {
    const Link& link = member.tables().links[LinkId(i)];
    if (!link.used || !link.send) continue;
    Json interfaces = Json::array();
    for (const auto& report : member.interfaces(LinkId(i), io::now()))
      interfaces.push_back({{"code", std::string(report.code)},
                            {"supported", report.supported},
                            {"value", report.value}});
    const auto* far = member.membership(link.layer).find(link.name);
    out.push_back(
        {{"link", far != nullptr ? far->label : wire::to_string(link.name)},
         {"protocol", link.protocol == security::Protocol::kNative ? "native" : "wireguard"},
         {"interfaces", interfaces}});
  }
  return Json{{"links", out}};
}

}  // namespace entresol::runtime
