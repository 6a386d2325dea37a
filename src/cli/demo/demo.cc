// Runs the steps in order, prints what each has shown, and a summary. Exits 0 only if every step held.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "cli/demo/step.h"

namespace entresol::cli {
namespace {

using demo::Scene;
using demo::Seen;
using demo::Step;

volatile sig_atomic_t interrupted = 0;

void on_signal(int) {
  interrupted = 1;
}

int list_steps(const Global& global, const std::vector<Step>& steps) {
  Json all = Json::array();
  for (const Step& step : steps) {
    all.push_back({{"id", step.id}, {"title", step.title}, {"needs", step.needs}});
    if (global.json) continue;
    std::printf("%-8s %s", bold(step.id).c_str(), step.title.c_str());
    if (!step.needs.empty()) {
      std::printf("  %s", dim("needs").c_str());
      for (const auto& need : step.needs) std::printf(" %s", dim(need).c_str());
    }
    std::printf("\n");
  }
  if (global.json) print(all);
  return runtime::kExitOk;
}

Seen play(const Step& step, Scene& scene, const std::set<std::string>& held, bool broken) {
  for (const std::string& need : step.needs)
    if (!held.contains(need)) return {false, "not tried: it needs '" + need + "'", ""};
  if (broken) step.destroy(scene);
  Seen seen = step.show(scene);
  if (broken && step.mend) step.mend(scene);
  return seen;
}

void print_step(const Global& global, const Step& step, const Seen& seen, double seconds) {
  if (global.json) return;
  std::printf("%s %-8s %s\n", seen.holds ? green("ok  ").c_str() : red("FAIL").c_str(),
              step.id.c_str(), step.title.c_str());
  std::printf("              %s", seen.what.c_str());
  if (!seen.figure.empty()) std::printf("  %s", bold(seen.figure).c_str());
  std::printf("  %s\n", dim("(" + human_duration(seconds) + ")").c_str());
  std::fflush(stdout);
}

void print_keep(const Scene& scene) {
  const std::string exec = "ip netns exec " + Scene::space("alice");
  std::printf("\nIt goes on running. Look around:\n");
  std::printf("  %s entresol status -c %s\n", exec.c_str(), scene.file("alice.yaml").c_str());
  std::printf("  %s entresol ping bob -c %s\n", exec.c_str(), scene.file("alice.yaml").c_str());
  std::printf("  %s ping %s\n", exec.c_str(), scene.names.at("bob").c_str());
  std::printf("  ip netns exec %s entresol protocols -c %s\n", Scene::space("node").c_str(),
              scene.file("node.yaml").c_str());
  std::printf("  %s iperf3 -c %s\n", exec.c_str(), scene.ipv4.at("bob").c_str());
  std::printf("End it with: entresol demo --clean\n");
}

}  // namespace

int run_demo(const Global& global, const DemoOptions& options) {
  const std::vector<Step> steps = demo::all_steps();
  if (options.list) return list_steps(global, steps);
  if (!options.break_step.empty() && std::none_of(steps.begin(), steps.end(), [&](const Step& s) {
        return s.id == options.break_step;
      }))
    return report(global, {std::string(base::code::kUsage),
                           "--break: no step '" + options.break_step + "'; --list shows them"});
  if (geteuid() != 0)
    return report(global, {std::string(base::code::kNoPermission),
                           "the demo makes network namespaces: run it as root"});
  if (options.clean) {
    Scene::clean();
    if (!global.json) std::printf("nothing of a demo is left\n");
    return runtime::kExitOk;
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  signal(SIGPIPE, SIG_IGN);

  using Clock = std::chrono::steady_clock;
  auto seconds_since = [](Clock::time_point then) {
    return std::chrono::duration<double>(Clock::now() - then).count();
  };
  const auto started = Clock::now();
  if (!global.json)
    std::printf(
        "%s\n  alice ── node ── bob, and carol ── node (wireguard-go); alice, bob and carol share "
        "no link\n\n",
        bold(
            "Entresol demo: unmodified applications talk through a service node, sealed end to end")
            .c_str());
  Scene scene(options.program);
  if (!scene.build())
    return report(global,
                  {std::string(base::code::kSystemCall),
                   "cannot make the network namespaces; are ip (iproute2) and veth there?"});

  std::set<std::string> held;
  Json results = Json::array();
  double first_ping = 0;
  for (const Step& step : steps) {
    if (interrupted) break;
    const auto began = Clock::now();
    const Seen seen = play(step, scene, held, step.id == options.break_step);
    if (seen.holds) held.insert(step.id);
    if (seen.holds && step.id == "ping" && first_ping == 0) first_ping = seconds_since(started);
    print_step(global, step, seen, seconds_since(began));
    results.push_back({{"id", step.id},
                       {"title", step.title},
                       {"holds", seen.holds},
                       {"seen", seen.what},
                       {"figure", seen.figure}});
  }
  const bool all = held.size() == steps.size() && !interrupted;
  if (global.json) {
    print(Json{{"steps", results},
               {"held", held.size()},
               {"of", steps.size()},
               {"seconds", seconds_since(started)},
               {"first_ping_s", first_ping}});
  } else if (interrupted) {
    std::printf("\ninterrupted; cleaning up\n");
  } else {
    std::printf("\n%s in %s",
                (all ? green(std::to_string(held.size()) + " of " + std::to_string(steps.size()) +
                             " steps held")
                     : red(std::to_string(held.size()) + " of " + std::to_string(steps.size()) +
                           " steps held"))
                    .c_str(),
                human_duration(seconds_since(started)).c_str());
    std::printf(", first ping after %.1f s\n", first_ping);
    if (!options.keep && all)
      std::printf(
          "Try next: entresol demo --keep, then look around; README.md has the way to two real "
          "machines\n");
  }
  if (options.keep && !interrupted) {
    scene.release();
    if (!global.json) print_keep(scene);
  }
  return all ? runtime::kExitOk : runtime::kExitError;
}

}  // namespace entresol::cli
