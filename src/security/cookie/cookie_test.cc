#include "security/cookie/cookie.h"

#include <gtest/gtest.h>

#include "security/cookie/load.h"
#include "security/test_random.h"

namespace entresol::security::cookie {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Labels kLabels{"mac1----", "cookie--"};
constexpr base::TimePoint kStart{std::chrono::hours(7)};

struct Cookie : testing::Test {
  SeededRandom random{11};
  PublicKey key = random.bytes<32>();
  Checker checker{key, kLabels};
  Jar jar{key, kLabels};
  base::Endpoint source{{1, 2, 3}, 4};
  base::Bytes message = base::Bytes(148, 0x42);
  Prefix prefix{3, 0, 0, 0, 9, 9, 9, 9};
};

TEST_F(Cookie, Mac1IsForOneReceiver) {
  jar.sign(message, kStart);
  EXPECT_TRUE(checker.mac1_ok(message));
  EXPECT_FALSE(checker.mac2_ok(message, source, kStart));
  EXPECT_EQ(base::Bytes(message.end() - 16, message.end()), base::Bytes(16, 0));
  EXPECT_FALSE(Checker(random.bytes<32>(), kLabels).mac1_ok(message));
  EXPECT_FALSE(Checker(key, {"entresol mac1", "entresol cookie"}).mac1_ok(message));
  for (std::size_t i = 0; i < message.size() - 16; ++i) {
    message[i] ^= 1;
    EXPECT_FALSE(checker.mac1_ok(message));
    message[i] ^= 1;
  }
  EXPECT_FALSE(checker.mac1_ok(base::ByteView(message).first(31)));
}

TEST_F(Cookie, ReplyGivesAMac2ThatIsBoundToTheSource) {
  jar.sign(message, kStart);
  const auto reply = checker.reply(message, prefix, source, kStart, random);
  ASSERT_EQ(reply.size(), kReply);
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), reply.begin()));
  EXPECT_FALSE(jar.has_cookie(kStart));
  ASSERT_TRUE(jar.accept(reply, kStart));
  EXPECT_TRUE(jar.has_cookie(kStart));
  EXPECT_FALSE(jar.accept(reply, kStart));  // once
  jar.sign(message, kStart);
  EXPECT_TRUE(checker.mac2_ok(message, source, kStart));
  base::Endpoint other = source;
  other.port ^= 1;
  EXPECT_FALSE(checker.mac2_ok(message, other, kStart));
  other = source;
  other.address[15] ^= 1;
  EXPECT_FALSE(checker.mac2_ok(message, other, kStart));
  message[0] ^= 1;
  EXPECT_FALSE(checker.mac2_ok(message, source, kStart));
}

TEST_F(Cookie, EndsWithItsSecret) {
  jar.sign(message, kStart);
  ASSERT_TRUE(jar.accept(checker.reply(message, prefix, source, kStart, random), kStart));
  const auto late = kStart + kLifetime - milliseconds(1);
  jar.sign(message, late);
  EXPECT_TRUE(checker.mac2_ok(message, source, late));
  EXPECT_FALSE(checker.mac2_ok(message, source, kStart + kLifetime));
  const base::Bytes old = message;
  jar.sign(message, kStart + kLifetime);
  EXPECT_EQ(base::Bytes(message.end() - 16, message.end()), base::Bytes(16, 0));
  checker.reply(message, prefix, source, kStart + kLifetime, random);
  EXPECT_FALSE(checker.mac2_ok(old, source, kStart + kLifetime));
}

TEST_F(Cookie, RefusesForgedReplies) {
  jar.sign(message, kStart);
  const auto reply = checker.reply(message, prefix, source, kStart, random);
  for (std::size_t i = kReplyPrefix; i < reply.size(); ++i) {
    base::Bytes bad = reply;
    bad[i] ^= 0x80;
    EXPECT_FALSE(jar.accept(bad, kStart));
  }
  EXPECT_FALSE(jar.accept(base::ByteView(reply).first(63), kStart));
  message[5] ^= 1;
  jar.sign(message, kStart);  // a newer message: the reply answers the older
  EXPECT_FALSE(jar.accept(reply, kStart));
}

TEST(Load, BeginsAboveTheLimitAndEndsASecondAfter) {
  LoadMeter meter(10);
  auto now = kStart;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(meter.count(now));
  EXPECT_TRUE(meter.count(now));
  EXPECT_TRUE(meter.count(now + milliseconds(999)));
  EXPECT_FALSE(meter.count(now + milliseconds(2100)));
}

TEST(Load, LimitsEachSource) {
  SeededRandom random(5);
  SourceLimiter limiter(random);
  base::Endpoint a{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, 1};
  base::Endpoint b = a;
  b.address[15] = 2;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limiter.allow(a, kStart));
  a.port = 77;  // another port is no other source
  EXPECT_FALSE(limiter.allow(a, kStart));
  EXPECT_TRUE(limiter.allow(b, kStart));
  EXPECT_TRUE(limiter.allow(a, kStart + milliseconds(50)));
  EXPECT_FALSE(limiter.allow(a, kStart + milliseconds(60)));
}

}  // namespace
}  // namespace entresol::security::cookie
