#include "cli/admission.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error_codes.h"
#include "layer/directory/base64url.h"
#include "layer/membership/armor.h"
#include "layer/membership/test_authority.h"

namespace entresol::cli {
namespace {

using Json = nlohmann::json;
namespace membership = layer::membership;
using membership::Role;
using membership::test::kNow;

struct Scene {
  membership::test::Authority authority{1};
  membership::Identity host = membership::test::make_identity(authority.random);
  membership::Identity node = membership::test::make_identity(authority.random);

  Json node_json() const {
    return {{"certificate", octets(authority.certify(node, Role::kNode, "node1", {100, 64, 0, 1}))},
            {"registration", octets(authority.registration(node))}};
  }
  Json answer() const {
    return {
        {"layer",
         {{"id", octets(authority.trust.layer())},
          {"root", octets(authority.root.public_key)},
          {"label", "edge"},
          {"domain", "edge.internal"},
          {"ipv4_pool", "100.64.0.0/10"}}},
        {"member",
         {{"certificate", octets(authority.certify(host, Role::kHost, "alice", {100, 64, 0, 2}))}}},
        {"nodes", Json::array({node_json()})}};
  }
  static std::string octets(base::ByteView bytes) { return layer::directory::to_base64url(bytes); }
  base::Result<Admission> parse(const Json& answer, Role role = Role::kHost) const {
    return parse_admission(answer.dump(), host.identity.public_key, role, kNow);
  }
};

TEST(Admission, HoldsWhatTheMemberNeeds) {
  const Scene scene;
  const auto admission = scene.parse(scene.answer());
  ASSERT_TRUE(admission.has_value()) << admission.error().message;
  EXPECT_EQ(admission->layer, "edge");
  EXPECT_EQ(admission->root, scene.authority.root.public_key);
  EXPECT_EQ(admission->ipv4_pool->length, 10);
  EXPECT_EQ(admission->certificate.label, "alice");
  ASSERT_EQ(admission->nodes.size(), 1u);
  EXPECT_EQ(admission->nodes[0].label, "node1");
  EXPECT_EQ(admission->nodes[0].name, admission->nodes[0].registered.name);
}

TEST(Admission, FieldsThatAreNotKnownAndNodesThatDoNotHoldAreNoMatter) {
  const Scene scene;
  Json answer = scene.answer();
  answer["later"] = 1;
  answer["member"]["later"] = {1, 2};
  answer["layer"].erase("ipv4_pool");
  Json host = scene.node_json();  // signed by the root, and no node
  host["certificate"] = answer["member"]["certificate"];
  host["registration"] = Scene::octets(scene.authority.registration(scene.host));
  Json evil = scene.node_json();
  evil["certificate"] = Scene::octets(
      scene.authority.certify(scene.node, Role::kNode, "../../evil", {100, 64, 0, 9}));
  answer["nodes"] = {3, nullptr, {{"certificate", "?"}}, host, evil, scene.node_json()};
  const auto admission = scene.parse(answer);
  ASSERT_TRUE(admission.has_value()) << admission.error().message;
  EXPECT_FALSE(admission->ipv4_pool.has_value());
  ASSERT_EQ(admission->nodes.size(), 1u);
  EXPECT_EQ(admission->nodes[0].label, "node1");
}

TEST(Admission, NothingIsBelievedThatItsRootHasNotSigned) {
  const Scene scene;
  membership::test::Authority other(2);
  Json answer = scene.answer();
  answer["layer"]["root"] = Scene::octets(other.root.public_key);
  EXPECT_EQ(scene.parse(answer).error().code, base::code::kHttpBadAnswer);  // the id is another's
  answer["layer"]["id"] = Scene::octets(other.trust.layer());
  EXPECT_FALSE(scene.parse(answer).has_value());
  answer = scene.answer();
  answer["member"]["certificate"] =
      Scene::octets(scene.authority.certify(scene.node, Role::kHost, "alice", {100, 64, 0, 2}));
  EXPECT_EQ(scene.parse(answer).error().code, base::code::kHttpBadAnswer);  // another's key
  EXPECT_EQ(scene.parse(scene.answer(), Role::kNode).error().code, base::code::kHttpBadAnswer);
  const auto late = parse_admission(scene.answer().dump(), scene.host.identity.public_key,
                                    Role::kHost, kNow + 365 * membership::test::kDay);
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, base::code::kCertificateExpired);
}

TEST(Admission, WhatBecomesAPathIsALabel) {
  const Scene scene;
  for (const std::string label : {"", "..", "../etc", "a/b", "Edge", "a\n"}) {
    Json answer = scene.answer();
    answer["layer"]["label"] = label;
    EXPECT_EQ(scene.parse(answer).error().code, base::code::kHttpBadAnswer) << label;
  }
}

TEST(Admission, WhatIsNoAnswerIsRefused) {
  const Scene scene;
  const auto refused = [&](std::string_view body) {
    const auto admission = parse_admission(body, scene.host.identity.public_key, Role::kHost, kNow);
    return !admission && admission.error().code == base::code::kHttpBadAnswer;
  };
  for (const char* body : {"", "{", "[]", "null", "{}", R"({"layer":[],"member":{}})",
                           R"({"layer":{"root":3},"member":{}})", "\xff"})
    EXPECT_TRUE(refused(body)) << body;
  EXPECT_TRUE(refused(std::string(100000, '[')));
  for (const char* field : {"root", "id", "label"}) {
    Json answer = scene.answer();
    answer["layer"][field] = Json::object();
    EXPECT_TRUE(refused(answer.dump())) << field;
  }
  Json answer = scene.answer();
  answer["layer"]["ipv4_pool"] = "fd00::/8";
  EXPECT_TRUE(refused(answer.dump()));
}

TEST(Admission, MoreNodesThanAreOfUseAreLeftOut) {
  const Scene scene;
  Json answer = scene.answer();
  answer["nodes"] = Json(std::vector<Json>(kMaxAdmittedNodes + 10, scene.node_json()));
  EXPECT_EQ(scene.parse(answer)->nodes.size(), kMaxAdmittedNodes);
}

TEST(Armor, ObjectsBecomeBlocksInTheirOrder) {
  const Scene scene;
  base::Bytes objects = scene.authority.certify(scene.node, Role::kNode, "node1", {100, 64, 0, 1});
  const base::Bytes registration = scene.authority.registration(scene.node);
  objects.insert(objects.end(), registration.begin(), registration.end());
  const auto blocks = membership::parse_armor(armor_objects(objects), "a file");
  ASSERT_TRUE(blocks.has_value());
  ASSERT_EQ(blocks->size(), 2u);
  EXPECT_EQ((*blocks)[0].label, membership::kCertificate);
  EXPECT_EQ((*blocks)[1].label, membership::kRegistration);
  EXPECT_EQ((*blocks)[1].bytes, registration);
  objects.pop_back();
  EXPECT_EQ(armor_objects(objects), "");
}

}  // namespace
}  // namespace entresol::cli
