#include "layer/membership/object.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

#include "base/error_codes.h"
#include "layer/membership/test_authority.h"

namespace entresol::layer::membership {
namespace {

using test::Authority;
using test::kDay;
using test::kNow;

// Another implementation than the one that the product uses.
base::Bytes hash(std::initializer_list<base::ByteView> parts) {
  base::Bytes all;
  for (base::ByteView part : parts) all.insert(all.end(), part.begin(), part.end());
  base::Bytes out(32);
  SHA256(all.data(), all.size(), out.data());
  return out;
}
base::ByteView text(const char* s) {
  return {reinterpret_cast<const std::uint8_t*>(s), std::strlen(s)};
}

TEST(Names, AreHashesOfWhatLasts) {
  Key root;
  root.fill(0x11);
  const LayerId layer = layer_id_of(root);
  EXPECT_TRUE(std::ranges::equal(layer, hash({text("entresol layer v1"), root})));
  Key key;
  key.fill(0x22);
  for (std::uint8_t suite : {kSuiteEd25519, kSuiteShared, kSuiteGuestX25519}) {
    const std::uint8_t octet[1] = {suite};
    const base::Bytes expected = hash({text("entresol name v1"), layer, octet, key});
    const wire::Name name = name_of(layer, suite, key);
    EXPECT_EQ(name.octets[0], 0xfd);
    EXPECT_EQ(name.octets[1], 0x35);
    EXPECT_EQ(name.octets[2], layer[0]);
    EXPECT_EQ(name.octets[3], layer[1]);
    EXPECT_TRUE(std::equal(name.octets.begin() + 4, name.octets.end(), expected.begin()));
  }
  EXPECT_NE(name_of(layer, kSuiteEd25519, key), name_of(layer, kSuiteGuestX25519, key));
}

Certificate some_certificate(Authority& authority) {
  const Identity identity = test::make_identity(authority.random);
  Certificate certificate = authority.describe(identity, Role::kNode, "gate", {100, 64, 0, 9});
  certificate.tags = {"web", "", "db"};
  return certificate;
}
Delegation some_delegation(Authority& authority) {
  Delegation delegation;
  delegation.layer = authority.trust.layer();
  delegation.operator_key = authority.random.bytes<32>();
  delegation.validity = {kNow, kNow + kDay};
  delegation.label = "north";
  return delegation;
}
Registration some_registration(Authority& authority) {
  const Identity identity = test::make_identity(authority.random);
  Registration registration = authority.describe_registration(identity, 0x0102030405060708);
  registration.attachments = {wire::Name{authority.random.bytes<16>()},
                              wire::Name{authority.random.bytes<16>()}};
  registration.keys.push_back({9, authority.random.bytes<32>()});
  registration.endpoints = {{authority.random.bytes<16>(), 4850}, {{0xfd, 0, 1}, 0xffff}};
  return registration;
}
Grant some_grant(Authority& authority) {
  Grant grant = authority.describe_grant(authority.random.bytes<32>(), "phone", {100, 64, 0, 7},
                                         {wire::Name{authority.random.bytes<16>()}});
  grant.tags = {"guest"};
  return grant;
}

NameCertificate some_name(Authority& authority) {
  NameCertificate body;
  body.layer = authority.trust.layer();
  body.key = authority.random.bytes<32>();
  body.kind = NameKind::kService;
  body.service = 0x80010203;
  body.ipv4 = {100, 64, 0, 8};
  body.validity = {kNow, kNow + kDay};
  body.label = "web";
  body.tags = {"front"};
  body.issuer = authority.root.public_key;
  return body;
}
MemberDelegation some_member_delegation(Authority& authority) {
  MemberDelegation body;
  body.layer = authority.trust.layer();
  body.name = wire::Name{authority.random.bytes<16>()};
  body.member = wire::Name{authority.random.bytes<16>()};
  body.sequence = 0x0102030405060708;
  body.weight = 3;
  body.validity = {kNow, kNow + kDay};
  return body;
}

TEST(Object, CertificateComesBack) {
  Authority authority(1);
  const Certificate body = some_certificate(authority);
  const base::Bytes octets = sign(body, authority.root)->octets();
  auto back = parse_certificate(octets);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->signed_by(authority.root.public_key));
  EXPECT_EQ(back->octets(), octets);
  EXPECT_EQ(back->body.layer, body.layer);
  EXPECT_EQ(back->body.identity, body.identity);
  EXPECT_EQ(back->body.role, Role::kNode);
  EXPECT_EQ(back->body.ipv4, body.ipv4);
  EXPECT_EQ(back->body.validity.not_before, kNow - kDay);
  EXPECT_EQ(back->body.validity.not_after, kNow + 30 * kDay);
  EXPECT_EQ(back->body.label, "gate");
  EXPECT_EQ(back->body.tags, body.tags);
  EXPECT_EQ(back->body.issuer, authority.root.public_key);
  EXPECT_EQ(back->body.name(), name_of(body.layer, kSuiteEd25519, body.identity));
}

TEST(Object, OctetsOfACertificateAreAsDocumented) {
  Authority authority(2);
  Certificate body = some_certificate(authority);
  body.tags = {"t"};
  const base::Bytes octets = sign(body, authority.root)->octets();
  // layer, suite, identity, role, IPv4, times, label "gate", one tag of one letter, no prefix, issuer
  const std::size_t length = 32 + 1 + 32 + 1 + 4 + 16 + 5 + 3 + 1 + 32;
  ASSERT_EQ(octets.size(), 4 + length + 64);
  EXPECT_EQ(octets[0], 1);
  EXPECT_EQ(octets[1], 1);
  EXPECT_EQ(base::load_be16(octets.data() + 2), length);
  EXPECT_TRUE(std::equal(body.layer.begin(), body.layer.end(), octets.begin() + 4));
  EXPECT_EQ(octets[36], 1);
  EXPECT_TRUE(std::equal(body.identity.begin(), body.identity.end(), octets.begin() + 37));
  EXPECT_EQ(octets[69], 2);
  EXPECT_TRUE(std::equal(body.ipv4.begin(), body.ipv4.end(), octets.begin() + 70));
  EXPECT_EQ(base::load_be64(octets.data() + 74), static_cast<std::uint64_t>(kNow - kDay));
  EXPECT_EQ(base::load_be64(octets.data() + 82), static_cast<std::uint64_t>(kNow + 30 * kDay));
  EXPECT_EQ(octets[90], 4);
  // The signature covers a context and everything before it.
  base::Bytes message(text("entresol object").begin(), text("entresol object").end());
  message.insert(message.end(), octets.begin(), octets.end() - 64);
  EXPECT_TRUE(
      crypto::ed25519_verify(authority.root.public_key, message,
                             std::span<const std::uint8_t, 64>(octets.data() + 4 + length, 64)));
}

// Length and count are one octet each: what does not fit is refused, not cut.
template <typename Body>
void expect_limit(const Body& largest, const Body& larger, const crypto::Ed25519KeyPair& key) {
  EXPECT_TRUE(sign(largest, key));
  auto refused = sign(larger, key);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::code::kCertificateMalformed);
}

TEST(Object, WhatHasNoBinaryFormIsNotSigned) {
  Authority authority(9);
  const auto changed = [](auto body, auto change) {
    change(body);
    return body;
  };
  const auto with_label = [&](const auto& body, std::size_t size) {
    return changed(body, [&](auto& b) { b.label = std::string(size, 'l'); });
  };
  const auto& key = authority.root;
  const Certificate certificate = some_certificate(authority);
  const Delegation delegation = some_delegation(authority);
  const Registration registration = some_registration(authority);
  const Grant grant = some_grant(authority);
  expect_limit(with_label(certificate, 255), with_label(certificate, 256), key);
  expect_limit(with_label(delegation, 255), with_label(delegation, 256), key);
  expect_limit(with_label(grant, 255), with_label(grant, 256), key);
  const auto with_tags = [&](std::size_t count, std::size_t size) {
    return changed(certificate, [&](Certificate& b) {
      b.tags = std::vector<std::string>(count, std::string(size, 't'));
    });
  };
  expect_limit(with_tags(1, 255), with_tags(1, 256), key);
  expect_limit(with_tags(255, 1), with_tags(256, 1), key);
  expect_limit(with_tags(15, 250), with_tags(16, 250), key);  // more than 4096 octets
  const auto with_nodes = [&](std::size_t count) {
    return changed(registration, [&](Registration& b) { b.attachments.resize(count); });
  };
  expect_limit(with_nodes(200), with_nodes(256), key);
}

TEST(Object, DelegationComesBack) {
  Authority authority(3);
  const Delegation body = some_delegation(authority);
  auto back = parse_delegation(sign(body, authority.root)->octets());
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->signed_by(authority.root.public_key));
  EXPECT_EQ(back->body.layer, body.layer);
  EXPECT_EQ(back->body.operator_key, body.operator_key);
  EXPECT_EQ(back->body.validity.not_after, kNow + kDay);
  EXPECT_EQ(back->body.label, "north");
}

TEST(Object, RegistrationComesBack) {
  Authority authority(4);
  const Registration body = some_registration(authority);
  auto back = parse_registration(sign(body, authority.root)->octets());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->body.layer, body.layer);
  EXPECT_EQ(back->body.name, body.name);
  EXPECT_EQ(back->body.sequence, 0x0102030405060708u);
  EXPECT_EQ(back->body.not_after, kNow + kDay);
  EXPECT_EQ(back->body.attachments, body.attachments);
  ASSERT_EQ(back->body.keys.size(), 2u);
  EXPECT_EQ(back->body.keys[1].protocol, 9);
  EXPECT_EQ(back->body.keys[1].key, body.keys[1].key);
  EXPECT_EQ(back->body.endpoints, body.endpoints);
}

TEST(Object, EndpointsOfARegistrationAreItsLastField) {
  Authority authority(10);
  Registration body = some_registration(authority);
  const auto size = [&] { return sign(body, authority.root)->octets().size(); };
  const std::size_t with_two = size();
  const base::Bytes octets = sign(body, authority.root)->octets();
  const std::uint8_t* last = octets.data() + octets.size() - 64 - 18;
  EXPECT_TRUE(std::equal(last, last + 16, body.endpoints[1].address.begin()));
  EXPECT_EQ(base::load_be16(last + 16), 0xffff);
  EXPECT_EQ(last[-19], 2) << "their number";
  body.endpoints.clear();
  EXPECT_EQ(size(), with_two - 36);
  EXPECT_EQ(sign(body, authority.root)->covered.back(), 0);
}

TEST(Object, MoreThanEightEndpointsAreRefused) {
  Authority authority(11);
  Registration body = some_registration(authority);
  const auto with = [&](std::size_t count) {
    Registration out = body;
    out.endpoints.resize(count);
    return out;
  };
  expect_limit(with(8), with(9), authority.root);
  // Nor are they read.
  auto eight = sign(with(8), authority.root);
  ASSERT_TRUE(parse_registration(eight->octets()));
  base::Bytes nine = eight->covered;
  nine[nine.size() - 8 * 18 - 1] = 9;
  nine.insert(nine.end(), 18, 0);
  base::store_be16(nine.data() + 2, static_cast<std::uint16_t>(nine.size() - 4));
  nine.insert(nine.end(), 64, 0);
  auto refused = parse_registration(nine);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("endpoints"), std::string::npos);
}

TEST(Object, GrantComesBack) {
  Authority authority(5);
  const Grant body = some_grant(authority);
  auto back = parse_grant(sign(body, authority.root)->octets());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->body.layer, body.layer);
  EXPECT_EQ(back->body.wireguard_key, body.wireguard_key);
  EXPECT_EQ(back->body.ipv4, body.ipv4);
  EXPECT_EQ(back->body.label, "phone");
  EXPECT_EQ(back->body.tags, body.tags);
  EXPECT_EQ(back->body.nodes, body.nodes);
  EXPECT_EQ(back->body.issuer, authority.root.public_key);
}

TEST(Object, NameCertificateComesBack) {
  Authority authority(12);
  const NameCertificate body = some_name(authority);
  const base::Bytes octets = sign(body, authority.root)->octets();
  auto back = parse_name_certificate(octets);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->body.layer, body.layer);
  EXPECT_EQ(back->body.key, body.key);
  EXPECT_EQ(back->body.kind, NameKind::kService);
  EXPECT_EQ(back->body.service, 0x80010203u);
  EXPECT_EQ(back->body.ipv4, body.ipv4);
  EXPECT_EQ(back->body.validity.not_after, kNow + kDay);
  EXPECT_EQ(back->body.label, "web");
  EXPECT_EQ(back->body.tags, body.tags);
  EXPECT_EQ(back->body.issuer, authority.root.public_key);
  EXPECT_EQ(back->body.name(), name_of(body.layer, kSuiteShared, body.key));
  // layer, suite, key, kind, service, IPv4, times, label, one tag, issuer
  ASSERT_EQ(octets.size(), 4u + 32 + 1 + 32 + 1 + 4 + 4 + 16 + 4 + 7 + 32 + 64);
  EXPECT_EQ(octets[1], 6);
  EXPECT_EQ(octets[36], 2) << "suite";
  EXPECT_EQ(octets[69], 2) << "a service's";
  EXPECT_EQ(base::load_be32(octets.data() + 70), 0x80010203u);
}

TEST(Object, AServiceIdGoesWithAServicesNameAlone) {
  Authority authority(13);
  NameCertificate body = some_name(authority);
  base::Bytes octets = sign(body, authority.root)->octets();
  octets[69] = 1;
  EXPECT_FALSE(parse_name_certificate(octets));
  octets[69] = 3;
  EXPECT_FALSE(parse_name_certificate(octets));
  octets[69] = 2;
  EXPECT_TRUE(parse_name_certificate(octets));
  std::fill_n(octets.begin() + 70, 4, std::uint8_t{0});
  EXPECT_FALSE(parse_name_certificate(octets));
  body.kind = NameKind::kShared;
  EXPECT_FALSE(sign(body, authority.root));
  body.service = 0;
  EXPECT_TRUE(sign(body, authority.root));
  body.kind = NameKind::kService;
  EXPECT_FALSE(sign(body, authority.root));
}

TEST(Object, MemberDelegationComesBack) {
  Authority authority(14);
  const MemberDelegation body = some_member_delegation(authority);
  const base::Bytes octets = sign(body, authority.root)->octets();
  auto back = parse_member_delegation(octets);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->body.layer, body.layer);
  EXPECT_EQ(back->body.name, body.name);
  EXPECT_EQ(back->body.member, body.member);
  EXPECT_EQ(back->body.sequence, body.sequence);
  EXPECT_EQ(back->body.weight, 3);
  EXPECT_EQ(back->body.validity.not_before, kNow);
  EXPECT_EQ(back->body.validity.not_after, kNow + kDay);
  ASSERT_EQ(octets.size(), 4u + 32 + 16 + 16 + 8 + 1 + 16 + 64);
  EXPECT_EQ(octets[1], 7);
}

TEST(Object, MemberDelegationsStandOneBehindTheOther) {
  Authority authority(15);
  const auto some = [&] {
    return sign(some_member_delegation(authority), authority.root)->octets();
  };
  const base::Bytes first = some(), second = some();
  base::Bytes both = first;
  both.insert(both.end(), second.begin(), second.end());
  const auto parts = split_delegations(both);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_TRUE(std::ranges::equal((*parts)[1], second));
  EXPECT_TRUE(split_delegations({})->empty());
  both.pop_back();
  EXPECT_FALSE(split_delegations(both));
  const base::Bytes other = sign(some_delegation(authority), authority.root)->octets();
  EXPECT_FALSE(split_delegations(other)) << "an operator's delegation is none of a member";
}

// Whether the octets are an object of this kind that the key has signed.
template <typename Parse>
bool believed(Parse parse, const base::Bytes& octets, const Key& key) {
  auto object = parse(octets);
  return object && object->signed_by(key);
}

template <typename Parse>
void expect_every_change_refused(Parse parse, base::Bytes octets, const Key& key) {
  ASSERT_TRUE(believed(parse, octets, key));
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    octets[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(believed(parse, octets, key)) << "bit " << bit;
    octets[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  for (std::size_t n = 0; n < octets.size(); ++n)
    EXPECT_FALSE(
        parse(base::Bytes(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(n))))
        << n;
  octets.push_back(0);
  EXPECT_FALSE(parse(octets));
}

TEST(Object, EverySingleBitAndEveryOtherLengthIsRefused) {
  Authority authority(6);
  const Key key = authority.root.public_key;
  expect_every_change_refused(parse_certificate,
                              sign(some_certificate(authority), authority.root)->octets(), key);
  expect_every_change_refused(parse_delegation,
                              sign(some_delegation(authority), authority.root)->octets(), key);
  expect_every_change_refused(parse_registration,
                              sign(some_registration(authority), authority.root)->octets(), key);
  expect_every_change_refused(parse_grant, sign(some_grant(authority), authority.root)->octets(),
                              key);
  expect_every_change_refused(parse_name_certificate,
                              sign(some_name(authority), authority.root)->octets(), key);
  expect_every_change_refused(parse_member_delegation,
                              sign(some_member_delegation(authority), authority.root)->octets(),
                              key);
}

TEST(Object, AnotherKindIsRefusedAlthoughItIsSigned) {
  Authority authority(7);
  const base::Bytes grant = sign(some_grant(authority), authority.root)->octets();
  auto object = parse_certificate(grant);
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().code, base::code::kCertificateMalformed);
  auto found = extent(grant);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, Kind::kGrant);
  EXPECT_EQ(found->size, grant.size());
}

TEST(Object, ExtentLeavesWhatFollows) {
  Authority authority(8);
  base::Bytes two = sign(some_delegation(authority), authority.root)->octets();
  const std::size_t first = two.size();
  const base::Bytes second = sign(some_certificate(authority), authority.root)->octets();
  two.insert(two.end(), second.begin(), second.end());
  auto found = extent(two);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size, first);
}

TEST(Object, MoreThan4096OctetsAreRefused) {
  Authority authority(9);
  Registration registration = some_registration(authority);
  registration.attachments.assign(200, registration.name);
  base::Bytes octets = sign(registration, authority.root)->octets();
  EXPECT_TRUE(parse_registration(octets));
  octets.resize(4096);
  base::store_be16(octets.data() + 2, 4096 - 4 - 64);
  EXPECT_TRUE(extent(octets));
  octets.push_back(0);
  base::store_be16(octets.data() + 2, 4097 - 4 - 64);
  EXPECT_FALSE(extent(octets));
}

TEST(Object, ValidityHasItsStartAndNotItsEnd) {
  const Validity validity{10, 20};
  EXPECT_FALSE(validity.holds(9));
  EXPECT_TRUE(validity.holds(10));
  EXPECT_TRUE(validity.holds(19));
  EXPECT_FALSE(validity.holds(20));
}

}  // namespace
}  // namespace entresol::layer::membership
