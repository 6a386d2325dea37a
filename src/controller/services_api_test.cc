// Services through the API: packages in, the catalogue out, and what nodes say.
#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "controller/api.h"
#include "controller/test_api.h"
#include "service/packages/package.h"

namespace entresol::controller {
namespace {

namespace code = base::code;
using directory::test::Person;
using test::ApiWorld;
using test::kNow;

class ServicesApiTest : public ::testing::Test {
 protected:
  static crypto::Ed25519KeyPair key(std::uint8_t seed) {
    std::array<std::uint8_t, 32> octets{};
    octets.fill(seed);
    return crypto::ed25519_keypair(octets);
  }
  static base::Bytes package(std::uint32_t version, std::string more = "",
                             std::uint8_t publisher = 7) {
    service::packages::Package out;
    out.manifest =
        "service: hello\nid: 0x80000005\nversion: " + std::to_string(version) + "\n" + more;
    out.module = {0, 'a', 's', 'm', 1, 0, 0, 0, static_cast<std::uint8_t>(version)};
    return sign_package(out, key(publisher));
  }
  Json ask(const char* method, const std::string& target, const Json& body = nullptr) {
    const auto answer = w.ask(method, target, body, w.admin);
    return answer->answered->status == 200 ? answer->json() : Json(answer->error());
  }
  Json publish(const base::Bytes& octets, Json more = Json::object()) {
    more["package"] = octets_text(octets);
    return ask("POST", "/v1/services", more);
  }
  Json item() {
    const Json told = ask("GET", "/v1/directory");
    for (const Json& each : told["items"])
      if (each["kind"] == "services") return each;
    return nullptr;
  }

  ApiWorld w;
};

TEST_F(ServicesApiTest, FromAPackageToWhatNodesAreTold) {
  const Json made = publish(package(1));
  ASSERT_TRUE(made.is_object()) << made;
  EXPECT_EQ(made["name"], "hello");
  EXPECT_EQ(made["version"], 1);
  EXPECT_EQ(ask("GET", "/v1/services/hello"), made);
  EXPECT_EQ(ask("GET", "/v1/services")["services"].size(), 1u);
  EXPECT_EQ(ask("GET", "/v1/status")["services"], 1);
  EXPECT_EQ(item()["revision"], 1);
  const std::string hash = made["package"].get<std::string>();
  EXPECT_EQ(ask("GET", "/v1/packages/" + hash)["package"], octets_text(package(1)));
  EXPECT_EQ(ask("GET", "/v1/packages/00"), code::kConfigBadValue);
  EXPECT_EQ(ask("GET", "/v1/packages/" + std::string(64, '0')), code::kServiceUnpublished);
  EXPECT_EQ(publish(package(2))["previous"]["version"], 1);
  EXPECT_EQ(ask("PUT", "/v1/services/hello", {{"rollback", true}})["version"], 1);
  EXPECT_EQ(ask("PUT", "/v1/services/hello", Json::object()), code::kConfigBadValue);
  EXPECT_GT(ask("DELETE", "/v1/services/hello")["removed_at"], 0);
  EXPECT_EQ(ask("GET", "/v1/services/hello"), code::kServiceUnpublished);
  EXPECT_EQ(item()["revision"], 4);
}

TEST_F(ServicesApiTest, WhatIsNoPackageIsRefused) {
  base::Bytes changed = package(1);
  changed[80] ^= 1;
  EXPECT_EQ(publish(changed), code::kKitPackage);
  EXPECT_EQ(publish({}), code::kKitPackage);
  EXPECT_EQ(publish(package(1, "sauce: 3\n")), code::kConfigUnknownKey);
  EXPECT_EQ(publish(package(1, "id: 5\n")), code::kConfigBadValue) << "a key twice";
  EXPECT_EQ(publish(package(1), {{"nodes", {"nobody"}}}), code::kMemberUnknown);
  EXPECT_EQ(publish(package(1), {{"config", {1}}}), code::kConfigBadValue);
  EXPECT_EQ(publish(package(1), {{"config", {{"x", "1"}}}}), code::kConfigBadValue);
  service::packages::Package text;
  text.manifest = "service: hello\nid: 0x80000005\n";
  text.module = {'n', 'o'};
  EXPECT_EQ(publish(sign_package(text, key(7))), code::kModuleMalformed);
  EXPECT_EQ(item(), nullptr);
  EXPECT_EQ(
      w.ask("POST", "/v1/services", {{"package", octets_text(package(1))}}, w.reader)->error(),
      code::kScopeMissing);
}

TEST_F(ServicesApiTest, ValuesHoldOnAsLongAsTheManifestKnowsThem) {
  const std::string keys =
      "config: [{name: a, type: integer, maximum: 9}, {name: b, type: text}]\n";
  ASSERT_TRUE(publish(package(1, keys), {{"config", {{"a", "3"}, {"b", "x"}}}}).is_object());
  const Json next = publish(package(2, "config: [{name: a, type: integer, maximum: 9}]\n"));
  EXPECT_EQ(next["config"], Json({{"a", "3"}}));
  EXPECT_EQ(publish(package(3, keys), {{"config", {{"a", "10"}}}}), code::kConfigBadValue);
  EXPECT_EQ(ask("PUT", "/v1/services/hello", {{"rollback", true}})["config"],
            Json({{"a", "3"}, {"b", "x"}}));
}

TEST_F(ServicesApiTest, WhatNodesSay) {
  const Person gate = w.world.person("gate"), alice = w.world.person("alice");
  w.admit(gate, "node");
  w.admit(alice);
  ASSERT_TRUE(publish(package(1), {{"nodes", {"gate"}}}).is_object());
  EXPECT_EQ(ask("GET", "/v1/services/hello")["nodes"][0]["state"], "unheard");
  const Json said{{"revision", 1},
                  {"services",
                   {{{"id", 0x80000005u},
                     {"version", 1},
                     {"state", "refused"},
                     {"runs", 0},
                     {"code", "E0755"},
                     {"reason", std::string(4000, 'r')},
                     {"sauce", 3}}}}};
  EXPECT_EQ(w.ask_as(alice, "PUT", "/v1/standing", said)->error(), code::kScopeMissing);
  EXPECT_EQ(w.ask_as(gate, "PUT", "/v1/standing", {{"services", 3}})->error(),
            code::kConfigBadValue);
  ASSERT_EQ(w.ask_as(gate, "PUT", "/v1/standing", said)->answered->status, 200u);
  const Json node = ask("GET", "/v1/services/hello")["nodes"][0];
  EXPECT_EQ(node["label"], "gate");
  EXPECT_EQ(node["state"], "refused");
  EXPECT_EQ(node["code"], "E0755");
  EXPECT_EQ(node["reason"].get<std::string>().size(), 512u) << "bounded";
  EXPECT_FALSE(node.contains("sauce"));
  const std::string target =
      "/v1/packages/" + ask("GET", "/v1/services/hello")["package"].get<std::string>();
  EXPECT_EQ(w.ask_as(gate, "GET", target)->json()["package"], octets_text(package(1)));
}

TEST_F(ServicesApiTest, PublicIdsAreForWhomTheRegistryNames) {
  service::packages::Package out;
  out.manifest = "service: cache\nid: 40\n";
  out.module = {0, 'a', 's', 'm', 1, 0, 0, 0};
  EXPECT_EQ(publish(sign_package(out, key(7))), code::kServiceId);
  ApiConfig config;
  config.advertise = {{"192.0.2.1", 4851}};
  config.registry = {{40, "cache", key(7).public_key}};
  w.api = std::make_unique<Api>(config, *w.world.authority, w.world.store);
  EXPECT_EQ(publish(sign_package(out, key(8))), code::kServiceId) << "another publisher";
  EXPECT_TRUE(publish(sign_package(out, key(7))).is_object());
}

}  // namespace
}  // namespace entresol::controller
