// The demo's first steps: a layer made, and two hosts in it, as a user does both.
#include <cstdio>
#include <filesystem>

#include "cli/demo/steps.h"
#include "config/config.h"

namespace entresol::cli::demo {
namespace {

constexpr const char* kLayer = "edge";
constexpr const char* kUsedToken = "E0513";
constexpr const char* kOtherRole = "E0514";

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

std::string seconds_text(double seconds, const char* what) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f s %s", seconds, what);
  return text;
}

Service read_service(const char* machine, const char* role, const Json& said,
                     const std::string& config) {
  return {machine, role, config, text_of(said, "control"),
          static_cast<pid_t>(number_of(said, "pid"))};
}

// Bob offers what the later steps ask for, in a folder where nothing else is.
void offer_files(Scene& scene) {
  std::filesystem::create_directory(scene.file("www"));
  write_text(scene.file("www/index.html"), "hello from bob\n");
  run_program({"truncate", "-s", std::to_string(transfer_size(scene)), scene.file("www/large")});
  start_servers(scene);
}

}  // namespace

Seen show_init(Scene& scene) {
  scene.began = std::chrono::steady_clock::now();
  const Answer made = scene.entresol(
      "node", {"init", kLayer, "--up", "--advertise",
               std::string(kNodeAddress) + ":" + std::to_string(config::kDefaultControllerPort)});
  const double seconds = seconds_since(scene.began);
  if (!made.ok()) return {false, "`entresol init`: " + made.error, ""};
  const Json& node = part_of(made.said, "node");
  scene.node = read_service("node", "node", node, text_of(node, "config"));
  scene.controller = read_service("node", "controller", part_of(made.said, "controller"),
                                  text_of(made.said, "config"));
  for (const Json& token : part_of(made.said, "tokens"))
    if (token.is_string()) scene.tokens.push_back(token);
  // With --capture only what runs from now on is of interest: nobody knows the node yet.
  if (!scene.capture().empty() && !scene.restart_with_key_log(scene.node))
    return {false, "the node does not start again", ""};
  const Json status = scene.status("node");
  for (const Json& layer : part_of(status, "layers"))
    scene.add_member("node", text_of(layer, "address"), text_of(layer, "ipv4"));
  if (scene.tokens.size() != 2 || scene.names["node"].empty())
    return {false, "`entresol init --up` left no node, or no two tokens", ""};
  return {true,
          "`entresol init edge --up`: root key, controller, a node, and a token for each of two "
          "hosts",
          seconds_text(seconds, "until both run")};
}

Seen show_site(Scene& scene, bool whole) {
  const std::string endpoint =
      std::string(kNode2Address) + ":" + std::to_string(config::kDefaultPort);
  if (const Answer refused = scene.join("node2", "node2", scene.tokens[0], endpoint);
      !refused.error.starts_with(kOtherRole))
    return {false, "a host's token makes a node: " + refused.error, ""};
  const auto began = std::chrono::steady_clock::now();
  const std::string token = whole ? scene.new_token("node") : scene.tokens[0];
  const Answer joined = scene.join("node2", "node2", token, endpoint);
  if (!joined.ok()) return {false, "node2 does not join: " + joined.error, ""};
  scene.node2 = read_service("node2", "node", joined.said, text_of(joined.said, "config"));
  std::size_t registered = 0;
  const Answer listed = scene.entresol("node", {"node", "list"});
  for (const Json& node : part_of(listed.said, "members"))
    registered += truth_of(node, "registered") ? 1 : 0;
  if (registered != 2)
    return {false, std::to_string(registered) + " nodes are registered, not two", ""};
  return {true,
          "`entresol join --endpoint` with a node's token at another site; a host's is refused "
          "(E0514)",
          seconds_text(seconds_since(began), "until the controller lists both")};
}

Seen show_join(Scene& scene) {
  const std::string hosts[] = {"alice", "bob"};
  for (std::size_t i = 0; i < 2; ++i)
    if (const Answer joined = scene.join(hosts[i], hosts[i], scene.tokens[i]); !joined.ok())
      return {false, hosts[i] + " does not join: " + joined.error, ""};
  const Answer ping = scene.entresol("alice", {"ping", "bob", "-n", "1"});
  const double seconds = seconds_since(scene.began);
  if (!ping.ok()) return {false, "`entresol ping bob` on alice: " + ping.error, ""};
  const Answer again = scene.entresol("dave", {"join", "--label", "dave"}, scene.tokens[0] + "\n");
  if (!again.error.starts_with(kUsedToken))
    return {false, "a token that was used already: " + (again.ok() ? "admits" : again.error), ""};
  offer_files(scene);
  for (const auto& [who, where] : {std::pair{"alice", "10.71.2.2"}, {"bob", "10.71.1.2"}})
    if (scene.in(who, {"ping", "-c", "1", "-W", "1", where}).code == 0)
      return {false, std::string(who) + " reaches the other's underlay: they share a link", ""};
  std::string path;
  for (const Json& hop : part_of(ping.said, "path"))
    path += (path.empty() ? "" : ", ") + text_of(hop, "name");
  if (path != "alice, node1, node2, bob") return {false, "the path is " + path, ""};
  return {true,
          "`entresol join` with a token at each site, `entresol ping bob`: " + path +
              "; a used token is refused (E0513)",
          seconds_text(seconds, "from nothing to the first ping")};
}

void revoke_tokens(Scene& scene) {
  const Answer listed = scene.entresol("node", {"token", "list"});
  for (const Json& token : part_of(listed.said, "tokens"))
    scene.entresol("node", {"token", "revoke", text_of(token, "id")});
}

}  // namespace entresol::cli::demo
