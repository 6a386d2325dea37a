#include "cli/demo/capture.h"

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

namespace entresol::cli::demo {
namespace {

constexpr auto kStartTime = std::chrono::seconds(10);
constexpr auto kLastPackets = std::chrono::milliseconds(300);  // on their way to the file

std::string key(const std::string& folder, const std::string& device) {
  return "capture " + capture_file(folder, device);
}

std::string log_file(const std::string& folder, const std::string& device) {
  return folder + "/" + device + ".log";
}

}  // namespace

std::vector<Link> all_links() {
  return {{"node", "to-alice"},
          {"node", "to-carol"},
          {"node", "to-node2"},
          {"node2", "to-bob"},
          {"node2", "to-dave"}};
}

std::string capture_file(const std::string& folder, const std::string& device) {
  return folder + "/" + device + ".pcap";
}

bool file_has(const std::string& path, const std::string& octets) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str().find(octets) != std::string::npos;
}

bool start_captures(Scene& scene, const std::vector<Link>& links, const std::string& folder) {
  for (const auto& [who, device] : links)
    scene.others[key(folder, device)] =
        Background({"ip", "netns", "exec", Scene::space(who), "tcpdump", "-Z", "root", "-U",
                    "--immediate-mode", "-B", "32768", "-s", "0", "-i", device, "-w",
                    capture_file(folder, device)},
                   log_file(folder, device));
  const auto until = std::chrono::steady_clock::now() + kStartTime;
  for (const auto& [who, device] : links)
    while (!file_has(log_file(folder, device), "listening on")) {
      if (!scene.others[key(folder, device)].alive() || std::chrono::steady_clock::now() > until)
        return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  return true;
}

bool stop_captures(Scene& scene, const std::vector<Link>& links, const std::string& folder) {
  std::this_thread::sleep_for(kLastPackets);
  bool whole = true;
  for (const auto& [who, device] : links) {
    scene.others.erase(key(folder, device));
    whole = whole && file_has(log_file(folder, device), "\n0 packets dropped by kernel");
  }
  return whole;
}

}  // namespace entresol::cli::demo
