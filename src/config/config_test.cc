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

TEST(EditDistance, CountsSwapsOfNeighboursOnce) {
  EXPECT_EQ(edit_distance("lables", "labels"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace entresol::config
