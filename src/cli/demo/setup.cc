// The demo's first steps: keys and configuration files, made by the command itself, and everybody started.
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/bytes.h"
#include "cli/demo/steps.h"
#include "wire/name.h"

namespace entresol::cli::demo {
namespace {

constexpr auto kAttachTime = std::chrono::seconds(15);

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

bool certify(Scene& scene, const std::string& who, const std::string& role,
             const std::string& ipv4) {
  const Json key = scene.entresol("node", {"keygen", "identity", scene.file(who)});
  if (!key.contains("secret")) return false;
  if (who == "node") scene.node_wireguard_key = key.value("wireguard_public_key", "");
  const Json made = scene.entresol(
      "node", {"sign", "certificate", "--with", scene.file("edge.key"), "--root",
               scene.file("edge.pub"), "--identity", scene.file(who + ".pub"), "--label", who,
               "--role", role, "--ipv4", ipv4, "--out", scene.file(who + ".cert")});
  scene.names[who] = made.value("address", "");
  scene.ipv4[who] = ipv4;
  std::vector<std::string> sign = {"sign",          "registration",
                                   "--with",        scene.file(who + ".key"),
                                   "--root",        scene.file("edge.pub"),
                                   "--certificate", scene.file(who + ".cert"),
                                   "--out",         scene.file(who + ".member")};
  if (role == "host") sign.insert(sign.end(), {"--node", scene.file("node.cert")});
  return scene.entresol("node", sign).contains("file") && !scene.names[who].empty();
}

bool grant_guest(Scene& scene) {
  scene.guest_private_key = trimmed(run_program({"wg", "genkey"}).output);
  const std::string open =
      trimmed(run_program({"wg", "pubkey"}, std::chrono::seconds(5), scene.guest_private_key + "\n")
                  .output);
  scene.ipv4["carol"] = "100.64.7.3";
  const Json made = scene.entresol(
      "node", {"sign", "grant", "--with", scene.file("edge.key"), "--root", scene.file("edge.pub"),
               "--wireguard-key", open, "--label", "carol", "--ipv4", scene.ipv4["carol"], "--node",
               scene.file("node.cert"), "--out", scene.file("carol.grant")});
  scene.names["carol"] = made.value("address", "");
  return !scene.names["carol"].empty();
}

std::string layer_text(const std::string& who) {
  return "layers:\n  - label: edge\n    root: edge.pub\n    identity: " + who +
         ".key\n    certificate: " + who + ".cert\n";
}

// With --capture: who has the captures and these can read all of it. Each record in a datagram of its own, as on a cable.
std::string capture_text(const Scene& scene, const std::string& who) {
  if (scene.capture().empty()) return "";
  return "key_log: " + Json(scene.capture() + "/" + who + ".keys").dump() +
         "\nudp: {gro: false, gso: false}\n";
}

// What certificates and grant say, for the decoder of captures.
bool write_members(const Scene& scene) {
  if (scene.capture().empty()) return true;
  std::string text;
  for (const auto& [who, address] : scene.names)
    if (const auto name = wire::name_from_text(address))
      text += "MEMBER " + base::to_hex(name->octets) + " " + scene.ipv4.at(who) + "\n";
  return write_text(scene.capture() + "/members.keys", text);
}

bool write_configuration(const Scene& scene) {
  bool ok = write_members(scene);
  ok = ok && write_text(scene.file("node.yaml"),
                        "listen: 0.0.0.0:4850\ncontrol: node.sock\n" + capture_text(scene, "node") +
                            layer_text("node") +
                            "    guests:\n      - {grant: carol.grant, mtu: 1420}\n");
  const std::pair<const char*, const char*> hosts[] = {{"alice", "bob"}, {"bob", "alice"}};
  for (auto [who, other] : hosts) {
    const std::string node = who == std::string("alice") ? "10.71.1.1" : "10.71.2.1";
    ok = ok && write_text(scene.file(std::string(who) + ".yaml"),
                          "control: " + std::string(who) + ".sock\n" + capture_text(scene, who) +
                              layer_text(who) +
                              "    ipv4_pool: 100.64.0.0/16\n    tun: {name: ent0}\n    nodes:\n   "
                              "   - {endpoint: \"" +
                              node + ":4850\", member: node.member}\n    directory: [" + other +
                              ".member, carol.grant]\n");
  }
  return ok;
}

}  // namespace

Seen show_keys(Scene& scene) {
  bool ok = scene.entresol("node", {"keygen", "root", scene.file("edge")}).contains("secret");
  ok = ok && certify(scene, "node", "node", "100.64.0.254");
  ok = ok && certify(scene, "alice", "host", "100.64.0.1");
  ok = ok && certify(scene, "bob", "host", "100.64.0.2");
  ok = ok && grant_guest(scene);
  ok = ok && write_configuration(scene);
  if (!ok)
    return {false, "keys or certificates could not be made; is `wg` (wireguard-tools) there?", ""};
  return {
      true,
      "root, three identities with certificates, a guest's grant: offline, as files; alice is " +
          scene.names["alice"],
      ""};
}

Seen show_attach(Scene& scene) {
  if (!scene.node.alive() && !scene.start_node())
    return {false,
            "the node does not start: " +
                trimmed(run_program({"head", "-n", "1", scene.file("node.log")}).output),
            ""};
  const auto began = std::chrono::steady_clock::now();
  for (const std::string who : {"alice", "bob"})
    if (!scene.start_host(who))
      return {false, who + " is not attached within " + std::to_string(kAttachTime.count()) + " s",
              ""};
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  char figure[64];
  std::snprintf(figure, sizeof figure, "%.0f ms for two hosts", ms);
  // Bob offers what the later steps ask for, in a folder where nothing else is.
  std::filesystem::create_directory(scene.file("www"));
  write_text(scene.file("www/index.html"), "hello from bob\n");
  run_program({"truncate", "-s", std::to_string(transfer_size(scene)), scene.file("www/large")});
  start_servers(scene);
  const bool no_route = scene.in("alice", {"ping", "-c", "1", "-W", "1", "10.71.2.2"}).code != 0;
  if (!no_route) return {false, "alice reaches bob's underlay address: they share a link", ""};
  return {true,
          "`entresol up` on both: handshake, TUN device, addresses, routes; alice cannot reach "
          "bob's underlay",
          figure};
}

}  // namespace entresol::cli::demo
