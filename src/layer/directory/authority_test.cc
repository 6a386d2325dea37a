#include "layer/directory/authority.h"

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

class AuthorityTest : public ::testing::Test {
 protected:
  void SetUp() override { world.found(); }
  Authority& authority() { return *world.authority; }
  World world;
};

// --- opening ---

TEST(AuthorityOpen, RefusesWhatIsNotItsStore) {
  World world;
  const Issuer issuer{world.root.public_key, world.op, world.delegation};
  EXPECT_EQ(code_of(Authority::open(issuer, {}, world.random)), code(error::kStoreBroken));
  Snapshot foreign;
  foreign.settings = world.settings;
  foreign.settings->layer[0] ^= 1;
  EXPECT_EQ(code_of(Authority::open(issuer, foreign, world.random)), code(error::kWrongLayer));
  world.found();
  const Person alice = world.person("alice"), bob = world.person("bob");
  world.admit(alice);
  world.admit(bob);
  Snapshot snapshot = world.store.snapshot();
  ASSERT_EQ(snapshot.members.size(), 2u);
  Snapshot same_label = snapshot;
  same_label.members[1].label = same_label.members[0].label;
  EXPECT_EQ(code_of(Authority::open(issuer, same_label, world.random)), code(error::kStoreBroken));
  same_label.members[0].revoked_at = kNow;
  EXPECT_EQ(code_of(Authority::open(issuer, same_label, world.random)), "");
  Snapshot same_address = snapshot;
  same_address.members[1].ipv4 = same_address.members[0].ipv4;
  EXPECT_EQ(code_of(Authority::open(issuer, same_address, world.random)),
            code(error::kStoreBroken));
}

TEST(AuthorityOpen, RefusesAnIssuerThatNobodyWouldBelieve) {
  World world;
  world.found();
  const Snapshot snapshot = world.store.snapshot();
  const auto opened = [&](const crypto::Ed25519KeyPair& key, const base::Bytes& delegation) {
    return code_of(
        Authority::open({world.root.public_key, key, delegation}, snapshot, world.random));
  };
  EXPECT_EQ(opened(world.op, world.delegation), "");
  EXPECT_EQ(opened(world.root, {}), "");
  EXPECT_EQ(opened(world.op, {}), code(error::kCertificateUntrusted));
  EXPECT_EQ(opened(world.root, world.delegation), code(error::kCertificateUntrusted));
  base::Bytes forged = world.delegation;
  forged.back() ^= 1;
  EXPECT_EQ(opened(world.op, forged), code(error::kCertificateUntrusted));
  EXPECT_EQ(opened(world.op, world.delegate({kNow, kNow + kDay}, std::string(64, 'x'))),
            code(error::kCertificateMalformed));
  EXPECT_EQ(opened(world.op, world.delegate({kNow, kNow + kDay}, std::string(63, 'x'))), "");
  // One that has ended is no reason not to start.
  EXPECT_EQ(opened(world.op, world.delegate({kNow - kDay, kNow - kHour})), "");
}

TEST(AuthorityOpen, SettingsThatMakeNoSense) {
  World world;
  const auto founded = [&](auto change) {
    Settings settings = world.settings;
    change(settings);
    return code_of(Authority::found(settings, "", kNow));
  };
  EXPECT_EQ(founded([](Settings&) {}), "");
  const std::string bad = code(error::kConfigBadValue);
  EXPECT_EQ(founded([](Settings& s) { s.label = "Edge"; }), bad);
  EXPECT_EQ(founded([](Settings& s) { s.domain = "edge..internal"; }), bad);
  EXPECT_EQ(founded([](Settings& s) { s.domain = ""; }), bad);
  EXPECT_EQ(founded([](Settings& s) { s.pool.first[3] = 1; }), bad);
  EXPECT_EQ(founded([](Settings& s) { s.pool.length = 33; }), bad);
  EXPECT_EQ(founded([](Settings& s) { s.lifetime = 9; }), bad);
  EXPECT_EQ(founded([](Settings& s) { s.forget_after = -1; }), bad);
}

// --- joining ---

TEST_F(AuthorityTest, AJoinGivesACertificateThatEverybodyBelieves) {
  const NewToken token = world.token(Role::kNode, {"web", "db"});
  const Person gate = world.person("gate");
  const auto issued = world.join(gate, token.secret, kNow, Role::kNode);
  ASSERT_TRUE(issued.has_value()) << issued.error().message;
  const auto certificate =
      membership::Trust(world.root.public_key).certificate(issued->certificate, kNow);
  ASSERT_TRUE(certificate.has_value()) << certificate.error().message;
  EXPECT_EQ(certificate->name(), gate.name);
  EXPECT_EQ(certificate->role, Role::kNode);
  EXPECT_EQ(certificate->label, "gate");
  EXPECT_EQ(certificate->tags, (std::vector<std::string>{"web", "db"}));
  EXPECT_EQ(certificate->ipv4, (Ipv4{100, 64, 0, 1}));
  EXPECT_EQ(certificate->validity.not_before, kNow - kClockSkew);
  EXPECT_EQ(certificate->validity.not_after, kNow + kDay);
  EXPECT_EQ(issued->ipv4, certificate->ipv4);
  EXPECT_EQ(issued->name, gate.name);
  const TokenRecord& record = authority().tokens().at(token.record.id);
  EXPECT_EQ(record.used_by, gate.name);
  EXPECT_EQ(record.used_at, kNow);
}

TEST_F(AuthorityTest, TheSameIdentityMayAskAgainAndNobodyElse) {
  const NewToken token = world.token();
  const Person alice = world.person("alice"), eve = world.person("eve");
  const Issued first = world.join(alice, token.secret).value();
  const auto repeat = authority().join(alice.request(token.secret), kNow + 5);
  ASSERT_TRUE(repeat.answer.has_value());
  EXPECT_TRUE(repeat.changes.empty());
  EXPECT_EQ(repeat.answer->certificate, first.certificate);
  EXPECT_EQ(code_of(world.join(eve, token.secret)), code(error::kTokenUsed));
  // Also after the token's own end, as long as the certificate holds: the answer may have been lost late.
  EXPECT_EQ(code_of(world.join(alice, token.secret, kNow + 2 * kHour)), "");
  EXPECT_EQ(code_of(world.join(alice, token.secret, kNow + kDay)), code(error::kTokenUsed));
  // What is asked differently is no repeat.
  Person renamed = alice;
  renamed.label = "bob";
  EXPECT_EQ(code_of(world.join(renamed, token.secret)), code(error::kTokenUsed));
  EXPECT_EQ(code_of(world.join(alice, token.secret, kNow, Role::kNode)), code(error::kTokenUsed));
}

TEST_F(AuthorityTest, TokensThatDoNotAdmit) {
  const Person alice = world.person("alice");
  EXPECT_EQ(code_of(world.join(alice, TokenSecret())), code(error::kTokenUnknown));
  const NewToken token = world.token();
  EXPECT_EQ(code_of(world.join(alice, token.secret, kNow + kHour)), code(error::kTokenExpired));
  EXPECT_EQ(code_of(world.join(alice, token.secret, kNow, Role::kNode)),
            code(error::kTokenRefused));
  const NewToken for_bob = world.token(Role::kHost, {}, "bob");
  EXPECT_EQ(code_of(world.join(alice, for_bob.secret)), code(error::kTokenRefused));
  // None of it has used them up.
  Person unnamed = alice;
  unnamed.label = "";
  EXPECT_EQ(world.join(unnamed, for_bob.secret)->label, "bob");
  ASSERT_EQ(code_of(world.settle(authority().revoke_token(token.record.id))), "");
  EXPECT_EQ(code_of(world.join(world.person("carol"), token.secret)), code(error::kTokenUnknown));
  EXPECT_EQ(code_of(world.settle(authority().revoke_token(token.record.id))),
            code(error::kTokenUnknown));
}

TEST_F(AuthorityTest, LabelsAreDnsLabelsAndUnique) {
  const NewToken token = world.token();
  for (const char* label : {"", "Alice", "-a", "a-", "a.b", "a b", "\xc3\xa4"})
    EXPECT_EQ(code_of(world.join(world.person(label), token.secret)), code(error::kLabelMalformed))
        << label;
  EXPECT_EQ(code_of(world.join(world.person(std::string(64, 'a')), token.secret)),
            code(error::kLabelMalformed));
  EXPECT_EQ(code_of(world.join(world.person(std::string(63, 'a')), token.secret)), "");
  world.admit(world.person("alice"));
  const NewToken other = world.token();
  EXPECT_EQ(code_of(world.join(world.person("alice"), other.secret)), code(error::kLabelTaken));
  EXPECT_EQ(code_of(world.join(world.person("alice2"), other.secret)), "");
}

TEST_F(AuthorityTest, ThePoolEnds) {
  Settings small = world.settings;
  small.pool = {{10, 9, 0, 0}, 30};
  small.reserved = {{10, 9, 0, 1}};
  ASSERT_EQ(code_of(world.settle(authority().set_settings(small))), "");
  EXPECT_EQ(world.admit(world.person("a")).ipv4, (Ipv4{10, 9, 0, 2}));
  const NewToken token = world.token();
  EXPECT_EQ(code_of(world.join(world.person("b"), token.secret)), code(error::kPoolExhausted));
}

TEST_F(AuthorityTest, AMemberJoinsAgainOnlyIfItProvesItsKey) {
  const Person alice = world.person("alice");
  const Issued first = world.admit(alice);
  const NewToken token = world.token(Role::kHost, {"web"});
  JoinRequest request = alice.request(token.secret);
  request.label = "alicia";
  EXPECT_EQ(code_of(authority().join(request, kNow).answer), code(error::kRequestUnproved));
  request.proved = true;
  const auto again = world.settle(authority().join(request, kNow + 10));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->ipv4, first.ipv4);
  EXPECT_EQ(again->label, "alicia");
  EXPECT_EQ(authority().members().size(), 1u);
  EXPECT_EQ(authority().members().at(alice.name).tags, (std::vector<std::string>{"web"}));
  EXPECT_EQ(authority().find_member("alice"), nullptr);
  EXPECT_EQ(authority().find_member("alicia"), &authority().members().at(alice.name));
  EXPECT_EQ(authority().find_member(wire::to_string(alice.name)),
            authority().find_member("alicia"));
}

TEST_F(AuthorityTest, ARegistrationMayComeWithTheJoin) {
  const NewToken token = world.token(Role::kNode);
  const Person gate = world.person("gate"), other = world.person("other");
  JoinRequest request = gate.request(token.secret, Role::kNode);
  const base::Bytes forged = other.registration(1, kNow + kHour);
  request.registration = forged;
  EXPECT_EQ(code_of(authority().join(request, kNow).answer), code(error::kCertificateUntrusted));
  const base::Bytes own = gate.registration(1, kNow + kHour);
  request.registration = own;
  const auto issued = world.settle(authority().join(request, kNow));
  ASSERT_TRUE(issued.has_value()) << issued.error().message;
  const auto nodes = authority().nodes(kNow);
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].certificate, issued->certificate);
  EXPECT_EQ(nodes[0].registration, own);
  EXPECT_TRUE(authority().nodes(kNow + kHour).empty());
}

TEST_F(AuthorityTest, TheLargestMemberFitsADatagram) {
  world.delegation = world.delegate({kNow - kDay, kNow + kDay}, std::string(63, 'd'));
  world.open();
  const NewToken token =
      world.token(Role::kHost, std::vector<std::string>(8, std::string(31, 't')));
  const Person longest = world.person(std::string(63, 'l'));
  const auto issued = world.join(longest, token.secret);
  ASSERT_TRUE(issued.has_value());
  const base::Bytes registration =
      longest.registration(1, kNow + kHour, std::vector<wire::Name>(8));
  EXPECT_LE(issued->certificate.size() + registration.size(), kMaxShown);
  EXPECT_EQ(
      code_of(world.settle(authority().put_registration(issued->certificate, registration, kNow))),
      "");
  const base::Bytes large = longest.registration(2, kNow + kHour, std::vector<wire::Name>(60));
  EXPECT_EQ(code_of(world.settle(authority().put_registration(issued->certificate, large, kNow))),
            code(error::kObjectsTooLarge));
}

// --- renewing ---

TEST_F(AuthorityTest, ARenewalIsTheSameForAWhileAndThenNew) {
  const Person alice = world.person("alice");
  const Issued first = world.admit(alice);
  const auto early = authority().renew(alice.name, kNow + 2 * kHour);
  EXPECT_TRUE(early.changes.empty());
  EXPECT_EQ(early.answer->certificate, first.certificate);
  const auto later = world.settle(authority().renew(alice.name, kNow + 16 * kHour));
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(later->validity.not_after, kNow + 16 * kHour + kDay);
  EXPECT_EQ(later->ipv4, first.ipv4);
  // A laptop that slept for a week.
  const auto late = world.settle(authority().renew(alice.name, kNow + 7 * kDay));
  ASSERT_TRUE(late.has_value());
  EXPECT_EQ(late->validity.not_after, kNow + 8 * kDay);
  EXPECT_EQ(code_of(authority().renew(world.person("x").name, kNow).answer),
            code(error::kMemberUnknown));
}

TEST_F(AuthorityTest, ANewDelegationMakesNewCertificatesAtOnce) {
  const Person alice = world.person("alice");
  const Issued first = world.admit(alice);
  world.delegation = world.delegate({kNow, kNow + 20 * kHour}, "south");
  world.open();
  const auto renewed = world.settle(authority().renew(alice.name, kNow + 1));
  ASSERT_TRUE(renewed.has_value());
  EXPECT_NE(renewed->certificate, first.certificate);
  // No certificate outlives what it stands behind.
  EXPECT_EQ(renewed->validity.not_after, kNow + 20 * kHour);
  EXPECT_EQ(code_of(authority().renew(alice.name, kNow + 20 * kHour).answer),
            code(error::kDelegationEnded));
  EXPECT_EQ(code_of(world.join(world.person("bob"), world.token().secret, kNow - 1)),
            code(error::kDelegationEnded));
}

TEST_F(AuthorityTest, WhatIsKnownOfAMemberEndsWithItsLongestCertificate) {
  const Person alice = world.person("alice");
  world.admit(alice);  // a day
  Settings brief = world.settings;
  brief.lifetime = 60;
  ASSERT_EQ(code_of(world.settle(authority().set_settings(brief))), "");
  ASSERT_EQ(world.settle(authority().renew(alice.name, kNow + 12 * kHour))->validity.not_after,
            kNow + 12 * kHour + 60);
  ASSERT_EQ(world.settle(authority().revoke_member("alice", kNow + 12 * kHour))->until,
            kNow + kDay);
}

// --- registrations ---

TEST_F(AuthorityTest, TheHighestSequenceWins) {
  const Person alice = world.person("alice");
  const Issued issued = world.admit(alice);
  ASSERT_EQ(code_of(world.put(alice, issued.certificate, 5, kNow + kHour, kNow)), "");
  const Revision before = authority().revision();
  EXPECT_EQ(code_of(world.put(alice, issued.certificate, 5, kNow + kHour, kNow)), "");
  EXPECT_EQ(authority().revision(), before);  // a repeat
  EXPECT_EQ(code_of(world.put(alice, issued.certificate, 5, kNow + 2 * kHour, kNow)),
            code(error::kRegistrationOld));
  EXPECT_EQ(code_of(world.put(alice, issued.certificate, 4, kNow + kHour, kNow)),
            code(error::kRegistrationOld));
  EXPECT_EQ(code_of(world.put(alice, issued.certificate, 6, kNow + kHour, kNow)), "");
  EXPECT_EQ(authority().registrations().at(alice.name).sequence, 6u);
  EXPECT_NE(authority().revision(), before);
}

TEST_F(AuthorityTest, RegistrationsThatAreNotBelieved) {
  const Person alice = world.person("alice"), eve = world.person("eve");
  const Issued issued = world.admit(alice), other = world.admit(eve);
  const auto put = [&](base::ByteView certificate, const base::Bytes& registration,
                       base::UnixSeconds now) {
    return code_of(authority().put_registration(certificate, registration, now).answer);
  };
  const base::Bytes own = alice.registration(1, kNow + 2 * kDay);
  EXPECT_EQ(put(issued.certificate, own, kNow), "");
  EXPECT_EQ(put(other.certificate, own, kNow), code(error::kNameTaken));
  EXPECT_EQ(put(issued.certificate, eve.registration(1, kNow + kHour), kNow),
            code(error::kNameTaken));
  base::Bytes forged = own;
  forged.back() ^= 1;
  EXPECT_EQ(put(issued.certificate, forged, kNow), code(error::kCertificateUntrusted));
  base::Bytes broken = issued.certificate;
  broken.back() ^= 1;
  EXPECT_EQ(put(broken, own, kNow), code(error::kCertificateUntrusted));
  EXPECT_EQ(put(issued.certificate, own, kNow + kDay), code(error::kCertificateExpired));
  EXPECT_EQ(put(issued.certificate, alice.registration(1, kNow), kNow),
            code(error::kCertificateExpired));
  EXPECT_EQ(put(issued.certificate, {}, kNow), code(error::kCertificateMalformed));
  const Person stranger = world.person("stranger");
  EXPECT_EQ(put(issued.certificate, stranger.registration(1, kNow + kHour), kNow),
            code(error::kMemberUnknown));
}

TEST_F(AuthorityTest, AnOlderCertificateWillDoWhileItHolds) {
  const Person alice = world.person("alice");
  const Issued first = world.admit(alice);
  const auto renewed = world.settle(authority().renew(alice.name, kNow + 16 * kHour));
  ASSERT_EQ(code_of(world.put(alice, first.certificate, 1, kNow + 20 * kHour, kNow + 17 * kHour)),
            "");
  const Changes changes = authority().changes_since(std::nullopt, 100, kNow + 17 * kHour);
  bool found = false;
  for (const Item& item : changes.items)
    if (const auto* member = std::get_if<MemberItem>(&item))
      found = member->certificate == renewed->certificate;
  EXPECT_TRUE(found);
}

TEST_F(AuthorityTest, MembersBringBackWhatAnOlderCopyOfTheStoreLost) {
  const Person alice = world.person("alice");
  world.admit(alice);
  const test::MemoryStore copy = world.store;
  const auto renewed = world.settle(authority().renew(alice.name, kNow + 16 * kHour));
  ASSERT_EQ(
      code_of(world.put(alice, renewed->certificate, 1, kNow + 30 * kHour, kNow + 17 * kHour)), "");
  world.store = copy;
  world.open();
  ASSERT_EQ(authority().members().at(alice.name).until, kNow + kDay);
  ASSERT_EQ(
      code_of(world.put(alice, renewed->certificate, 2, kNow + 30 * kHour, kNow + 17 * kHour)), "");
  EXPECT_EQ(authority().members().at(alice.name).until, kNow + 40 * kHour);
  EXPECT_EQ(authority().members().at(alice.name).certificate, renewed->certificate);
}

// --- revoking ---

TEST_F(AuthorityTest, ARevokedMemberGetsNothingUntilItsCertificateEnded) {
  const Person alice = world.person("alice");
  const Issued issued = world.admit(alice);
  ASSERT_EQ(code_of(world.put(alice, issued.certificate, 1, kNow + kHour, kNow)), "");
  const Revision before = authority().revision();
  const auto gone = world.settle(authority().revoke_member("alice", kNow + 10));
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->revoked_at, kNow + 10);
  const Changes changes = authority().changes_since(before, 10, kNow + 10);
  ASSERT_EQ(changes.items.size(), 1u);
  EXPECT_EQ(changes.items[0], (Item{RevokedItem{alice.name, kNow + kDay}}));

  const std::string revoked = code(error::kMemberRevoked);
  EXPECT_EQ(code_of(authority().renew(alice.name, kNow + 20).answer), revoked);
  EXPECT_EQ(code_of(world.put(alice, issued.certificate, 2, kNow + kHour, kNow + 20)), revoked);
  const NewToken token = world.token(Role::kHost, {}, "", 3 * kDay);
  EXPECT_EQ(code_of(world.join(alice, token.secret, kNow + kDay + kClockSkew)), revoked);
  // Twice is once, by its label or its name.
  const auto again = authority().revoke_member("alice", kNow + 30);
  EXPECT_EQ(again.answer->revoked_at, kNow + 10);
  EXPECT_TRUE(again.changes.empty());
  EXPECT_EQ(authority().revoke_member(wire::to_string(alice.name), kNow + 30).answer->revoked_at,
            kNow + 10);
  EXPECT_EQ(code_of(authority().revoke_member("nobody", kNow).answer), code(error::kMemberUnknown));

  EXPECT_TRUE(authority().registrations().empty());
  const base::UnixSeconds end = kNow + kDay + kClockSkew;
  EXPECT_EQ(authority().changes_since(before, 10, end).items.size(), 1u);
  EXPECT_TRUE(authority().changes_since(before, 10, end + 1).items.empty());
  world.open();  // and a restart does not change it
  EXPECT_EQ(code_of(authority().renew(alice.name, kNow + 40).answer), revoked);
  EXPECT_EQ(authority().registrations().size(), 0u);
  const auto back = world.join(alice, token.secret, kNow + kDay + kClockSkew + 1);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->ipv4, issued.ipv4);
}

TEST_F(AuthorityTest, ALabelIsFreeAtOnceAndAnAddressWhenTheCertificateHasEnded) {
  const Person alice = world.person("alice"), second = world.person("alice"),
               third = world.person("carol");
  const Issued first = world.admit(alice);
  ASSERT_EQ(code_of(world.settle(authority().revoke_member("alice", kNow))), "");
  const Issued successor = world.admit(second);
  EXPECT_EQ(successor.label, "alice");
  EXPECT_NE(successor.ipv4, first.ipv4);
  // The new owner is meant now.
  ASSERT_NE(authority().find_member("alice"), nullptr);
  EXPECT_EQ(authority().find_member("alice")->name, second.name);

  ASSERT_EQ(world.settle(authority().expire(kNow + kDay + kClockSkew)).value(), 0u);
  EXPECT_TRUE(authority().members().contains(alice.name));
  ASSERT_TRUE(world.settle(authority().expire(kNow + kDay + kClockSkew + 1)).has_value());
  EXPECT_FALSE(authority().members().contains(alice.name));
  EXPECT_EQ(authority().find_member("alice")->name, second.name);
  EXPECT_EQ(world.admit(third, kNow + 2 * kDay).ipv4, first.ipv4);
}

TEST_F(AuthorityTest, WhoIsSilentForAMonthIsForgotten) {
  const Person alice = world.person("alice"), second = world.person("alice");
  const Issued first = world.admit(alice);
  const base::UnixSeconds end = kNow + kDay + world.settings.forget_after;
  const NewToken token = world.token(Role::kHost, {}, "", 60 * kDay);
  EXPECT_EQ(code_of(world.join(second, token.secret, end)), code(error::kLabelTaken));
  const auto issued = world.join(second, token.secret, end + 1);
  ASSERT_TRUE(issued.has_value()) << issued.error().message;
  EXPECT_FALSE(authority().members().contains(alice.name));
  EXPECT_EQ(code_of(authority().renew(alice.name, end + 1).answer), code(error::kMemberUnknown));
  // Dropped and admitted in one commit: the address was not yet free.
  EXPECT_NE(issued->ipv4, first.ipv4);
  EXPECT_EQ(world.admit(world.person("bob"), end + 2).ipv4, first.ipv4);
}

// --- what is durable ---

TEST_F(AuthorityTest, AFailedCommitChangesNothing) {
  const Person alice = world.person("alice");
  const NewToken token = world.token();
  const Revision before = authority().revision();
  const std::uint64_t free = authority().free_addresses();
  world.store.failing = true;
  EXPECT_EQ(code_of(world.join(alice, token.secret)), code(error::kStoreFull));
  EXPECT_EQ(code_of(world.settle(authority().set_policy("deny * *\n", kNow))),
            code(error::kStoreFull));
  EXPECT_TRUE(authority().members().empty());
  EXPECT_EQ(authority().revision(), before);
  EXPECT_EQ(authority().free_addresses(), free);
  EXPECT_EQ(authority().policy().revision, 1u);
  world.store.failing = false;
  // Somebody else may have the token now: the first was told no.
  EXPECT_EQ(code_of(world.join(world.person("bob"), token.secret)), "");
  EXPECT_EQ(code_of(world.join(alice, token.secret)), code(error::kTokenUsed));
}

TEST_F(AuthorityTest, ALostAnswerIsGivenAgainAfterARestart) {
  const Person alice = world.person("alice");
  const NewToken token = world.token();
  const auto outcome = authority().join(alice.request(token.secret), kNow);
  ASSERT_TRUE(world.store.commit(outcome.changes).has_value());
  world.open();  // died between commit and answer
  const auto again = world.join(alice, token.secret, kNow + 60);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->certificate, outcome.answer->certificate);
  EXPECT_EQ(code_of(world.join(world.person("eve"), token.secret)), code(error::kTokenUsed));
}

// --- watchers ---

TEST_F(AuthorityTest, WatchersGetWhatHasChangedSince) {
  const Person alice = world.person("alice"), bob = world.person("bob");
  const Issued a = world.admit(alice), b = world.admit(bob);
  const Changes start = authority().changes_since(std::nullopt, 10, kNow);
  EXPECT_TRUE(start.whole);
  EXPECT_FALSE(start.more);
  ASSERT_EQ(start.items.size(), 1u);  // the policy; who has not registered is nowhere
  ASSERT_TRUE(std::holds_alternative<PolicyItem>(start.items[0]));
  EXPECT_EQ(std::get<PolicyItem>(start.items[0]).text, "allow * *\n");
  ASSERT_EQ(code_of(world.put(alice, a.certificate, 1, kNow + kHour, kNow)), "");
  ASSERT_EQ(code_of(world.put(bob, b.certificate, 1, kNow + kHour, kNow)), "");
  ASSERT_EQ(code_of(world.put(alice, a.certificate, 2, kNow + kHour, kNow)), "");
  const Changes next = authority().changes_since(start.revision, 10, kNow);
  EXPECT_FALSE(next.whole);
  ASSERT_EQ(next.items.size(), 2u);  // each once, in the order of their last change
  EXPECT_EQ(next.items[0], (Item{MemberItem{b.certificate, bob.registration(1, kNow + kHour)}}));
  EXPECT_EQ(next.items[1], (Item{MemberItem{a.certificate, alice.registration(2, kNow + kHour)}}));
  EXPECT_TRUE(authority().changes_since(next.revision, 10, kNow).items.empty());
  // What has ended is told nobody.
  EXPECT_TRUE(authority().changes_since(start.revision, 10, kNow + kHour).items.empty());
}

TEST_F(AuthorityTest, ALimitCutsAndNothingIsLost) {
  std::vector<Person> people;
  for (int i = 0; i < 7; ++i) {
    people.push_back(world.person("p" + std::to_string(i)));
    const Issued issued = world.admit(people.back());
    ASSERT_EQ(code_of(world.put(people.back(), issued.certificate, 1, kNow + kHour, kNow)), "");
  }
  for (std::size_t limit : {0u, 1u, 2u, 3u, 8u, 9u}) {
    std::optional<Revision> at;
    std::size_t seen = 0;
    for (bool more = true; more;) {
      const Changes changes = authority().changes_since(at, limit, kNow);
      EXPECT_EQ(changes.whole, !at.has_value());
      EXPECT_LE(changes.items.size(), std::max<std::size_t>(limit, 1));
      seen += changes.items.size();
      more = changes.more;
      at = changes.revision;
    }
    EXPECT_EQ(seen, 8u) << limit;
    EXPECT_EQ(*at, authority().revision());
  }
}

TEST_F(AuthorityTest, AnotherIncarnationBeginsFromTheBeginning) {
  const Person alice = world.person("alice");
  const Issued issued = world.admit(alice);
  ASSERT_EQ(code_of(world.put(alice, issued.certificate, 1, kNow + kHour, kNow)), "");
  const Revision before = authority().revision();
  world.open();
  EXPECT_NE(authority().revision().incarnation, before.incarnation);
  const Changes changes = authority().changes_since(before, 10, kNow);
  EXPECT_TRUE(changes.whole);
  EXPECT_EQ(changes.items.size(), 2u);
  Revision future = authority().revision();
  ++future.counter;
  EXPECT_TRUE(authority().changes_since(future, 10, kNow).whole);
  // Soft state may be lost, and comes back.
  world.store.forget_soft();
  world.open();
  EXPECT_EQ(authority().changes_since(std::nullopt, 10, kNow).items.size(), 1u);
  ASSERT_EQ(code_of(world.put(alice, issued.certificate, 1, kNow + kHour, kNow)), "");
  EXPECT_EQ(authority().changes_since(std::nullopt, 10, kNow).items.size(), 2u);
}

}  // namespace
}  // namespace entresol::layer::directory
