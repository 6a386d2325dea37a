// What is asked of a running host or node, through its control socket.
#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "config/config.h"
#include "config/yaml.h"
#include "io/files.h"
#include "io/unix_socket.h"

namespace entresol::cli {
namespace {

base::Result<Json> call(const std::string& control, const Json& request,
                        std::chrono::seconds timeout = std::chrono::seconds(10)) {
  auto text = io::control_call(
      control, request.dump(-1, ' ', false, Json::error_handler_t::replace), timeout);
  if (!text) return tl::unexpected(text.error());
  Json answer = Json::parse(*text, nullptr, false);
  if (answer.is_discarded())
    return base::fail(base::code::kSystemCall, control + ": answer is not JSON");
  if (answer.contains("error"))
    return base::fail(answer["error"].value("code", "E0307"), answer["error"].value("message", ""));
  return answer;
}

std::string text_of(const Json& object, const char* key) {
  return object.value(key, std::string());
}
double number_of(const Json& object, const char* key) {
  return object.value(key, 0.0);
}

void print_links(const Json& status) {
  std::printf("\n%-12s %-6s %-9s %-5s %-24s %9s %9s %6s\n", "LINK", "KIND", "PROTOCOL", "STATE",
              "ENDPOINT", "IN", "OUT", "KEYS");
  for (const auto& link : status["links"]) {
    const bool up = link.value("up", false);
    const std::string state = up ? green("up   ") : red("down ");
    std::printf(
        "%-12s %-6s %-9s %s %-24s %9s %9s %6s\n", text_of(link, "name").c_str(),
        text_of(link, "kind").c_str(), text_of(link, "protocol").c_str(), state.c_str(),
        text_of(link, "endpoint").c_str(), human_count(number_of(link, "packets_in")).c_str(),
        human_count(number_of(link, "packets_out")).c_str(),
        link.contains("keys_age_s") ? human_duration(number_of(link, "keys_age_s")).c_str() : "-");
  }
}

void print_layer(const Json& layer) {
  std::printf("\n%s %s  %s  %s %s\n", bold("layer").c_str(), text_of(layer, "label").c_str(),
              text_of(layer, "name").c_str(), text_of(layer, "address").c_str(),
              text_of(layer, "ipv4").c_str());
  for (const auto& session : layer["sessions"])
    std::printf("  session %s - %s  %s  %s out, %s in  (%s)\n", text_of(session, "local").c_str(),
                text_of(session, "far").c_str(),
                session.value("up", false) ? green("up").c_str() : "set up on demand",
                human_count(number_of(session, "packets_out")).c_str(),
                human_count(number_of(session, "packets_in")).c_str(),
                text_of(session, "sealed").c_str());
}

void print_status(const Json& status) {
  std::printf("%s, up %s, UDP port %.0f, segmentation offload %s\n",
              text_of(status, "role").c_str(),
              human_duration(number_of(status, "uptime_s")).c_str(), number_of(status, "port"),
              status.value("gso", false) ? "on" : "off");
  for (const auto& layer : status["layers"]) print_layer(layer);
  print_links(status);
  const Json& decisions = status["decisions"];
  std::printf("\ndecisions: %s from the cache, %s by services\n",
              human_count(number_of(decisions, "hits")).c_str(),
              human_count(number_of(decisions, "misses")).c_str());
  if (status["drops"].empty()) return;
  std::printf("drops:\n");
  for (const auto& [reason, count] : status["drops"].items())
    std::printf("  %8s  %s\n", human_count(count.get<double>()).c_str(), reason.c_str());
}

bool degraded(const Json& status) {
  if (text_of(status, "role") != "host") return false;
  for (const auto& layer : status["layers"])
    if (!layer.value("attached", false)) return true;
  return false;
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
  auto answer = call(control, {{"command", "down"}});
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
  } else {
    std::printf("stopped\n");
  }
  return runtime::kExitOk;
}

int status(const Global& global, const std::string& control, bool prometheus) {
  auto answer = call(control, {{"command", prometheus ? "metrics" : "status"}});
  if (!answer) return report(global, answer.error());
  if (prometheus) {
    std::printf("%s", text_of(*answer, "text").c_str());
    return runtime::kExitOk;
  }
  if (global.json) {
    print(*answer);
  } else {
    print_status(*answer);
  }
  return degraded(*answer) ? runtime::kExitDegraded : runtime::kExitOk;
}

int ping(const Global& global, const std::string& control, const std::string& name,
         const std::string& layer, int count) {
  auto answer =
      call(control, {{"command", "ping"}, {"name", name}, {"layer", layer}, {"count", count}},
           std::chrono::seconds(count + 10));
  if (!answer) return report(global, answer.error());
  const double received = number_of(*answer, "received"), sent = number_of(*answer, "sent");
  if (global.json) {
    print(*answer);
  } else {
    std::printf("%s %s in layer %s\n", bold(text_of(*answer, "target")).c_str(),
                text_of(*answer, "address").c_str(), text_of(*answer, "layer").c_str());
    for (const auto& hop : (*answer)["path"]) {
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
  auto answer = call(control, {{"command", "protocols"}});
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
    return runtime::kExitOk;
  }
  for (const auto& link : (*answer)["links"]) {
    std::printf("%s  %s\n", bold(text_of(link, "link")).c_str(), text_of(link, "protocol").c_str());
    for (const auto& interface : link["interfaces"])
      std::printf("  %-5s %-3s %s\n", text_of(interface, "code").c_str(),
                  interface.value("supported", false) ? "yes" : "-",
                  text_of(interface, "value").c_str());
  }
  return runtime::kExitOk;
}

int rekey(const Global& global, const std::string& control) {
  auto answer = call(control, {{"command", "rekey"}});
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
