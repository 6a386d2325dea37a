#include "layer/directory/batch.h"

#include <gtest/gtest.h>

#include "layer/directory/test_layer.h"

namespace entresol::layer::directory {
namespace {

namespace error = base::code;
using test::code;
using test::code_of;
using test::kDay;
using test::kHour;
using test::kNow;
using test::Person;
using test::World;

class BatchTest : public ::testing::Test {
 protected:
  void SetUp() override { world.found(); }
  Authority& authority() { return *world.authority; }
  World world;
};

TEST_F(BatchTest, OneCommitAndEachSeesThoseBeforeIt) {
  const NewToken token = world.token(), other = world.token();
  const Person alice = world.person("alice"), eve = world.person("eve"), bob = world.person("bob");
  const int before = world.store.commits;
  Batch batch(authority(), world.store);
  EXPECT_TRUE(batch.empty());
  const auto first = batch.add(authority().join(alice.request(token.secret), kNow));
  EXPECT_EQ(code_of(first), "");
  // The token is used, the address is taken, and a repeat changes nothing.
  EXPECT_EQ(code_of(batch.add(authority().join(eve.request(token.secret), kNow))),
            code(error::kTokenUsed));
  EXPECT_EQ(batch.add(authority().join(alice.request(token.secret), kNow))->certificate,
            first->certificate);
  EXPECT_NE(batch.add(authority().join(bob.request(other.secret), kNow))->ipv4, first->ipv4);
  EXPECT_FALSE(batch.empty());
  EXPECT_EQ(world.store.commits, before);
  ASSERT_TRUE(batch.commit().has_value());
  EXPECT_EQ(world.store.commits, before + 1);
  EXPECT_TRUE(batch.empty());
  ASSERT_TRUE(batch.commit().has_value());
  EXPECT_EQ(world.store.commits, before + 1);
  world.open();
  EXPECT_EQ(authority().members().size(), 2u);
}

TEST_F(BatchTest, AFailedOneLeavesWhatWas) {
  const Person alice = world.person("alice"), bob = world.person("bob"), eve = world.person("eve");
  const Issued issued = world.admit(alice);
  ASSERT_EQ(code_of(world.put(alice, issued.certificate, 1, kNow + kHour, kNow)), "");
  const NewToken token = world.token();
  const Snapshot before = world.store.snapshot();
  const std::uint64_t free = authority().free_addresses();
  {
    Batch batch(authority(), world.store);
    EXPECT_TRUE(batch.add(authority().revoke_member("alice", kNow)).has_value());
    EXPECT_TRUE(batch.add(authority().join(bob.request(token.secret), kNow)).has_value());
    EXPECT_TRUE(batch.add(authority().set_policy("deny * *\n", kNow)).has_value());
    EXPECT_EQ(authority().find_member("alice"), nullptr);
    world.store.failing = true;
    EXPECT_EQ(code_of(batch.commit()), code(error::kStoreFull));
    world.store.failing = false;
  }
  ASSERT_NE(authority().find_member("alice"), nullptr);
  EXPECT_EQ(*authority().find_member("alice"), before.members.at(0));
  EXPECT_EQ(authority().members().size(), 1u);
  EXPECT_EQ(authority().registrations().at(alice.name), before.registrations.at(0));
  EXPECT_EQ(authority().policy(), *before.policy);
  EXPECT_EQ(authority().free_addresses(), free);
  EXPECT_EQ(code_of(world.join(eve, token.secret)), "");
  // Who watches is told no revocation.
  for (const Item& item : authority().changes_since(std::nullopt, 100, kNow).items)
    EXPECT_FALSE(std::holds_alternative<RevokedItem>(item));
}

TEST_F(BatchTest, NobodyAskedIsAsIfItHadFailed) {
  const NewToken token = world.token();
  {
    Batch batch(authority(), world.store);
    EXPECT_TRUE(
        batch.add(authority().join(world.person("alice").request(token.secret), kNow)).has_value());
  }
  EXPECT_TRUE(authority().members().empty());
  EXPECT_FALSE(authority().tokens().at(token.record.id).used_by.has_value());
  EXPECT_EQ(code_of(world.join(world.person("bob"), token.secret)), "");
}

}  // namespace
}  // namespace entresol::layer::directory
