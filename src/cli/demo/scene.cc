#include "cli/demo/scene.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/bytes.h"
#include "base/error_codes.h"
#include "wire/name.h"

namespace entresol::cli::demo {
namespace {

constexpr auto kEndTime = std::chrono::seconds(10);
const std::vector<std::string> kSpaces = {"alice", "bob", "carol", "dave", "node", "node2"};
// Each machine with a link to a node, and that link's subnet, 10.71.N.0/24.
struct Cable {
  const char* who;
  const char* node;
  int subnet;
};
constexpr Cable kCables[] = {
    {"alice", "node", 1}, {"bob", "node2", 2}, {"carol", "node", 3}, {"dave", "node2", 4}};
constexpr const char* kBetweenNodes = "10.71.9.";
constexpr auto kPollInterval = std::chrono::milliseconds(20);

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
  std::error_code ignored;
  for (const std::string& who : kSpaces) {
    if (std::filesystem::exists("/run/netns/" + Scene::space(who)))
      ip({"netns", "del", Scene::space(who)});
    std::filesystem::remove_all(kSpaceFiles + Scene::space(who), ignored);
  }
  std::filesystem::remove("/etc/netns", ignored);  // if nobody else has anything there
}

bool give_resolv_conf(const std::string& who) {
  std::error_code error;
  std::filesystem::create_directories(kSpaceFiles + Scene::space(who), error);
  return !error && write_text(Scene::resolv_conf(who), "# a machine of the demo: no server\n");
}

bool add_address(const std::string& who, const std::string& address, const std::string& device) {
  return ip({"-n", Scene::space(who), "addr", "add", address, "dev", device});
}

bool add_route(const std::string& who, const std::string& to, const std::string& via) {
  return ip({"-n", Scene::space(who), "route", "add", to, "via", via});
}

// The node's end has the address NET1, the other NET2.
bool connect(const std::string& who, const std::string& device, const std::string& node,
             const std::string& node_device, const std::string& net) {
  return ip({"link", "add", device, "netns", Scene::space(who), "type", "veth", "peer", "name",
             node_device, "netns", Scene::space(node)}) &&
         add_address(who, net + "2/24", device) && add_address(node, net + "1/24", node_device) &&
         ip({"-n", Scene::space(who), "link", "set", device, "up"}) &&
         ip({"-n", Scene::space(node), "link", "set", node_device, "up"});
}

// A host of the second site: it dials the node there, and reaches the controller through it, but not the first node.
bool join_site(const std::string& who, const std::string& net) {
  return add_route(who, kNode2Address, net + "1") &&
         add_route("node", net + "0/24", kBetweenNodes + std::string("2")) &&
         run_program({"ip", "netns", "exec", Scene::space("node2"), "sh", "-c",
                      "echo 1 > /proc/sys/net/ipv4/ip_forward"})
                 .code == 0 &&
         ip({"-n", Scene::space("node2"), "rule", "add", "pref", "10", "iif", "to-" + who,
             "ipproto", "udp", "blackhole"});
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

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool append_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::app);
  out << text;
  out.close();
  return !out.fail();
}

void Service::signal(int number) const {
  if (pid > 0) ::kill(pid, number);  // anything else means more than one process
}

Scene::Scene(std::string program, std::string capture)
    : program_(std::move(program)), capture_(std::move(capture)) {}

Scene::~Scene() {
  if (!built_) return;
  others.clear();
  remove_spaces();  // and with them what runs there by itself
  claim_.release();
}

void Scene::release() {
  built_ = false;
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
    ok = ok && ip({"-n", space(who), "link", "set", "lo", "up"}) && give_resolv_conf(who);
  }
  ok = ok && add_address("node", std::string(kNodeAddress) + "/32", "lo") &&
       add_address("node2", std::string(kNode2Address) + "/32", "lo");
  ok = ok && connect("node2", "to-node", "node", "to-node2", kBetweenNodes) &&
       add_route("node2", kNodeAddress, kBetweenNodes + std::string("1")) &&
       add_route("node", kNode2Address, kBetweenNodes + std::string("2"));
  for (const auto& [who, node, subnet] : kCables) {
    const std::string net = "10.71." + std::to_string(subnet) + ".";
    ok = ok && connect(who, "under0", node, std::string("to-") + who, net) &&
         add_route(who, kNodeAddress, net + "1");
    if (node == std::string("node2")) ok = ok && join_site(who, net);
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

Answer Scene::entresol(const std::string& who, std::vector<std::string> arguments,
                       const std::string& input) const {
  arguments.insert(arguments.begin(), {"env", "ENTRESOL_DIR=" + file(who), program_, "-o", "json"});
  const Finished done = in(who, arguments, std::chrono::seconds(40), input);
  Answer answer;
  answer.code = done.code;
  answer.said = Json::parse(done.output, nullptr, false);
  if (!answer.said.is_object()) answer.said = Json::object();
  if (const Json& error = part_of(answer.said, "error"); !error.empty())
    answer.error = text_of(error, "code") + ": " + text_of(error, "message");
  else if (!answer.ok())
    answer.error = "exit code " + std::to_string(done.code);
  return answer;
}

std::string Scene::new_token(const std::string& role) const {
  return text_of(entresol("node", {"token", "create", "--role", role}).said, "token");
}

// With --capture: who has the captures and these can read all of it. Each record in a datagram of its own, as on a cable.
bool Scene::log_keys(const std::string& machine, const std::string& config) const {
  return append_text(config, "key_log: " + Json(capture() + "/" + machine + ".keys").dump() +
                                 "\nudp: {gro: false, gso: false}\n");
}

Answer Scene::join(const std::string& machine, const std::string& label, const std::string& token,
                   const std::string& endpoint) {
  std::vector<std::string> words = {"join", "--label", label};
  if (endpoint.empty()) {
    words.push_back("--dns");
  } else {
    words.insert(words.end(), {"--endpoint", endpoint});
  }
  if (!capture().empty()) words.push_back("--no-up");
  Answer answer = entresol(machine, words, token + "\n");
  if (!answer.ok()) return answer;
  add_member(label, text_of(answer.said, "name"), text_of(answer.said, "ipv4"));
  if (capture().empty()) return answer;
  const std::string config = text_of(answer.said, "config");
  log_keys(machine, config);
  Answer up = entresol(machine, {"up", "--role", endpoint.empty() ? "host" : "node", "-c", config});
  if (up.ok()) up.said["config"] = config;
  return up;
}

void Scene::leave(const std::string& machine) {
  const auto until = std::chrono::steady_clock::now() + kEndTime;
  entresol(machine, {"down"});
  while (status(machine).contains("role") && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(kPollInterval);
  std::error_code ignored;
  std::filesystem::remove_all(file(machine), ignored);
}

bool Scene::start(Service& service) {
  const Answer up = entresol(service.machine, {"up", "--role", service.role, "-c", service.config});
  if (up.ok()) service.pid = static_cast<pid_t>(number_of(up.said, "pid"));
  return up.ok();
}

bool Scene::kill(Service& service) {
  service.signal(SIGKILL);
  return await_end(service);
}

bool Scene::restart_with_key_log(Service& service) {
  entresol(service.machine, {"down", "--control", service.control});
  return await_end(service) && log_keys(service.machine, service.config) && start(service);
}

// Whoever started it may not collect it for long: it has ended once nothing answers.
bool Scene::await_end(Service& service) {
  service.pid = -1;
  const auto until = std::chrono::steady_clock::now() + kEndTime;
  while (entresol(service.machine, {"status", "--control", service.control}).ok()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

void Scene::add_member(const std::string& label, const std::string& name,
                       const std::string& address) {
  names[label] = name;
  ipv4[label] = address;
  const auto parsed = wire::name_from_text(name);
  if (capture().empty() || !parsed) return;
  append_text(capture() + "/members.keys",
              "MEMBER " + base::to_hex(parsed->octets) + " " + address + "\n");
}

}  // namespace entresol::cli::demo
