#include "config/config.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "config/yaml.h"

namespace entresol::config {
namespace {

constexpr std::string_view kHost = R"(control: /run/entresol/alice.sock
underlay_mtu: 1500
layers:
  - label: edge
    root: root.pub
    identity: alice.key
    certificate: alice.cert
    ipv4_pool: 100.64.0.0/16
    tun: {name: ent7, uso: false}
    nodes:
      - {endpoint: "192.0.2.1:4850", member: node.member}
    directory: [bob.member]
)";

std::string replaced(std::string text, const std::string& before, const std::string& after) {
  text.replace(text.find(before), before.size(), after);
  return text;
}

TEST(HostConfig, ReadsEveryKeyAndResolvesFilesBesideIt) {
  auto host = parse_host(kHost, "/etc/entresol/alice.yaml");
  ASSERT_TRUE(host.has_value()) << host.error().message;
  ASSERT_EQ(host->layers.size(), 1u);
  const HostLayer& layer = host->layers[0];
  EXPECT_EQ(layer.root, "/etc/entresol/root.pub");
  EXPECT_EQ(layer.tun, "ent7");
  EXPECT_FALSE(layer.tun_uso);
  EXPECT_TRUE(layer.tun_tso);
  EXPECT_EQ(layer.ipv4_pool->length, 16);
  EXPECT_EQ(layer.nodes.at(0).endpoint.port, 4850);
  EXPECT_EQ(layer.directory.at(0), "/etc/entresol/bob.member");
}

TEST(HostConfig, UnknownKeySaysWhereAndTheNearestKnownOne) {
  auto host = parse_host(replaced(std::string(kHost), "ipv4_pool", "ipv4_poll"), "a.yaml");
  ASSERT_FALSE(host.has_value());
  EXPECT_EQ(host.error().code, base::code::kConfigUnknownKey);
  EXPECT_EQ(host.error().message,
            "a.yaml:8:5: unknown key 'layers[0].ipv4_poll': did you mean 'ipv4_pool'?");
}

TEST(HostConfig, AMisspeltRequiredKeyIsAnUnknownOneNotAMissingOne) {
  const struct {
    std::string before, after, message;
  } cases[] = {
      {"root:", "rooot:", "a.yaml:5:5: unknown key 'layers[0].rooot': did you mean 'root'?"},
      {"layers:", "layer:", "a.yaml:3:1: unknown key 'layer': did you mean 'layers'?"},
      {"nodes:", "node:", "a.yaml:10:5: unknown key 'layers[0].node': did you mean 'nodes'?"},
      {"endpoint:", "endpiont:",
       "a.yaml:11:10: unknown key 'layers[0].nodes[0].endpiont': did you mean 'endpoint'?"},
  };
  for (const auto& c : cases) {
    auto host = parse_host(replaced(std::string(kHost), c.before, c.after), "a.yaml");
    ASSERT_FALSE(host.has_value()) << c.after;
    EXPECT_EQ(host.error().code, base::code::kConfigUnknownKey) << c.after;
    EXPECT_EQ(host.error().message, c.message);
  }
}

TEST(HostConfig, AFileWithoutKeysHasAPlaceToo) {
  for (const std::string_view text : {"", "\n", "# nothing yet\n"}) {
    for (const auto& error :
         {parse_host(text, "a.yaml").error(), parse_node(text, "a.yaml").error()}) {
      EXPECT_EQ(error.code, base::code::kConfigSyntax) << text;
      EXPECT_TRUE(error.message.starts_with("a.yaml:1:1: ")) << error.message;
    }
  }
}

TEST(HostConfig, EachWrongValueIsNamedWithItsPlace) {
  const struct {
    std::string before, after;
    std::string_view code;
    std::string begins;
  } cases[] = {
      {"192.0.2.1:4850", "192.0.2.1", base::code::kConfigBadValue, "a.yaml:11:20:"},
      {"underlay_mtu: 1500", "underlay_mtu: big", base::code::kConfigBadValue, "a.yaml:2:15:"},
      {"underlay_mtu: 1500", "underlay_mtu: 70000", base::code::kConfigBadValue, "a.yaml:2:15:"},
      {"100.64.0.0/16", "fd00::/8", base::code::kConfigBadValue, "a.yaml:8:16:"},
      {"uso: false", "uso: maybe", base::code::kConfigBadValue, "a.yaml:9:28:"},
      {"    root: root.pub\n", "", base::code::kConfigMissingKey, "a.yaml:4:5:"},
      {"label: edge", "suite: des", base::code::kConfigBadValue, "a.yaml:4:12:"},
      {"layers:", "layers: 3\nx:", base::code::kConfigBadValue, "a.yaml:3:9:"},
      {"control: /run", "control: [/run", base::code::kConfigSyntax, "a.yaml:"},
      {"label: edge", "label: edge\n    label: edge", base::code::kConfigBadValue, "a.yaml:5:5:"},
  };
  for (const auto& c : cases) {
    auto host = parse_host(replaced(std::string(kHost), c.before, c.after), "a.yaml");
    ASSERT_FALSE(host.has_value()) << c.after;
    EXPECT_EQ(host.error().code, c.code) << c.after << ": " << host.error().message;
    EXPECT_TRUE(host.error().message.starts_with(c.begins)) << host.error().message;
  }
}

TEST(NodeConfig, HasDefaultsForAllButTheLayersFiles) {
  auto node = parse_node("layers:\n  - {root: r, identity: i, certificate: c}\n", "n.yaml");
  ASSERT_TRUE(node.has_value()) << node.error().message;
  EXPECT_EQ(node->listen.port, kDefaultPort);
  EXPECT_TRUE(io::is_unspecified(node->listen.address));
  EXPECT_EQ(node->layers[0].label, "edge");
  EXPECT_TRUE(node->layers[0].guests.empty());
}

const std::string kPin = "sha256:" + std::string(64, 'a');

TEST(HostConfig, WithAControllerNeedsNoNodes) {
  const std::string text =
      "layers:\n  - root: r\n    identity: i\n    certificate: c\n    label: edge\n"
      "    controller:\n      addresses: [\"192.0.2.1:4851\", C.example:1]\n      key: " +
      kPin + "\n    nodes: []\n";
  auto host = parse_host(text, "/etc/entresol/host.yaml");
  ASSERT_TRUE(host.has_value()) << host.error().message;
  const HostLayer& layer = host->layers[0];
  ASSERT_TRUE(layer.controller.has_value());
  EXPECT_EQ(layer.controller->addresses,
            (std::vector<Address>{{"192.0.2.1", 4851}, {"c.example", 1}}));
  EXPECT_EQ(layer.controller->pin[31], 0xaa);
  EXPECT_EQ(layer.state, "/etc/entresol/edge.state");
  EXPECT_TRUE(layer.nodes.empty());
  EXPECT_TRUE(parse_host(replaced(text, "    nodes: []\n", ""), "h.yaml"));
  auto elsewhere = parse_host(replaced(text, "nodes: []", "state: s"), "/etc/entresol/host.yaml");
  ASSERT_TRUE(elsewhere.has_value()) << elsewhere.error().message;
  EXPECT_EQ(elsewhere->layers[0].state, "/etc/entresol/s");
}

TEST(HostConfig, AControllerThatCannotBeAskedIsRefused) {
  const std::string text =
      "layers:\n  - root: r\n    identity: i\n    certificate: c\n    controller:\n"
      "      addresses: [\"192.0.2.1:4851\"]\n      key: " +
      kPin + "\n";
  const struct {
    std::string before, after;
    std::string_view code;
    std::string begins;
  } cases[] = {
      {"sha256:", "sha512:", base::code::kConfigBadValue, "h.yaml:7:12:"},
      {"sha256:a", "sha256:", base::code::kConfigBadValue, "h.yaml:7:12:"},
      {"sha256:a", "sha256:g", base::code::kConfigBadValue, "h.yaml:7:12:"},
      {"sha256:a", "sha256:aaa", base::code::kConfigBadValue, "h.yaml:7:12:"},
      {"192.0.2.1:4851", "192.0.2.1", base::code::kConfigBadValue, "h.yaml:6:18:"},
      {"[\"192.0.2.1:4851\"]", "[]", base::code::kConfigBadValue, "h.yaml:6:18:"},
      {"[\"192.0.2.1:4851\"]", "[a:1, b:1, c:1, d:1, e:1]", base::code::kConfigBadValue,
       "h.yaml:6:18:"},
      {"      addresses: [\"192.0.2.1:4851\"]\n", "", base::code::kConfigMissingKey, "h.yaml:6:7:"},
      {"addresses", "adresses", base::code::kConfigUnknownKey, "h.yaml:6:7:"},
  };
  ASSERT_TRUE(parse_host(text, "h.yaml"));
  for (const auto& c : cases) {
    auto host = parse_host(replaced(text, c.before, c.after), "h.yaml");
    ASSERT_FALSE(host.has_value()) << c.after;
    EXPECT_EQ(host.error().code, c.code) << c.after << ": " << host.error().message;
    EXPECT_TRUE(host.error().message.starts_with(c.begins)) << host.error().message;
  }
}

TEST(HostConfig, StateIsForLayersWithAController) {
  auto host = parse_host(replaced(std::string(kHost), "label: edge", "state: s"), "a.yaml");
  ASSERT_FALSE(host.has_value());
  EXPECT_EQ(host.error().code, base::code::kConfigBadValue);
  EXPECT_TRUE(host.error().message.starts_with("a.yaml:4:12: layers[0].state"))
      << host.error().message;
}

TEST(NodeConfig, EndpointsAreWhereHostsCanDial) {
  const auto with = [](const std::string& endpoints) {
    return parse_node(
        "layers:\n  - {root: r, identity: i, certificate: c, endpoints: [" + endpoints + "]}\n",
        "n.yaml");
  };
  auto node = with("\"192.0.2.1:4850\", \"[2001:db8::1]:1\"");
  ASSERT_TRUE(node.has_value()) << node.error().message;
  ASSERT_EQ(node->layers[0].endpoints.size(), 2u);
  EXPECT_EQ(node->layers[0].endpoints[1].port, 1);
  EXPECT_FALSE(node->layers[0].controller.has_value());
  for (const std::string bad : {"\":4850\"", "\"192.0.2.1:0\"", "node.example:4850"}) {
    ASSERT_FALSE(with(bad).has_value()) << bad;
    EXPECT_EQ(with(bad).error().code, base::code::kConfigBadValue);
  }
  std::string many;
  for (int i = 1; i <= 9; ++i) many += "\"192.0.2.1:" + std::to_string(i) + "\",";
  EXPECT_FALSE(with(many).has_value());
}

constexpr std::string_view kController = R"(listen: "192.0.2.1:4851"
advertise: ["192.0.2.1:4851", "controller.example:4851"]
control: /run/entresol/controller.sock
store: store.sqlite
tls: tls.pem
root: ../root.pub
operator: operator.key
delegation: operator.delegation
log: {level: debug, format: json}
)";

TEST(ControllerConfig, ReadsEveryKeyAndResolvesFilesBesideIt) {
  auto controller = parse_controller(kController, "/etc/entresol/controller/controller.yaml");
  ASSERT_TRUE(controller.has_value()) << controller.error().message;
  EXPECT_EQ(controller->listen.port, 4851);
  EXPECT_EQ(controller->advertise.at(1), (Address{"controller.example", 4851}));
  EXPECT_EQ(controller->control, "/run/entresol/controller.sock");
  EXPECT_EQ(controller->store, "/etc/entresol/controller/store.sqlite");
  EXPECT_EQ(controller->tls, "/etc/entresol/controller/tls.pem");
  EXPECT_EQ(controller->root, "/etc/entresol/root.pub");
  EXPECT_EQ(controller->operator_key, "/etc/entresol/controller/operator.key");
  EXPECT_EQ(controller->delegation, "/etc/entresol/controller/operator.delegation");
  EXPECT_EQ(controller->log_level, LogLevel::kDebug);
  EXPECT_TRUE(controller->log_json);
}

TEST(ControllerConfig, WithoutListenItIsEveryAddressOfItsPort) {
  auto controller = parse_controller(
      replaced(std::string(kController), "listen: \"192.0.2.1:4851\"\n", ""), "c.yaml");
  ASSERT_TRUE(controller.has_value()) << controller.error().message;
  EXPECT_EQ(controller->listen.port, kDefaultControllerPort);
  EXPECT_TRUE(io::is_unspecified(controller->listen.address));
}

TEST(ControllerConfig, EachWrongOrMissingValueIsNamedWithItsPlace) {
  const struct {
    std::string before, after;
    std::string_view code;
    std::string begins;
  } cases[] = {
      {"store: store.sqlite\n", "", base::code::kConfigMissingKey, "c.yaml:1:1: store"},
      {"tls:", "tsl:", base::code::kConfigUnknownKey, "c.yaml:5:1:"},
      {"[\"192.0.2.1:4851\", \"controller.example:4851\"]", "controller.example:4851",
       base::code::kConfigBadValue, "c.yaml:2:12:"},
      {"control: /run", "underlay_mtu: 1500\ncontrol: /run", base::code::kConfigUnknownKey,
       "c.yaml:3:1:"},
  };
  for (const auto& c : cases) {
    auto controller =
        parse_controller(replaced(std::string(kController), c.before, c.after), "c.yaml");
    ASSERT_FALSE(controller.has_value()) << c.after;
    EXPECT_EQ(controller.error().code, c.code) << c.after << ": " << controller.error().message;
    EXPECT_TRUE(controller.error().message.starts_with(c.begins)) << controller.error().message;
  }
}

TEST(EditDistance, CountsSwapsOfNeighboursOnce) {
  EXPECT_EQ(edit_distance("lables", "labels"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

constexpr std::string_view kDnsHost = R"(layers:
  - label: edge
    root: r
    identity: i
    certificate: c
    nodes: [{endpoint: "192.0.2.1:4850", member: m}]
    dns: {}
  - label: lab
    root: r
    identity: i
    certificate: c
    tun: {name: ent1}
    nodes: [{endpoint: "192.0.2.1:4850", member: m}]
)";

TEST(HostDnsConfig, IsOffUnlessItIsThere) {
  auto host = parse_host(kDnsHost, "/etc/entresol/host.yaml");
  ASSERT_TRUE(host.has_value()) << host.error().message;
  const auto& dns = host->layers[0].dns;
  ASSERT_TRUE(dns);
  EXPECT_EQ(dns->domain, "edge.internal");
  EXPECT_EQ(io::to_text(dns->listen), "127.0.53.53:53");
  EXPECT_EQ(dns->resolv_conf, ResolvConf::kAuto);
  EXPECT_EQ(dns->state, "/etc/entresol/edge.dns");
  EXPECT_FALSE(host->layers[1].dns);
}

TEST(HostDnsConfig, ReadsEveryKey) {
  auto host = parse_host(
      replaced(std::string(kDnsHost), "{}",
               "{domain: Corp.Example., listen: \"[::1]:5353\", resolv_conf: \"off\", upstream: "
               "[192.0.2.1, \"192.0.2.2:54\", \"2001:db8::1\"]}"),
      "h.yaml");
  ASSERT_TRUE(host.has_value()) << host.error().message;
  const HostDns& dns = *host->layers[0].dns;
  EXPECT_EQ(dns.domain, "corp.example");
  EXPECT_EQ(dns.resolv_conf, ResolvConf::kOff);
  ASSERT_EQ(dns.upstream.size(), 3u);
  EXPECT_EQ(io::to_text(dns.upstream[0]), "192.0.2.1:53");
  EXPECT_EQ(io::to_text(dns.upstream[1]), "192.0.2.2:54");
  EXPECT_EQ(io::to_text(dns.upstream[2]), "[2001:db8::1]:53");
}

TEST(HostDnsConfig, WrongValuesAreRefused) {
  for (const std::string bad :
       {"{domain: \"a b\"}", "{domain: \"\"}", "{listen: \"192.0.2.1:53\"}",
        "{listen: \"127.0.0.1:54\"}", "{listen: \"0.0.0.0:53\"}", "{resolv_conf: maybe}",
        "{upstream: [here]}", "{upstream: [0.0.0.0]}", "{upstream: [\"192.0.2.1:0\"]}",
        "{upstream: [1.1.1.1, 1.1.1.1, 1.1.1.1, 1.1.1.1, 1.1.1.1, 1.1.1.1, 1.1.1.1, "
        "1.1.1.1, 1.1.1.1]}"}) {
    auto host = parse_host(replaced(std::string(kDnsHost), "{}", bad), "h.yaml");
    ASSERT_FALSE(host.has_value()) << bad;
    EXPECT_EQ(host.error().code, base::code::kConfigBadValue) << bad;
  }
  auto host = parse_host(replaced(std::string(kDnsHost), "{}", "{domian: a.b}"), "h.yaml");
  ASSERT_FALSE(host.has_value());
  EXPECT_EQ(host.error().message,
            "h.yaml:7:11: unknown key 'layers[0].dns.domian': did you mean 'domain'?");
}

TEST(HostDnsConfig, LayersShareAListenerAndNoDomain) {
  const auto both = [](const std::string& second) {
    return parse_host(std::string(kDnsHost) + "    dns: " + second + "\n", "h.yaml");
  };
  EXPECT_TRUE(both("{}").has_value());
  for (const std::string bad :
       {"{domain: edge.internal}", "{domain: a.edge.internal}", "{domain: internal}",
        "{listen: \"127.0.0.1:53\"}", "{resolv_conf: plain}"}) {
    auto host = both(bad);
    ASSERT_FALSE(host.has_value()) << bad;
    EXPECT_EQ(host.error().code, base::code::kConfigBadValue) << bad;
  }
}

TEST(NodeDnsConfig, IsThereForGuests) {
  auto node = parse_node(
      "layers:\n  - {root: r, identity: i, certificate: c, ipv4_pool: 100.64.0.0/10, dns: {domain: "
      "a.b, upstream: "
      "[192.0.2.1]}}\n  - {root: r, identity: i, certificate: c, label: lab}\n",
      "n.yaml");
  ASSERT_TRUE(node.has_value()) << node.error().message;
  EXPECT_EQ(node->layers[0].dns.domain, "a.b");
  EXPECT_EQ(node->layers[0].dns.upstream.size(), 1u);
  EXPECT_EQ(node->layers[0].ipv4_pool->length, 10);
  EXPECT_EQ(node->layers[1].dns.domain, "lab.internal");
  EXPECT_FALSE(node->layers[1].ipv4_pool);
}

// ---- bindings ----------------------------------------------------------------------------------------------------

base::Result<Node> bound(const std::string& service, const std::string& binding) {
  return parse_node("services:\n  - {file: s.yaml, " + service +
                        "}\nlayers:\n  - {root: r, identity: i, certificate: c, bindings: [" +
                        binding + "]}\n",
                    "n.yaml");
}

TEST(BindingConfig, SaysWhoseAServiceIsAndWhichFlowsPassIt) {
  const auto node = bound(
      "tenant: client, owns: [bob, 'tag:web'], consent: ['fd35::1'], replies: true, copies: 3",
      "{service: s, to: bob, from: 'tag:web', traffic: tcp/80-90, order: 7}, {service: s, to: "
      "'*'}");
  ASSERT_TRUE(node.has_value()) << node.error().message;
  const service::Rights& rights = node->services[0].rights;
  EXPECT_EQ(rights.tenant, service::Tenant::kClient);
  EXPECT_EQ(rights.owns.size(), 2u);
  EXPECT_EQ(rights.consent[0].kind, layer::policy::Subject::Kind::kName);
  EXPECT_TRUE(rights.replies);
  EXPECT_EQ(rights.copies, 3u);
  ASSERT_EQ(node->layers[0].bindings.size(), 2u);
  const NodeBinding& first = node->layers[0].bindings[0];
  EXPECT_EQ(first.service, "s");
  EXPECT_EQ(first.to.text, "bob");
  EXPECT_EQ(first.from.kind, layer::policy::Subject::Kind::kTag);
  EXPECT_EQ(first.traffic.last_port, 90);
  EXPECT_EQ(first.order, 7u);
  EXPECT_EQ(first.text, "tag:web -> bob tcp/80-90");
  EXPECT_EQ(node->layers[0].bindings[1].from.kind, layer::policy::Subject::Kind::kAny);
}

TEST(BindingConfig, AServiceIsAThirdPartysUnlessSaid) {
  const auto node = bound("tenant: third-party", "");
  ASSERT_TRUE(node.has_value()) << node.error().message;
  EXPECT_EQ(service::Rights{}.tenant, service::Tenant::kThirdParty);
  EXPECT_EQ(node->services[0].rights.tenant, service::Tenant::kThirdParty);
  EXPECT_FALSE(node->services[0].rights.replies);
}

TEST(BindingConfig, MistakesHaveTheirPlace) {
  for (const auto& [service, binding] : std::vector<std::pair<std::string, std::string>>{
           {"tenant: mine", ""},
           {"owns: [bob]", ""},
           {"copies: 0", ""},
           {"consent: [B]", ""},
           {"tenant: operator", "{service: s, to: Bob}"},
           {"tenant: operator", "{service: s, to: bob, traffic: tcp/0}"},
           {"tenant: operator", "{service: s, to: 'bob alice'}"}}) {
    const auto node = bound(service, binding);
    ASSERT_FALSE(node.has_value()) << service << binding;
    EXPECT_EQ(node.error().code, base::code::kConfigBadValue);
    EXPECT_TRUE(node.error().message.starts_with("n.yaml:")) << node.error().message;
  }
  EXPECT_EQ(bound("tenant: operator", "{to: bob}").error().code, base::code::kConfigMissingKey);
}

}  // namespace
}  // namespace entresol::config
