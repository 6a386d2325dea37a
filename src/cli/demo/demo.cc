// Runs the steps in order, prints what each has shown, and a summary. Exits 0 only if every step held.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "cli/demo/capture.h"
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
    std::printf("%-10s %s", bold(step.id).c_str(), step.title.c_str());
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
  std::printf("%s %-10s %s\n", seen.holds ? green("ok  ").c_str() : red("FAIL").c_str(),
              step.id.c_str(), step.title.c_str());
  std::printf("                %s", seen.what.c_str());
  if (!seen.figure.empty()) std::printf("  %s", bold(seen.figure).c_str());
  std::printf("  %s\n", dim("(" + human_duration(seconds) + ")").c_str());
  std::fflush(stdout);
}

void print_keep(const Scene& scene) {
  const auto on = [&](const char* who) {
    return "  ip netns exec " + Scene::space(who) + " env ENTRESOL_DIR=" + scene.file(who);
  };
  std::printf("\nIt goes on running. Look around; $ENTRESOL_DIR says whose machine it is:\n");
  std::printf("%s entresol host list\n", on("node").c_str());
  std::printf("%s entresol status\n", on("node").c_str());
  std::printf("%s entresol ping bob\n", on("alice").c_str());
  std::printf("%s entresol status\n", on("alice").c_str());
  if (const auto bob = scene.ipv4.find("bob"); bob != scene.ipv4.end())
    for (const char* program : {"ping", "iperf3 -c"})
      std::printf("  ip netns exec %s %s %s\n", Scene::space("alice").c_str(), program,
                  bob->second.c_str());
  std::printf("End it with: entresol demo --clean\n");
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

// What a person sees and programs get of a run.
struct Played {
  std::set<std::string> held;
  Json results = Json::array();
  double first_ping = 0;  // seconds after the start
  double seconds = 0;
  bool captured = true;  // nothing is missing in the captures that were asked for
};

Played play_all(const Global& global, const DemoOptions& options, const std::vector<Step>& steps,
                Scene& scene, Clock::time_point started) {
  Played played;
  for (const Step& step : steps) {
    if (interrupted) break;
    const auto began = Clock::now();
    const Seen seen = play(step, scene, played.held, step.id == options.break_step);
    if (seen.holds) played.held.insert(step.id);
    if (seen.holds && step.id == "join") played.first_ping = seconds_since(started);
    print_step(global, step, seen, seconds_since(began));
    played.results.push_back({{"id", step.id},
                              {"title", step.title},
                              {"holds", seen.holds},
                              {"seen", seen.what},
                              {"figure", seen.figure}});
  }
  played.seconds = seconds_since(started);
  return played;
}

void print_summary(const DemoOptions& options, const Played& played, std::size_t of) {
  const bool all = played.held.size() == of;
  const std::string text =
      std::to_string(played.held.size()) + " of " + std::to_string(of) + " steps held";
  std::printf("\n%s in %s, first ping after %.1f s\n", (all ? green(text) : red(text)).c_str(),
              human_duration(played.seconds).c_str(), played.first_ping);
  if (!options.capture.empty())
    std::printf(
        "captures and key logs are in %s%s; read them with\n"
        "  tests/conformance/decode_capture.py DIR/to-alice.pcap --keys DIR/node.keys ...\n",
        options.capture.c_str(), played.captured ? "" : red(", but packets are missing").c_str());
  if (!options.keep && all)
    std::printf(
        "Try next: `entresol demo --keep`, then look around. On real machines it is as short: "
        "`entresol init edge --up`\non one that others reach, `entresol join` on each of two more, "
        "`entresol ping` (README.md)\n");
}

// DIR as an absolute path, made if it is not there: what is put into it opens all that is captured.
base::Result<std::string> capture_folder(const std::string& wanted) {
  if (wanted.empty()) return wanted;
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::absolute(wanted, error);
  if (!error && !std::filesystem::exists(folder, error) &&
      std::filesystem::create_directories(folder, error))
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error || !std::filesystem::is_directory(folder, error))
    return base::fail(base::code::kFileUnwritable, "--capture: cannot make " + wanted);
  if (!std::filesystem::is_empty(folder, error))
    return base::fail(base::code::kUsage, "--capture: " + wanted + " is not empty");
  return folder.string();
}

base::Result<void> prepare(Scene& scene) {
  if (auto built = scene.build(); !built) return built;
  if (!scene.capture().empty() && !demo::start_captures(scene, demo::all_links(), scene.capture()))
    return base::fail(base::code::kSystemCall, "the links cannot be captured; is tcpdump there?");
  return {};
}

base::Result<void> check_options(const DemoOptions& options, const std::vector<Step>& steps) {
  const auto named = [&](const Step& step) { return step.id == options.break_step; };
  if (!options.break_step.empty() && std::none_of(steps.begin(), steps.end(), named))
    return base::fail(base::code::kUsage,
                      "--break: no step '" + options.break_step + "'; --list shows them");
  if (geteuid() != 0)
    return base::fail(base::code::kNoPermission,
                      "the demo makes network namespaces: run it as root");
  return {};
}

int clean_up(const Global& global) {
  if (auto cleaned = Scene::clean(); !cleaned) return report(global, cleaned.error());
  if (global.json) {
    print(Json{{"clean", true}});
  } else {
    std::printf("nothing of a demo is left\n");
  }
  return runtime::kExitOk;
}

void print_title(const Global& global) {
  if (global.json) return;
  std::printf(
      "%s\n"
      "  alice ── node1 ══ node2 ── bob   node1: a node and the controller; node2: another site's\n"
      "             │        │            alice, bob, dave: hosts that join with a token\n"
      "           carol    dave           carol: wireguard-go, a guest; the nodes share a link, "
      "the "
      "sites no other\n\n",
      bold("Entresol demo: a layer from nothing, in which unmodified applications talk, sealed end "
           "to end")
          .c_str());
}

Json to_json(const DemoOptions& options, const Scene& scene, const Played& played,
             std::size_t steps) {
  Json out{{"steps", played.results},
           {"held", played.held.size()},
           {"of", steps},
           {"seconds", played.seconds},
           {"first_ping_s", played.first_ping}};
  if (options.keep && !interrupted) out["folder"] = scene.folder();
  if (!scene.capture().empty())
    out["capture"] = {{"folder", scene.capture()}, {"complete", played.captured}};
  return out;
}

}  // namespace

int run_demo(const Global& global, const DemoOptions& options) {
  const std::vector<Step> steps = demo::all_steps();
  if (options.list) return list_steps(global, steps);
  if (auto checked = check_options(options, steps); !checked)
    return report(global, checked.error());
  if (options.clean) return clean_up(global);
  auto capture = capture_folder(options.capture);
  if (!capture) return report(global, capture.error());
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  signal(SIGPIPE, SIG_IGN);

  const auto started = Clock::now();
  Scene scene(options.program, *capture);
  if (auto prepared = prepare(scene); !prepared) return report(global, prepared.error());
  print_title(global);
  Played played = play_all(global, options, steps, scene, started);
  if (!capture->empty()) played.captured = demo::stop_captures(scene, demo::all_links(), *capture);

  if (global.json) {
    print(to_json(options, scene, played, steps.size()));
  } else if (interrupted) {
    std::printf("\ninterrupted; cleaning up\n");
  } else {
    print_summary(options, played, steps.size());
  }
  if (options.keep && !interrupted) {
    if (!global.json) print_keep(scene);
    scene.release();
  }
  const bool all = played.held.size() == steps.size() && played.captured && !interrupted;
  return all ? runtime::kExitOk : runtime::kExitError;
}

}  // namespace entresol::cli
