#include "cli/demo/steps.h"

#include <signal.h>

#include <filesystem>

namespace entresol::cli::demo {
namespace {

void route(Scene& scene, const char* verb) {
  const std::string names = names_prefix(scene.names["alice"]);
  scene.in("alice", {"ip", "route", verb, names, "dev", "ent0", "src", scene.names["alice"]});
}

// A step that is broken by leaving out what it is about: `show` is told whether it is whole.
Step omitting(const char* id, const char* title, Seen (*show)(Scene&, bool whole),
              void (*mend)(Scene&) = nullptr) {
  return {id,
          title,
          {"join"},
          [show](Scene& scene) { return show(scene, !scene.broken); },
          [](Scene& scene) { scene.broken = true; },
          [mend](Scene& scene) {
            scene.broken = false;
            if (mend != nullptr) mend(scene);
          }};
}

}  // namespace

std::vector<Step> all_steps() {
  std::vector<Step> steps;
  steps.push_back(
      {"init", "A layer from nothing: a controller and a node", {}, show_init, [](Scene& scene) {
         // As if another layer had been made there.
         std::filesystem::create_directory(scene.file("node"));
         write_text(scene.file("node/root.key"), "");
       }});
  steps.push_back({"site",
                   "A second site: another node joins",
                   {"init"},
                   [](Scene& scene) { return show_site(scene, !scene.broken); },
                   [](Scene& scene) { scene.broken = true; },
                   [](Scene& scene) { scene.broken = false; }});
  steps.push_back(
      {"join", "A host at each site joins, with a token", {"site"}, show_join, revoke_tokens});
  steps.push_back({"ping",
                   "ping from host to host",
                   {"join"},
                   [](Scene& scene) { return show_ping(scene, "alice"); },
                   [](Scene& scene) { route(scene, "del"); },
                   [](Scene& scene) { route(scene, "add"); }});
  steps.push_back({"curl",
                   "curl from host to host",
                   {"join"},
                   [](Scene& scene) { return show_curl(scene, "alice"); },
                   [](Scene& scene) { stop_server(scene, "web"); },
                   start_servers});
  steps.push_back({"iperf3",
                   "iperf3 from host to host",
                   {"join"},
                   [](Scene& scene) { return show_iperf(scene, "alice"); },
                   [](Scene& scene) { stop_server(scene, "iperf3"); },
                   start_servers});
  steps.push_back({"names",
                   "Names: LABEL.edge.internal for every program",
                   {"join"},
                   show_names,
                   forget_names,
                   remember_names});
  steps.push_back({"errors",
                   "What cannot be delivered is told to the application",
                   {"join"},
                   show_errors,
                   [](Scene& scene) { scene.node.signal(SIGSTOP); },
                   [](Scene& scene) { scene.node.signal(SIGCONT); }});
  steps.push_back(omitting("policy", "A rule denies a flow, and is named", show_rule, allow_all));
  steps.push_back(omitting("sealed", "Sealed end to end: a marker is on no link and in no node",
                           [](Scene& scene, bool whole) { return show_sealed(scene, !whole); }));
  steps.push_back(omitting("rotate", "Keys replaced under traffic", show_rotation));
  steps.push_back({"guest",
                   "A stock WireGuard client reaches a native host",
                   {"join"},
                   show_guest,
                   [](Scene& scene) { start_guest(scene, false); },
                   [](Scene& scene) { stop_server(scene, "wireguard-go"); }});
  steps.push_back(omitting("revoke", "A host that is revoked is out at once", show_revoked));
  steps.push_back(omitting("controller", "Without the controller everything that runs goes on",
                           show_controller, [](Scene& scene) { scene.start(scene.controller); }));
  steps.push_back(omitting("kill", "Without either node nothing flows", show_killed));
  return steps;
}

}  // namespace entresol::cli::demo
