// The configuration files of hosts, nodes and controllers, as values. docs/operations.md lists every key. Files that a
// key names are looked for beside the configuration file; they are read by the roles.
//
// Errors carry file, line and column: kConfigSyntax, kConfigUnknownKey, kConfigBadValue, kConfigMissingKey.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"
#include "config/address.h"
#include "crypto/aead_suite.h"
#include "crypto/hash.h"
#include "io/endpoint_text.h"
#include "layer/policy/rule.h"
#include "service/bindings.h"
#include "service/rights.h"

namespace entresol::config {

enum class LogLevel { kError, kWarning, kInfo, kDebug };

// What every process has.
struct Process {
  std::string control;  // path of the control socket
  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;
  std::optional<base::Endpoint> metrics;  // address of the Prometheus endpoint
};

// What hosts and nodes have in common.
struct Common : Process {
  std::string key_log;  // file; empty: none
  std::uint16_t underlay_mtu = 1500;
  bool gro = true;
  bool gso = true;
};

// Who renews a member's certificate and knows the layer's members.
struct LayerController {
  std::vector<Address> addresses;  // 1 to 4, tried in turn
  crypto::Hash256 pin{};           // SHA-256 of its key's SubjectPublicKeyInfo
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
  std::optional<LayerController> controller;  // none: files alone
  // With a controller: the directory where the member keeps what it has learnt. `entresol join` begins it with
  // nodes/LABEL.member, the member files of the nodes that there were.
  std::string state;
};

// Who manages a machine's resolv.conf.
enum class ResolvConf { kAuto, kOff, kPlain, kResolvconf, kSystemdResolved };

// Names of the layer's members for the applications of a host. One listener serves all layers: `listen` and `resolv_conf`
// are the same in all.
struct HostDns {
  std::string domain;  // "edge.internal"
  base::Endpoint listen;
  ResolvConf resolv_conf = ResolvConf::kAuto;
  std::vector<base::Endpoint>
      upstream;       // of other names; empty: the servers that were there before
  std::string state;  // directory where the former resolv.conf is kept
};

// The same for a node's guests, which ask at a well-known address of the layer.
struct NodeDns {
  std::string domain;
  std::vector<base::Endpoint> upstream;  // empty: those of the node's resolv.conf
};

// Flows that a host opens are for a service: the first rule that matches says which, and IP delivery if none does.
struct ServiceRule {
  std::string to;             // a member's label or name; empty: anybody
  std::uint8_t protocol = 0;  // IP protocol; 0: every
  std::uint16_t port = 0;     // of the far end; 0: every
  std::uint32_t service = 0;
};

struct HostLayer : LayerIdentity {
  std::vector<ServiceRule> services;
  std::string tun;  // interface name
  bool tun_checksum = true, tun_tso = true, tun_uso = true;
  std::optional<io::Prefix> ipv4_pool;  // routed into the layer
  struct Node {
    base::Endpoint endpoint;
    std::string member;  // file
  };
  std::vector<Node> nodes;     // may be empty if there is a controller
  std::optional<HostDns> dns;  // none: names are not served, and resolv.conf is left alone
};

struct Host : Common {
  std::uint16_t port = 0;  // 0: the kernel chooses
  std::vector<HostLayer> layers;
};

// Flows at a node that a service is asked about although they do not name it.
struct NodeBinding {
  std::string service;  // name, of one of the node's
  layer::policy::Subject from, to;
  layer::policy::Rule traffic;  // protocol and ports
  std::string text;             // all of it, for people
  std::uint32_t order = 0;
};

struct NodeLayer : LayerIdentity {
  struct Guest {
    std::string grant;          // file
    std::string preshared_key;  // file, base64 as wg's; empty: none
    std::uint16_t mtu = 1420;
  };
  std::vector<Guest> guests;
  std::optional<io::Prefix>
      ipv4_pool;  // the layer's; none: guests have no names for IPv4 addresses
  NodeDns dns;
  std::vector<base::Endpoint> endpoints;  // where its registration says that hosts can dial it
  std::vector<NodeBinding> bindings;
};

// A service that a node runs: a module with its manifest.
struct NodeService {
  std::string file;                           // its service.yaml
  std::map<std::string, std::string> values;  // of its configuration
  service::Rights rights;
};

struct Node : Common {
  base::Endpoint listen;
  std::vector<NodeService> services;
  std::string service_store;  // SQLite file: what services have to keep
  std::vector<NodeLayer> layers;
};

struct Controller : Process {
  base::Endpoint listen;
  std::vector<Address> advertise;  // 1 to 4: what tokens carry
  std::string store;               // SQLite file
  std::string tls;                 // file with the TLS key and its certificate, PEM
  std::string root;                // file with the root's public key
  std::string operator_key;        // file with the operator's secret key
  std::string delegation;          // file with the root's delegation to the operator
  std::string registry;            // file of public service ids; empty: there are none
};

inline constexpr std::uint16_t kDefaultPort = 4850;
inline constexpr std::uint16_t kDefaultControllerPort = 4851;
inline constexpr std::uint16_t kDnsPort = 53;
inline constexpr std::size_t kMaxUpstream = 8;
inline constexpr std::size_t kMaxAddresses = 4;  // of a controller: a token carries no more
inline constexpr std::size_t kMaxEndpoints = 8;  // of a node

base::Result<Host> parse_host(std::string_view yaml, const std::string& file);
base::Result<Node> parse_node(std::string_view yaml, const std::string& file);
base::Result<Controller> parse_controller(std::string_view yaml, const std::string& file);
base::Result<Host> load_host(const std::string& file);
base::Result<Node> load_node(const std::string& file);
base::Result<Controller> load_controller(const std::string& file);

// `path` as seen from the folder of `file`.
std::string beside(const std::string& file, const std::string& path);

}  // namespace entresol::config
