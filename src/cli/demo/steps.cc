#include "cli/demo/steps.h"

#include <signal.h>

namespace entresol::cli::demo {
namespace {

void route(Scene& scene, const char* verb) {
  const std::string names = names_prefix(scene.names["alice"]);
  scene.in("alice", {"ip", "route", verb, names, "dev", "ent0", "src", scene.names["alice"]});
}

}  // namespace

std::vector<Step> all_steps() {
  std::vector<Step> steps;
  steps.push_back({"keys",
                   "Keys, certificates and a guest's grant, made offline",
                   {},
                   show_keys,
                   [](Scene& scene) { write_text(scene.file("edge.key"), "not a key\n"); }});
  steps.push_back(
      {"attach", "A node, and two hosts that dial it", {"keys"}, show_attach, [](Scene& scene) {
         write_text(scene.file("node.yaml"), "listen: nowhere\n");
       }});
  steps.push_back({"ping",
                   "ping from host to host",
                   {"attach"},
                   [](Scene& scene) { return show_ping(scene, "alice"); },
                   [](Scene& scene) { route(scene, "del"); },
                   [](Scene& scene) { route(scene, "add"); }});
  steps.push_back({"curl",
                   "curl from host to host",
                   {"attach"},
                   [](Scene& scene) { return show_curl(scene, "alice"); },
                   [](Scene& scene) { stop_server(scene, "web"); },
                   start_servers});
  steps.push_back({"iperf3",
                   "iperf3 from host to host",
                   {"attach"},
                   [](Scene& scene) { return show_iperf(scene, "alice"); },
                   [](Scene& scene) { stop_server(scene, "iperf3"); },
                   start_servers});
  steps.push_back({"errors",
                   "What cannot be delivered is told to the application",
                   {"attach"},
                   show_errors,
                   [](Scene& scene) { scene.node.signal(SIGSTOP); },
                   [](Scene& scene) { scene.node.signal(SIGCONT); }});
  steps.push_back({"sealed",
                   "Sealed end to end: a marker is on no link and not in the node",
                   {"attach"},
                   [](Scene& scene) { return show_sealed(scene, scene.broken); },
                   [](Scene& scene) { scene.broken = true; },
                   [](Scene& scene) { scene.broken = false; }});
  steps.push_back({"rotate",
                   "Keys replaced under traffic",
                   {"attach"},
                   [](Scene& scene) { return show_rotation(scene, !scene.broken); },
                   [](Scene& scene) { scene.broken = true; },
                   [](Scene& scene) { scene.broken = false; }});
  steps.push_back({"guest",
                   "A stock WireGuard client reaches a native host",
                   {"attach"},
                   show_guest,
                   [](Scene& scene) { start_guest(scene, false); },
                   [](Scene& scene) { stop_server(scene, "wireguard-go"); }});
  steps.push_back({"kill",
                   "Without the node nothing flows",
                   {"attach"},
                   [](Scene& scene) { return show_killed(scene, !scene.broken); },
                   [](Scene& scene) { scene.broken = true; },
                   [](Scene& scene) { scene.broken = false; }});
  return steps;
}

}  // namespace entresol::cli::demo
