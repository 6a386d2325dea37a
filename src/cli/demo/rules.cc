// Who may open a flow: a rule is set while the layer runs, and the application is told.
#include <chrono>
#include <cstdio>

#include "cli/demo/steps.h"

namespace entresol::cli::demo {
namespace {

constexpr const char* kRule = "no-web";
constexpr int kCouldNotConnect = 7;  // curl's; a time-out would be 28

std::string set_policy(Scene& scene, const std::string& text) {
  if (!write_text(scene.file("policy.txt"), text)) return "policy.txt cannot be written";
  const Answer set = scene.entresol("node", {"policy", "set", scene.file("policy.txt")});
  return set.ok() ? "" : "`entresol policy set`: " + set.error;
}

}  // namespace

void allow_all(Scene& scene) {
  set_policy(scene, "members: allow * *\n");
}

Seen show_rule(Scene& scene, bool set) {
  using Clock = std::chrono::steady_clock;
  if (fetch_page(scene, "alice") != 0) return {false, "alice gets no page before", ""};
  const auto began = Clock::now();
  const std::string rule = std::string(kRule) + ": deny alice bob tcp/" + kWebPort + "\n";
  if (set)
    if (std::string error = set_policy(scene, rule + "members: allow * *\n"); !error.empty())
      return {false, error, ""};
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
  if (fetch_page(scene, "alice") != kCouldNotConnect)
    return {false, "alice's curl is not refused at once", ""};
  const Answer test =
      scene.entresol("node", {"policy", "test", "alice", "bob", std::string("tcp/") + kWebPort});
  if (text_of(test.said, "rule") != kRule)
    return {false, "`entresol policy test` names the rule '" + text_of(test.said, "rule") + "'",
            ""};
  if (!scene.entresol("alice", {"ping", "bob", "-n", "1"}).ok())
    return {false, "alice does not reach bob at all", ""};
  allow_all(scene);
  if (fetch_page(scene, "alice") != 0) return {false, "alice gets no page afterwards", ""};
  char figure[48];
  std::snprintf(figure, sizeof figure, "%.0f ms until both nodes hold it", ms);
  return {
      true,
      "`entresol policy set`: curl fails at once, and `policy test` says by which rule; the rest "
      "goes on",
      figure};
}

}  // namespace entresol::cli::demo
