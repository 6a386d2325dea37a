// Names that members share: who is believed to answer for them, and who is not.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error_codes.h"
#include "layer/membership/membership.h"
#include "layer/membership/test_authority.h"

namespace entresol::layer::membership {
namespace {

using test::Authority;
using test::kDay;
using test::kNow;

template <typename T>
std::string code_of(const base::Result<T>& result) {
  return result ? "accepted" : result.error().code;
}

base::Bytes joined(std::initializer_list<base::Bytes> parts) {
  base::Bytes out;
  for (const base::Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

class SharedNamesTest : public testing::Test {
 protected:
  SharedNamesTest() : membership(authority.trust, identity) {
    EXPECT_TRUE(membership.set_own(authority.certify(identity, Role::kHost, "alice", {10, 0, 0, 1}),
                                   1, kNow + kDay, {}, kNow));
  }
  NameCertificate describe(const crypto::Ed25519KeyPair& of, std::string label = "web") const {
    NameCertificate body;
    body.layer = authority.trust.layer();
    body.key = of.public_key;
    body.ipv4 = {10, 0, 0, 9};
    body.validity = {kNow - 10, kNow + kDay};
    body.label = std::move(label);
    body.tags = {"front"};
    body.issuer = authority.root.public_key;
    return body;
  }
  MemberDelegation delegation(const wire::Name& member, std::uint64_t sequence,
                              std::uint8_t weight = 1) const {
    MemberDelegation body;
    body.layer = authority.trust.layer();
    body.name = describe(key).name();
    body.member = member;
    body.sequence = sequence;
    body.weight = weight;
    body.validity = {kNow - 10, kNow + 1000};
    return body;
  }
  base::Bytes certified() const { return sign(describe(key), authority.root)->octets(); }
  base::Bytes delegated(const wire::Name& member, std::uint64_t sequence,
                        std::uint8_t weight = 1) const {
    return sign(delegation(member, sequence, weight), key)->octets();
  }
  wire::Name anybody() { return wire::Name{authority.random.bytes<16>()}; }

  Authority authority{1};
  Identity identity{test::make_identity(authority.random)};
  crypto::Ed25519KeyPair key{crypto::ed25519_keypair(authority.random.bytes<32>())};
  wire::Name name = name_of(authority.trust.layer(), kSuiteShared, key.public_key);
  wire::Name bob = anybody(), carol = anybody();
  Membership membership;
};

TEST_F(SharedNamesTest, IsKnownByNameLabelAndAddress) {
  auto learnt = membership.learn_name(certified(), delegated(bob, 1), kNow);
  ASSERT_TRUE(learnt) << learnt.error().message;
  EXPECT_EQ(*learnt, name);
  const Member* known = membership.find(name);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(membership.find_label("web"), known);
  EXPECT_EQ(membership.find_ipv4({10, 0, 0, 9}), known);
  EXPECT_TRUE(known->shared);
  EXPECT_FALSE(known->is_host() || known->is_node());
  EXPECT_EQ(known->until, kNow + kDay);
  EXPECT_NE(membership.delegate(name, bob, kNow), nullptr);
  EXPECT_EQ(membership.delegate(name, carol, kNow), nullptr);
  EXPECT_EQ(membership.delegate(bob, name, kNow), nullptr);
}

TEST_F(SharedNamesTest, AServiceNameHasItsId) {
  NameCertificate body = describe(key);
  body.kind = NameKind::kService;
  EXPECT_FALSE(sign(body, authority.root)) << "without a service id";
  body.service = 0x80000001;
  ASSERT_TRUE(membership.learn_name(sign(body, authority.root)->octets(), {}, kNow));
  EXPECT_EQ(membership.find(name)->name_kind, NameKind::kService);
  EXPECT_EQ(membership.find(name)->service, 0x80000001u);
}

TEST_F(SharedNamesTest, OnlyTheNamesOwnKeyDelegates) {
  const auto mallory = crypto::ed25519_keypair(authority.random.bytes<32>());
  const auto told = [&](const base::Bytes& octets) {
    EXPECT_TRUE(membership.learn_name(certified(), octets, kNow));
    return membership.delegate(name, bob, kNow) != nullptr;
  };
  EXPECT_FALSE(told(sign(delegation(bob, 1), mallory)->octets())) << "a foreign key";
  EXPECT_FALSE(told(sign(delegation(bob, 1), authority.root)->octets())) << "not even the root's";
  EXPECT_FALSE(told(sign(delegation(bob, 1), identity.identity)->octets())) << "a member's";
  MemberDelegation other = delegation(bob, 1);
  other.name = describe(mallory).name();
  EXPECT_FALSE(told(sign(other, mallory)->octets())) << "for another name, by its own key";
  EXPECT_FALSE(told(sign(other, key)->octets()));
  other = delegation(bob, 1);
  other.layer[0] ^= 1;
  EXPECT_FALSE(told(sign(other, key)->octets())) << "in another layer";
  base::Bytes cut = delegated(bob, 1);
  cut.pop_back();
  EXPECT_FALSE(told(cut));
  EXPECT_TRUE(told(delegated(bob, 1)));
}

TEST_F(SharedNamesTest, TrustSaysWhatIsWrong) {
  const Trust& trust = authority.trust;
  const NameCertificate of = describe(key);
  const auto refused = [&](MemberDelegation body, const crypto::Ed25519KeyPair& by,
                           base::UnixSeconds now = kNow) {
    return code_of(trust.member_delegation(sign(body, by)->octets(), of, now));
  };
  MemberDelegation foreign = delegation(bob, 1);
  foreign.layer[3] ^= 1;
  EXPECT_EQ(refused(foreign, key), base::code::kWrongLayer);
  EXPECT_EQ(refused(delegation(bob, 1), authority.root), base::code::kCertificateUntrusted);
  EXPECT_EQ(refused(delegation(bob, 1), key, kNow + 1000), base::code::kCertificateExpired);
  EXPECT_EQ(refused(delegation(bob, 1), key, kNow - 11), base::code::kCertificateExpired);
  EXPECT_EQ(refused(delegation(bob, 1, 0), key, kNow + 1000), base::code::kCertificateExpired);
  EXPECT_EQ(refused(delegation(bob, 1), key), "accepted");
  EXPECT_EQ(code_of(trust.member_delegation(certified(), of, kNow)),
            base::code::kCertificateMalformed);
}

TEST_F(SharedNamesTest, ANameCertificateIsBelievedAsAMembersIs) {
  const auto learn = [&](const base::Bytes& chain, base::UnixSeconds now = kNow) {
    return code_of(membership.learn_name(chain, {}, now));
  };
  NameCertificate body = describe(key);
  EXPECT_EQ(learn(sign(body, key)->octets()), base::code::kCertificateUntrusted) << "by itself";
  EXPECT_EQ(learn(certified(), kNow + kDay), base::code::kCertificateExpired);
  EXPECT_EQ(learn(certified(), kNow - 11), base::code::kCertificateExpired);
  body.layer[0] ^= 1;
  EXPECT_EQ(learn(sign(body, authority.root)->octets()), base::code::kWrongLayer);
  body = describe(key);
  body.ipv4 = {10, 0, 0, 1};
  EXPECT_EQ(learn(sign(body, authority.root)->octets()), base::code::kNameTaken)
      << "this member's own address";
  EXPECT_EQ(learn(authority.certify(identity, Role::kHost, "alice", {})),
            base::code::kCertificateMalformed)
      << "a member's certificate is none of a name";
  EXPECT_EQ(code_of(membership.learn(certified(), authority.registration(identity), kNow)),
            base::code::kCertificateMalformed)
      << "nor the other way round";
  EXPECT_EQ(learn(certified()), "accepted");
}

TEST_F(SharedNamesTest, OneKeyIsNotBothAMembersAndASharedNames) {
  const auto& layer = authority.trust.layer();
  EXPECT_NE(name_of(layer, kSuiteEd25519, identity.identity.public_key),
            name_of(layer, kSuiteShared, identity.identity.public_key));
  NameCertificate body = describe(identity.identity);
  ASSERT_TRUE(membership.learn_name(sign(body, authority.root)->octets(), {}, kNow));
  EXPECT_FALSE(membership.own().shared);
}

TEST_F(SharedNamesTest, WhatWasTakenBackDoesNotComeBack) {
  const base::Bytes first = delegated(bob, 1), withdrawn = delegated(bob, 2, 0);
  ASSERT_TRUE(membership.learn_name(certified(), joined({first, delegated(carol, 1)}), kNow));
  ASSERT_TRUE(membership.learn_name(certified(), withdrawn, kNow));
  EXPECT_EQ(membership.delegate(name, bob, kNow), nullptr);
  EXPECT_NE(membership.delegate(name, carol, kNow), nullptr) << "nothing is said by absence";
  ASSERT_TRUE(membership.learn_name(certified(), first, kNow));
  EXPECT_EQ(membership.delegate(name, bob, kNow), nullptr) << "a replay";
  const MemberDelegation same = delegation(bob, 2);
  ASSERT_TRUE(membership.learn_name(certified(), sign(same, key)->octets(), kNow));
  EXPECT_EQ(membership.delegate(name, bob, kNow), nullptr) << "of one sequence the first";
  ASSERT_TRUE(membership.learn_name(certified(), delegated(bob, 3), kNow));
  EXPECT_NE(membership.delegate(name, bob, kNow), nullptr);
}

TEST_F(SharedNamesTest, ADelegationIsForOneMember) {
  ASSERT_TRUE(membership.learn_name(certified(), delegated(bob, 1), kNow));
  EXPECT_EQ(membership.delegate(name, carol, kNow), nullptr);
  // Whoever puts another member into it has no signature for it.
  base::Bytes changed = delegated(bob, 1);
  std::copy(carol.octets.begin(), carol.octets.end(), changed.begin() + 4 + 32 + 16);
  ASSERT_TRUE(membership.learn_name(certified(), changed, kNow));
  EXPECT_EQ(membership.delegate(name, carol, kNow), nullptr);
}

TEST_F(SharedNamesTest, EndsWithItsTimeItsNameAndItsMember) {
  ASSERT_TRUE(
      membership.learn_name(certified(), joined({delegated(bob, 1), delegated(carol, 1)}), kNow));
  EXPECT_NE(membership.delegate(name, bob, kNow + 999), nullptr);
  EXPECT_EQ(membership.delegate(name, bob, kNow + 1000), nullptr);
  membership.revoke(bob, kNow + kDay);
  EXPECT_EQ(membership.delegate(name, bob, kNow), nullptr);
  EXPECT_NE(membership.delegate(name, carol, kNow), nullptr);
  membership.revoke(name, kNow + kDay);
  EXPECT_EQ(membership.delegate(name, carol, kNow), nullptr);
  EXPECT_EQ(code_of(membership.learn_name(certified(), delegated(carol, 1), kNow)),
            base::code::kMemberRevoked);
}

TEST_F(SharedNamesTest, IsForgottenWhenItsCertificateEnds) {
  ASSERT_TRUE(membership.learn_name(certified(), delegated(bob, 1), kNow));
  EXPECT_EQ(membership.next_end(), kNow + kDay);
  ASSERT_EQ(membership.expire(kNow + kDay, 10).size(), 1u);
  EXPECT_EQ(membership.find_label("web"), nullptr);
  EXPECT_EQ(membership.find_ipv4({10, 0, 0, 9}), nullptr);
  EXPECT_TRUE(membership.objects(name).name_certificate.empty());
}

TEST_F(SharedNamesTest, AnOlderCertificateMayBringANewerDelegation) {
  NameCertificate newer = describe(key);
  newer.validity = {kNow - 5, kNow + 2 * kDay};
  newer.tags = {"new"};
  const base::Bytes chain = sign(newer, authority.root)->octets();
  ASSERT_TRUE(membership.learn_name(chain, {}, kNow));
  ASSERT_TRUE(membership.learn_name(certified(), delegated(bob, 7), kNow));
  EXPECT_EQ(membership.find(name)->tags, std::vector<std::string>{"new"});
  EXPECT_EQ(membership.find(name)->until, kNow + 2 * kDay);
  EXPECT_EQ(membership.objects(name).name_certificate, chain);
  EXPECT_EQ(membership.objects(name).delegations, delegated(bob, 7));
  EXPECT_NE(membership.delegate(name, bob, kNow), nullptr);
}

TEST_F(SharedNamesTest, WhoHoldsTheKeyFillsNoMemory) {
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(membership.learn_name(certified(), delegated(anybody(), 1), kNow));
  EXPECT_EQ(membership.find(name)->delegates.size(), kMaxDelegates);
}

TEST_F(SharedNamesTest, OneAskerIsAlwaysSentToOneMemberAndManyToAllByWeight) {
  const wire::Name dave = anybody();
  ASSERT_TRUE(membership.learn_name(
      certified(), joined({delegated(bob, 1), delegated(carol, 1), delegated(dave, 1, 2)}), kNow));
  std::map<wire::Name, int> firsts;
  for (int i = 0; i < 1000; ++i) {
    const wire::Name asker = anybody();
    const auto order = membership.preferred(name, asker, kNow);
    ASSERT_EQ(order.size(), 3u);
    ASSERT_EQ(order, membership.preferred(name, asker, kNow));
    ++firsts[order.front()];
  }
  EXPECT_NEAR(firsts[bob], 250, 60);
  EXPECT_NEAR(firsts[carol], 250, 60);
  EXPECT_NEAR(firsts[dave], 500, 70);
  EXPECT_EQ(membership.preferred(name, bob, kNow).size(), 2u) << "nobody is sent to itself";
}

TEST_F(SharedNamesTest, WhoGoesMovesNobodyElse) {
  const wire::Name dave = anybody();
  ASSERT_TRUE(membership.learn_name(
      certified(), joined({delegated(bob, 1), delegated(carol, 1), delegated(dave, 1)}), kNow));
  std::vector<std::pair<wire::Name, wire::Name>> before;
  for (int i = 0; i < 100; ++i) {
    const wire::Name asker = anybody();
    before.emplace_back(asker, membership.preferred(name, asker, kNow).front());
  }
  ASSERT_TRUE(membership.learn_name(certified(), delegated(dave, 2, 0), kNow));
  for (const auto& [asker, first] : before) {
    const auto order = membership.preferred(name, asker, kNow);
    ASSERT_EQ(order.size(), 2u);
    if (first != dave) {
      EXPECT_EQ(order.front(), first);
    }
  }
}

TEST_F(SharedNamesTest, AnAnswerHasWhatTheAskerNeedsFirst) {
  // Bob is known here, carol is not.
  const Identity known = test::make_identity(authority.random);
  const wire::Name erin = *membership.learn(authority.certify(known, Role::kHost, "erin", {}),
                                            authority.registration(known), kNow);
  ASSERT_TRUE(membership.learn_name(
      certified(), joined({delegated(bob, 2, 0), delegated(carol, 1), delegated(erin, 1)}), kNow));
  const std::size_t one = delegated(bob, 1).size();
  for (int i = 0; i < 20; ++i) {
    const wire::Name asker = anybody();
    EXPECT_EQ(membership.delegations_for(name, asker, 3 * one, kNow),
              joined({delegated(erin, 1), delegated(carol, 1), delegated(bob, 2, 0)}));
    EXPECT_EQ(membership.delegations_for(name, asker, 2 * one - 1, kNow), delegated(erin, 1));
  }
  EXPECT_TRUE(membership.delegations_for(name, bob, one - 1, kNow).empty());
  EXPECT_TRUE(membership.delegations_for(bob, carol, 1000, kNow).empty());
}

}  // namespace
}  // namespace entresol::layer::membership
