// Debian's wireguard-go and wg, configured by the file that `entresol guest add` prints, as wg-quick would.
#include <cstdio>
#include <sstream>
#include <thread>

#include "cli/demo/steps.h"

namespace entresol::cli::demo {
namespace {

constexpr const char* kInterface = "wg-carol";
constexpr auto kStartTime = std::chrono::seconds(10);
constexpr auto kFirstEcho = std::chrono::seconds(15);  // WireGuard tries again after five

// wg-quick's file, taken apart: what `wg setconf` takes, and what is said with ip.
struct QuickFile {
  std::string wg;
  std::vector<std::string> addresses, routes;
  std::vector<std::string> servers;
  std::string mtu;
};

std::vector<std::string> elements(const std::string& list) {
  std::vector<std::string> out;
  std::istringstream in(list);
  for (std::string each; std::getline(in >> std::ws, each, ',');) out.push_back(each);
  return out;
}

QuickFile parse_quick(const std::string& text) {
  QuickFile out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(" = ");
    const std::string key = line.substr(0, at);
    const std::string value = at == line.npos ? "" : line.substr(at + 3);
    if (key == "Address") {
      out.addresses = elements(value);
    } else if (key == "MTU") {
      out.mtu = value;
    } else if (key == "DNS") {
      out.servers = elements(value);
    } else {
      if (key == "AllowedIPs") out.routes = elements(value);
      out.wg += line + "\n";
    }
  }
  return out;
}

// Once; it is the same guest afterwards.
std::string admit_guest(Scene& scene) {
  if (!scene.guest_file.empty()) return "";
  const Answer added = scene.entresol("node", {"guest", "add", "carol", "--node", "node1"});
  if (!added.ok()) return added.error;
  scene.guest_file = text_of(added.said, "config");
  scene.add_member("carol", text_of(added.said, "name"), text_of(added.said, "ipv4"));
  return "";
}

void apply(Scene& scene, const QuickFile& file) {
  write_text(scene.file("carol.conf"), file.wg);
  scene.others["wireguard-go"] =
      scene.start("carol", {"env", "WG_PROCESS_FOREGROUND=1", "wireguard-go", "-f", kInterface},
                  "wireguard-go.log");
  const auto until = std::chrono::steady_clock::now() + kStartTime;
  while (std::chrono::steady_clock::now() < until &&
         scene.in("carol", {"wg", "setconf", kInterface, scene.file("carol.conf")}).code != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  auto ip = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ip");
    scene.in("carol", arguments);
  };
  for (const std::string& address : file.addresses) ip({"addr", "add", address, "dev", kInterface});
  ip({"link", "set", kInterface, "mtu", file.mtu, "up"});
  std::string servers;
  for (const std::string& server : file.servers)
    servers += (server == kDomain ? "search " : "nameserver ") + server + "\n";
  write_text(Scene::resolv_conf("carol"), servers);
  for (const std::string& route : file.routes) ip({"route", "add", route, "dev", kInterface});
}

}  // namespace

std::string start_guest(Scene& scene, bool right_key) {
  if (std::string error = admit_guest(scene); !error.empty()) return error;
  std::string text = scene.guest_file;
  const std::string key = "PublicKey = ";
  const std::size_t at = text.find(key);
  if (!right_key && at != text.npos) {
    std::string wrong = run_program({"wg", "genkey"}).output;
    text.replace(at, text.find('\n', at) + 1 - at, key + wrong);
  }
  apply(scene, parse_quick(text));
  return "";
}

Seen show_guest(Scene& scene) {
  if (!scene.others.contains("wireguard-go"))
    if (const std::string error = start_guest(scene, true); !error.empty())
      return {false, "`entresol guest add carol`: " + error, ""};
  // The first packet waits for two handshakes: hers with the node, the node's with bob.
  const auto until = std::chrono::steady_clock::now() + kFirstEcho;
  while (scene.in("carol", {"ping", "-n", "-c", "1", "-W", "1", scene.names["bob"]}).code != 0 &&
         std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const Seen ping = show_ping(scene, "carol");
  if (!ping.holds) return ping;
  if (!names_bob(scene, "carol")) return {false, "carol does not know bob by his name", ""};
  // A transfer from bob would not show it: large packets have to come from her, at her MTU of 1420.
  const Seen curl = show_curl(scene, "carol");
  if (!curl.holds) return curl;
  const Seen iperf = show_iperf(scene, "carol");
  if (!iperf.holds) return iperf;
  return {true,
          "carol, a WireGuard client with the file of `entresol guest add`: ping " + ping.figure +
              "; bob by his name; curl " + curl.figure + "; iperf3",
          iperf.figure};
}

}  // namespace entresol::cli::demo
