// Where guests are, as their nodes say: whom to believe, and which of two.
#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "layer/membership/test_authority.h"

namespace entresol::layer::membership {
namespace {

using test::Authority;
using test::kDay;
using test::kNow;
namespace code = base::code;

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kNowNanos = kNow * kNanos;

class GuestPlacesTest : public testing::Test {
 protected:
  struct Node {
    Identity identity;
    wire::Name name;
    base::Bytes certificate;
  };
  Node node_of(const char* label, std::uint8_t last, Role role = Role::kNode) {
    Node out;
    out.identity = test::make_identity(authority.random);
    out.certificate = authority.certify(out.identity, role, label, {100, 64, 0, last});
    out.name = name_of(authority.trust.layer(), kSuiteEd25519, out.identity.identity.public_key);
    return out;
  }
  void SetUp() override {
    own = node_of("own", 1);
    ASSERT_TRUE(here().set_own(own.certificate, 1, kNow + kDay, {}, kNow));
    here().follow_moves();
    for (Node* node : {&north, &south, &host})
      ASSERT_TRUE(here().learn(node->certificate, authority.registration(node->identity), kNow));
    grant({});
    here().take_moved();
  }
  Membership& here() {
    if (!membership_) membership_ = std::make_unique<Membership>(authority.trust, own.identity);
    return *membership_;
  }
  void grant(std::vector<wire::Name> nodes, base::UnixSeconds since = kNow) {
    authority.validity = {since, kNow + 30 * kDay};
    const auto learnt =
        here().learn_guest(authority.grant(guest_key, "guest", {100, 64, 7, 1}, nodes), kNow + 10);
    ASSERT_TRUE(learnt) << learnt.error().message;
    guest = *learnt;
  }
  GuestPlace describe(const Node& node, std::uint64_t sequence) const {
    return {authority.trust.layer(), guest, node.name, sequence, kNow + kDay};
  }
  static base::Bytes signed_by(const Node& node, const GuestPlace& body) {
    return sign(body, node.identity.identity)->octets();
  }
  std::string learn(base::ByteView octets, std::int64_t now = kNowNanos) {
    const auto learnt = here().learn_place(octets, now);
    return learnt ? "" : learnt.error().code;
  }
  std::string learn(const Node& node, std::uint64_t sequence) {
    return learn(signed_by(node, describe(node, sequence)));
  }
  wire::Name place() { return here().find(guest)->place; }

  Authority authority{1};
  Node own, north = node_of("north", 2), south = node_of("south", 3),
            host = node_of("host", 4, Role::kHost);
  Key guest_key = crypto::x25519_keypair(authority.random.bytes<32>()).public_key;
  wire::Name guest;

 private:
  std::unique_ptr<Membership> membership_;
};

TEST_F(GuestPlacesTest, TheObjectComesBackAndNoBitOfItMayChange) {
  base::Bytes octets = signed_by(north, describe(north, 5));
  ASSERT_EQ(octets.size(), 4u + 32 + 16 + 16 + 8 + 8 + 64);
  EXPECT_EQ(octets[1], 8);
  const auto back = parse_guest_place(octets);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->body.layer, authority.trust.layer());
  EXPECT_EQ(back->body.guest, guest);
  EXPECT_EQ(back->body.node, north.name);
  EXPECT_EQ(back->body.sequence, 5u);
  EXPECT_EQ(back->body.not_after, kNow + kDay);
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    octets[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const auto changed = parse_guest_place(octets);
    EXPECT_FALSE(changed && changed->signed_by(north.identity.identity.public_key)) << bit;
    octets[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  octets.pop_back();
  EXPECT_FALSE(parse_guest_place(octets));
}

TEST_F(GuestPlacesTest, ItsNodeSaysWhereItIs) {
  EXPECT_FALSE(here().find(guest)->placed());
  EXPECT_EQ(learn(north, 5), "");
  EXPECT_EQ(place(), north.name);
  EXPECT_EQ(here().find(guest)->native_key, north.identity.native_public);
  const auto moved = here().take_moved();
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].name, guest);
  EXPECT_TRUE(moved[0].from.empty());
  EXPECT_EQ(here().objects(guest).registration, signed_by(north, describe(north, 5)));
}

TEST_F(GuestPlacesTest, TheNewestWins) {
  EXPECT_EQ(learn(north, 5), "");
  EXPECT_EQ(learn(south, 5), code::kRegistrationOld);
  EXPECT_EQ(learn(south, 4), code::kRegistrationOld);
  EXPECT_EQ(place(), north.name);
  here().take_moved();
  EXPECT_EQ(learn(south, 6), "");
  EXPECT_EQ(place(), south.name);
  EXPECT_EQ(here().find(guest)->native_key, south.identity.native_public);
  const auto moved = here().take_moved();
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].from, std::vector{north.name});
  EXPECT_EQ(learn(north, 5), code::kRegistrationOld) << "replayed";
  EXPECT_EQ(learn(south, 7), "") << "renewed";
  EXPECT_TRUE(here().take_moved().empty()) << "it is where it was";
}

TEST_F(GuestPlacesTest, OnlyANodeThatTheGrantNamesIsBelieved) {
  grant({north.name}, kNow + 1);
  EXPECT_EQ(learn(south, 5), code::kCertificateUntrusted);
  EXPECT_EQ(learn(north, 5), "");
  grant({south.name}, kNow + 2);
  EXPECT_FALSE(here().find(guest)->placed()) << "the newer grant has taken it away";
  EXPECT_EQ(learn(north, 6), code::kCertificateUntrusted);
  EXPECT_EQ(learn(south, 5), code::kRegistrationOld) << "older than what was known";
  EXPECT_EQ(learn(south, 6), "");
  grant({south.name, north.name}, kNow + 3);
  EXPECT_EQ(place(), south.name) << "it stays where it may";
}

TEST_F(GuestPlacesTest, NobodySignsForAnother) {
  EXPECT_EQ(learn(signed_by(south, describe(north, 5))), code::kCertificateUntrusted);
  EXPECT_EQ(learn(host, 5), code::kMemberUnknown) << "a host is no node";
  EXPECT_EQ(learn(node_of("stranger", 9), 5), code::kMemberUnknown);
  base::Bytes changed = signed_by(north, describe(north, 5));
  changed[4 + 32 + 16 + 16 + 7] ^= 1;  // the sequence
  EXPECT_EQ(learn(changed), code::kCertificateUntrusted);
  GuestPlace other = describe(north, 5);
  other.layer[3] ^= 1;
  EXPECT_EQ(learn(signed_by(north, other)), code::kWrongLayer);
  other = describe(north, 5);
  other.guest = host.name;
  EXPECT_EQ(learn(signed_by(north, other)), code::kMemberUnknown);
  EXPECT_EQ(learn({}), code::kCertificateMalformed);
  EXPECT_FALSE(here().find(guest)->placed());
}

TEST_F(GuestPlacesTest, NoneIsSoFarAheadThatNobodyCouldFollow) {
  const auto latest = static_cast<std::uint64_t>(kNowNanos + kPlaceSkew);
  EXPECT_EQ(learn(north, ~std::uint64_t{0}), code::kCertificateUntrusted);
  EXPECT_EQ(learn(north, latest + 1), code::kCertificateUntrusted);
  EXPECT_EQ(learn(north, latest), "");
  ASSERT_TRUE(here().place_here(guest, kNow + kDay, kNowNanos + 5));
  EXPECT_EQ(place(), own.name);
  EXPECT_EQ(here().find(guest)->sequence, latest + 1);
}

TEST_F(GuestPlacesTest, LeasesEnd) {
  GuestPlace brief = describe(north, 5);
  brief.not_after = kNow + 10;
  EXPECT_EQ(learn(signed_by(north, brief), (kNow + 10) * kNanos), code::kCertificateExpired);
  EXPECT_EQ(learn(signed_by(north, brief)), "");
  EXPECT_EQ(here().next_end(), kNow + 10);
  here().take_moved();
  EXPECT_TRUE(here().expire(kNow + 10, 10).empty()) << "the guest is known still";
  EXPECT_FALSE(here().find(guest)->placed());
  EXPECT_EQ(here().take_moved().size(), 1u);
  EXPECT_TRUE(here().objects(guest).registration.empty());
  EXPECT_EQ(learn(south, 5), code::kRegistrationOld);
  EXPECT_EQ(learn(south, 6), "");
}

TEST_F(GuestPlacesTest, AnOwnOneEndsWithWhatItRestsOn) {
  ASSERT_TRUE(here().place_here(guest, kNow + 90 * kDay, kNowNanos));
  EXPECT_EQ(place(), own.name);
  EXPECT_LE(here().find(guest)->placed_until, kNow + 30 * kDay);
  EXPECT_FALSE(here().place_here(host.name, kNow + kDay, kNowNanos)) << "no guest";
}

TEST_F(GuestPlacesTest, OlderOnesDoNotComeBackAfterARevocation) {
  EXPECT_EQ(learn(north, 5), "");
  here().revoke(guest, kNow + kDay);
  EXPECT_EQ(learn(north, 6), code::kMemberUnknown);
  here().readmit(guest);
  grant({}, kNow + 1);
  EXPECT_FALSE(here().find(guest)->placed());
  EXPECT_EQ(learn(north, 5), code::kRegistrationOld);
  EXPECT_EQ(learn(south, 6), "");
}

}  // namespace
}  // namespace entresol::layer::membership
