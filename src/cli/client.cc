// What is asked of a running host, node or controller, through its control socket.
#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "cli/running.h"
#include "config/config.h"
#include "config/yaml.h"
#include "io/files.h"

namespace entresol::cli {
namespace {

void print_links(const Json& status) {
  std::printf("\n%-12s %-6s %-9s %-5s %-24s %9s %9s %6s\n", "LINK", "KIND", "PROTOCOL", "STATE",
              "ENDPOINT", "IN", "OUT", "KEYS");
  for (const auto& link : part_of(status, "links")) {
    const bool up = truth_of(link, "up");
    const std::string state = up ? green("up   ") : red("down ");
    std::printf(
        "%-12s %-6s %-9s %s %-24s %9s %9s %6s\n", text_of(link, "name").c_str(),
        text_of(link, "kind").c_str(), text_of(link, "protocol").c_str(), state.c_str(),
        text_of(link, "endpoint").c_str(), human_count(number_of(link, "packets_in")).c_str(),
        human_count(number_of(link, "packets_out")).c_str(),
        link.contains("keys_age_s") ? human_duration(number_of(link, "keys_age_s")).c_str() : "-");
  }
}

void print_nodes(const Json& layer) {
  for (const auto& node : part_of(layer, "nodes")) {
    char rtt[32] = "-";
    if (node.contains("rtt_ms"))
      std::snprintf(rtt, sizeof rtt, "%.1f ms", number_of(node, "rtt_ms"));
    const std::string why = text_of(node, "why");
    std::printf("  node %-12s %-24s %9s  %s%s\n", text_of(node, "name").c_str(),
                text_of(node, "endpoint").c_str(), rtt, text_of(node, "state").c_str(),
                why.empty() ? "" : (" (" + why + ")").c_str());
  }
}

void print_layer(const Json& layer) {
  std::printf("\n%s %s  %s  %s %s\n", bold("layer").c_str(), text_of(layer, "label").c_str(),
              text_of(layer, "name").c_str(), text_of(layer, "address").c_str(),
              text_of(layer, "ipv4").c_str());
  print_nodes(layer);
  for (const auto& session : part_of(layer, "sessions"))
    std::printf("  session %s - %s  %s  %s out, %s in  (%s)\n", text_of(session, "local").c_str(),
                text_of(session, "far").c_str(),
                truth_of(session, "up") ? green("up").c_str() : "set up on demand",
                human_count(number_of(session, "packets_out")).c_str(),
                human_count(number_of(session, "packets_in")).c_str(),
                text_of(session, "sealed").c_str());
  if (!layer.contains("policy")) return;
  const Json& policy = part_of(layer, "policy");
  std::printf("  policy revision %.0f, rules %.0f\n", number_of(policy, "revision"),
              number_of(policy, "rules"));
  const Json& denied = part_of(policy, "denied");
  for (const auto& [rule, packets] : denied.items())
    std::printf("    denied by '%s'  %s\n", rule.c_str(),
                human_count(number_of(denied, rule.c_str())).c_str());
}

void print_status(const Json& status) {
  std::printf("%s, up %s, UDP port %.0f, segmentation offload %s\n",
              text_of(status, "role").c_str(),
              human_duration(number_of(status, "uptime_s")).c_str(), number_of(status, "port"),
              truth_of(status, "gso") ? "on" : "off");
  for (const auto& layer : part_of(status, "layers")) print_layer(layer);
  print_links(status);
  const Json& decisions = part_of(status, "decisions");
  std::printf("\ndecisions: %s from the cache, %s by services\n",
              human_count(number_of(decisions, "hits")).c_str(),
              human_count(number_of(decisions, "misses")).c_str());
  const Json& drops = part_of(status, "drops");
  if (drops.empty()) return;
  std::printf("drops:\n");
  for (const auto& [reason, packets] : drops.items())
    std::printf("  %8s  %s\n", human_count(number_of(drops, reason.c_str())).c_str(),
                reason.c_str());
}

bool degraded(const Json& status) {
  return text_of(status, "role") == "host" && !attached(status);
}

}  // namespace

base::Result<std::string> control_of(const std::string& file) {
  auto text = io::read_text_file(file, 1 << 20);
  if (!text) return tl::unexpected(text.error());
  auto root = config::parse_yaml(*text, file);
  if (!root) return tl::unexpected(root.error());
  const YAML::Node control = (*root)["control"];
  return config::beside(file, control && control.IsScalar() ? control.Scalar() : "entresol.sock");
}

int down(const Global& global, const std::string& control) {
  auto answer = ask_control(control, {{"command", "down"}});
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
  } else {
    std::printf("stopped\n");
  }
  return runtime::kExitOk;
}

int status(const Global& global, const std::string& control, bool prometheus) {
  auto answer = ask_control(control, {{"command", prometheus ? "metrics" : "status"}});
  if (!answer) return report(global, answer.error());
  if (prometheus) {
    std::printf("%s", text_of(*answer, "text").c_str());
    return runtime::kExitOk;
  }
  if (global.json) {
    print(*answer);
  } else if (text_of(*answer, "role") == "controller") {
    print_controller(*answer);
  } else {
    print_status(*answer);
  }
  return degraded(*answer) ? runtime::kExitDegraded : runtime::kExitOk;
}

int ping(const Global& global, const std::string& control, const std::string& name,
         const std::string& layer, int count) {
  auto answer = ask_control(
      control, {{"command", "ping"}, {"name", name}, {"layer", layer}, {"count", count}},
      std::chrono::seconds(count + 10));
  if (!answer) return report(global, answer.error());
  const double received = number_of(*answer, "received"), sent = number_of(*answer, "sent");
  if (global.json) {
    print(*answer);
  } else {
    std::printf("%s %s in layer %s\n", bold(text_of(*answer, "target")).c_str(),
                text_of(*answer, "address").c_str(), text_of(*answer, "layer").c_str());
    for (const auto& hop : part_of(*answer, "path")) {
      std::printf("  %-12s %s", text_of(hop, "name").c_str(), text_of(hop, "address").c_str());
      if (hop.contains("ms")) std::printf("  %.3f ms", number_of(hop, "ms"));
      std::printf("\n");
    }
    std::printf("%.0f of %.0f echoes came back\n", received, sent);
    if (answer->contains("refused"))
      std::printf("the last answer: %s\n", text_of(*answer, "refused").c_str());
  }
  if (received == sent) return runtime::kExitOk;
  if (received > 0) return runtime::kExitDegraded;
  return text_of(*answer, "refused").starts_with("refused") ? runtime::kExitDenied
                                                            : runtime::kExitUnreachable;
}

int protocols(const Global& global, const std::string& control) {
  auto answer = ask_control(control, {{"command", "protocols"}});
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
    return runtime::kExitOk;
  }
  for (const auto& link : part_of(*answer, "links")) {
    std::printf("%s  %s\n", bold(text_of(link, "link")).c_str(), text_of(link, "protocol").c_str());
    for (const auto& interface : part_of(link, "interfaces"))
      std::printf("  %-5s %-3s %s\n", text_of(interface, "code").c_str(),
                  truth_of(interface, "supported") ? "yes" : "-",
                  text_of(interface, "value").c_str());
  }
  return runtime::kExitOk;
}

int rekey(const Global& global, const std::string& control) {
  auto answer = ask_control(control, {{"command", "rekey"}});
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
  } else {
    std::printf("new keys are being made for all native links and sessions\n");
    next(global, "entresol status", "shows the age of each link's keys");
  }
  return runtime::kExitOk;
}

}  // namespace entresol::cli
