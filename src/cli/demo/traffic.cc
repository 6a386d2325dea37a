// Unmodified applications: ping, curl, iperf3; what they are told when something is wrong; new keys under traffic.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <regex>
#include <thread>

#include "cli/demo/steps.h"

namespace entresol::cli::demo {
namespace {

constexpr int kPings = 10;
constexpr auto kBackTime = std::chrono::seconds(30);

std::string match(const std::string& text, const char* pattern) {
  std::smatch found;
  return std::regex_search(text, found, std::regex(pattern)) ? found[1].str() : "";
}

struct PingResult {
  bool all = false;
  std::string average;  // milliseconds
  std::string output;
};

PingResult ping(const Scene& scene, const std::string& who, const std::string& address, int count,
                const char* interval) {
  const Finished done = scene.in(
      who, {"ping", "-n", "-c", std::to_string(count), "-i", interval, "-W", "2", address});
  return {done.code == 0 && match(done.output, R"((\d+)% packet loss)") == "0",
          match(done.output, R"(= [\d.]+/([\d.]+)/)"), done.output};
}

std::string url(const std::string& address, const std::string& path) {
  const bool v6 = address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + address + "]" : address) + ":" + kWebPort + "/" + path;
}

double iperf_gbits(const Scene& scene, const std::string& who, const std::string& address) {
  std::vector<std::string> words = {"iperf3", "-J", "-C", "cubic", "-c", address};
  if (scene.capture().empty()) {
    words.insert(words.end(), {"-t", "2", "-O", "1"});
  } else {
    words.insert(words.end(), {"-n", std::to_string(transfer_size(scene))});
  }
  const Finished done = scene.in(who, words, std::chrono::seconds(15));
  const Json result = Json::parse(done.output, nullptr, false);
  if (!result.is_object() || !result.contains("end") || !result["end"].contains("sum_received"))
    return 0;
  return result["end"]["sum_received"].value("bits_per_second", 0.0) / 1e9;
}

std::string two(const char* format, double a, double b) {
  char text[96];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

bool listens(const Scene& scene, const std::string& who, const std::string& port) {
  return scene.in(who, {"ss", "-Hltn", "sport", "=", ":" + port}).output.find(port) !=
         std::string::npos;
}

std::uint64_t handshakes(const Scene& scene, const std::string& who) {
  const Json status = scene.status(who);
  if (!status.contains("links") || status["links"].empty()) return 0;
  return status["links"][0].value("handshakes", std::uint64_t{0});
}

}  // namespace

// What is captured is read by a decoder afterwards, which is no faster than it has to be.
std::size_t transfer_size(const Scene& scene) {
  return scene.capture().empty() ? 64 << 20 : 256 << 10;
}

void start_servers(Scene& scene) {
  if (!scene.others.contains("web"))
    scene.others["web"] = scene.start("bob",
                                      {"python3", "-m", "http.server", "--bind",
                                       "::", "--directory", scene.file("www"), kWebPort},
                                      "web.log");
  if (!scene.others.contains("iperf3"))
    scene.others["iperf3"] = scene.start("bob", {"iperf3", "-s"}, "iperf3.log");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < until &&
         !(listens(scene, "bob", kWebPort) && listens(scene, "bob", "5201")))
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

void stop_server(Scene& scene, const std::string& which) {
  scene.others.erase(which);
}

Seen show_ping(Scene& scene, const std::string& who) {
  const PingResult v6 = ping(scene, who, scene.names["bob"], kPings, "0.02");
  const PingResult v4 = ping(scene, who, scene.ipv4["bob"], kPings, "0.02");
  if (!v6.all || !v4.all)
    return {false, std::string(v6.all ? "IPv4" : "IPv6") + " echoes are lost", ""};
  return {true, who + " -> bob, 10 echoes each over IPv6 and IPv4, none lost",
          v6.average + " ms, " + v4.average + " ms"};
}

int fetch_page(const Scene& scene, const std::string& who) {
  return scene
      .in(who, {"curl", "-s", "-o", "/dev/null", "--max-time", "5",
                url(scene.names.at("bob"), "index.html")})
      .code;
}

Seen show_curl(Scene& scene, const std::string& who) {
  const std::string size = std::to_string(transfer_size(scene));
  const std::string size_text = scene.capture().empty() ? "64 MiB" : "256 KiB";
  std::string speeds[2];
  int i = 0;
  for (const std::string& address : {scene.names["bob"], scene.ipv4["bob"]}) {
    const Finished page =
        scene.in(who, {"curl", "-s", "--max-time", "5", url(address, "index.html")});
    if (page.code != 0 || page.output != "hello from bob\n")
      return {false,
              "curl " + url(address, "index.html") + " failed (" + std::to_string(page.code) + ")",
              ""};
    const Finished large =
        scene.in(who, {"curl", "-s", "--max-time", "15", "-o", "/dev/null", "-w",
                       "%{size_download} %{speed_download}", url(address, "large")});
    const std::string speed = match(large.output, ("^" + size + " (\\d+)").c_str());
    if (large.code != 0 || speed.empty())
      return {false,
              "curl of " + size_text + " from " + address + " failed (" +
                  std::to_string(large.code) + ")",
              ""};
    char text[32];
    std::snprintf(text, sizeof text, "%.0f MB/s", std::strtod(speed.c_str(), nullptr) / 1e6);
    speeds[i++] = text;
  }
  return {true,
          who + " fetches a page and " + size_text + " from bob's web server, over IPv6 and IPv4",
          speeds[0] + ", " + speeds[1]};
}

Seen show_iperf(Scene& scene, const std::string& who) {
  const double v6 = iperf_gbits(scene, who, scene.names["bob"]);
  const double v4 = iperf_gbits(scene, who, scene.ipv4["bob"]);
  if (v6 <= 0 || v4 <= 0)
    return {false, "iperf3 over IPv" + std::string(v6 <= 0 ? "6" : "4") + " gave no result", ""};
  return {true, who + " -> bob, TCP through both nodes, over IPv6 and IPv4",
          two("%.2f Gb/s, %.2f Gb/s", v6, v4)};
}

Seen show_errors(Scene& scene) {
  std::string stranger = scene.names["bob"];
  stranger.back() = stranger.back() == '1' ? '2' : '1';
  const auto began = std::chrono::steady_clock::now();
  const Finished unknown =
      scene.in("alice", {"curl", "-s", "-S", "--max-time", "5", url(stranger, "")});
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  const bool at_once = unknown.code == 7;  // "could not connect"; a time-out would be 28
  const Finished ttl =
      scene.in("alice", {"ping", "-n", "-c", "1", "-t", "1", "-W", "2", scene.names["bob"]});
  const bool expired = ttl.output.find(scene.names["node"]) != std::string::npos &&
                       ttl.output.find("Time exceeded") != std::string::npos;
  const Finished large = scene.in(
      "alice", {"ping", "-n", "-c", "1", "-M", "do", "-s", "1400", "-W", "2", scene.ipv4["bob"]});
  const bool too_long = large.output.find("too long") != std::string::npos ||
                        large.output.find("needed") != std::string::npos;
  if (!at_once) return {false, "curl to a name that nobody has: " + unknown.output, ""};
  if (!expired) return {false, "ping with TTL 1 was not answered by the node", ""};
  if (!too_long) return {false, "a packet that does not fit was not answered", ""};
  char figure[48];
  std::snprintf(figure, sizeof figure, "%.0f ms until curl fails", ms);
  return {
      true,
      "no such name, TTL 1 (answered by the node), too long: each reaches the application as ICMP",
      figure};
}

Seen show_rotation(Scene& scene, bool rotate) {
  const std::uint64_t before = handshakes(scene, "alice");
  Background pinging = scene.start(
      "alice", {"ping", "-n", "-q", "-c", "1000", "-i", "0.002", "-W", "2", scene.names["bob"]},
      "rotation.log");
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    if (rotate) scene.entresol(i % 2 == 0 ? "alice" : "bob", {"rekey"});
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (pinging.alive() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const Finished log = run_program({"cat", scene.file("rotation.log")});
  const std::string received = match(log.output, R"((\d+) received)");
  const std::uint64_t made = handshakes(scene, "alice") - before;
  if (made < 2) return {false, "the link's keys were not replaced", ""};
  if (received != "1000")
    return {false, received + " of 1000 echoes came back while keys were replaced", ""};
  return {true, "keys of links and session replaced four times under 1000 echoes, none lost",
          std::to_string(made) + " new link keys"};
}

Seen show_killed(Scene& scene, bool kill) {
  const auto reaches = [&](const char* interval) {
    return scene
               .in("alice",
                   {"ping", "-n", "-c", "3", "-i", interval, "-W", "1", scene.names["bob"]})
               .code == 0;
  };
  std::string figure;
  for (Service* node : {&scene.node, &scene.node2}) {
    if (kill && !scene.kill(*node)) return {false, node->machine + " does not end", ""};
    if (reaches("0.2")) return {false, "alice still reaches bob", ""};
    const auto began = std::chrono::steady_clock::now();
    if (!scene.start(*node)) return {false, node->machine + " does not come back", ""};
    bool back = false;
    while (!back && std::chrono::steady_clock::now() < began + kBackTime) back = reaches("0.1");
    if (!back) return {false, "the flow does not go on when " + node->machine + " is back", ""};
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s",
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    figure += (figure.empty() ? "" : ", ") + std::string(text);
  }
  return {true, "each node killed with SIGKILL in turn: the flow stops; started again: it goes on",
          figure + " until it goes on"};
}

}  // namespace entresol::cli::demo
