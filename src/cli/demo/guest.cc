// Debian's wireguard-go and wg, configured as any WireGuard client.
#include <cstdio>
#include <filesystem>
#include <thread>

#include "cli/demo/steps.h"

namespace entresol::cli::demo {
namespace {

constexpr const char* kInterface = "wg-carol";

}  // namespace

void start_guest(Scene& scene, bool right_key) {
  write_text(scene.file("carol.conf"),
             "[Interface]\nPrivateKey = " + scene.guest_private_key + "\n\n[Peer]\nPublicKey = " +
                 (right_key ? scene.node_wireguard_key : scene.guest_private_key) +
                 "\nEndpoint = 10.71.3.1:4850\nAllowedIPs = 100.64.0.0/16, " +
                 names_prefix(scene.names["node"]) + "\n");
  scene.others["wireguard-go"] =
      scene.start("carol", {"env", "WG_PROCESS_FOREGROUND=1", "wireguard-go", "-f", kInterface},
                  "wireguard-go.log");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < until &&
         scene.in("carol", {"wg", "setconf", kInterface, scene.file("carol.conf")}).code != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  auto ip = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ip");
    scene.in("carol", arguments);
  };
  ip({"link", "set", kInterface, "mtu", "1420", "up"});
  ip({"addr", "add", scene.ipv4["carol"] + "/16", "dev", kInterface});
  ip({"addr", "add", scene.names["carol"] + "/32", "dev", kInterface, "nodad"});
}

Seen show_guest(Scene& scene) {
  if (!scene.others.contains("wireguard-go")) start_guest(scene, true);
  // The first packet waits for two handshakes: hers with the node, the node's with bob.
  for (int i = 0;
       i < 5 &&
       scene.in("carol", {"ping", "-n", "-c", "1", "-W", "1", scene.names["bob"]}).code != 0;
       ++i) {
  }
  const Seen ping = show_ping(scene, "carol");
  if (!ping.holds) return ping;
  // A transfer from bob would not show it: large packets have to come from her, at her MTU of 1420.
  const Seen curl = show_curl(scene, "carol");
  if (!curl.holds) return curl;
  const Seen iperf = show_iperf(scene, "carol");
  if (!iperf.holds) return iperf;
  return {true,
          "carol, a WireGuard client at MTU 1420: ping " + ping.figure + "; curl " + curl.figure +
              "; iperf3",
          iperf.figure};
}

}  // namespace entresol::cli::demo
