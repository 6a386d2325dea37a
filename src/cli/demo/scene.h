// The demo's stage: four network namespaces of its own, joined by links to the node's only, and the processes in them.
//
//   alice ── node ── bob        alice and bob: native hosts
//             │
//           carol               carol: wireguard-go and wg, configured as any WireGuard client
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/demo/claim.h"
#include "cli/output.h"
#include "cli/process.h"

namespace entresol::cli::demo {

inline constexpr std::string_view kPrefix = "entresol-demo-";

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
  Finished in(const std::string& who, std::vector<std::string> arguments,
              std::chrono::milliseconds limit = std::chrono::seconds(20),
              const std::string& input = "") const;
  Background start(const std::string& who, std::vector<std::string> arguments,
                   const std::string& log) const;
  // The command itself, with -o json; empty object if it failed.
  Json entresol(const std::string& who, std::vector<std::string> arguments,
                int* code = nullptr) const;
  Json status(const std::string& who) const {
    return entresol(who, {"status", "-c", file(who + ".yaml")});
  }

  bool start_node();
  bool wait_node();  // false as soon as it has ended
  bool start_host(const std::string& who);

  Background node;
  std::map<std::string, Background> others;  // servers, guests, captures, by name
  std::map<std::string, std::string> names;  // names as IPv6 addresses
  std::map<std::string, std::string> ipv4;
  bool broken = false;  // --break: the present step leaves out what it should show
  std::string node_wireguard_key;
  std::string guest_private_key;

 private:
  bool build_network();

  std::string program_;
  std::string capture_;
  Claim claim_;
  bool built_ = false;
};

bool write_text(const std::string& path, const std::string& text);
// The prefix that all names of the layer share, of any of them: "fd35:12ab::/32".
std::string names_prefix(const std::string& name);

}  // namespace entresol::cli::demo
