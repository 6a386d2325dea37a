#include "config/config.h"

#include <algorithm>
#include <filesystem>

#include "base/error_codes.h"
#include "config/yaml.h"
#include "dns/message.h"
#include "io/files.h"

namespace entresol::config {
namespace {

namespace code = base::code;

constexpr std::size_t kMaxFile = 1 << 20;
// On loopback, so that the kernel itself refuses at once when the process has gone; beside systemd-resolved's 127.0.0.53.
constexpr std::string_view kDnsListen = "127.0.53.53:53";

base::Endpoint endpoint(YamlMap& map, std::string_view key, const std::string& text) {
  auto parsed = io::parse_endpoint(text);
  if (parsed) return *parsed;
  map.fail(code::kConfigBadValue, key, parsed.error().message);
  return {};
}

void read_process(YamlMap& map, Process& out, const std::string& file) {
  out.control = beside(file, map.text("control", "entresol.sock"));
  map.map("log", [&](YamlMap& log) {
    out.log_level =
        static_cast<LogLevel>(log.choice("level", {"error", "warning", "info", "debug"}, 2));
    out.log_json = log.choice("format", {"text", "json"}, 0) == 1;
  });
  if (map.has("metrics")) out.metrics = endpoint(map, "metrics", map.text("metrics", ""));
}

void read_common(YamlMap& map, Common& out, const std::string& file) {
  read_process(map, out, file);
  const std::string key_log = map.text("key_log", "");
  if (!key_log.empty()) out.key_log = beside(file, key_log);
  out.underlay_mtu = static_cast<std::uint16_t>(map.number("underlay_mtu", 1500, 576, 65535));
  map.map("udp", [&](YamlMap& udp) {
    out.gro = udp.boolean("gro", true);
    out.gso = udp.boolean("gso", true);
  });
}

std::vector<Address> addresses(YamlMap& map, std::string_view key) {
  std::vector<Address> out;
  if (!map.has(key)) {
    map.fail(code::kConfigMissingKey, key, "this key is required");
    return out;
  }
  const auto texts = map.texts(key);
  if (texts.empty() || texts.size() > kMaxAddresses)
    map.fail(code::kConfigBadValue, key,
             "expected a list of 1 to " + std::to_string(kMaxAddresses) + " addresses");
  for (const std::string& text : texts) {
    auto address = parse_address(text);
    if (!address) {
      map.fail(code::kConfigBadValue, key, address.error().message);
      return out;
    }
    out.push_back(std::move(*address));
  }
  return out;
}

crypto::Hash256 pin(YamlMap& map, std::string_view key) {
  constexpr std::string_view kPrefix = "sha256:";
  const std::string text = map.required_text(key);
  crypto::Hash256 out{};
  base::Bytes octets;
  if (text.starts_with(kPrefix) && base::from_hex(text.substr(kPrefix.size()), octets) &&
      octets.size() == out.size()) {
    std::copy(octets.begin(), octets.end(), out.begin());
  } else {
    map.fail(code::kConfigBadValue, key, "expected sha256: and 64 hexadecimal digits");
  }
  return out;
}

void read_controller_of(YamlMap& map, LayerIdentity& out, const std::string& file) {
  map.map("controller", [&](YamlMap& controller) {
    out.controller.emplace();
    out.controller->addresses = addresses(controller, "addresses");
    out.controller->pin = pin(controller, "key");
  });
  const std::string state = map.text("state", "");
  if (out.controller) {
    out.state = beside(file, state.empty() ? out.label + ".state" : state);
  } else if (!state.empty()) {
    map.fail(code::kConfigBadValue, "state", "only a layer with a controller has one");
  }
}

void read_identity(YamlMap& map, LayerIdentity& out, const std::string& file) {
  out.label = map.text("label", "edge");
  out.root = beside(file, map.required_text("root"));
  out.identity = beside(file, map.required_text("identity"));
  out.certificate = beside(file, map.required_text("certificate"));
  out.suite = map.choice("suite", {"aes-256-gcm", "chacha20-poly1305"}, 0) == 0
                  ? crypto::AeadSuite::kAes256Gcm
                  : crypto::AeadSuite::kChaCha20Poly1305;
  for (const std::string& path : map.texts("directory"))
    out.directory.push_back(beside(file, path));
  read_controller_of(map, out, file);
}

void read_ipv4_pool(YamlMap& map, std::optional<io::Prefix>& out) {
  const std::string pool = map.text("ipv4_pool", "");
  if (pool.empty()) return;
  auto prefix = io::parse_prefix(pool);
  if (!prefix || !io::is_v4(prefix->address)) {
    map.fail(code::kConfigBadValue, "ipv4_pool",
             prefix ? "'" + pool + "' is not an IPv4 prefix" : prefix.error().message);
  } else {
    out = *prefix;
  }
}

std::string domain(YamlMap& map, const std::string& label) {
  const std::string text = map.text("domain", label + ".internal");
  const auto name = dns::name_from_text(text);
  if (!name || dns::is_root(*name)) {
    map.fail(code::kConfigBadValue, "domain",
             "'" + text + "' is no domain: letters, digits and '-', with dots between");
    return "";
  }
  return dns::text_of(*name);
}

std::vector<base::Endpoint> upstream(YamlMap& map) {
  std::vector<base::Endpoint> out;
  const auto texts = map.texts("upstream");
  if (texts.size() > kMaxUpstream)
    map.fail(code::kConfigBadValue, "upstream",
             "at most " + std::to_string(kMaxUpstream) + " servers");
  for (const std::string& text : texts) {
    base::Endpoint server;
    if (const auto address = io::parse_address(text)) {
      server = {*address, kDnsPort};
    } else {
      server = endpoint(map, "upstream", text);
    }
    if (server.port == 0 || io::is_unspecified(server.address))
      map.fail(code::kConfigBadValue, "upstream", "'" + text + "' is no server's address");
    out.push_back(server);
  }
  return out;
}

bool is_loopback(const io::Address& address) {
  const io::Address one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address == one || (io::is_v4(address) && address[12] == 127);
}

void read_host_dns(YamlMap& map, HostLayer& out, const std::string& file) {
  map.map("dns", [&](YamlMap& section) {
    HostDns& dns = out.dns.emplace();
    dns.domain = domain(section, out.label);
    dns.listen = endpoint(section, "listen", section.text("listen", std::string(kDnsListen)));
    if (!is_loopback(dns.listen.address))
      section.fail(code::kConfigBadValue, "listen", "expected an address of 127.0.0.0/8, or ::1");
    dns.resolv_conf = static_cast<ResolvConf>(section.choice(
        "resolv_conf", {"auto", "off", "plain", "resolvconf", "systemd-resolved"}, 0));
    if (dns.listen.port != kDnsPort && dns.resolv_conf != ResolvConf::kOff)
      section.fail(code::kConfigBadValue, "listen",
                   "resolv.conf knows no ports: another than 53 takes 'resolv_conf: off'");
    dns.upstream = upstream(section);
    dns.state = out.state.empty() ? beside(file, out.label + ".dns") : out.state;
  });
}

// One listener and one resolv.conf serve them all, and each name belongs to one layer.
void check_dns_of_all(YamlMap& map, const std::vector<HostLayer>& layers) {
  std::vector<const HostDns*> all;
  for (const HostLayer& layer : layers)
    if (layer.dns && dns::name_from_text(layer.dns->domain)) all.push_back(&*layer.dns);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto a = *dns::name_from_text(all[i]->domain), b = *dns::name_from_text(all[j]->domain);
      if (dns::within(a, b) || dns::within(b, a))
        map.fail(code::kConfigBadValue, "layers",
                 "dns.domain: '" + all[i]->domain + "' and '" + all[j]->domain + "' overlap");
      if (all[i]->listen != all[j]->listen || all[i]->resolv_conf != all[j]->resolv_conf)
        map.fail(code::kConfigBadValue, "layers",
                 "dns: listen and resolv_conf are of the process, so all layers give the same");
    }
  }
}

void read_service_rule(YamlMap& map, ServiceRule& out) {
  constexpr std::uint8_t kProtocols[] = {0, 6, 17, 1, 58};
  out.to = map.text("to", "");
  out.protocol = kProtocols[map.choice("protocol", {"any", "tcp", "udp", "icmp", "icmpv6"}, 0)];
  out.port = static_cast<std::uint16_t>(map.number("port", 0, 1, 65535));
  if (!map.has("service")) map.fail(code::kConfigMissingKey, "service", "this key is required");
  out.service = static_cast<std::uint32_t>(map.number("service", 1, 1, UINT32_MAX));
  if (out.port != 0 && out.protocol != 6 && out.protocol != 17)
    map.fail(code::kConfigBadValue, "port", "only tcp and udp have ports: say 'protocol: udp'");
}

void read_host_layer(YamlMap& map, HostLayer& out, const std::string& file) {
  read_identity(map, out, file);
  map.map("tun", [&](YamlMap& tun) {
    out.tun = tun.text("name", "ent0");
    out.tun_checksum = tun.boolean("checksum", true);
    out.tun_tso = tun.boolean("tso", true);
    out.tun_uso = tun.boolean("uso", true);
  });
  if (out.tun.empty()) out.tun = "ent0";
  if (out.tun.size() > 15)
    map.fail(code::kConfigBadValue, "tun", "an interface name has at most 15 characters");
  read_ipv4_pool(map, out.ipv4_pool);
  map.each("services",
           [&](YamlMap& rule) { read_service_rule(rule, out.services.emplace_back()); });
  read_host_dns(map, out, file);
  map.each(
      "nodes",
      [&](YamlMap& node) {
        HostLayer::Node entry;
        entry.endpoint = endpoint(node, "endpoint", node.required_text("endpoint"));
        entry.member = beside(file, node.required_text("member"));
        out.nodes.push_back(std::move(entry));
      },
      !out.controller);
}

// Of an error of one word: the place is the YAML's.
std::string without_place(const std::string& message) {
  const std::size_t end = message.find(": ");
  return end == std::string::npos ? message : message.substr(end + 2);
}

std::vector<layer::policy::Subject> subjects(YamlMap& map, std::string_view key,
                                             const std::vector<std::string>& texts) {
  std::vector<layer::policy::Subject> out;
  for (const std::string& text : texts) {
    auto subject = layer::policy::parse_subject(text);
    if (subject) {
      out.push_back(std::move(*subject));
    } else {
      map.fail(code::kConfigBadValue, key, without_place(subject.error().message));
    }
  }
  return out;
}

void read_rights(YamlMap& map, service::Rights& out) {
  out.tenant =
      static_cast<service::Tenant>(map.choice("tenant", {"third-party", "client", "operator"}, 0));
  out.owns = subjects(map, "owns", map.texts("owns"));
  out.consent = subjects(map, "consent", map.texts("consent"));
  out.replies = map.boolean("replies", false);
  out.copies = static_cast<std::uint32_t>(map.number("copies", out.copies, 1, 256));
  if (!out.owns.empty() && out.tenant != service::Tenant::kClient)
    map.fail(code::kConfigBadValue, "owns",
             "a third party owns nothing here, and an operator all: say 'tenant: client'");
}

void read_binding(YamlMap& map, NodeBinding& out) {
  out.service = map.required_text("service");
  const std::string to = map.required_text("to"), from = map.text("from", "*"),
                    traffic = map.text("traffic", "any");
  if (auto all = subjects(map, "to", {to}); !all.empty()) out.to = all[0];
  if (auto all = subjects(map, "from", {from}); !all.empty()) out.from = all[0];
  auto flows = layer::policy::parse_protocol(traffic);
  if (flows) {
    out.traffic = std::move(*flows);
  } else {
    map.fail(code::kConfigBadValue, "traffic", without_place(flows.error().message));
  }
  out.text = from + " -> " + to + " " + traffic;
  out.order = static_cast<std::uint32_t>(map.number("order", 0, 0, UINT32_MAX));
}

void read_node_layer(YamlMap& map, NodeLayer& out, const std::string& file) {
  read_identity(map, out, file);
  map.each("guests", [&](YamlMap& guest) {
    NodeLayer::Guest entry;
    entry.grant = beside(file, guest.required_text("grant"));
    const std::string psk = guest.text("preshared_key", "");
    if (!psk.empty()) entry.preshared_key = beside(file, psk);
    entry.mtu = static_cast<std::uint16_t>(guest.number("mtu", 1420, 1280, 65535));
    out.guests.push_back(std::move(entry));
  });
  read_ipv4_pool(map, out.ipv4_pool);
  out.dns.domain = out.label + ".internal";
  map.map("dns", [&](YamlMap& section) {
    out.dns.domain = domain(section, out.label);
    out.dns.upstream = upstream(section);
  });
  map.each("bindings",
           [&](YamlMap& binding) { read_binding(binding, out.bindings.emplace_back()); });
  if (out.bindings.size() > service::Bindings::kMaxOfLayer)
    map.fail(code::kConfigBadValue, "bindings",
             "a layer has at most " + std::to_string(service::Bindings::kMaxOfLayer));
  const auto endpoints = map.texts("endpoints");
  if (endpoints.size() > kMaxEndpoints)
    map.fail(code::kConfigBadValue, "endpoints",
             "a registration has at most " + std::to_string(kMaxEndpoints));
  for (const std::string& text : endpoints) {
    out.endpoints.push_back(endpoint(map, "endpoints", text));
    if (out.endpoints.back().port == 0 || io::is_unspecified(out.endpoints.back().address))
      map.fail(code::kConfigBadValue, "endpoints",
               "'" + text + "' is nowhere that a host could dial: give address and port");
  }
}

template <typename Value, typename Parse>
base::Result<Value> load(const std::string& file, Parse parse) {
  auto text = io::read_text_file(file, kMaxFile);
  if (!text) return tl::unexpected(text.error());
  return parse(*text, file);
}

}  // namespace

std::string beside(const std::string& file, const std::string& path) {
  if (path.empty()) return path;
  const std::filesystem::path target(path);
  if (target.is_absolute()) return path;
  return (std::filesystem::path(file).parent_path() / target).lexically_normal().string();
}

base::Result<Host> parse_host(std::string_view yaml, const std::string& file) {
  auto root = parse_yaml(yaml, file);
  if (!root) return tl::unexpected(root.error());
  YamlContext context{file, std::nullopt};
  YamlMap map(context, *root, "");
  Host out;
  read_common(map, out, file);
  out.port = static_cast<std::uint16_t>(map.number("port", 0, 0, 65535));
  map.each(
      "layers", [&](YamlMap& layer) { read_host_layer(layer, out.layers.emplace_back(), file); },
      true);
  check_dns_of_all(map, out.layers);
  map.finish();
  if (context.error) return tl::unexpected(*context.error);
  return out;
}

base::Result<Node> parse_node(std::string_view yaml, const std::string& file) {
  auto root = parse_yaml(yaml, file);
  if (!root) return tl::unexpected(root.error());
  YamlContext context{file, std::nullopt};
  YamlMap map(context, *root, "");
  Node out;
  read_common(map, out, file);
  out.listen = endpoint(map, "listen", map.text("listen", ":" + std::to_string(kDefaultPort)));
  out.service_store = beside(file, map.text("service_store", "services.db"));
  map.each("services", [&](YamlMap& service) {
    NodeService& entry = out.services.emplace_back();
    entry.file = beside(file, service.required_text("file"));
    entry.values = service.pairs("config");
    read_rights(service, entry.rights);
  });
  map.each(
      "layers", [&](YamlMap& layer) { read_node_layer(layer, out.layers.emplace_back(), file); },
      true);
  map.finish();
  if (context.error) return tl::unexpected(*context.error);
  return out;
}

base::Result<Controller> parse_controller(std::string_view yaml, const std::string& file) {
  auto root = parse_yaml(yaml, file);
  if (!root) return tl::unexpected(root.error());
  YamlContext context{file, std::nullopt};
  YamlMap map(context, *root, "");
  Controller out;
  read_process(map, out, file);
  out.listen =
      endpoint(map, "listen", map.text("listen", ":" + std::to_string(kDefaultControllerPort)));
  out.advertise = addresses(map, "advertise");
  out.store = beside(file, map.required_text("store"));
  out.tls = beside(file, map.required_text("tls"));
  out.root = beside(file, map.required_text("root"));
  out.operator_key = beside(file, map.required_text("operator"));
  out.delegation = beside(file, map.required_text("delegation"));
  if (map.has("registry")) out.registry = beside(file, map.required_text("registry"));
  map.finish();
  if (context.error) return tl::unexpected(*context.error);
  return out;
}

base::Result<Host> load_host(const std::string& file) {
  return load<Host>(file, [](const std::string& text, const std::string& name) {
    return parse_host(text, name);
  });
}

base::Result<Node> load_node(const std::string& file) {
  return load<Node>(file, [](const std::string& text, const std::string& name) {
    return parse_node(text, name);
  });
}

base::Result<Controller> load_controller(const std::string& file) {
  return load<Controller>(file, [](const std::string& text, const std::string& name) {
    return parse_controller(text, name);
  });
}

}  // namespace entresol::config
