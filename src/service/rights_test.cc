// One test for each cell of the table in rights.h, and for what the dispatcher makes of them.
#include "service/rights.h"

#include <gtest/gtest.h>

namespace entresol::service {
namespace {

using layer::policy::Party;
using layer::policy::Subject;

wire::Name name(std::uint8_t octet) {
  wire::Name out;
  out.octets.fill(octet);
  return out;
}
const wire::Name kSource = name(1), kDestination = name(2), kThird = name(3);

Subject label(const char* text) {
  return {Subject::Kind::kLabel, text, {}};
}
Rights of(Tenant tenant) {
  Rights out;
  out.tenant = tenant;
  return out;
}
Violation send(const Rights& rights, const wire::Name& to, bool copy = false) {
  return may_send(rights, kSource, kDestination, to, copy, [](const wire::Name& who) {
    return Party{who, who == kThird ? "third" : who == kSource ? "source" : "", {}};
  });
}

TEST(RightsTest, AThirdPartyIsAskedAboutWhatNamesItAlone) {
  EXPECT_FALSE(may_bind(of(Tenant::kThirdParty), label("alice"), label("bob")));
  Rights claims = of(Tenant::kThirdParty);
  claims.owns = {label("bob")};
  EXPECT_FALSE(may_bind(claims, label("alice"), label("bob"))) << "it owns nothing here";
}

TEST(RightsTest, AThirdPartySendsToTheDestinationAndToWhoHasAgreed) {
  Rights rights = of(Tenant::kThirdParty);
  EXPECT_EQ(send(rights, kDestination), Violation::kNone);
  EXPECT_EQ(send(rights, kThird), Violation::kDestination);
  rights.owns = {label("third")};
  EXPECT_EQ(send(rights, kThird), Violation::kDestination) << "it owns nothing here";
  rights.consent = {label("third")};
  EXPECT_EQ(send(rights, kThird), Violation::kNone);
  EXPECT_EQ(send(rights, kThird, true), Violation::kNone) << "a copy as well";
}

TEST(RightsTest, AThirdPartyRepliesIfItMayAndOnce) {
  Rights rights = of(Tenant::kThirdParty);
  EXPECT_EQ(send(rights, kSource), Violation::kReply) << "off unless said";
  rights.replies = true;
  EXPECT_EQ(send(rights, kSource), Violation::kNone);
  EXPECT_EQ(send(rights, kSource, true), Violation::kDestination) << "a copy is no reply";
  rights.consent = {label("source")};
  EXPECT_EQ(send(rights, kSource, true), Violation::kNone);
}

TEST(RightsTest, AClientIsAskedAboutItsOwnTrafficToo) {
  Rights rights = of(Tenant::kClient);
  EXPECT_FALSE(may_bind(rights, label("alice"), label("bob")));
  rights.owns = {label("bob")};
  EXPECT_TRUE(may_bind(rights, label("alice"), label("bob")));
  EXPECT_TRUE(may_bind(rights, label("bob"), Subject{}));
  EXPECT_FALSE(may_bind(rights, label("alice"), Subject{})) << "everybody is not its own";
  EXPECT_FALSE(may_bind(rights, Subject{}, Subject{Subject::Kind::kTag, "bob", {}}));
}

TEST(RightsTest, AClientSendsToItsOwnAndToWhoHasAgreed) {
  Rights rights = of(Tenant::kClient);
  EXPECT_EQ(send(rights, kDestination), Violation::kNone);
  EXPECT_EQ(send(rights, kThird), Violation::kDestination);
  rights.owns = {label("third")};
  EXPECT_EQ(send(rights, kThird), Violation::kNone);
  rights = of(Tenant::kClient);
  rights.consent = {label("third")};
  EXPECT_EQ(send(rights, kThird), Violation::kNone);
  EXPECT_EQ(send(rights, kSource), Violation::kReply);
}

TEST(RightsTest, AnOperatorIsAskedAboutAllThatIsBound) {
  EXPECT_TRUE(may_bind(of(Tenant::kOperator), Subject{}, Subject{}));
}

TEST(RightsTest, AnOperatorSendsToAll) {
  EXPECT_EQ(send(of(Tenant::kOperator), kThird), Violation::kNone);
  EXPECT_EQ(send(of(Tenant::kOperator), kSource, true), Violation::kNone);
}

TEST(RightsTest, NobodyButTheOperatorMakesManyCopies) {
  Rights rights = of(Tenant::kClient);
  rights.copies = 3;
  EXPECT_TRUE(may_replicate(rights, 3));
  EXPECT_FALSE(may_replicate(rights, 4));
  EXPECT_TRUE(may_replicate(rights_of_operator(), 256));
}

}  // namespace
}  // namespace entresol::service
