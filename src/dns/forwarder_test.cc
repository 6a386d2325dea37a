#include "dns/forwarder.h"

#include <gtest/gtest.h>

#include "dns/test_messages.h"
#include "security/test_random.h"

namespace entresol::dns {
namespace {

constexpr base::TimePoint kStart{std::chrono::hours(1)};

base::Endpoint server(std::uint8_t last) {
  base::Endpoint out;
  out.address[15] = last;
  out.port = 53;
  return out;
}

class ForwarderTest : public ::testing::Test {
 protected:
  security::SeededRandom random{1};
  Forwarder forwarder{random};
  base::TimePoint now = kStart;

  void SetUp() override { forwarder.set_servers({server(1), server(2)}); }
  void ask(Asker asker, const Asked& asked = {.name = "example.org"},
           std::size_t limit = kUdpMinimum, bool stream = false) {
    const base::Bytes message = query(asked);
    Query parsed;
    ASSERT_EQ(parse_query(message, parsed), Parsed::kQuery);
    forwarder.ask(asker, message, parsed, stream, limit, now);
  }
  Send sent() {
    EXPECT_EQ(forwarder.sends().size(), 1u);
    const Send out = forwarder.sends().empty() ? Send{} : forwarder.sends().back();
    forwarder.sends().clear();
    return out;
  }
  Reply replied() {
    EXPECT_EQ(forwarder.replies().size(), 1u);
    const Reply out = forwarder.replies().empty() ? Reply{} : forwarder.replies().back();
    forwarder.replies().clear();
    return out;
  }
};

TEST_F(ForwarderTest, AnAnswerGoesBackUnderTheAskersNumber) {
  ask(5, {.name = "example.org", .id = 77});
  const Send send = sent();
  EXPECT_EQ(send.server, server(1));
  EXPECT_NE(read(send.message).id, 77);
  forwarder.answered(send.ticket, answer_to(send.message, Rcode::kNoError, 100), now);
  const Reply reply = replied();
  EXPECT_EQ(reply.asker, 5u);
  EXPECT_EQ(reply.message.size(), 100u);
  EXPECT_EQ(read(reply.message).id, 77);
  EXPECT_EQ(forwarder.closed(), std::vector<Ticket>{send.ticket});
  EXPECT_EQ(forwarder.open(), 0u);
  EXPECT_EQ(forwarder.counters().answered, 1u);
  forwarder.answered(send.ticket, answer_to(send.message, Rcode::kNoError), now);
  EXPECT_TRUE(forwarder.replies().empty());
}

TEST_F(ForwarderTest, NumbersAreRandom) {
  std::vector<std::uint16_t> ids;
  for (int i = 0; i < 3; ++i) {
    ask(1);
    ids.push_back(read(sent().message).id);
  }
  EXPECT_FALSE(ids[1] == ids[0] + 1 && ids[2] == ids[1] + 1);
}

TEST_F(ForwarderTest, WhatDoesNotFitTheQuestionIsLeftAlone) {
  ask(1);
  const Send send = sent();
  base::Bytes other = answer_to(send.message, Rcode::kNoError);
  other[0] ^= 1;
  forwarder.answered(send.ticket, other, now);
  forwarder.answered(
      send.ticket,
      answer_to(query({.name = "example.com", .id = read(send.message).id}), Rcode::kNoError), now);
  forwarder.answered(send.ticket, send.message, now);
  forwarder.answered(Ticket(99), answer_to(send.message, Rcode::kNoError), now);
  EXPECT_TRUE(forwarder.replies().empty());
  EXPECT_EQ(forwarder.counters().mismatched, 3u);
  EXPECT_EQ(forwarder.open(), 1u);
}

TEST_F(ForwarderTest, WhoIsSilentIsFollowedByTheNext) {
  ask(1);
  const Send first = sent();
  now += Forwarder::kPatience - std::chrono::nanoseconds(1);
  EXPECT_GT(forwarder.next_timer(), now);
  forwarder.on_timer(now);
  EXPECT_TRUE(forwarder.sends().empty());
  now = forwarder.next_timer();
  forwarder.on_timer(now);
  const Send second = sent();
  EXPECT_EQ(second.server, server(2));
  EXPECT_EQ(forwarder.closed(), std::vector<Ticket>{first.ticket});
  forwarder.answered(second.ticket, answer_to(second.message, Rcode::kNoError), now);
  replied();
  ask(2);
  EXPECT_EQ(sent().server, server(2));  // who was silent is not asked first
  EXPECT_EQ(forwarder.counters().timeouts, 1u);
}

TEST_F(ForwarderTest, TheFirstIsForgivenAfterAWhile) {
  ask(1);
  forwarder.unreachable(sent().ticket, now);
  sent();
  now += Forwarder::kForgiven - std::chrono::nanoseconds(1);
  ask(2);
  EXPECT_EQ(sent().server, server(2));
  now += std::chrono::nanoseconds(1);
  ask(3);
  EXPECT_EQ(sent().server, server(1));
}

TEST_F(ForwarderTest, WhenAllAreSilentTheServerHasFailed) {
  ask(1, {.name = "example.org", .id = 3});
  sent();
  forwarder.on_timer(now += Forwarder::kPatience);
  sent();
  forwarder.on_timer(now += Forwarder::kPatience);
  const Read reply = read(replied().message);
  EXPECT_EQ(reply.rcode(), static_cast<int>(Rcode::kServerFailure));
  EXPECT_EQ(reply.id, 3);
  EXPECT_EQ(forwarder.counters().given_up, 1u);
  EXPECT_EQ(forwarder.next_timer(), base::kNever);
}

TEST_F(ForwarderTest, TheOnlyServerIsAskedTwice) {
  forwarder.set_servers({server(9)});
  ask(1);
  sent();
  forwarder.on_timer(now += Forwarder::kPatience);
  EXPECT_EQ(sent().server, server(9));
  forwarder.on_timer(now += Forwarder::kPatience);
  replied();
}

TEST_F(ForwarderTest, WhoCannotBeReachedIsFollowedAtOnce) {
  ask(1);
  forwarder.unreachable(sent().ticket, now);
  const Send second = sent();
  EXPECT_EQ(second.server, server(2));
  forwarder.unreachable(second.ticket, now);
  EXPECT_EQ(read(replied().message).rcode(), static_cast<int>(Rcode::kServerFailure));
  EXPECT_EQ(forwarder.counters().unreachable, 2u);
}

TEST_F(ForwarderTest, WhoDeclinesIsFollowedAndTheLastOneIsHeard) {
  ask(1);
  const Send first = sent();
  forwarder.answered(first.ticket, answer_to(first.message, Rcode::kRefused), now);
  const Send second = sent();
  EXPECT_EQ(second.server, server(2));
  forwarder.answered(second.ticket, answer_to(second.message, Rcode::kServerFailure), now);
  EXPECT_EQ(read(replied().message).rcode(), static_cast<int>(Rcode::kServerFailure));
  ask(2);
  const Send known = sent();
  EXPECT_EQ(known.server, server(1));  // it has answered, after all
  forwarder.answered(known.ticket, answer_to(known.message, Rcode::kNameError), now);
  EXPECT_EQ(read(replied().message).rcode(), static_cast<int>(Rcode::kNameError));
}

TEST_F(ForwarderTest, WhatIsTooLargeIsCut) {
  ask(1, {.name = "example.org"}, 512);
  Send send = sent();
  forwarder.answered(send.ticket, answer_to(send.message, Rcode::kNoError, 513), now);
  const Reply cut = replied();
  EXPECT_LT(cut.message.size(), 512u);
  EXPECT_TRUE(read(cut.message).has(kTc));
  EXPECT_TRUE(read(cut.message).whole);
  ask(1, {.name = "example.org"}, 512);
  send = sent();
  forwarder.answered(send.ticket, answer_to(send.message, Rcode::kNoError, 512), now);
  EXPECT_EQ(replied().message.size(), 512u);
}

TEST_F(ForwarderTest, AStreamStaysOne) {
  ask(1, {.name = "example.org"}, kMessageMaximum, true);
  EXPECT_TRUE(sent().stream);
  forwarder.on_timer(now += Forwarder::kPatience);
  EXPECT_TRUE(sent().stream);
}

TEST_F(ForwarderTest, NobodyToAskIsRefused) {
  forwarder.set_servers({});
  ask(1);
  EXPECT_TRUE(forwarder.sends().empty());
  EXPECT_EQ(read(replied().message).rcode(), static_cast<int>(Rcode::kRefused));
}

TEST_F(ForwarderTest, TheOldestMakesRoom) {
  for (std::size_t i = 0; i < Forwarder::kMost; ++i) ask(i);
  EXPECT_EQ(forwarder.open(), Forwarder::kMost);
  const Ticket oldest = forwarder.sends().front().ticket;
  ask(1000);
  EXPECT_EQ(forwarder.open(), Forwarder::kMost);
  EXPECT_EQ(forwarder.closed(), std::vector<Ticket>{oldest});
  const Reply reply = replied();
  EXPECT_EQ(reply.asker, 0u);
  EXPECT_EQ(read(reply.message).rcode(), static_cast<int>(Rcode::kServerFailure));
  EXPECT_EQ(forwarder.counters().crowded_out, 1u);
}

TEST_F(ForwarderTest, OtherServersBeginAnew) {
  ask(1);
  const Send send = sent();
  forwarder.set_servers({server(1), server(2)});
  EXPECT_EQ(forwarder.open(), 1u);  // the same ones
  forwarder.set_servers({server(3)});
  EXPECT_EQ(read(replied().message).rcode(), static_cast<int>(Rcode::kServerFailure));
  EXPECT_EQ(forwarder.closed(), std::vector<Ticket>{send.ticket});
  ask(2);
  EXPECT_EQ(sent().server, server(3));
}

TEST_F(ForwarderTest, WhoHasGoneIsForgotten) {
  ask(1);
  ask(2);
  forwarder.forget(1);
  EXPECT_EQ(forwarder.open(), 1u);
  EXPECT_EQ(forwarder.closed().size(), 1u);
  EXPECT_TRUE(forwarder.replies().empty());
}

}  // namespace
}  // namespace entresol::dns
