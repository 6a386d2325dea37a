// Members by their labels, for programs that ask the C library.
#include <chrono>
#include <cstdio>

#include "cli/demo/steps.h"

namespace entresol::cli::demo {
namespace {

constexpr const char* kBob = "bob.edge.internal";

}  // namespace

bool names_bob(const Scene& scene, const std::string& who) {
  const Finished forward = scene.in(who, {"getent", "ahosts", kBob});
  const Finished back = scene.in(who, {"getent", "hosts", scene.names.at("bob")});
  return forward.code == 0 && forward.output.find(scene.names.at("bob")) != std::string::npos &&
         forward.output.find(scene.ipv4.at("bob")) != std::string::npos && back.code == 0 &&
         back.output.find(kBob) != std::string::npos;
}

void forget_names(Scene& scene) {
  scene.resolv_conf_kept = read_text(Scene::resolv_conf("alice"));
  write_text(Scene::resolv_conf("alice"), "");
}

void remember_names(Scene& scene) {
  write_text(Scene::resolv_conf("alice"), scene.resolv_conf_kept);
}

Seen show_names(Scene& scene) {
  using Clock = std::chrono::steady_clock;
  if (!names_bob(scene, "alice"))
    return {false, std::string("`getent` on alice does not know ") + kBob, ""};
  const auto began = Clock::now();
  scene.in("alice", {"getent", "hosts", kBob});
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
  const Finished page =
      scene.in("alice", {"curl", "-s", "--max-time", "5",
                         std::string("http://") + kBob + ":" + kWebPort + "/index.html"});
  if (page.output != "hello from bob\n") return {false, "curl by name gets no page", ""};
  if (scene.in("alice", {"getent", "hosts", "nobody.edge.internal"}).code == 0)
    return {false, "a label that nobody has is known", ""};
  char figure[48];
  std::snprintf(figure, sizeof figure, "%.0f ms for `getent hosts`", ms);
  return {true,
          std::string("curl http://") + kBob +
              ":8080/, and back from the address to the name; nobody's label is unknown",
          figure};
}

}  // namespace entresol::cli::demo
