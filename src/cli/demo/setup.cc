// The demo's first steps: a layer made, and two hosts in it, as a user does both.
#include <cstdio>
#include <filesystem>

#include "cli/demo/steps.h"
#include "config/config.h"

namespace entresol::cli::demo {
namespace {

constexpr const char* kLayer = "edge";
constexpr const char* kUsedToken = "E0513";

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

std::string seconds_text(double seconds, const char* what) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f s %s", seconds, what);
  return text;
}

Service read_service(const char* role, const Json& said, const std::string& config) {
  return {role, config, text_of(said, "control"), static_cast<pid_t>(number_of(said, "pid"))};
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
  scene.node = read_service("node", node, text_of(node, "config"));
  scene.controller =
      read_service("controller", part_of(made.said, "controller"), text_of(made.said, "config"));
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
  if (scene.in("alice", {"ping", "-c", "1", "-W", "1", "10.71.2.2"}).code == 0)
    return {false, "alice reaches bob's underlay address: they share a link", ""};
  return {true,
          "`entresol join` with a token on each, `entresol ping bob`; a used token is refused "
          "(E0513); no link is shared",
          seconds_text(seconds, "from nothing to the first ping")};
}

void revoke_tokens(Scene& scene) {
  const Answer listed = scene.entresol("node", {"token", "list"});
  for (const Json& token : part_of(listed.said, "tokens"))
    scene.entresol("node", {"token", "revoke", text_of(token, "id")});
}

}  // namespace entresol::cli::demo
