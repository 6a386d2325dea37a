// The configuration files of hosts and nodes, as values. docs/operations.md lists every key. Files that a key names are
// looked for beside the configuration file; they are read by the roles.
//
// Errors carry file, line and column: kConfigSyntax, kConfigUnknownKey, kConfigBadValue, kConfigMissingKey.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"
#include "crypto/aead_suite.h"
#include "io/endpoint_text.h"

namespace entresol::config {

enum class LogLevel { kError, kWarning, kInfo, kDebug };

struct Common {
  std::string control;                    // path of the control socket
  std::optional<base::Endpoint> metrics;  // address of the Prometheus endpoint
  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;
  std::string key_log;  // file; empty: none
  std::uint16_t underlay_mtu = 1500;
  bool gro = true;
  bool gso = true;
};

struct LayerIdentity {
  std::string label;
  std::string root;      // file with the root's public key
  std::string identity;  // file with the identity's private keys
  std::string
      certificate;  // file with the certificate, and the operator's delegation if there is one
  crypto::AeadSuite suite = crypto::AeadSuite::kAes256Gcm;
  std::vector<std::string>
      directory;  // files of other members: certificate and registration, or a guest's grant
};

struct HostLayer : LayerIdentity {
  std::string tun;  // interface name
  bool tun_checksum = true, tun_tso = true, tun_uso = true;
  std::optional<io::Prefix> ipv4_pool;  // routed into the layer
  struct Node {
    base::Endpoint endpoint;
    std::string member;  // file
  };
  std::vector<Node> nodes;
};

struct Host : Common {
  std::uint16_t port = 0;  // 0: the kernel chooses
  std::vector<HostLayer> layers;
};

struct NodeLayer : LayerIdentity {
  struct Guest {
    std::string grant;          // file
    std::string preshared_key;  // file, base64 as wg's; empty: none
    std::uint16_t mtu = 1420;
  };
  std::vector<Guest> guests;
};

struct Node : Common {
  base::Endpoint listen;
  std::vector<NodeLayer> layers;
};

inline constexpr std::uint16_t kDefaultPort = 4850;

base::Result<Host> parse_host(std::string_view yaml, const std::string& file);
base::Result<Node> parse_node(std::string_view yaml, const std::string& file);
base::Result<Host> load_host(const std::string& file);
base::Result<Node> load_node(const std::string& file);

// `path` as seen from the folder of `file`.
std::string beside(const std::string& file, const std::string& path);

}  // namespace entresol::config
