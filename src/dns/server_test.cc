#include "dns/server.h"

#include <gtest/gtest.h>

#include <set>

#include "dns/test_messages.h"
#include "security/test_random.h"

namespace entresol::dns {
namespace {

constexpr base::TimePoint kStart{std::chrono::hours(1)};

// Knows some labels; of others it says "later" until it has heard of them or they are nobody's.
class World : public Lookup {
 public:
  explicit World(std::uint8_t number) : layer(number) {}
  std::set<std::string, std::less<>> known{"alice"}, nobody;
  std::uint8_t layer;
  Known by_label(std::string_view label, Found& out) override {
    if (!known.contains(label)) return nobody.contains(label) ? Known::kUnknown : Known::kLater;
    out = {std::string(label), {0xfd, 0x35, 0, layer}, {}, 100};
    return Known::kFound;
  }
  Known by_name(const Ipv6&, Found&) override { return Known::kUnknown; }
  Known by_ipv4(const Ipv4&, Found&) override { return Known::kUnknown; }
};

class ServerTest : public ::testing::Test {
 protected:
  security::SeededRandom random{1};
  World edge{1}, lab{2};
  Server server{random};
  base::TimePoint now = kStart;
  Asker last = 0;

  void SetUp() override {
    server.add({*name_from_text("edge.internal"), {0xfd, 0x35, 0, 1}, {}}, edge);
    server.add({*name_from_text("lab.internal"), {0xfd, 0x35, 0, 2}, {}}, lab);
    base::Endpoint upstream;
    upstream.port = 53;
    server.forwarder().set_servers({upstream});
  }
  bool take(const Asked& asked, bool stream = false, std::size_t largest = kMessageMaximum) {
    return server.take(++last, query(asked), stream, largest, now);
  }
  Read replied() {
    EXPECT_EQ(server.replies().size(), 1u);
    const Read out = server.replies().empty() ? Read{} : read(server.replies().back().message);
    server.replies().clear();
    return out;
  }
  int code(const Asked& asked) {
    EXPECT_TRUE(take(asked));
    return replied().rcode();
  }
};

TEST_F(ServerTest, EachLayerHasItsDomain) {
  EXPECT_TRUE(take({.name = "alice.edge.internal"}));
  EXPECT_EQ(replied().answers.at(0).data[3], 1);
  EXPECT_TRUE(take({.name = "alice.lab.internal"}));
  EXPECT_EQ(replied().answers.at(0).data[3], 2);
  EXPECT_EQ(server.counters().answered_here, 2u);
}

TEST_F(ServerTest, OtherNamesGoOn) {
  EXPECT_TRUE(take({.name = "example.org"}));
  ASSERT_EQ(server.sends().size(), 1u);
  EXPECT_TRUE(server.replies().empty());
}

TEST_F(ServerTest, WhatIsNotServedIsRefused) {
  const int refused = static_cast<int>(Rcode::kRefused);
  EXPECT_EQ(code({.name = "version.bind", .type = 16, .klass = 3}), refused);
  EXPECT_EQ(code({.name = "alice.edge.internal", .klass = 255}), refused);
  EXPECT_EQ(code({.name = "edge.internal", .type = type::kAxfr}), refused);
  EXPECT_EQ(code({.name = "example.org", .type = type::kIxfr}), refused);
  EXPECT_EQ(server.counters().refused, 4u);
  EXPECT_EQ(code({.name = "a", .flags = 0x1100}), static_cast<int>(Rcode::kNotImplemented));
  EXPECT_TRUE(server.sends().empty());
}

TEST_F(ServerTest, AnotherVersionOfEdnsIsSaidSo) {
  EXPECT_TRUE(take({.name = "alice.edge.internal", .edns_size = 1232, .edns_version = 1}));
  const Read out = replied();
  EXPECT_TRUE(out.answers.empty());
  EXPECT_EQ(out.additional.at(0).ttl >> 24, 1u);
}

TEST_F(ServerTest, WhatIsNoQueryGetsNoReply) {
  EXPECT_FALSE(take({.name = "a", .flags = 0x8100}));
  const base::Bytes some(11, 0);
  EXPECT_FALSE(server.take(1, some, false, kUdpMinimum, now));
  EXPECT_TRUE(server.replies().empty());
  const base::Bytes header(12, 0);
  EXPECT_TRUE(server.take(1, header, false, kUdpMinimum, now));
  EXPECT_EQ(replied().rcode(), static_cast<int>(Rcode::kFormatError));
  EXPECT_EQ(server.counters().malformed, 3u);
}

TEST_F(ServerTest, AnUnknownLabelWaitsForWhoIsAsked) {
  EXPECT_TRUE(take({.name = "bob.edge.internal", .id = 5}));
  EXPECT_TRUE(take({.name = "carol.edge.internal", .id = 6}));
  EXPECT_TRUE(server.waits());
  server.retry(now);
  EXPECT_TRUE(server.replies().empty());
  edge.known.insert("bob");
  server.retry(now);
  const Read bob = replied();
  EXPECT_EQ(bob.id, 5);
  EXPECT_EQ(bob.answers.size(), 1u);
  edge.nobody.insert("carol");
  server.retry(now);
  EXPECT_EQ(replied().rcode(), static_cast<int>(Rcode::kNameError));
  EXPECT_FALSE(server.waits());
}

TEST_F(ServerTest, NobodyWaitsForEver) {
  EXPECT_TRUE(take({.name = "bob.edge.internal"}));
  EXPECT_EQ(server.next_timer(), now + Server::kPatience);
  server.on_timer(now += Server::kPatience);
  EXPECT_EQ(replied().rcode(), static_cast<int>(Rcode::kServerFailure));
  EXPECT_EQ(server.next_timer(), base::kNever);
  EXPECT_EQ(server.counters().unanswered, 1u);
}

TEST_F(ServerTest, WhoWaitsIsCounted) {
  for (std::size_t i = 0; i < Server::kMostWaiting; ++i)
    EXPECT_TRUE(take({.name = "x" + std::to_string(i) + ".edge.internal"}));
  EXPECT_TRUE(server.replies().empty());
  EXPECT_EQ(code({.name = "y.edge.internal"}), static_cast<int>(Rcode::kServerFailure));
}

TEST_F(ServerTest, WhoHasGoneGetsNothing) {
  EXPECT_TRUE(take({.name = "bob.edge.internal"}));
  server.forget(last);
  EXPECT_FALSE(server.waits());
  EXPECT_TRUE(take({.name = "example.org"}));
  server.sends().clear();
  server.forget(last);
  EXPECT_EQ(server.closed().size(), 1u);
  EXPECT_EQ(server.next_timer(), base::kNever);
}

TEST_F(ServerTest, TheWayBackMayBeNarrowerThanTheAskerSays) {
  EXPECT_TRUE(take({.name = "example.org", .edns_size = 4096}, false, 1232));
  const Send send = server.sends().back();
  server.forwarder().answered(send.ticket, answer_to(send.message, Rcode::kNoError, 1300), now);
  EXPECT_TRUE(replied().has(kTc));
  EXPECT_TRUE(take({.name = "example.org"}, true));
  const Send stream = server.sends().back();
  server.forwarder().answered(stream.ticket, answer_to(stream.message, Rcode::kNoError, 5000), now);
  EXPECT_FALSE(replied().has(kTc));
}

}  // namespace
}  // namespace entresol::dns
