#include <gtest/gtest.h>

#include <algorithm>

#include "layer/directory/authority.h"
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

class ManageTest : public ::testing::Test {
 protected:
  void SetUp() override { world.found(); }
  Authority& authority() { return *world.authority; }
  GuestRequest guest(std::string label) {
    GuestRequest request;
    request.wireguard_key = world.random.bytes<32>();
    request.label = std::move(label);
    request.tags = {"phone"};
    request.lifetime = 100 * kDay;
    return request;
  }
  World world;
};

TEST_F(ManageTest, TokensAreCheckedWhenTheyAreMade) {
  const auto made = [&](TokenRequest request) {
    return code_of(authority().create_token(request, kNow).answer);
  };
  EXPECT_EQ(made({Role::kHost, {}, "", kHour}), "");
  EXPECT_EQ(made({static_cast<Role>(7), {}, "", kHour}), code(error::kConfigBadValue));
  EXPECT_EQ(made({Role::kHost, {}, "", 0}), code(error::kConfigBadValue));
  EXPECT_EQ(made({Role::kHost, {}, "A", kHour}), code(error::kLabelMalformed));
  EXPECT_EQ(made({Role::kHost, {"a,b"}, "", kHour}), code(error::kLabelMalformed));
  EXPECT_EQ(made({Role::kHost, {""}, "", kHour}), code(error::kLabelMalformed));
  EXPECT_EQ(made({Role::kHost, {std::string(32, 'a')}, "", kHour}), code(error::kLabelMalformed));
  EXPECT_EQ(made({Role::kHost, std::vector<std::string>(9, "a"), "", kHour}),
            code(error::kLabelMalformed));
}

TEST_F(ManageTest, TheStoreHasNoSecretInClear) {
  const NewToken token = world.token();
  const auto api = world.settle(authority().create_api_token({"ci", 1, 0}, kNow)).value();
  const Snapshot snapshot = world.store.snapshot();
  EXPECT_EQ(snapshot.tokens.at(0).secret, hash_of(token.secret));
  EXPECT_NE(base::to_hex(snapshot.tokens.at(0).secret).substr(0, 32),
            base::to_hex(std::span<const std::uint8_t, 16>(token.secret)));
  EXPECT_EQ(
      snapshot.api_tokens.at(0).secret,
      crypto::sha256({reinterpret_cast<const std::uint8_t*>(api.text.data()), api.text.size()}));
}

TEST_F(ManageTest, TokensAreForgottenADayAfterTheirEnd) {
  const NewToken token = world.token();
  EXPECT_EQ(*world.settle(authority().expire(kNow + kHour + kDay - 1)), 0u);
  EXPECT_EQ(code_of(world.join(world.person("a"), token.secret, kNow + kHour)),
            code(error::kTokenExpired));
  EXPECT_EQ(*world.settle(authority().expire(kNow + kHour + kDay)), 1u);
  EXPECT_EQ(code_of(world.join(world.person("a"), token.secret, kNow)), code(error::kTokenUnknown));
  EXPECT_TRUE(world.store.snapshot().tokens.empty());
}

TEST_F(ManageTest, AGuestHasAGrantThatEverybodyBelieves) {
  const GuestRequest request = guest("phone");
  const auto added = world.settle(authority().add_guest(request, kNow));
  ASSERT_TRUE(added.has_value()) << added.error().message;
  const auto grant = membership::Trust(world.root.public_key).grant(added->grant, kNow);
  ASSERT_TRUE(grant.has_value()) << grant.error().message;
  EXPECT_EQ(grant->label, "phone");
  EXPECT_EQ(grant->wireguard_key, request.wireguard_key);
  EXPECT_EQ(grant->ipv4, (Ipv4{100, 64, 0, 1}));
  EXPECT_EQ(grant->tags, request.tags);
  EXPECT_EQ(grant->validity.not_after, kNow + 100 * kDay);
  EXPECT_EQ(authority().find_guest("phone")->name, grant->name());
  // Guests and members share labels and addresses.
  EXPECT_EQ(code_of(world.join(world.person("phone"), world.token().secret)),
            code(error::kLabelTaken));
  EXPECT_EQ(world.admit(world.person("alice")).ipv4, (Ipv4{100, 64, 0, 2}));
  EXPECT_EQ(code_of(authority().add_guest(guest("alice"), kNow).answer), code(error::kLabelTaken));
  const auto changes = authority().changes_since(std::nullopt, 10, kNow).items;
  EXPECT_NE(std::ranges::find(changes, Item{GuestItem{added->grant}}), changes.end());
}

TEST_F(ManageTest, AGuestIsAddedOnce) {
  GuestRequest request = guest("phone");
  const auto first = world.settle(authority().add_guest(request, kNow)).value();
  const auto again = authority().add_guest(request, kNow + kDay);
  EXPECT_TRUE(again.changes.empty());
  EXPECT_EQ(*again.answer, first);
  // What is asked differently replaces the grant, and keeps the address.
  request.tags = {"tablet"};
  const auto other = world.settle(authority().add_guest(request, kNow + kDay));
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->ipv4, first.ipv4);
  EXPECT_NE(other->grant, first.grant);
  // A grant whose time is mostly gone is made again.
  const auto late = world.settle(authority().add_guest(request, kNow + 80 * kDay));
  EXPECT_EQ(late->not_after, kNow + 180 * kDay);
  request.label = "other";
  EXPECT_EQ(code_of(authority().add_guest(request, kNow).answer), code(error::kNameTaken));
  EXPECT_EQ(authority().guests().size(), 1u);
}

TEST_F(ManageTest, AGuestIsRemoved) {
  const GuestRequest request = guest("phone");
  const auto added = world.settle(authority().add_guest(request, kNow)).value();
  const Revision before = authority().revision();
  ASSERT_EQ(code_of(world.settle(authority().remove_guest("phone", kNow))), "");
  const Changes changes = authority().changes_since(before, 10, kNow);
  ASSERT_EQ(changes.items.size(), 1u);
  EXPECT_EQ(changes.items[0], (Item{RevokedItem{added.name, kNow + 100 * kDay}}));
  EXPECT_TRUE(authority().remove_guest("phone", kNow + 1).changes.empty());
  EXPECT_EQ(code_of(authority().remove_guest("nobody", kNow).answer), code(error::kMemberUnknown));
  EXPECT_EQ(code_of(authority().add_guest(request, kNow + kDay).answer),
            code(error::kMemberRevoked));
  GuestRequest successor = guest("phone");
  const auto next = world.settle(authority().add_guest(successor, kNow));
  ASSERT_TRUE(next.has_value());
  EXPECT_NE(next->ipv4, added.ipv4);
  // The same key may come back when its grant has ended.
  GuestRequest again = request;
  again.label = "phone2";
  EXPECT_EQ(code_of(world.settle(authority().add_guest(again, kNow + 101 * kDay))), "");
}

TEST_F(ManageTest, GuestsThatAreRefused) {
  GuestRequest request = guest("Phone");
  EXPECT_EQ(code_of(authority().add_guest(request, kNow).answer), code(error::kLabelMalformed));
  request = guest("phone");
  request.lifetime = 0;
  EXPECT_EQ(code_of(authority().add_guest(request, kNow).answer), code(error::kConfigBadValue));
  request = guest("phone");
  request.nodes.resize(17);
  EXPECT_EQ(code_of(authority().add_guest(request, kNow).answer), code(error::kConfigBadValue));
  request.nodes.resize(16);
  request.tags.assign(8, std::string(31, 't'));
  const auto largest = world.settle(authority().add_guest(request, kNow));
  ASSERT_TRUE(largest.has_value());
  EXPECT_LE(largest->grant.size(), kMaxShown);
  // No grant outlives the delegation.
  world.delegation = world.delegate({kNow, kNow + kDay});
  world.open();
  EXPECT_EQ(world.settle(authority().add_guest(guest("brief"), kNow))->not_after, kNow + kDay);
  EXPECT_EQ(code_of(authority().add_guest(guest("late"), kNow + kDay).answer),
            code(error::kDelegationEnded));
}

TEST_F(ManageTest, APolicyIsCheckedAndNumbered) {
  auto opened = Authority::open(
      {world.root.public_key, world.op, world.delegation}, *world.store.load(), world.random,
      [](std::string_view text) -> base::Result<void> {
        if (text.starts_with("allow") || text.starts_with("deny")) return {};
        return base::fail(base::code::kConfigSyntax, "line 1, column 1: allow or deny");
      });
  ASSERT_TRUE(opened.has_value());
  *world.authority = std::move(*opened);
  EXPECT_EQ(code_of(world.settle(authority().set_policy("perhaps", kNow))),
            code(error::kConfigSyntax));
  EXPECT_EQ(authority().policy().text, "allow * *\n");
  const Revision before = authority().revision();
  EXPECT_EQ(world.settle(authority().set_policy("deny * *\n", kNow + 5))->revision, 2u);
  const auto told = authority().changes_since(before, 10, kNow).items;
  ASSERT_EQ(told.size(), 1u);
  const auto& item = std::get<PolicyItem>(told[0]);
  EXPECT_EQ(item.revision, 2u);
  EXPECT_EQ(item.text, "deny * *\n");
  const auto statement = authority().trust().policy(item.statement, item.text, kNow + 5);
  ASSERT_TRUE(statement) << statement.error().message;
  EXPECT_EQ(statement->revision, 2u);
  EXPECT_EQ(statement->issued_at, kNow + 5);
  EXPECT_TRUE(authority().set_policy("deny * *\n", kNow + 6).changes.empty());
  EXPECT_EQ(code_of(authority().set_policy(std::string(kMaxPolicy + 1, 'x'), kNow).answer),
            code(error::kConfigBadValue));
  world.open();
  EXPECT_EQ(authority().policy(), (PolicyRecord{2, "deny * *\n", kNow + 5}));
}

TEST_F(ManageTest, ApiTokensHaveScopes) {
  constexpr auto bit = [](Scope scope) { return static_cast<Scopes>(scope); };
  const auto make = [&](Scopes scopes, base::UnixSeconds lifetime) {
    return world.settle(authority().create_api_token({"ci", scopes, lifetime}, kNow)).value();
  };
  const auto check = [&](const std::string& text, Scope scope, base::UnixSeconds now) {
    return code_of(authority().check_api_token(text, scope, now));
  };
  const NewApiToken reader = make(bit(Scope::kRead), kHour), admin = make(bit(Scope::kAdmin), 0);
  const NewApiToken both = make(bit(Scope::kAdmit) | bit(Scope::kPolicy), 0);
  EXPECT_TRUE(reader.text.starts_with("enta1."));
  EXPECT_EQ(check(reader.text, Scope::kRead, kNow), "");
  EXPECT_EQ(check(reader.text, Scope::kAdmit, kNow), code(error::kScopeMissing));
  EXPECT_EQ(check(reader.text, Scope::kRead, kNow + kHour), code(error::kApiTokenUnknown));
  EXPECT_EQ(check(reader.text + " ", Scope::kRead, kNow), code(error::kApiTokenUnknown));
  EXPECT_EQ(check("", Scope::kRead, kNow), code(error::kApiTokenUnknown));
  for (Scope scope : {Scope::kRead, Scope::kAdmit, Scope::kPolicy, Scope::kServices, Scope::kAdmin})
    EXPECT_EQ(check(admin.text, scope, kNow + 3650 * kDay), "");
  EXPECT_EQ(check(both.text, Scope::kPolicy, kNow), "");
  EXPECT_EQ(check(both.text, Scope::kRead, kNow), code(error::kScopeMissing));
  EXPECT_EQ(check(both.text, Scope::kAdmin, kNow), code(error::kScopeMissing));
  world.open();
  EXPECT_EQ(check(both.text, Scope::kPolicy, kNow), "");
  ASSERT_EQ(code_of(world.settle(authority().revoke_api_token(both.record.id))), "");
  EXPECT_EQ(check(both.text, Scope::kPolicy, kNow), code(error::kApiTokenUnknown));
  EXPECT_EQ(code_of(authority().revoke_api_token(both.record.id).answer),
            code(error::kApiTokenUnknown));
  EXPECT_EQ(code_of(authority().create_api_token({"ci", 0, 0}, kNow).answer),
            code(error::kConfigBadValue));
  EXPECT_EQ(code_of(authority().create_api_token({"ci", 32, 0}, kNow).answer),
            code(error::kConfigBadValue));
  EXPECT_EQ(*world.settle(authority().expire(kNow + kHour + kDay)), 1u);
  EXPECT_EQ(authority().api_tokens().size(), 1u);
}

TEST_F(ManageTest, MembersAreKnownByTheirSignature) {
  const Person alice = world.person("alice"), eve = world.person("eve");
  world.admit(alice);
  const Request request{"POST", "/v1/certificates", {}};
  const auto ask = [&](const Person& signer, const wire::Name& name, base::UnixSeconds now) {
    const std::string header =
        emit_authorization(prove(request, world.layer, name, signer.identity, now));
    return authority().authenticate(header, request, now);
  };
  const auto known = ask(alice, alice.name, kNow + 100 * kDay);  // its certificate has ended
  ASSERT_TRUE(known.has_value()) << known.error().message;
  EXPECT_EQ((*known)->label, "alice");
  EXPECT_EQ(code_of(ask(eve, alice.name, kNow)), code(error::kRequestUnproved));
  EXPECT_EQ(code_of(ask(eve, eve.name, kNow)), code(error::kMemberUnknown));
  EXPECT_EQ(code_of(authority().authenticate("Bearer x", request, kNow)),
            code(error::kRequestUnproved));
  ASSERT_EQ(code_of(world.settle(authority().revoke_member("alice", kNow))), "");
  EXPECT_EQ(code_of(ask(alice, alice.name, kNow)), code(error::kMemberRevoked));
  // Who has not the key is not told that.
  EXPECT_EQ(code_of(ask(eve, alice.name, kNow)), code(error::kRequestUnproved));
}

TEST_F(ManageTest, ASmallerPoolLeavesMembersWhatTheyHave) {
  const Person alice = world.person("alice");
  const Issued first = world.admit(alice);
  Settings moved = world.settings;
  moved.pool = {{10, 9, 0, 0}, 24};
  ASSERT_EQ(code_of(world.settle(authority().set_settings(moved))), "");
  EXPECT_EQ(world.settle(authority().renew(alice.name, kNow + kDay))->ipv4, first.ipv4);
  EXPECT_EQ(world.admit(world.person("bob")).ipv4, (Ipv4{10, 9, 0, 1}));
  EXPECT_TRUE(authority().set_settings(moved).changes.empty());
  moved.layer[0] ^= 1;
  EXPECT_EQ(code_of(authority().set_settings(moved).answer), code(error::kWrongLayer));
}

}  // namespace
}  // namespace entresol::layer::directory
