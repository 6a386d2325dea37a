// Names that members share, at the controller.
#include <gtest/gtest.h>

#include <algorithm>

#include "layer/directory/authority.h"
#include "layer/directory/batch.h"
#include "layer/directory/test_layer.h"

namespace entresol::layer::directory {
namespace {

using membership::NameKind;
using test::code;
using test::code_of;
using test::kDay;
using test::kHour;
using test::kNow;
using test::Person;
using test::World;

namespace error = base::code;

class NamesTest : public ::testing::Test {
 protected:
  NamesTest() {
    world.found();
    for (const Person* each : {&bob, &carol}) world.admit(*each);
  }
  Authority& authority() { return *world.authority; }
  base::Result<NameRecord> create(const NameRequest& request, base::UnixSeconds now = kNow) {
    return world.settle(authority().create_name(request, now));
  }
  base::Result<NameRecord> create(std::string label) {
    NameRequest request;
    request.label = std::move(label);
    return create(request);
  }
  base::Result<NameRecord> delegate(std::vector<std::string> members, std::uint8_t weight = 1,
                                    base::UnixSeconds now = kNow) {
    return world.settle(authority().delegate_name({"web", std::move(members), weight}, now));
  }
  base::Bytes signed_by(const crypto::Ed25519KeyPair& key, const wire::Name& member,
                        std::uint64_t sequence, std::uint8_t weight = 1) {
    membership::MemberDelegation body;
    body.layer = world.layer;
    body.name = membership::name_of(world.layer, membership::kSuiteShared, key.public_key);
    body.member = member;
    body.sequence = sequence;
    body.weight = weight;
    body.validity = {kNow - 10, kNow + kDay};
    return membership::sign(body, key)->octets();
  }
  // What the directory tells about a name, verified as a member would.
  std::optional<NameItem> told(const std::optional<Revision>& since = std::nullopt,
                               base::UnixSeconds now = kNow) {
    std::optional<NameItem> out;
    for (const Item& item : authority().changes_since(since, 1000, now).items)
      if (const auto* name = std::get_if<NameItem>(&item)) out = *name;
    return out;
  }
  std::vector<wire::Name> may_answer(base::UnixSeconds now = kNow) {
    std::vector<wire::Name> out;
    const auto item = told(std::nullopt, now);
    if (!item) return out;
    const auto certificate = authority().trust().name_certificate(item->certificate, now);
    EXPECT_TRUE(certificate) << certificate.error().message;
    for (const base::Bytes& each : item->delegations) {
      const auto body = authority().trust().member_delegation(each, *certificate, now);
      if (body && body->weight != 0) out.push_back(body->member);
    }
    return out;
  }

  World world;
  Person bob = world.person("bob"), carol = world.person("carol");
};

TEST_F(NamesTest, ANameHasAKeyAnAddressAndACertificate) {
  NameRequest request;
  request.label = "web";
  request.tags = {"front"};
  const auto name = create(request);
  ASSERT_TRUE(name) << name.error().message;
  const auto certificate = authority().trust().name_certificate(name->certificate, kNow);
  ASSERT_TRUE(certificate) << certificate.error().message;
  EXPECT_EQ(certificate->name(), name->name);
  EXPECT_EQ(certificate->label, "web");
  EXPECT_EQ(certificate->tags, request.tags);
  EXPECT_EQ(certificate->kind, NameKind::kShared);
  EXPECT_EQ(certificate->ipv4, name->ipv4);
  EXPECT_EQ(certificate->validity.not_after, kNow + world.settings.lifetime);
  EXPECT_EQ(crypto::ed25519_keypair(*name->secret).public_key, name->key);
  for (const auto& [text, member] : authority().members()) EXPECT_NE(member.ipv4, name->ipv4);
  EXPECT_EQ(authority().find_name("web")->name, name->name);
  EXPECT_EQ(authority().find_name(wire::to_string(name->name))->label, "web");
  EXPECT_EQ(authority().find_member("web"), nullptr);
}

TEST_F(NamesTest, AServicesIdIsOneThatServicesMayHave) {
  NameRequest request;
  request.label = "cache";
  request.kind = NameKind::kService;
  for (const std::uint32_t id : {0u, 1u, 65536u, 0x7fffffffu}) {
    request.service = id;
    EXPECT_EQ(code_of(create(request)), code(error::kConfigBadValue)) << id;
  }
  request.service = 0x80000000;
  const auto name = create(request);
  ASSERT_TRUE(name) << name.error().message;
  const auto certificate = authority().trust().name_certificate(name->certificate, kNow);
  ASSERT_TRUE(certificate);
  EXPECT_EQ(certificate->kind, NameKind::kService);
  EXPECT_EQ(certificate->service, 0x80000000u);
  request.kind = NameKind::kShared;
  request.label = "other";
  EXPECT_EQ(code_of(create(request)), code(error::kConfigBadValue));
}

TEST_F(NamesTest, ARepeatGetsTheSameName) {
  const auto first = create("web");
  ASSERT_TRUE(first);
  const int before = world.store.commits;
  const auto again = create("web");
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *first);
  EXPECT_EQ(world.store.commits, before);
  NameRequest other;
  other.label = "web";
  other.tags = {"x"};
  EXPECT_EQ(code_of(create(other)), code(error::kLabelTaken));
}

TEST_F(NamesTest, LabelsAreUniqueAmongAllThatHaveOne) {
  EXPECT_EQ(code_of(create("bob")), code(error::kLabelTaken));
  ASSERT_TRUE(create("web"));
  const Person web = world.person("web");
  EXPECT_EQ(code_of(world.join(web, world.token().secret)), code(error::kLabelTaken));
  GuestRequest guest;
  guest.label = "web";
  guest.wireguard_key = world.random.bytes<32>();
  guest.lifetime = kDay;
  EXPECT_EQ(code_of(world.settle(authority().add_guest(guest, kNow))), code(error::kLabelTaken));
  EXPECT_EQ(code_of(create("No")), code(error::kLabelMalformed));
}

TEST_F(NamesTest, OneKeyIsOneName) {
  NameRequest request;
  request.label = "web";
  request.key = crypto::ed25519_keypair(world.random.bytes<32>()).public_key;
  ASSERT_TRUE(create(request));
  EXPECT_FALSE(authority().find_name("web")->secret);
  NameRequest second = request;
  second.label = "other";
  EXPECT_EQ(code_of(create(second)), code(error::kNameTaken));
  // Nor does a label go over to another key.
  second.label = "web";
  second.key = crypto::ed25519_keypair(world.random.bytes<32>()).public_key;
  EXPECT_EQ(code_of(create(second)), code(error::kLabelTaken));
  ASSERT_TRUE(world.settle(authority().revoke_name("web", kNow)));
  EXPECT_EQ(code_of(create(request)), code(error::kMemberRevoked));
  EXPECT_TRUE(create(second)) << "the label is free";
}

TEST_F(NamesTest, WhoIsDelegatedMayAnswer) {
  ASSERT_TRUE(create("web"));
  EXPECT_TRUE(may_answer().empty());
  ASSERT_TRUE(delegate({"bob", wire::to_string(carol.name)}));
  EXPECT_EQ(may_answer().size(), 2u);
  const int before = world.store.commits;
  ASSERT_TRUE(delegate({"bob"}));
  EXPECT_EQ(world.store.commits, before) << "a repeat";
  ASSERT_TRUE(delegate({"bob"}, 0));
  EXPECT_EQ(may_answer(), std::vector<wire::Name>{carol.name});
  EXPECT_EQ(told()->delegations.size(), 2u) << "that it was taken back is told";
  ASSERT_TRUE(delegate({"bob"}, 5));
  EXPECT_EQ(may_answer().size(), 2u);
  EXPECT_EQ(authority().find_name("web")->delegate(bob.name)->weight, 5);
}

TEST_F(NamesTest, OnlyMembersAreDelegated) {
  ASSERT_TRUE(create("web"));
  ASSERT_TRUE(create("other"));
  GuestRequest guest;
  guest.label = "phone";
  guest.wireguard_key = world.random.bytes<32>();
  guest.lifetime = kDay;
  ASSERT_TRUE(world.settle(authority().add_guest(guest, kNow)));
  for (const char* who : {"nobody", "phone", "other", "web"})
    EXPECT_EQ(code_of(delegate({"bob", who})), code(error::kMemberUnknown)) << who;
  EXPECT_TRUE(may_answer().empty()) << "all of them or none";
  EXPECT_EQ(code_of(world.settle(authority().delegate_name({"bob", {"bob"}, 1}, kNow))),
            code(error::kMemberUnknown));
}

TEST_F(NamesTest, AtMost32Members) {
  ASSERT_TRUE(create("web"));
  std::vector<std::string> all;
  for (int i = 0; i < 31; ++i) {
    const Person who = world.person("p" + std::to_string(i));
    world.admit(who);
    all.push_back(who.label);
  }
  all.push_back("bob");
  ASSERT_TRUE(delegate(all));
  EXPECT_EQ(code_of(delegate({"carol"})), code(error::kConfigBadValue));
  EXPECT_TRUE(delegate({"bob"}, 0));
  EXPECT_EQ(may_answer().size(), 31u);
}

TEST_F(NamesTest, TheOwnersKeySignsForItsName) {
  const auto key = crypto::ed25519_keypair(world.random.bytes<32>());
  const auto mallory = crypto::ed25519_keypair(world.random.bytes<32>());
  NameRequest request;
  request.label = "web";
  request.key = key.public_key;
  ASSERT_TRUE(create(request));
  EXPECT_EQ(code_of(delegate({"bob"})), code(error::kNameKeyElsewhere));
  const auto hand_in = [&](const base::Bytes& octets, base::UnixSeconds now = kNow) {
    return code_of(world.settle(authority().put_delegation("web", octets, now)));
  };
  EXPECT_EQ(hand_in(signed_by(mallory, bob.name, 5)), code(error::kCertificateUntrusted));
  EXPECT_EQ(hand_in(signed_by(key, world.person("nobody").name, 5)), code(error::kMemberUnknown));
  EXPECT_EQ(hand_in({}), code(error::kCertificateMalformed));
  EXPECT_EQ(hand_in(signed_by(key, bob.name, 5), kNow + kDay), code(error::kCertificateExpired));
  EXPECT_TRUE(may_answer().empty());
  EXPECT_EQ(hand_in(signed_by(key, bob.name, 5)), "");
  EXPECT_EQ(hand_in(signed_by(key, bob.name, 5)), "") << "a repeat";
  EXPECT_EQ(may_answer(), std::vector<wire::Name>{bob.name});
  EXPECT_EQ(hand_in(signed_by(key, bob.name, 5, 0)), code(error::kRegistrationOld));
  EXPECT_EQ(hand_in(signed_by(key, bob.name, 6, 0)), "");
  EXPECT_TRUE(may_answer().empty());
  EXPECT_EQ(hand_in(signed_by(key, bob.name, 5)), code(error::kRegistrationOld)) << "a replay";
  EXPECT_EQ(
      code_of(world.settle(authority().put_delegation("bob", signed_by(key, bob.name, 9), kNow))),
      code(error::kMemberUnknown));
}

TEST_F(NamesTest, RevokedIsToldLikeAMember) {
  const auto name = create("web");
  ASSERT_TRUE(delegate({"bob"}));
  const Revision before = authority().revision();
  const auto gone = world.settle(authority().revoke_name("web", kNow + 1));
  ASSERT_TRUE(gone);
  EXPECT_FALSE(gone->secret) << "nobody signs for it again";
  EXPECT_FALSE(told());
  const Changes changes = authority().changes_since(before, 1000, kNow + 1);
  ASSERT_EQ(changes.items.size(), 1u);
  EXPECT_EQ(std::get<RevokedItem>(changes.items[0]), (RevokedItem{name->name, name->until}));
  EXPECT_TRUE(world.settle(authority().revoke_name("web", kNow + 2))) << "a repeat";
  EXPECT_EQ(code_of(world.settle(authority().revoke_name("nobody", kNow))),
            code(error::kMemberUnknown));
  EXPECT_EQ(code_of(delegate({"bob"})), code(error::kMemberUnknown));
  // Its address is free when its last certificate has ended.
  const std::uint64_t free = authority().free_addresses();
  ASSERT_TRUE(world.settle(authority().expire(name->until + kClockSkew)));
  EXPECT_EQ(authority().free_addresses(), free);
  ASSERT_TRUE(world.settle(authority().expire(name->until + kClockSkew + 1)));
  EXPECT_EQ(authority().free_addresses(), free + 1);
  EXPECT_TRUE(authority().names().empty());
}

TEST_F(NamesTest, ARevokedMemberDoesNotGetItsDelegationsBack) {
  ASSERT_TRUE(create("web"));
  ASSERT_TRUE(delegate({"bob", "carol"}));
  ASSERT_TRUE(world.settle(authority().revoke_member("bob", kNow)));
  EXPECT_EQ(may_answer(), std::vector<wire::Name>{carol.name});
  const base::UnixSeconds later = kNow + world.settings.lifetime + kClockSkew + 1;
  ASSERT_TRUE(world.settle(authority().renew_names(kNow + kDay - kHour)));
  world.admit(bob, later);
  EXPECT_EQ(may_answer(later), std::vector<wire::Name>{carol.name});
}

TEST_F(NamesTest, RenewsWhatItSigns) {
  const auto first = create("web");
  ASSERT_TRUE(delegate({"bob", "carol"}));
  ASSERT_TRUE(delegate({"carol"}, 0));
  const base::UnixSeconds due = kNow + world.settings.lifetime * 2 / 3;
  EXPECT_EQ(*world.settle(authority().renew_names(due - 1)), 0u);
  EXPECT_EQ(*world.settle(authority().renew_names(due)), 1u);
  EXPECT_EQ(*world.settle(authority().renew_names(due)), 0u);
  const base::UnixSeconds after = kNow + world.settings.lifetime;
  EXPECT_EQ(may_answer(after), std::vector<wire::Name>{bob.name})
      << "who was delegated still is, who was not is not";
  EXPECT_EQ(authority().find_name("web")->name, first->name);
  // A name is not forgotten by itself, although nobody renews it while the controller is away.
  ASSERT_TRUE(world.settle(authority().expire(after + 400 * kDay)));
  EXPECT_EQ(*world.settle(authority().renew_names(after + 400 * kDay)), 1u);
  EXPECT_TRUE(told(std::nullopt, after + 400 * kDay));
}

TEST_F(NamesTest, ANewDelegationOfTheRootIsUsedAtOnce) {
  ASSERT_TRUE(create("web"));
  world.delegation = world.delegate({kNow - kDay, kNow + 4000 * kDay});
  world.open();
  EXPECT_EQ(*world.settle(authority().renew_names(kNow)), 1u);
  world.delegation = world.delegate({kNow - kDay, kNow + 100});
  world.open();
  EXPECT_EQ(*world.settle(authority().renew_names(kNow + 100)), 0u) << "it may not issue";
  NameRequest request;
  request.label = "late";
  EXPECT_EQ(code_of(create(request, kNow + 100)), code(error::kDelegationEnded));
}

TEST_F(NamesTest, SurvivesARestart) {
  ASSERT_TRUE(create("web"));
  ASSERT_TRUE(delegate({"bob"}));
  const NameRecord before = *authority().find_name("web");
  world.open();
  EXPECT_EQ(*authority().find_name("web"), before);
  EXPECT_EQ(may_answer(), std::vector<wire::Name>{bob.name});
  const Person dave = world.person("dave");
  EXPECT_NE(world.admit(dave).ipv4, before.ipv4) << "the address is taken";
  ASSERT_TRUE(delegate({"bob"}, 0)) << "the key is there";
}

TEST_F(NamesTest, AFullDiskMakesNothing) {
  world.store.failing = true;
  EXPECT_EQ(code_of(create("web")), code(error::kStoreFull));
  EXPECT_EQ(authority().find_name("web"), nullptr);
  world.store.failing = false;
  ASSERT_TRUE(create("web"));
  const NameRecord before = *authority().find_name("web");
  {
    Batch batch(authority(), world.store);
    ASSERT_TRUE(batch.add(authority().delegate_name({"web", {"bob"}, 1}, kNow)));
    ASSERT_TRUE(batch.add(authority().revoke_name("web", kNow)));
    world.store.failing = true;
    EXPECT_FALSE(batch.commit());
  }
  EXPECT_EQ(*authority().find_name("web"), before);
}

}  // namespace
}  // namespace entresol::layer::directory
