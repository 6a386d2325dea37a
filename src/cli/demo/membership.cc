// Who is a member, and who says so: a host is put out while its flow runs, and the controller is away for a while.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include "cli/demo/capture.h"
#include "cli/demo/steps.h"

namespace entresol::cli::demo {
namespace {

constexpr auto kStopTime = std::chrono::seconds(15);
constexpr auto kBackTime = std::chrono::seconds(15);
constexpr unsigned long kFirst = 50, kLast = 200;  // numbers of echoes
constexpr auto kPingEnd = std::chrono::seconds(5);
constexpr double kInFlight = 1;  // s before ping's end, in which echoes may still be under way

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Echoes every 10 ms until end(), and what came back of them.
class Echoes {
 public:
  Echoes(const Scene& scene, const std::string& who, const std::string& address)
      : log_(scene.file("echoes-" + who + ".log")) {
    std::error_code ignored;
    std::filesystem::remove(log_, ignored);
    ping_ = scene.start(who, {"ping", "-D", "-n", "-i", "0.01", "-W", "2", address},
                        "echoes-" + who + ".log");
  }
  // Waits until the one with that number is back.
  bool run_to(unsigned long number) const {
    const auto until = std::chrono::steady_clock::now() + kBackTime;
    while (!file_has(log_, "icmp_seq=" + std::to_string(number) + " ")) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  void end() {
    const double now = unix_seconds();
    ping_.signal(SIGINT);
    const auto until = std::chrono::steady_clock::now() + kPingEnd;
    while (ping_.alive() && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ping_.end();
    const std::regex reply(R"(^\[([\d.]+)\] .*bytes from .*icmp_seq=(\d+))");
    std::ifstream in(log_);
    std::smatch found;
    for (std::string line; std::getline(in, line);) {
      if (!std::regex_search(line, found, reply)) continue;
      last_ = std::stod(found[1]);
      highest_ = std::max(highest_, std::stoul(found[2]));
      ++received_;
    }
    none_lost_ = received_ > 0 && received_ == highest_ && now - last_ < kInFlight;
  }
  unsigned long received() const { return received_; }
  bool none_lost() const { return none_lost_; }
  double last() const { return last_; }  // when one came back, in Unix seconds

 private:
  std::string log_;
  Background ping_;
  unsigned long received_ = 0, highest_ = 0;  // numbers of echoes begin with 1
  double last_ = 0;
  bool none_lost_ = false;
};

bool reaches(const Scene& scene, const std::string& who, const std::string& label) {
  const auto until = std::chrono::steady_clock::now() + kBackTime;
  while (!scene.entresol(who, {"ping", label, "-n", "1"}).ok())
    if (std::chrono::steady_clock::now() > until) return false;
  return true;
}

// Dave's machine, as a new host; what it was before is gone.
std::string join_anew(Scene& scene, const std::string& label) {
  const std::string token = scene.new_token();
  if (token.empty()) return "the controller makes no token";
  scene.leave("dave");
  if (const Answer joined = scene.join("dave", label, token); !joined.ok())
    return label + " does not join: " + joined.error;
  if (!reaches(scene, "dave", "bob")) return label + " does not reach bob";
  return "";
}

// What goes on while the controller is away, and when it comes back.
std::string without_controller(Scene& scene, bool comes_back) {
  if (!scene.kill(scene.controller)) return "the controller does not end";
  if (scene.entresol("node", {"token", "create"}).ok()) return "the controller is still there";
  scene.entresol("dave", {"down"});
  if (const Answer up = scene.entresol("dave", {"up"}); !up.ok())
    return "erin restarts, but is not back: " + up.error;
  if (!reaches(scene, "dave", "bob")) return "erin restarts, but does not reach bob";
  if (comes_back && !scene.start(scene.controller)) return "the controller does not start again";
  return join_anew(scene, "frank");
}

}  // namespace

Seen show_revoked(Scene& scene, bool revoke) {
  if (const std::string error = join_anew(scene, "dave"); !error.empty()) return {false, error, ""};
  Echoes echoes(scene, "dave", scene.names["bob"]);
  if (!echoes.run_to(kFirst)) return {false, "dave's flow does not run", ""};
  const double began = unix_seconds();
  if (revoke)
    if (const Answer done = scene.entresol("node", {"host", "revoke", "dave"}); !done.ok())
      return {false, "`entresol host revoke dave`: " + done.error, ""};
  const auto until = std::chrono::steady_clock::now() + kStopTime;
  const std::vector<std::string> ping = {
      "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", scene.names["bob"]};
  while (scene.in("dave", ping).code == 0)
    if (std::chrono::steady_clock::now() > until) return {false, "dave still reaches bob", ""};
  echoes.end();
  if (!reaches(scene, "alice", "bob")) return {false, "alice does not reach bob any more", ""};
  char figure[48];
  std::snprintf(figure, sizeof figure, "%.0f ms until it stops",
                std::max(0.0, (echoes.last() - began) * 1e3));
  return {true,
          "dave joins and reaches bob; `entresol host revoke dave` in the middle: his flow stops, "
          "alice's does not",
          figure};
}

Seen show_controller(Scene& scene, bool comes_back) {
  if (const std::string error = join_anew(scene, "erin"); !error.empty()) return {false, error, ""};
  Echoes echoes(scene, "alice", scene.names["bob"]);
  if (!echoes.run_to(kFirst)) return {false, "alice's flow does not run", ""};
  const std::string error = without_controller(scene, comes_back);
  echoes.run_to(kLast);
  echoes.end();
  if (!error.empty()) return {false, error, ""};
  if (!echoes.none_lost()) return {false, "echoes from alice to bob are lost", ""};
  return {true,
          "controller killed: alice's flow goes on, erin restarts and is back; started again: "
          "frank joins with a new token",
          std::to_string(echoes.received()) + " echoes, none lost"};
}

}  // namespace entresol::cli::demo
