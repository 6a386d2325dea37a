// Guests whose grant leaves them the choice of a node: found where they are, followed where they go, and claimed by no node
// that may not have them.
#include <gtest/gtest.h>

#include "layer/member/test_guest.h"
#include "layer/member/test_raw_host.h"
#include "layer/member/test_sites.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class GuestMovesTest : public testing::Test {
 protected:
  explicit GuestMovesTest(std::uint64_t seed = 31) : sites(seed, 3, 1) {}
  void SetUp() override {
    ASSERT_TRUE(sites.attach());
    sites.publish();
  }
  World& world() { return sites.world; }
  Machine& north() { return sites.node(0); }
  Machine& south() { return sites.node(1); }
  Machine& east() { return sites.node(2); }
  Machine& a() { return sites.host(0); }  // at north

  // As a controller would tell.
  void admit(const Guest& guest, const std::vector<Machine*>& nodes) {
    for (Machine* node : nodes)
      ASSERT_TRUE((*node)->add_guest(0, guest.grant, std::nullopt, 1420, world().unix_seconds()));
    for (auto& node : sites.nodes)
      ASSERT_TRUE((*node)->learn_guest(0, guest.grant, world().unix_seconds()));
  }
  void admit(const Guest& guest) { admit(guest, {&north(), &south(), &east()}); }
  // Links get keys, and nobody hears of the guest but by that.
  bool attach(Guest& guest) {
    guest.connect();
    if (!world().run_until([&] { return guest.has_keys(); }, seconds(10))) return false;
    guest.send_record({});
    world().run_for(milliseconds(100));
    return true;
  }
  bool reaches(Machine& from, Guest& guest, int version = 6, base::Duration limit = seconds(10)) {
    guest.delivered.clear();
    InnerPacket inner;
    inner.version = version;
    const base::TimePoint end = world().now + limit;
    while (guest.delivered.empty() &&
           world().now < end) {  // one that is under way to another node is lost
      from.application(build(inner, from.in().addresses, guest.addresses));
      world().run_for(milliseconds(100));
    }
    return !guest.delivered.empty();
  }
  // The guest's answers, of the same flow.
  bool answers(Guest& guest, Machine& to) {
    to.delivered.clear();
    InnerPacket inner;
    inner.version = 6;
    std::swap(inner.from_port, inner.to_port);
    for (int i = 0; i < 50 && to.delivered.empty(); ++i) {
      guest.send(build(inner, guest.addresses, to.in().addresses));
      world().run_for(milliseconds(100));
    }
    return !to.delivered.empty();
  }
  std::string place(std::size_t at, const Guest& guest) {
    const auto* known = sites.node(at)->membership(0).find(guest.name);
    const auto* node =
        known == nullptr ? nullptr : sites.node(at)->membership(0).find(known->place);
    return node == nullptr ? "" : node->label;
  }
  void expect_everywhere(const Guest& guest, const std::string& where) {
    for (std::size_t at = 0; at < sites.nodes.size(); ++at)
      EXPECT_EQ(place(at, guest), where) << at;
  }

  Sites sites;
};

TEST_F(GuestMovesTest, AGuestOfEveryNodeIsFoundWhereItIs) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  expect_everywhere(guest, "node1");
  for (int version : {6, 4}) {
    EXPECT_TRUE(reaches(a(), guest, version));
    EXPECT_TRUE(reaches(sites.host(1), guest, version)) << "its own node's host";
    EXPECT_TRUE(reaches(sites.host(2), guest, version));
  }
  EXPECT_TRUE(answers(guest, a()));
}

TEST_F(GuestMovesTest, ItsNodeReportsErrors) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  ASSERT_TRUE(reaches(a(), guest));
  InnerPacket inner;
  inner.version = 6;
  inner.ttl = 2;  // north's, and no more for south
  a().application(build(inner, a().in().addresses, guest.addresses));
  world().run_for(seconds(1));
  EXPECT_EQ(a().replies.size(), 1u);
}

TEST_F(GuestMovesTest, AGuestOfSeveralNodesIsFoundFromOthersToo) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority,
              {east().in().name, south().in().name});
  admit(guest, {&south(), &east()});
  ASSERT_TRUE(attach(guest));
  expect_everywhere(guest, "node1");
  EXPECT_TRUE(reaches(a(), guest));
  EXPECT_TRUE(answers(guest, a()));
  EXPECT_TRUE(reaches(sites.host(2), guest));
}

TEST_F(GuestMovesTest, ItIsFoundAtTheNodeToWhichItMoves) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  ASSERT_TRUE(reaches(a(), guest));
  for (Machine* node : {&east(), &north(), &south()}) {
    guest.move(*node);
    ASSERT_TRUE(attach(guest));
    if (node != &south()) expect_everywhere(guest, node->in().label);
    world().run_for(seconds(1));
    EXPECT_TRUE(answers(guest, a())) << node->in().label;
    world().run_for(milliseconds(100));
    expect_everywhere(guest, node->in().label);
    EXPECT_TRUE(reaches(a(), guest, 6, seconds(1))) << node->in().label;
    EXPECT_TRUE(reaches(sites.host(2), guest, 6, seconds(2)));
  }
}

// Who sends all the time goes on although the guest says nothing: its new node calls back.
TEST_F(GuestMovesTest, AFlowToASilentGuestFollowsIt) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  ASSERT_TRUE(reaches(a(), guest));
  guest.move(east());
  guest.delivered.clear();
  guest.connect();
  int sent = 0;
  for (; sent < 300 && guest.delivered.empty(); ++sent) {
    InnerPacket inner;
    inner.version = 6;
    a().application(build(inner, a().in().addresses, guest.addresses));
    world().run_for(milliseconds(10));
    if (sent == 10) guest.send_record({});
  }
  EXPECT_LT(sent, 60) << "packets of 10 ms";
  EXPECT_EQ(a()->agent(0).sessions().all().size(), 1u);
}

// One that keeps up two tunnels is where it sends; keys that are made anew, and what was under way, prove nothing.
TEST_F(GuestMovesTest, ItIsWhereItSends) {
  const auto keys = crypto::x25519_keypair(world().random.bytes<32>());
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {}, keys);
  Guest other(world(), 91, east(), {100, 64, 7, 1}, sites.authority, {}, keys);
  admit(guest);
  ASSERT_TRUE(attach(guest));
  ASSERT_TRUE(attach(other));
  expect_everywhere(guest, "node2");
  InnerPacket inner;
  inner.version = 6;
  const Bytes packet = build(inner, guest.addresses, a().in().addresses);
  guest.send(packet);
  world().run_for(milliseconds(200));
  expect_everywhere(guest, "node2");
  world().run_for(seconds(2));
  guest.rekey();
  world().run_for(milliseconds(200));
  guest.send_record({});
  world().run_for(milliseconds(200));
  expect_everywhere(guest, "node2");
  guest.send(packet);
  world().run_for(milliseconds(200));
  expect_everywhere(guest, "node1");
  EXPECT_TRUE(reaches(a(), guest));
}

TEST_F(GuestMovesTest, ANodeThatHasForgottenAsks) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  world().run_for(seconds(10));  // it is told no more
  north().restart();
  ASSERT_TRUE(sites.attach());
  ASSERT_TRUE(north()->learn_guest(0, guest.grant, world().unix_seconds()));
  EXPECT_EQ(place(0, guest), "");
  EXPECT_TRUE(reaches(a(), guest));
  EXPECT_EQ(place(0, guest), "node1");
}

TEST_F(GuestMovesTest, ItIsRenewedWhileItIsThere) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  const auto first = north()->membership(0).find(guest.name)->placed_until;
  for (int hour = 0; hour < 3; ++hour) {
    world().run_for(seconds(1800));
    answers(guest, sites.host(1));
  }
  EXPECT_GT(north()->membership(0).find(guest.name)->placed_until, first + 3500);
}

TEST_F(GuestMovesTest, ARenewedGrantLeavesItWhereItIs) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  guest.move(east());
  ASSERT_TRUE(attach(guest));
  guest.grant = sites.authority.grant_of(guest.grant, {kNow, kNow + 60 * kDay});
  admit(guest);
  expect_everywhere(guest, "node2");
  EXPECT_FALSE(south()->membership(0).speaks_for(guest.name));
  EXPECT_TRUE(reaches(a(), guest, 6, seconds(1)));
  EXPECT_TRUE(reaches(sites.host(1), guest, 6, seconds(1)));
}

TEST_F(GuestMovesTest, ItsGrantIsTakenAway) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  for (auto& node : sites.nodes)
    (*node)->revoke(0, guest.name, world().unix_seconds() + kDay, world().now,
                    world().unix_nanos());
  EXPECT_EQ(sites.place_of(0, guest.name), nullptr);
  EXPECT_FALSE(reaches(a(), guest, 6, seconds(3)));
}

// ---- a node that lies ------------------------------------------------------------------------------------------------

class LyingAboutGuestsTest : public GuestMovesTest {
 protected:
  void SetUp() override {
    GuestMovesTest::SetUp();
    ASSERT_TRUE(world().run_until([&] { return mallory.attached(); }, seconds(5)));
  }
  void tell(const Guest& guest, base::ByteView place) {
    wire::Header header;
    header.next_protocol = wire::next_protocol::kControl;
    header.layer = mallory.header_to({}).layer;
    header.source = mallory.joined.name;
    header.destination = north().in().name;
    mallory.send_packet(wire::emit_packet(
        header, wire::emit_answer(0, wire::AnswerKind::placed_guest, guest.grant, place)));
    world().run_for(milliseconds(100));
  }
  Bytes claim(const Guest& guest, std::uint64_t sequence) {
    const membership::GuestPlace body{sites.authority.trust.layer(), guest.name,
                                      mallory.joined.name, sequence, kNow + kDay};
    return membership::sign(body, mallory.joined.identity.identity)->octets();
  }
  std::uint64_t soon() const {
    return static_cast<std::uint64_t>(sites.world.unix_nanos()) + 1'000'000'000;
  }

  RawHost mallory{sites.world, 66, sites.node(0),
                  join(sites.authority, membership::Role::kNode, "mallory", {100, 64, 0, 66})};
};

TEST_F(LyingAboutGuestsTest, ItHasNoGuestWhoseGrantIsForOthers) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority,
              {south().in().name, east().in().name});
  admit(guest, {&south(), &east()});
  ASSERT_TRUE(attach(guest));
  const auto before = north().drops(DropReason::control_malformed);
  tell(guest, claim(guest, soon()));
  EXPECT_EQ(place(0, guest), "node1");
  EXPECT_TRUE(reaches(a(), guest));
  EXPECT_EQ(north().drops(DropReason::control_malformed), before) << "it was understood";
}

TEST_F(LyingAboutGuestsTest, OldNewsChangeNothing) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  const Bytes old = north()->membership(0).objects(guest.name).registration;
  guest.move(east());
  ASSERT_TRUE(attach(guest));
  tell(guest, old);
  EXPECT_EQ(place(0, guest), "node2");
  EXPECT_TRUE(reaches(a(), guest));
}

// Its grant lets it: such a node can take the guest until the guest shows itself again.
TEST_F(LyingAboutGuestsTest, WhatItTakesComesBackWhenTheGuestSends) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {});
  admit(guest);
  ASSERT_TRUE(attach(guest));
  south().learn(mallory.joined);
  tell(guest, claim(guest, ~std::uint64_t{0}));
  EXPECT_EQ(place(0, guest), "node1") << "nobody could follow that";
  tell(guest, claim(guest, soon()));
  EXPECT_EQ(place(0, guest), "mallory");
  EXPECT_EQ(place(1, guest), "mallory") << "who had it is told";
  world().run_for(seconds(2));
  guest.send({});
  guest.send(build({}, guest.addresses, sites.host(1).in().addresses));
  world().run_for(seconds(1));
  EXPECT_EQ(place(0, guest), "node1");
  EXPECT_TRUE(reaches(a(), guest));
}

// ---- many moves over a bad network -----------------------------------------------------------------------------------

TEST(GuestMovesSim, ItIsFoundAfterManyMovesWithLosses) {
  int moves = 0, lost = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Sites sites(seed, 3, 1);
    ASSERT_TRUE(sites.attach());
    sites.publish();
    World& world = sites.world;
    Guest guest(world, 90, sites.node(0), {100, 64, 7, 1}, sites.authority, {});
    for (auto& node : sites.nodes)
      ASSERT_TRUE((*node)->add_guest(0, guest.grant, std::nullopt, 1420, world.unix_seconds()));
    world.network = [&](Datagram& datagram) {
      datagram.at += milliseconds(world.random.below(20));
      const bool goes = !world.random.chance(10);
      lost += goes ? 0 : 1;
      return goes;
    };
    InnerPacket inner;
    inner.version = 6;
    for (int i = 0; i < 8; ++i) {
      if (world.random.chance(70)) {
        guest.move(sites.node(world.random.below(3)));
        ++moves;
      }
      const auto& host = sites.host(world.random.below(3));
      for (int n = 0; n < 5; ++n) {
        guest.send(build(inner, guest.addresses, host.in().addresses));
        sites.host(n % 3).application(
            build(inner, sites.host(n % 3).in().addresses, guest.addresses));
        world.run_for(milliseconds(world.random.below(900)));
      }
    }
    world.network = nullptr;
    for (std::size_t from = 0; from < 3; ++from) {
      guest.delivered.clear();
      for (int tries = 0; tries < 30 && guest.delivered.empty(); ++tries) {
        guest.send(build(inner, guest.addresses, sites.host(0).in().addresses));
        sites.host(from).application(
            build(inner, sites.host(from).in().addresses, guest.addresses));
        world.run_for(seconds(1));
      }
      ASSERT_FALSE(guest.delivered.empty()) << "host" << from << '\n' << sites.drops();
    }
  }
  EXPECT_GT(moves, 150);
  EXPECT_GT(lost, 500);
}

}  // namespace
}  // namespace entresol::layer::member
