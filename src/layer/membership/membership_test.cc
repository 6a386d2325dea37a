#include "layer/membership/membership.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "layer/membership/test_authority.h"

namespace entresol::layer::membership {
namespace {

using base::DropReason;
using test::Authority;
using test::kDay;
using test::kNow;

struct Party {
  Party(Authority& authority, Role role, std::string label, Ipv4 ipv4)
      : identity(test::make_identity(authority.random)),
        certificate(authority.certify(identity, role, label, ipv4)),
        registration(authority.registration(identity)),
        name(name_of(authority.trust.layer(), kSuiteEd25519, identity.identity.public_key)),
        membership(authority.trust, identity) {
    own = membership.set_own(certificate, 1, kNow + kDay, {}, kNow).has_value();
  }
  security::Credentials credentials() { return membership.link_verifier()->credentials({}); }

  Identity identity;
  base::Bytes certificate;
  base::Bytes registration;
  wire::Name name;
  Membership membership;
  bool own = false;
};

base::Endpoint at(const wire::Name& name) {
  return {name.octets, 0};
}

template <typename T>
std::string code_of(const base::Result<T>& result) {
  return result ? "accepted" : result.error().code;
}

class MembershipTest : public testing::Test {
 protected:
  Authority authority{1};
  Party host{authority, Role::kHost, "alice", {100, 64, 0, 1}};
  Party other{authority, Role::kHost, "bob", {100, 64, 0, 2}};
  Party node{authority, Role::kNode, "gate", {100, 64, 0, 3}};
};

TEST_F(MembershipTest, KnowsItself) {
  ASSERT_TRUE(host.own);
  EXPECT_EQ(host.membership.own().name, host.name);
  EXPECT_EQ(host.membership.find(host.name), &host.membership.own());
  EXPECT_EQ(host.membership.find_ipv4({100, 64, 0, 1}), &host.membership.own());
  EXPECT_EQ(host.membership.find_ipv4({}), nullptr);
  EXPECT_EQ(host.membership.find(other.name), nullptr);
}

TEST_F(MembershipTest, OwnCertificateHasToBeForTheOwnKey) {
  Membership membership(authority.trust, host.identity);
  EXPECT_EQ(code_of(membership.set_own(other.certificate, 1, kNow + kDay, {}, kNow)),
            base::code::kCertificateUntrusted);
}

TEST_F(MembershipTest, LearnsAMemberFromCertificateAndRegistration) {
  auto name = host.membership.learn(other.certificate, other.registration, kNow);
  ASSERT_TRUE(name);
  EXPECT_EQ(*name, other.name);
  const Member* member = host.membership.find(other.name);
  ASSERT_NE(member, nullptr);
  EXPECT_EQ(member->label, "bob");
  EXPECT_EQ(member->native_key, other.identity.native_public);
  EXPECT_EQ(member->until, kNow + kDay);
  EXPECT_EQ(host.membership.find_ipv4({100, 64, 0, 2}), member);
}

TEST_F(MembershipTest, ChainsThroughAnOperator) {
  const auto operator_key = crypto::ed25519_keypair(authority.random.bytes<32>());
  Delegation delegation;
  delegation.layer = authority.trust.layer();
  delegation.operator_key = operator_key.public_key;
  delegation.validity = {kNow - 1, kNow + 100};
  delegation.label = "north";
  Certificate certificate = authority.describe(other.identity, Role::kHost, "bob", {});
  certificate.issuer = operator_key.public_key;
  const base::Bytes alone = sign(certificate, operator_key)->octets();
  auto chain = [&](const Delegation& said, const crypto::Ed25519KeyPair& by) {
    base::Bytes out = sign(said, by)->octets();
    out.insert(out.end(), alone.begin(), alone.end());
    return out;
  };
  auto learn = [&](const base::Bytes& bytes, base::UnixSeconds now) {
    return code_of(host.membership.learn(bytes, other.registration, now));
  };
  EXPECT_EQ(learn(chain(delegation, authority.root), kNow), "accepted");
  EXPECT_EQ(learn(alone, kNow), base::code::kCertificateUntrusted);
  EXPECT_EQ(learn(chain(delegation, operator_key), kNow), base::code::kCertificateUntrusted);
  EXPECT_EQ(learn(chain(delegation, authority.root), kNow + 100), base::code::kCertificateExpired);
  EXPECT_EQ(learn(chain(delegation, authority.root), kNow - 2), base::code::kCertificateExpired);
  Delegation foreign = delegation;
  foreign.layer[31] ^= 1;
  EXPECT_EQ(learn(chain(foreign, authority.root), kNow), base::code::kWrongLayer);
  Delegation another = delegation;
  another.operator_key = authority.random.bytes<32>();
  EXPECT_EQ(learn(chain(another, authority.root), kNow), base::code::kCertificateUntrusted);
  // An operator cannot make operators.
  Delegation second = delegation;
  second.operator_key = authority.random.bytes<32>();
  base::Bytes twice = sign(delegation, authority.root)->octets();
  const base::Bytes below = sign(second, operator_key)->octets();
  twice.insert(twice.end(), below.begin(), below.end());
  twice.insert(twice.end(), alone.begin(), alone.end());
  EXPECT_NE(learn(twice, kNow), "accepted");
}

TEST_F(MembershipTest, RefusesWhatHasEndedOrNotBegun) {
  Certificate certificate = authority.describe(other.identity, Role::kHost, "bob", {});
  certificate.validity = {kNow, kNow + 10};
  const base::Bytes chain = sign(certificate, authority.root)->octets();
  auto learn = [&](base::UnixSeconds now) {
    return code_of(host.membership.learn(chain, other.registration, now));
  };
  EXPECT_EQ(learn(kNow - 1), base::code::kCertificateExpired);
  EXPECT_EQ(learn(kNow), "accepted");
  EXPECT_EQ(learn(kNow + 10), base::code::kCertificateExpired);
  // The lease of a registration ends before its certificate.
  EXPECT_EQ(code_of(host.membership.learn(other.certificate, other.registration, kNow + kDay)),
            base::code::kCertificateExpired);
}

TEST_F(MembershipTest, RefusesAnotherLayer) {
  Authority elsewhere(2);
  Party stranger(elsewhere, Role::kHost, "mallory", {100, 64, 0, 4});
  EXPECT_EQ(code_of(host.membership.learn(stranger.certificate, stranger.registration, kNow)),
            base::code::kWrongLayer);
  // The same identity in both layers has two names, and a registration for one is none for the other.
  const base::Bytes certificate = authority.certify(stranger.identity, Role::kHost, "mallory", {});
  EXPECT_EQ(code_of(host.membership.learn(certificate, stranger.registration, kNow)),
            base::code::kWrongLayer);
}

TEST_F(MembershipTest, RefusesARegistrationOfSomebodyElse) {
  EXPECT_EQ(code_of(host.membership.learn(other.certificate, node.registration, kNow)),
            base::code::kCertificateUntrusted);
  Registration forged = authority.describe_registration(other.identity, 7);
  EXPECT_EQ(code_of(host.membership.learn(other.certificate,
                                          sign(forged, node.identity.identity)->octets(), kNow)),
            base::code::kCertificateUntrusted);
  Registration keyless = authority.describe_registration(other.identity, 7);
  keyless.keys.clear();
  EXPECT_EQ(code_of(host.membership.learn(other.certificate,
                                          sign(keyless, other.identity.identity)->octets(), kNow)),
            base::code::kCertificateMalformed);
}

TEST_F(MembershipTest, ASecondOwnerOfAnAddressOrNameIsRefused) {
  ASSERT_TRUE(host.membership.learn(other.certificate, other.registration, kNow));
  Party thief(authority, Role::kHost, "thief", {100, 64, 0, 2});
  EXPECT_EQ(code_of(host.membership.learn(thief.certificate, thief.registration, kNow)),
            base::code::kNameTaken);
  Party clone(authority, Role::kHost, "clone", {100, 64, 0, 1});
  EXPECT_EQ(code_of(host.membership.learn(clone.certificate, clone.registration, kNow)),
            base::code::kNameTaken);
  EXPECT_EQ(code_of(host.membership.learn(host.certificate, host.registration, kNow)),
            base::code::kNameTaken);
  EXPECT_EQ(host.membership.find_ipv4({100, 64, 0, 2})->name, other.name);
}

TEST_F(MembershipTest, AnAddressThatItsOwnerGaveUpIsFree) {
  ASSERT_TRUE(host.membership.learn(other.certificate, other.registration, kNow));
  const base::Bytes moved = authority.certify(other.identity, Role::kHost, "bob", {100, 64, 0, 20});
  ASSERT_TRUE(host.membership.learn(moved, authority.registration(other.identity, 2), kNow));
  EXPECT_EQ(host.membership.find_ipv4({100, 64, 0, 2}), nullptr);
  Party next(authority, Role::kHost, "next", {100, 64, 0, 2});
  EXPECT_TRUE(host.membership.learn(next.certificate, next.registration, kNow));
}

TEST_F(MembershipTest, TheHighestSequenceWins) {
  Identity changed = other.identity;
  changed.native_public = authority.random.bytes<32>();
  ASSERT_TRUE(host.membership.learn(other.certificate, authority.registration(changed, 5), kNow));
  ASSERT_TRUE(
      host.membership.learn(other.certificate, authority.registration(other.identity, 4), kNow));
  EXPECT_EQ(host.membership.find(other.name)->native_key, changed.native_public);
  EXPECT_EQ(host.membership.find(other.name)->sequence, 5u);
  ASSERT_TRUE(
      host.membership.learn(other.certificate, authority.registration(other.identity, 6), kNow));
  EXPECT_EQ(host.membership.find(other.name)->native_key, other.identity.native_public);
}

TEST_F(MembershipTest, OfOneSequenceTheNewestCertificateWins) {
  const Certificate body = authority.describe(other.identity, Role::kHost, "bob", {100, 64, 0, 2});
  const base::Bytes old = authority.certify(body, {kNow - 100, kNow + 100});
  const base::Bytes fresh = authority.certify(body, {kNow - 50, kNow + 150});
  ASSERT_TRUE(host.membership.learn(fresh, other.registration, kNow));
  ASSERT_TRUE(host.membership.learn(old, other.registration, kNow));
  EXPECT_EQ(host.membership.find(other.name)->until, kNow + 150);
  // A newer registration counts, whatever it comes with.
  ASSERT_TRUE(host.membership.learn(old, authority.registration(other.identity, 2), kNow));
  EXPECT_EQ(host.membership.find(other.name)->until, kNow + 100);
}

TEST_F(MembershipTest, ARegistrationSaysWhereANodeIsDialled) {
  Registration body = authority.describe_registration(node.identity, 2);
  body.endpoints = {at(other.name), {{1}, 4850}};
  ASSERT_TRUE(
      host.membership.learn(node.certificate, sign(body, node.identity.identity)->octets(), kNow));
  EXPECT_EQ(host.membership.find(node.name)->endpoints, body.endpoints);
  ASSERT_TRUE(node.membership.set_own(node.certificate, 3, kNow + kDay, {}, kNow, body.endpoints));
  EXPECT_EQ(parse_registration(node.membership.own_registration())->body.endpoints, body.endpoints);
}

// ---- the own certificate anew ----------------------------------------------------------------------------------------

TEST_F(MembershipTest, ARenewalIsOfTheSameMemberAndNotOlder) {
  const Certificate body = authority.describe(host.identity, Role::kHost, "alice", {100, 64, 0, 1});
  const Validity fresh{kNow - kDay + 1, kNow + kDay};
  auto check = [&](const base::Bytes& chain) {
    return code_of(host.membership.check_renewal(chain, kNow));
  };
  EXPECT_EQ(check(authority.certify(body, fresh)), "accepted");
  EXPECT_EQ(check(authority.certify(body, {kNow - kDay - 1, kNow + 60 * kDay})),
            base::code::kConfigBadValue)
      << "older";
  Certificate changed = body;
  changed.role = Role::kNode;
  EXPECT_EQ(check(authority.certify(changed, fresh)), base::code::kConfigBadValue);
  changed = body;
  changed.ipv4 = {100, 64, 0, 77};
  EXPECT_EQ(check(authority.certify(changed, fresh)), base::code::kConfigBadValue);
  EXPECT_EQ(check(other.certificate), base::code::kCertificateUntrusted);
  EXPECT_EQ(check(authority.certify(body, {kNow - kDay + 1, kNow})),
            base::code::kCertificateExpired);
  changed = body;
  changed.layer[0] ^= 1;
  EXPECT_EQ(check(authority.certify(changed, fresh)), base::code::kWrongLayer);
}

TEST_F(MembershipTest, TheOwnLeaseDoesNotOutliveTheCertificateNorItsDelegation) {
  const auto operator_key = crypto::ed25519_keypair(authority.random.bytes<32>());
  Delegation delegation;
  delegation.layer = authority.trust.layer();
  delegation.operator_key = operator_key.public_key;
  delegation.validity = {kNow - 1, kNow + 100};
  Certificate body = authority.describe(host.identity, Role::kHost, "alice", {100, 64, 0, 1});
  body.issuer = operator_key.public_key;
  base::Bytes chain = sign(delegation, authority.root)->octets();
  const base::Bytes certificate = sign(body, operator_key)->octets();
  chain.insert(chain.end(), certificate.begin(), certificate.end());
  ASSERT_TRUE(host.membership.set_own(chain, 2, kNow + kDay, {}, kNow));
  EXPECT_EQ(host.membership.own_end(), kNow + 100);
  EXPECT_EQ(parse_registration(host.membership.own_registration())->body.not_after, kNow + 100);
  ASSERT_TRUE(node.membership.learn(chain, host.membership.own_registration(), kNow));
  EXPECT_EQ(node.membership.find(host.name)->until, kNow + 100);
  EXPECT_TRUE(host.membership.standing(kNow + 99));
  EXPECT_FALSE(host.membership.standing(kNow + 100));
}

TEST_F(MembershipTest, WhatIsShownIsCounted) {
  const std::uint64_t before = host.membership.generation();
  EXPECT_EQ(host.credentials().generation, before);
  ASSERT_TRUE(host.membership.set_own(host.certificate, 2, kNow + kDay, {}, kNow));
  EXPECT_GT(host.membership.generation(), before);
  EXPECT_EQ(host.credentials().generation, host.membership.generation());
}

// ---- ends and revocations --------------------------------------------------------------------------------------------

TEST_F(MembershipTest, WhoseObjectsHaveEndedIsForgottenAFewAtATime) {
  const Certificate body = authority.describe(other.identity, Role::kHost, "bob", {100, 64, 0, 2});
  ASSERT_TRUE(host.membership.learn(authority.certify(body, {kNow - 1, kNow + 10}),
                                    other.registration, kNow));
  for (std::uint8_t i = 10; i < 20; ++i) {
    Party party(authority, Role::kHost, "p" + std::to_string(i), {100, 64, 0, i});
    ASSERT_TRUE(host.membership.learn(party.certificate, party.registration, kNow));
  }
  EXPECT_EQ(host.membership.next_end(), kNow + 10);
  EXPECT_TRUE(host.membership.expire(kNow + 9, 4).empty());
  auto ended = host.membership.expire(kNow + 10, 4);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].name, other.name);
  EXPECT_EQ(ended[0].label, "bob");
  EXPECT_EQ(host.membership.find(other.name), nullptr);
  EXPECT_EQ(host.membership.find_ipv4({100, 64, 0, 2}), nullptr);
  EXPECT_EQ(host.membership.find_label("bob"), nullptr);
  EXPECT_TRUE(host.membership.objects(other.name).certificate.empty());
  EXPECT_EQ(host.membership.next_end(), kNow + kDay);
  EXPECT_EQ(host.membership.expire(kNow + kDay, 4).size(), 4u);
  EXPECT_EQ(host.membership.expire(kNow + kDay, 4).size(), 4u);
  EXPECT_EQ(host.membership.expire(kNow + kDay, 4).size(), 2u);
  EXPECT_TRUE(host.membership.all().empty());
}

TEST_F(MembershipTest, WhoShowedNewerObjectsIsNotForgotten) {
  const Certificate body = authority.describe(other.identity, Role::kHost, "bob", {100, 64, 0, 2});
  ASSERT_TRUE(host.membership.learn(authority.certify(body, {kNow - 1, kNow + 10}),
                                    other.registration, kNow));
  security::Credentials shown = other.credentials();
  shown.certificate = authority.certify(body, {kNow, kNow + 20});
  wire::Name name;
  ASSERT_EQ(
      host.membership.link_verifier()->admit(other.identity.native_public, shown, {}, kNow, name),
      DropReason::none);
  EXPECT_TRUE(host.membership.expire(kNow + 10, 4).empty());
  EXPECT_EQ(host.membership.expire(kNow + 20, 4).size(), 1u);
}

TEST_F(MembershipTest, WhoIsRevokedIsNobodyUntilReadmitted) {
  ASSERT_TRUE(host.membership.learn(other.certificate, other.registration, kNow));
  host.membership.revoke(other.name, kNow + 100);
  EXPECT_TRUE(host.membership.revoked(other.name));
  EXPECT_EQ(host.membership.find(other.name), nullptr);
  EXPECT_EQ(host.membership.find_ipv4({100, 64, 0, 2}), nullptr);
  EXPECT_EQ(host.membership.find_label("bob"), nullptr);
  auto learn = [&](std::uint64_t sequence) {
    return code_of(host.membership.learn(other.certificate,
                                         authority.registration(other.identity, sequence), kNow));
  };
  EXPECT_EQ(learn(2), base::code::kMemberRevoked);
  wire::Name name;
  EXPECT_EQ(host.membership.link_verifier()->admit(other.identity.native_public,
                                                   other.credentials(), {}, kNow, name),
            DropReason::name_revoked);
  EXPECT_EQ(
      host.membership.session_verifier()->admit(other.identity.native_public, other.credentials(),
                                                {at(other.name), at(host.name)}, kNow, name),
      DropReason::name_revoked);
  host.membership.readmit(other.name);
  EXPECT_FALSE(host.membership.revoked(other.name));
  EXPECT_EQ(learn(2), "accepted");
}

TEST_F(MembershipTest, ARevocationEnds) {
  host.membership.revoke(other.name, kNow + 100);
  EXPECT_EQ(host.membership.next_end(), kNow + 100);
  host.membership.revoke(other.name, kNow + 200);
  EXPECT_EQ(host.membership.next_end(), kNow + 200);
  (void)host.membership.expire(kNow + 199, 1);
  EXPECT_TRUE(host.membership.revoked(other.name));
  (void)host.membership.expire(kNow + 200, 1);
  EXPECT_FALSE(host.membership.revoked(other.name));
  EXPECT_TRUE(host.membership.learn(other.certificate, other.registration, kNow));
}

// Else whoever has the old key could come in through the readmission.
TEST_F(MembershipTest, RegistrationsFromBeforeARevocationStayOld) {
  ASSERT_TRUE(
      host.membership.learn(other.certificate, authority.registration(other.identity, 5), kNow));
  host.membership.revoke(other.name, kNow + 100);
  host.membership.readmit(other.name);
  Identity stolen = other.identity;
  stolen.native_public = authority.random.bytes<32>();
  const base::Bytes old = authority.registration(stolen, 4);
  EXPECT_EQ(code_of(host.membership.learn(other.certificate, old, kNow)),
            base::code::kRegistrationOld);
  security::Credentials shown = other.credentials();
  shown.registration = old;
  wire::Name name;
  EXPECT_EQ(host.membership.link_verifier()->admit(stolen.native_public, shown, {}, kNow, name),
            DropReason::handshake_certificate);
  EXPECT_TRUE(
      host.membership.learn(other.certificate, authority.registration(other.identity, 5), kNow));
}

TEST_F(MembershipTest, WhoIsRevokedItselfAdmitsNobody) {
  host.membership.revoke(host.name, kNow + 100);
  EXPECT_FALSE(host.membership.standing(kNow));
  wire::Name name;
  EXPECT_EQ(host.membership.link_verifier()->admit(other.identity.native_public,
                                                   other.credentials(), {}, kNow, name),
            DropReason::handshake_certificate);
  host.membership.readmit(host.name);
  EXPECT_TRUE(host.membership.standing(kNow));
}

// ---- the handshakes' verifiers ---------------------------------------------------------------------------------------

TEST_F(MembershipTest, ALinkIsWithWhomTheCertificateNames) {
  wire::Name name;
  EXPECT_EQ(node.membership.link_verifier()->admit(host.identity.native_public, host.credentials(),
                                                   {}, kNow, name),
            DropReason::none);
  EXPECT_EQ(name, host.name);
  ASSERT_NE(node.membership.find(host.name), nullptr);
  EXPECT_EQ(node.membership.find_ipv4({100, 64, 0, 1})->name, host.name);
}

TEST_F(MembershipTest, ALinkNeedsTheKeyThatTheRegistrationBinds) {
  wire::Name name;
  auto admit = [&](const security::PublicKey& key, const security::Credentials& shown,
                   base::UnixSeconds now = kNow) {
    return node.membership.link_verifier()->admit(key, shown, {}, now, name);
  };
  EXPECT_EQ(admit(other.identity.native_public, host.credentials()),
            DropReason::handshake_certificate);
  security::Credentials mixed = host.credentials();
  mixed.registration = other.registration;
  EXPECT_EQ(admit(other.identity.native_public, mixed), DropReason::handshake_certificate);
  EXPECT_EQ(admit(host.identity.native_public, {}), DropReason::handshake_certificate);
  EXPECT_EQ(admit(host.identity.native_public, host.credentials(), kNow + kDay),
            DropReason::handshake_certificate);
  EXPECT_EQ(admit(node.identity.native_public, node.credentials()),
            DropReason::handshake_certificate)
      << "somebody shows this member's own name";
  EXPECT_EQ(node.membership.find(host.name), nullptr);
}

TEST_F(MembershipTest, AnOldRegistrationIsNoLongerAdmitted) {
  ASSERT_TRUE(
      node.membership.learn(host.certificate, authority.registration(host.identity, 2), kNow));
  wire::Name name;
  EXPECT_EQ(node.membership.link_verifier()->admit(host.identity.native_public, host.credentials(),
                                                   {}, kNow, name),
            DropReason::handshake_certificate);
}

TEST_F(MembershipTest, ASessionIsWithTheNameThatItWasDialledAs) {
  wire::Name name;
  auto* verifier = host.membership.session_verifier();
  EXPECT_EQ(verifier->admit(other.identity.native_public, other.credentials(),
                            {at(other.name), at(host.name)}, kNow, name),
            DropReason::none);
  EXPECT_EQ(name, other.name);
  EXPECT_EQ(verifier->admit(other.identity.native_public, other.credentials(),
                            {at(node.name), at(host.name)}, kNow, name),
            DropReason::handshake_certificate);
  // Nor may a node take the place of a member that is no guest.
  EXPECT_EQ(verifier->admit(node.identity.native_public, node.credentials(),
                            {at(other.name), at(host.name)}, kNow, name),
            DropReason::handshake_certificate);
}

class GuestTest : public MembershipTest {
 protected:
  DropReason admit(Party& speaker, const base::Bytes& grant, const wire::Name& remote,
                   base::UnixSeconds now = kNow) {
    security::Credentials shown = speaker.credentials();
    shown.grant = grant;
    return host.membership.session_verifier()->admit(speaker.identity.native_public, shown,
                                                     {at(remote), at(host.name)}, now, proved);
  }
  Key key = authority.random.bytes<32>();
  wire::Name guest = name_of(authority.trust.layer(), kSuiteGuestX25519, key);
  base::Bytes granted = authority.grant(key, "phone", {100, 64, 0, 50}, {node.name});
  wire::Name proved;
};

TEST_F(GuestTest, ItsNodeSpeaksForIt) {
  EXPECT_EQ(admit(node, granted, guest), DropReason::none);
  EXPECT_EQ(proved, guest);
  const Member* member = host.membership.find(guest);
  ASSERT_NE(member, nullptr);
  EXPECT_TRUE(member->guest);
  EXPECT_EQ(member->native_key, node.identity.native_public);
  EXPECT_EQ(host.membership.find_ipv4({100, 64, 0, 50}), member);
}

TEST_F(GuestTest, NobodyElseDoes) {
  Party another(authority, Role::kNode, "gate2", {});
  EXPECT_EQ(admit(another, granted, guest), DropReason::handshake_certificate) << "wrong node";
  EXPECT_EQ(admit(other, granted, guest), DropReason::handshake_certificate) << "a host";
  const base::Bytes for_the_host = authority.grant(key, "phone", {}, {other.name});
  EXPECT_EQ(admit(other, for_the_host, guest), DropReason::handshake_certificate)
      << "a host, even if its grant names it";
  EXPECT_EQ(admit(node, granted, other.name), DropReason::handshake_certificate)
      << "for another name";
  EXPECT_EQ(admit(node, {}, guest), DropReason::handshake_certificate) << "without a grant";
  EXPECT_EQ(host.membership.find(guest), nullptr);
}

TEST_F(GuestTest, AnyNodeDoesIfTheGrantNamesNone) {
  Party another(authority, Role::kNode, "gate2", {});
  EXPECT_EQ(admit(another, authority.grant(key, "phone", {}, {}), guest), DropReason::none);
}

TEST_F(GuestTest, AGrantEnds) {
  Grant grant = authority.describe_grant(key, "phone", {}, {node.name});
  grant.validity = {kNow, kNow + 10};
  const base::Bytes chain = sign(grant, authority.root)->octets();
  EXPECT_EQ(admit(node, chain, guest, kNow - 1), DropReason::handshake_certificate);
  EXPECT_EQ(admit(node, chain, guest, kNow), DropReason::none);
  EXPECT_EQ(admit(node, chain, guest, kNow + 10), DropReason::handshake_certificate);
}

TEST_F(GuestTest, AForgedGrantIsRefused) {
  const auto somebody = crypto::ed25519_keypair(authority.random.bytes<32>());
  Grant grant = authority.describe_grant(key, "phone", {}, {node.name});
  EXPECT_EQ(admit(node, sign(grant, somebody)->octets(), guest), DropReason::handshake_certificate);
  grant.issuer = somebody.public_key;
  EXPECT_EQ(admit(node, sign(grant, somebody)->octets(), guest), DropReason::handshake_certificate);
  grant.issuer = authority.root.public_key;
  grant.layer[0] ^= 1;
  EXPECT_EQ(admit(node, sign(grant, authority.root)->octets(), guest),
            DropReason::handshake_certificate);
}

TEST_F(GuestTest, AGrantCannotTakeAMembersAddress) {
  ASSERT_TRUE(host.membership.learn(other.certificate, other.registration, kNow));
  EXPECT_EQ(admit(node, authority.grant(key, "phone", {100, 64, 0, 2}, {node.name}), guest),
            DropReason::handshake_certificate);
  EXPECT_EQ(admit(node, authority.grant(key, "phone", {100, 64, 0, 1}, {node.name}), guest),
            DropReason::handshake_certificate);
}

TEST_F(GuestTest, FromADirectoryItIsReachedThroughItsNode) {
  ASSERT_TRUE(host.membership.learn(node.certificate, node.registration, kNow));
  auto name = host.membership.learn_guest(granted, kNow);
  ASSERT_TRUE(name);
  EXPECT_EQ(*name, guest);
  EXPECT_EQ(host.membership.find(guest)->native_key, node.identity.native_public);
}

TEST_F(GuestTest, TheNewestGrantWins) {
  ASSERT_TRUE(host.membership.learn(node.certificate, node.registration, kNow));
  Grant grant = authority.describe_grant(key, "phone", {100, 64, 0, 50}, {node.name});
  grant.validity = {kNow - 10, kNow + 200};
  const base::Bytes fresh = sign(grant, authority.root)->octets();
  grant.validity = {kNow - 20, kNow + 100};
  const base::Bytes old = sign(grant, authority.root)->octets();
  ASSERT_TRUE(host.membership.learn_guest(fresh, kNow));
  EXPECT_EQ(admit(node, old, guest), DropReason::none) << "its node has not got the new one yet";
  EXPECT_EQ(host.membership.find(guest)->until, kNow + 200);
  // The new one is for another node.
  Party another(authority, Role::kNode, "gate2", {});
  ASSERT_TRUE(host.membership.learn(another.certificate, another.registration, kNow));
  grant.validity = {kNow - 5, kNow + 300};
  grant.nodes = {another.name};
  ASSERT_TRUE(host.membership.learn_guest(sign(grant, authority.root)->octets(), kNow));
  EXPECT_EQ(host.membership.find(guest)->native_key, another.identity.native_public);
  EXPECT_EQ(admit(node, fresh, guest), DropReason::handshake_certificate);
}

TEST_F(GuestTest, OfARevokedNodeItGoesOverToAnotherThatIsKnown) {
  Party another(authority, Role::kNode, "gate2", {});
  const base::Bytes both = authority.grant(key, "phone", {}, {node.name, another.name});
  ASSERT_TRUE(host.membership.learn_guest(both, kNow));
  EXPECT_EQ(host.membership.find(guest)->native_key, Key{});
  ASSERT_TRUE(host.membership.learn(node.certificate, node.registration, kNow));
  EXPECT_EQ(host.membership.find(guest)->native_key, node.identity.native_public)
      << "who is learnt after its guest speaks for it";
  ASSERT_TRUE(host.membership.learn(another.certificate, another.registration, kNow));
  host.membership.revoke(node.name, kNow + 100);
  EXPECT_EQ(host.membership.find(guest)->native_key, another.identity.native_public);
  EXPECT_EQ(admit(node, both, guest), DropReason::name_revoked);
  host.membership.revoke(guest, kNow + 100);
  EXPECT_EQ(admit(another, both, guest), DropReason::name_revoked);
  EXPECT_EQ(code_of(host.membership.learn_guest(both, kNow)), base::code::kMemberRevoked);
  EXPECT_EQ(host.membership.guest_verifier()->stranger(key), DropReason::name_revoked);
  EXPECT_EQ(host.membership.guest_verifier()->stranger(Key{}), DropReason::handshake_unknown_peer);
}

TEST_F(GuestTest, ANodeShowsNoRegistrationFromBeforeItsRevocation) {
  ASSERT_TRUE(
      host.membership.learn(node.certificate, authority.registration(node.identity, 5), kNow));
  host.membership.revoke(node.name, kNow + 100);
  host.membership.readmit(node.name);
  EXPECT_EQ(admit(node, granted, guest), DropReason::handshake_certificate);
  ASSERT_TRUE(node.membership.set_own(node.certificate, 6, kNow + kDay, {}, kNow));
  EXPECT_EQ(admit(node, granted, guest), DropReason::none);
}

TEST_F(GuestTest, ANodesNewKeyIsItsGuestsToo) {
  ASSERT_TRUE(host.membership.learn(node.certificate, node.registration, kNow));
  ASSERT_TRUE(host.membership.learn_guest(granted, kNow));
  Identity changed = node.identity;
  changed.native_public = authority.random.bytes<32>();
  const std::uint64_t before = host.membership.key_changes();
  ASSERT_TRUE(host.membership.learn(node.certificate, authority.registration(changed, 2), kNow));
  EXPECT_GT(host.membership.key_changes(), before);
  EXPECT_EQ(host.membership.find(guest)->native_key, changed.native_public);
}

TEST_F(GuestTest, ItsNodeShowsTheGrantWhereItSpeaksForIt) {
  ASSERT_TRUE(node.membership.learn_guest(granted, kNow));
  auto shown_as = [&](const wire::Name& local) {
    return node.membership.session_verifier()->credentials({at(host.name), at(local)}).grant;
  };
  EXPECT_TRUE(shown_as(guest).empty()) << "it only knows of it";
  node.membership.speak_for(guest);
  EXPECT_EQ(shown_as(guest), granted);
  EXPECT_TRUE(shown_as(node.name).empty());
}

// What has been shown before costs no signatures; it is held to all the rest.
TEST_F(MembershipTest, WhoShowsTheSameAgainIsHeldToKeyAndTime) {
  wire::Name name;
  const auto shown = other.credentials();
  const auto admit = [&](const security::PublicKey& key, base::UnixSeconds now) {
    return host.membership.link_verifier()->admit(key, shown, {}, now, name);
  };
  const auto& key = other.identity.native_public;
  ASSERT_EQ(admit(key, kNow), DropReason::none);
  EXPECT_EQ(admit(key, kNow + 1), DropReason::none);
  EXPECT_EQ(name, other.name);
  EXPECT_EQ(admit(node.identity.native_public, kNow), DropReason::handshake_certificate);
  EXPECT_EQ(admit(key, kNow + kDay), DropReason::handshake_certificate) << "the registration ends";
  EXPECT_EQ(admit(key, kNow - 2 * kDay), DropReason::handshake_certificate) << "not yet";
  host.membership.revoke(other.name, kNow + kDay);
  EXPECT_EQ(admit(key, kNow), DropReason::name_revoked);
}

}  // namespace
}  // namespace entresol::layer::membership
