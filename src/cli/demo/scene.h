// The demo's stage: six network namespaces of its own, two sites of three, and the processes in them. Machines of a site have a
// link to its node alone, and the sites share the link between the nodes alone.
//
//   alice ── node ══ node2 ── bob     node: the first node and the controller; node2: another site's
//              │       │              alice, bob and dave: native hosts
//            carol   dave             carol: wireguard-go and wg, configured as any WireGuard client
//
// Hosts of the other site reach the controller through node2's machine, which passes TCP on as any router, and no UDP.
// What the command keeps of a machine is in a folder of its own, $ENTRESOL_DIR there.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "cli/demo/claim.h"
#include "cli/output.h"
#include "cli/process.h"

namespace entresol::cli::demo {

inline constexpr std::string_view kPrefix = "entresol-demo-";
// Of the underlay; the first as in README.md.
inline constexpr const char* kNodeAddress = "203.0.113.7";
inline constexpr const char* kNode2Address = "203.0.113.8";
inline constexpr const char* kSpaceFiles =
    "/etc/netns/";  // `ip netns exec` mounts what is there over /etc
inline constexpr const char* kDomain = "edge.internal";

// The node or the controller: it runs by itself, not as a child of the demo.
struct Service {
  std::string machine;
  std::string role;
  std::string config, control;
  pid_t pid = -1;
  void signal(int number) const;
};

// What the command has answered.
struct Answer {
  int code = -1;
  Json said = Json::object();
  std::string error;  // "E0513: …" if it was one
  bool ok() const { return code == 0; }
};

class Scene {
 public:
  // `capture`: folder that exists, for captures of the links and the members' key logs; empty: none are made.
  Scene(std::string program, std::string capture);
  ~Scene();  // ends everything, unless release() was called

  // Ends whatever demo there is, running, kept or killed: processes, namespaces, files.
  static base::Result<void> clean();

  // Namespaces, links, folder. kDemoExists, if another demo runs or was kept; what a killed one has left is removed.
  base::Result<void> build();
  void release();  // leaves it all running

  std::string file(const std::string& name) const { return folder() + "/" + name; }
  const std::string& folder() const { return claim_.record().folder; }
  const std::string& capture() const { return capture_; }
  static std::string space(const std::string& who) { return std::string(kPrefix) + who; }

  // Runs in the namespace of `who`.
  // The machine's /etc/resolv.conf: each has one of its own, so that this machine's stays as it is.
  static std::string resolv_conf(const std::string& who) {
    return std::string(kSpaceFiles) + space(who) + "/resolv.conf";
  }
  Finished in(const std::string& who, std::vector<std::string> arguments,
              std::chrono::milliseconds limit = std::chrono::seconds(20),
              const std::string& input = "") const;
  Background start(const std::string& who, std::vector<std::string> arguments,
                   const std::string& log) const;
  // The command itself, with -o json, as a user of that machine would type it.
  Answer entresol(const std::string& who, std::vector<std::string> arguments,
                  const std::string& input = "") const;
  Json status(const std::string& who) const { return entresol(who, {"status"}).said; }
  // An open token; empty if the controller gives none.
  std::string new_token(const std::string& role = "host") const;

  // The machine becomes a host with that label, or with an endpoint a node. With --capture, its keys are logged.
  Answer join(const std::string& machine, const std::string& label, const std::string& token,
              const std::string& endpoint = "");
  // The machine's host ends, and nothing is left of its membership there.
  void leave(const std::string& machine);
  bool start(Service& service);
  bool kill(Service& service);  // SIGKILL; true once it is gone
  bool restart_with_key_log(Service& service);
  // For the decoder of captures, too.
  void add_member(const std::string& label, const std::string& name, const std::string& address);

  Service node, node2, controller;
  std::chrono::steady_clock::time_point began;  // of `init`
  std::vector<std::string> tokens;              // the first two, which `init` gives
  std::map<std::string, Background> others;     // servers, guests, captures, by name
  std::map<std::string, std::string> names;     // names as IPv6 addresses
  std::map<std::string, std::string> ipv4;
  std::string guest_file;        // what `guest add` has printed
  std::string resolv_conf_kept;  // alice's, while --break takes it away
  bool broken = false;           // --break: the present step leaves out what it should show

 private:
  static bool build_network();
  bool await_end(Service& service);
  bool log_keys(const std::string& machine, const std::string& config) const;

  std::string program_;
  std::string capture_;
  Claim claim_;
  bool built_ = false;
};

bool write_text(const std::string& path, const std::string& text);
std::string read_text(const std::string& path);  // empty if there is none
bool append_text(const std::string& path, const std::string& text);
// The prefix that all names of the layer share, of any of them: "fd35:12ab::/32".
std::string names_prefix(const std::string& name);

}  // namespace entresol::cli::demo
