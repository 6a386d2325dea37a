#include "cli/demo/scene.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/error_codes.h"
#include "wire/name.h"

namespace entresol::cli::demo {
namespace {

constexpr auto kStartTime = std::chrono::seconds(10);
const std::vector<std::string> kSpaces = {"alice", "bob", "carol", "node"};

bool ip(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "ip");
  return run_program(arguments).code == 0;
}

bool has_spaces() {
  return std::any_of(kSpaces.begin(), kSpaces.end(), [](const std::string& who) {
    return std::filesystem::exists("/run/netns/" + Scene::space(who));
  });
}

void remove_spaces() {
  for (int number : {SIGTERM, SIGKILL}) {
    bool any = false;
    for (const std::string& who : kSpaces) {
      std::istringstream pids(run_program({"ip", "netns", "pids", Scene::space(who)}).output);
      for (pid_t pid; pids >> pid;) {
        any = true;
        ::kill(pid, number);
      }
    }
    if (!any) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  for (const std::string& who : kSpaces)
    if (std::filesystem::exists("/run/netns/" + Scene::space(who)))
      ip({"netns", "del", Scene::space(who)});
}

}  // namespace

std::string names_prefix(const std::string& name) {
  auto prefix = wire::name_from_text(name);
  if (!prefix) return name + "/32";
  std::fill(prefix->octets.begin() + 4, prefix->octets.end(), std::uint8_t{0});
  return wire::to_string(*prefix) + "/32";
}

bool write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  return !out.fail();
}

Scene::Scene(std::string program, std::string capture)
    : program_(std::move(program)), capture_(std::move(capture)) {}

Scene::~Scene() {
  if (!built_) return;
  others.clear();
  node.end();
  remove_spaces();
  claim_.release();
}

void Scene::release() {
  built_ = false;
  node.release();
  for (auto& [key, process] : others) process.release();
  claim_.keep();
}

base::Result<void> Scene::clean() {
  Claim::end_running();
  auto claim = Claim::take();
  if (!claim) return tl::unexpected(claim.error());
  remove_spaces();
  claim->release();
  return {};
}

base::Result<void> Scene::build() {
  auto claim = Claim::take();
  if (!claim) return tl::unexpected(claim.error());
  // Namespaces that no record explains are not this demo's to remove.
  if (claim->record().kept || (claim->record().folder.empty() && has_spaces())) {
    if (!claim->record().kept) claim->release();
    return base::fail(base::code::kDemoExists,
                      "an earlier demo was kept on this machine; `entresol demo --clean` ends it");
  }
  if (!claim->record().folder.empty()) {
    remove_spaces();
    claim->release();
    claim = Claim::take();
    if (!claim) return tl::unexpected(claim.error());
  }
  claim_ = std::move(*claim);
  built_ = true;
  if (auto begun = claim_.begin(); !begun) return begun;
  if (!build_network())
    return base::fail(base::code::kSystemCall,
                      "cannot make the network namespaces; are ip (iproute2) and veth there?");
  return {};
}

bool Scene::build_network() {
  bool ok = true;
  for (const std::string& who : kSpaces) {
    ok = ok && ip({"netns", "add", space(who)});
    ok = ok && ip({"-n", space(who), "link", "set", "lo", "up"});
  }
  int subnet = 1;
  for (const std::string who : {"alice", "bob", "carol"}) {
    const std::string net = "10.71." + std::to_string(subnet++) + ".";
    ok = ok && ip({"link", "add", "under0", "netns", space(who), "type", "veth", "peer", "name",
                   "to-" + who, "netns", space("node")});
    ok = ok && ip({"-n", space(who), "addr", "add", net + "2/24", "dev", "under0"});
    ok = ok && ip({"-n", space("node"), "addr", "add", net + "1/24", "dev", "to-" + who});
    ok = ok && ip({"-n", space(who), "link", "set", "under0", "up"});
    ok = ok && ip({"-n", space("node"), "link", "set", "to-" + who, "up"});
  }
  // The machine's own default may be another; the figures are for cubic everywhere.
  for (const std::string& who : kSpaces)
    run_program({"ip", "netns", "exec", space(who), "sh", "-c",
                 "echo cubic > /proc/sys/net/ipv4/tcp_congestion_control"});
  return ok;
}

Finished Scene::in(const std::string& who, std::vector<std::string> arguments,
                   std::chrono::milliseconds limit, const std::string& input) const {
  arguments.insert(arguments.begin(), {"ip", "netns", "exec", space(who)});
  return run_program(arguments, limit, input);
}

Background Scene::start(const std::string& who, std::vector<std::string> arguments,
                        const std::string& log) const {
  arguments.insert(arguments.begin(), {"ip", "netns", "exec", space(who)});
  return Background(arguments, file(log));
}

Json Scene::entresol(const std::string& who, std::vector<std::string> arguments, int* code) const {
  arguments.insert(arguments.begin(), {program_, "-o", "json"});
  const Finished done = in(who, arguments);
  if (code != nullptr) *code = done.code;
  Json answer = Json::parse(done.output, nullptr, false);
  return answer.is_object() ? answer : Json::object();
}

bool Scene::start_node() {
  node = start("node", {program_, "run", "node", "-c", file("node.yaml")}, "node.log");
  return wait_node();
}

bool Scene::wait_node() {
  const auto until = std::chrono::steady_clock::now() + kStartTime;
  while (node.alive() && std::chrono::steady_clock::now() < until) {
    if (status("node").contains("role")) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

bool Scene::start_host(const std::string& who) {
  int code = 1;
  entresol(who, {"up", "-c", file(who + ".yaml")}, &code);
  return code == 0;
}

}  // namespace entresol::cli::demo
