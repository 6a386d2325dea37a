// Who may publish what, and what nodes are told of it.
#include <gtest/gtest.h>

#include "layer/directory/test_layer.h"

namespace entresol::layer::directory {
namespace {

namespace error = base::code;
using test::code;
using test::code_of;
using test::kNow;
using test::World;

constexpr std::uint32_t kId = kPrivateServices + 5;

class AuthorityServicesTest : public ::testing::Test {
 protected:
  AuthorityServicesTest() { world.found(); }
  static PublishRequest request(std::uint32_t version, std::uint8_t publisher = 1,
                                std::uint32_t id = kId, std::string name = "hello") {
    PublishRequest out;
    out.id = id;
    out.name = std::move(name);
    out.version = version;
    out.publisher.fill(publisher);
    out.package = std::make_shared<const base::Bytes>(
        base::Bytes{static_cast<std::uint8_t>(version), publisher, static_cast<std::uint8_t>(id)});
    return out;
  }
  std::string publish(const PublishRequest& what, base::UnixSeconds now = kNow) {
    return code_of(world.settle(world.authority->publish(what, now)));
  }
  // What a node that asks for everything believes.
  std::vector<CatalogueEntry> told(std::uint64_t* revision = nullptr) {
    for (const Item& item : world.authority->changes_since(std::nullopt, 1000, kNow).items) {
      const auto* services = std::get_if<CatalogueItem>(&item);
      if (services == nullptr) continue;
      const auto statement =
          world.authority->trust().catalogue(services->statement, services->catalogue, kNow);
      EXPECT_TRUE(statement) << statement.error().message;
      EXPECT_EQ(statement->revision, services->revision);
      if (revision != nullptr) *revision = services->revision;
      base::Bytes changed = services->catalogue;
      changed.back() ^= 1;
      EXPECT_FALSE(world.authority->trust().catalogue(services->statement, changed, kNow));
      return *parse_catalogue(services->catalogue);
    }
    return {};
  }

  World world;
};

TEST_F(AuthorityServicesTest, AServicesLife) {
  EXPECT_TRUE(told().empty());
  ASSERT_EQ(publish(request(1)), "");
  std::uint64_t revision = 0;
  ASSERT_EQ(told(&revision).size(), 1u);
  EXPECT_EQ(revision, 1u);
  ASSERT_EQ(publish(request(2)), "");
  EXPECT_EQ(told(&revision)[0].current.version, 2u);
  EXPECT_EQ(told()[0].previous, crypto::sha256(*request(1).package));
  EXPECT_EQ(revision, 2u);
  ASSERT_EQ(publish(request(2)), "");
  told(&revision);
  EXPECT_EQ(revision, 2u) << "a repeat changes nothing";
  ASSERT_EQ(code_of(world.settle(world.authority->roll_back("hello", kNow))), "");
  EXPECT_EQ(told()[0].current.version, 1u);
  EXPECT_EQ(told()[0].previous, crypto::sha256(*request(2).package));
  ASSERT_EQ(publish(request(2)), "") << "the one that was left is taken again";
  EXPECT_EQ(told()[0].current.version, 2u);
  ASSERT_EQ(code_of(world.settle(world.authority->remove_service("hello", kNow))), "");
  EXPECT_TRUE(told(&revision).empty());
  EXPECT_EQ(revision, 5u) << "a removal is a revision, or an older catalogue would hold";
  EXPECT_EQ(world.authority->find_package(crypto::sha256(*request(1).package)), nullptr);
  EXPECT_EQ(code_of(world.settle(world.authority->roll_back("hello", kNow))),
            code(error::kServiceUnpublished));
}

TEST_F(AuthorityServicesTest, AnIdHasOneOwnerForGood) {
  ASSERT_EQ(publish(request(1)), "");
  EXPECT_EQ(publish(request(2, 2)), code(error::kServiceTaken));
  EXPECT_EQ(publish(request(1, 2, kId + 1)), code(error::kServiceTaken)) << "its name";
  ASSERT_TRUE(world.settle(world.authority->remove_service("hello", kNow)));
  EXPECT_EQ(publish(request(2, 2)), code(error::kServiceTaken)) << "after a removal";
  EXPECT_EQ(publish(request(1, 2, kId + 1)), "") << "the name is free";
  EXPECT_EQ(publish(request(1, 1, kId, "other")), "") << "the owner may come back";
}

TEST_F(AuthorityServicesTest, PublicIdsAreTheRegistrys) {
  PublishRequest what = request(1, 1, kPrivateServices - 1);
  EXPECT_EQ(publish(what), code(error::kServiceId));
  what.in_registry = true;
  EXPECT_EQ(publish(what), "");
}

TEST_F(AuthorityServicesTest, AVersionNeverChanges) {
  ASSERT_EQ(publish(request(3)), "");
  PublishRequest other = request(3);
  other.package = std::make_shared<const base::Bytes>(base::Bytes{9});
  EXPECT_EQ(publish(other), code(error::kServiceVersion));
  EXPECT_EQ(publish(request(2)), code(error::kServiceVersion));
  ASSERT_EQ(publish(request(4)), "");
  ASSERT_TRUE(world.settle(world.authority->roll_back("hello", kNow)));
  other.version = 4;
  EXPECT_EQ(publish(other), code(error::kServiceVersion)) << "4 was published before the roll-back";
  PublishRequest upgrade = request(1, 1, kId + 9, "fresh");
  upgrade.upgrade = true;
  EXPECT_EQ(publish(upgrade), code(error::kServiceUnpublished));
}

TEST_F(AuthorityServicesTest, ValuesAndNodesChangeWithoutAVersion) {
  PublishRequest what = request(1);
  what.nodes = {world.person("b").name, world.person("a").name};
  ASSERT_EQ(publish(what), "");
  EXPECT_EQ(told()[0].nodes.size(), 2u);
  what.config = {{"limit", "3"}};
  what.nodes.reset();
  ASSERT_EQ(publish(what), "");
  EXPECT_EQ(told()[0].current.config.at("limit"), "3");
  EXPECT_EQ(told()[0].nodes.size(), 2u) << "as before";
  EXPECT_FALSE(told()[0].previous) << "the same version is nothing to go back to";
  what.nodes.emplace();
  ASSERT_EQ(publish(what), "");
  EXPECT_TRUE(told()[0].nodes.empty());
}

TEST_F(AuthorityServicesTest, RoomIsBounded) {
  PublishRequest large = request(1);
  large.package = std::make_shared<const base::Bytes>(kMaxPackage + 1);
  EXPECT_EQ(publish(large), code(error::kServiceFull));
  for (std::size_t i = 0; i < kMaxServices; ++i)
    ASSERT_EQ(publish(request(1, 1, kId + static_cast<std::uint32_t>(i), "s" + std::to_string(i))),
              "");
  EXPECT_EQ(publish(request(1, 1, kId - 1, "more")), code(error::kServiceFull));
  EXPECT_EQ(told().size(), kMaxServices);
}

TEST_F(AuthorityServicesTest, AClockThatWasSetBackLetsNoOlderCatalogueWin) {
  ASSERT_EQ(publish(request(1), kNow + 100), "");
  ASSERT_EQ(publish(request(2), kNow), "");
  EXPECT_GE(world.authority->services().at(kId).changed_at, kNow + 100);
}

TEST_F(AuthorityServicesTest, WhatTheStoreHasComesBack) {
  ASSERT_EQ(publish(request(1)), "");
  ASSERT_EQ(publish(request(2)), "");
  world.open();
  EXPECT_EQ(world.authority->catalogue_revision(), 2u);
  EXPECT_EQ(told()[0].current.version, 2u);
  EXPECT_NE(world.authority->find_package(crypto::sha256(*request(1).package)), nullptr);
}

TEST_F(AuthorityServicesTest, ACommitThatFailsChangesNothing) {
  ASSERT_EQ(publish(request(1)), "");
  world.store.failing = true;
  EXPECT_EQ(publish(request(2)), code(error::kStoreFull));
  EXPECT_EQ(told()[0].current.version, 1u);
  EXPECT_EQ(world.authority->find_package(crypto::sha256(*request(2).package)), nullptr);
}

}  // namespace
}  // namespace entresol::layer::directory
