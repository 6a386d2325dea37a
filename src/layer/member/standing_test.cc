// Members whose certificate ends, who are revoked, or who come and go while the others run; and those who do not accept it.
#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "layer/member/test_guest.h"
#include "layer/member/test_inner.h"
#include "layer/member/test_raw_host.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class StandingTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(star.attach());
    ASSERT_TRUE(reaches(a(), b()));
    ASSERT_TRUE(reaches(b(), a()));
  }
  World& world() { return star.world; }
  Machine& node() { return *star.node; }
  Machine& a() { return star.host(0); }
  Machine& b() { return star.host(1); }
  const wire::Name& name_of_a() { return a().in().name; }
  void revoke(Machine& at, const wire::Name& name) {
    at->revoke(0, name, world().unix_seconds() + kDay, world().now, world().unix_nanos());
  }
  // A packet of the one flow of from and to, which has ports of its own in each direction.
  bool reaches(Machine& from, Machine& to) {
    to.delivered.clear();
    from.application(packet(from, to));
    return world().run_until([&] { return !to.delivered.empty(); }, seconds(8));
  }
  static Bytes packet(Machine& from, Machine& to) {
    InnerPacket inner;
    inner.from_port = from.address().address[15];
    inner.to_port = to.address().address[15];
    return build(inner, from.in().addresses, to.in().addresses);
  }
  const forwarding::Place* place_of(const wire::Name& name) {
    return node()->tables().layers[0].names.find(name);
  }
  std::size_t used_links(Machine& machine) {
    std::size_t used = 0;
    for (std::uint32_t i = 1; i < machine->tables().links.size(); ++i)
      used += machine->tables().links[forwarding::LinkId(i)].used;
    return used;
  }

  Star star{11};
};

// ---- certificates that end -------------------------------------------------------------------------------------------

class EndingTest : public StandingTest {
 protected:
  EndingTest() {
    // b's is the only one that ends.
    const auto ending = certificate_of(b().in(), membership::Role::kHost, {kNow, kNow + 30});
    b().joined[0].certificate = ending;
    b().restart();
    for (Machine* machine : {&a(), &node()}) machine->restart();
  }
};

TEST_F(EndingTest, LinksAndSessionsEndWhenTheCertificateDoes) {
  world().run_until(base::TimePoint{seconds(1000 + 30)} - milliseconds(20));
  ASSERT_TRUE(place_of(b().in().name) != nullptr);
  ASSERT_EQ(a()->agent(0).sessions().all().size(), 1u);
  world().remove(b().address());  // it does not end by itself
  world().run_for(milliseconds(40));
  EXPECT_EQ(place_of(b().in().name), nullptr);
  EXPECT_EQ(used_links(node()), 1u);
  EXPECT_EQ(node().noted(Happening::kMemberEnded), 1u);
  EXPECT_EQ(node().note_of(Happening::kMemberEnded).name, b().in().name);
  EXPECT_EQ(node()->membership(0).find(b().in().name), nullptr);
  EXPECT_TRUE(a()->agent(0).sessions().all().empty());
  EXPECT_EQ(a().noted(Happening::kMemberEnded), 1u);
  EXPECT_EQ(a()->membership(0).find(b().in().name), nullptr);
}

TEST_F(EndingTest, WhoWaitsForItIsToldAndCounted) {
  world().run_for(seconds(20));
  world().remove(b().address());
  const auto silent = join(star.authority, membership::Role::kHost, "silent", {100, 64, 0, 90});
  Joined ending = silent;
  ending.certificate = certificate_of(silent, membership::Role::kHost, {kNow, kNow + 25});
  a().learn(ending);
  // Its handshake gets nowhere, and nobody says so.
  node()->send_echo(0, name_of_a(), 64, 1, 1, world().now, world().unix_nanos());
  world().network = [&](Datagram&) { return false; };
  EXPECT_EQ(a().application(build({}, a().in().addresses, silent.addresses)), DropReason::none);
  world().run_until(base::TimePoint{seconds(1000 + 26)});
  EXPECT_EQ(a().replies.size(), 1u);
  EXPECT_EQ(a().drops(DropReason::handshake_certificate), 1u);
}

// A host whose clock stands still goes on showing what it had.
TEST_F(StandingTest, ACertificateThatHasEndedOpensNothing) {
  Joined files = join(star.authority, membership::Role::kHost, "mallory", {100, 64, 0, 66});
  files.certificate = certificate_of(files, membership::Role::kHost, {kNow, kNow + 20});
  RawHost mallory(world(), 66, node(), files);
  mallory.learn(a().in());
  ASSERT_TRUE(world().run_until([&] { return mallory.attached(); }, seconds(5)));
  session::Session& session = mallory.session_with(name_of_a());
  world().run_until(base::TimePoint{seconds(1000 + 20)});
  EXPECT_EQ(place_of(files.name), nullptr);
  const auto unknown = node().drops(DropReason::record_index_unknown);
  const auto refused = node().drops(DropReason::handshake_certificate);
  a().delivered.clear();
  for (int i = 0; i < 5; ++i)
    mallory.send_packet(mallory.seal(session, mallory.header_to(name_of_a()), Bytes(20)));
  world().run_for(seconds(1));
  EXPECT_GE(node().drops(DropReason::record_index_unknown), unknown + 5);
  EXPECT_TRUE(a().delivered.empty());
  mallory.rekey();
  world().run_for(seconds(1));
  EXPECT_EQ(node().drops(DropReason::handshake_certificate), refused + 1);
  EXPECT_EQ(place_of(files.name), nullptr);
  EXPECT_TRUE(reaches(a(), b()));
}

// ---- revocation ------------------------------------------------------------------------------------------------------

TEST_F(StandingTest, ARevokedHostIsCutOffAtOnce) {
  const auto before = used_links(node());
  revoke(node(), name_of_a());
  EXPECT_EQ(place_of(name_of_a()), nullptr);
  EXPECT_EQ(used_links(node()), before - 1);
  EXPECT_EQ(node().noted(Happening::kMemberRevoked), 1u);
  EXPECT_EQ(node().note_of(Happening::kMemberRevoked).label, "host0");
  EXPECT_EQ(node().note_of(Happening::kMemberRevoked).reason, DropReason::name_revoked);
  a().delivered.clear();
  b().delivered.clear();
  for (int i = 0; i < 20; ++i) {
    a().application(packet(a(), b()));
    b().application(packet(b(), a()));
    world().run_for(milliseconds(500));
  }
  EXPECT_TRUE(a().delivered.empty());
  EXPECT_TRUE(b().delivered.empty());
  EXPECT_GE(node().drops(DropReason::record_index_unknown), 1u) << "under the old keys";
  EXPECT_GE(node().drops(DropReason::name_revoked), 1u) << "with new handshakes";
  EXPECT_GE(node().drops(DropReason::no_route), 1u) << "decisions that were kept are not kept";
  EXPECT_FALSE(a()->attached(0));
}

TEST_F(StandingTest, WhoIsReadmittedComesBackAndItsFlowsGoOn) {
  revoke(node(), name_of_a());
  revoke(b(), name_of_a());
  EXPECT_TRUE(b()->agent(0).sessions().all().empty());
  EXPECT_FALSE(reaches(a(), b()));
  auto learnt =
      b()->learn(0, a().in().certificate, a()->own_objects(0).registration, world().unix_seconds());
  ASSERT_FALSE(learnt);
  EXPECT_EQ(learnt.error().code, base::code::kMemberRevoked);
  for (Machine* machine : {&node(), &b()}) (*machine)->readmit(0, name_of_a());
  ASSERT_TRUE(b()->learn(0, a().in().certificate, a()->own_objects(0).registration,
                         world().unix_seconds()));
  EXPECT_TRUE(world().run_until([&] { return reaches(a(), b()); }, seconds(30)));
  EXPECT_TRUE(reaches(a(), b()));
  EXPECT_TRUE(reaches(b(), a()));
}

// Its node does not know yet: the far end alone has to hold.
TEST_F(StandingTest, AHostEndsItsOwnSessionsWithARevokedOne) {
  revoke(b(), name_of_a());
  EXPECT_EQ(b().noted(Happening::kMemberRevoked), 1u);
  b().delivered.clear();
  for (int i = 0; i < 10; ++i) {
    a().application(packet(a(), b()));
    world().run_for(seconds(1));
  }
  EXPECT_TRUE(b().delivered.empty());
  EXPECT_GE(b().drops(DropReason::session_unknown), 1u);
  EXPECT_GE(b().drops(DropReason::name_revoked), 1u);
  EXPECT_TRUE(b()->agent(0).sessions().all().empty());
}

TEST_F(StandingTest, ARevokedMemberThatKeepsSendingGetsNothingThrough) {
  RawHost mallory(world(), 66, node(),
                  join(star.authority, membership::Role::kHost, "mallory", {100, 64, 0, 66}));
  mallory.learn(b().in());
  ASSERT_TRUE(world().run_until([&] { return mallory.attached(); }, seconds(5)));
  session::Session& session = mallory.session_with(b().in().name);
  for (Machine* machine : {&node(), &b()}) revoke(*machine, mallory.joined.name);
  b().delivered.clear();
  const auto refused = node().drops(DropReason::name_revoked);
  for (int i = 0; i < 200; ++i) {
    mallory.send_packet(mallory.seal(session, mallory.header_to(b().in().name), Bytes(20)));
    mallory.rekey();
    mallory.run_timers();
    world().run_for(milliseconds(100));
  }
  EXPECT_TRUE(b().delivered.empty());
  EXPECT_EQ(place_of(mallory.joined.name), nullptr);
  EXPECT_GE(node().drops(DropReason::name_revoked), refused + 3);
  EXPECT_EQ(b().drops(DropReason::session_unknown), 0u) << "nothing of it leaves the node";
  EXPECT_TRUE(reaches(a(), b()));
}

// Registrations are no secret: whoever has an old key of a member shows the one that went with it.
TEST_F(StandingTest, AnOldRegistrationOpensNothingAfterReadmission) {
  Joined old = a().in();
  old.identity.native_private = crypto::x25519_keypair(world().random.bytes<32>()).secret;
  const auto keys = crypto::x25519_keypair(old.identity.native_private);
  old.identity.native_public = keys.public_key;
  RawHost thief(world(), 66, node(), old);
  ASSERT_TRUE(world().run_until([&] { return thief.attached(); }, seconds(5)))
      << "its registration is the newest";
  world().run_for(seconds(1));
  a().restart();  // and now a's is
  ASSERT_TRUE(star.attach());
  revoke(node(), name_of_a());
  node()->readmit(0, name_of_a());
  const auto refused = node().drops(DropReason::handshake_certificate);
  thief.rekey();
  world().run_for(milliseconds(100));
  EXPECT_EQ(node().drops(DropReason::handshake_certificate), refused + 1);
  ASSERT_TRUE(star.attach());
  EXPECT_TRUE(world().run_until([&] { return reaches(a(), b()); }, seconds(30)));
}

TEST_F(StandingTest, LookupsForARevokedMemberFindNobody) {
  revoke(node(), b().in().name);
  a().restart();
  a()->revoke(0, b().in().name, world().unix_seconds() + kDay, world().now, world().unix_nanos());
  ASSERT_TRUE(world().run_until([&] { return a()->attached(0); }, seconds(10)));
  a().replies.clear();
  EXPECT_EQ(a().application(packet(a(), b())), DropReason::none);
  EXPECT_TRUE(world().run_until([&] { return !a().replies.empty(); }, seconds(5)));
  EXPECT_EQ(a().application(packet(a(), b())), DropReason::destination_unknown);
  EXPECT_EQ(node()->membership(0).find_label("host1"), nullptr);
}

TEST_F(StandingTest, ANodeThatIsRevokedIsLeftAndDialledNoMore) {
  revoke(a(), node().in().name);
  EXPECT_FALSE(a()->attached(0));
  EXPECT_EQ(a().application(packet(a(), b())), DropReason::link_down);
  std::size_t sent = 0;
  world().network = [&](Datagram& datagram) {
    sent += datagram.from == a().address() && datagram.bytes[0] != 0x13;
    return true;
  };
  world().run_for(seconds(120));
  EXPECT_EQ(sent, 0u);
  a()->readmit(0, node().in().name);
  world().network = {};
  EXPECT_TRUE(world().run_until([&] { return a()->attached(0); }, seconds(10)));
  // b has given its session up meanwhile: the first packet finds that out.
  EXPECT_TRUE(reaches(a(), b()) || reaches(a(), b()));
}

TEST_F(StandingTest, WhoIsRevokedItselfStops) {
  revoke(a(), name_of_a());
  EXPECT_EQ(a().noted(Happening::kOwnEnded), 1u);
  EXPECT_FALSE(a()->attached(0));
  std::size_t sent = 0;
  world().network = [&](Datagram& datagram) {
    sent += datagram.from == a().address() && datagram.bytes[0] != 0x13;
    return true;
  };
  a().application(packet(a(), b()));
  world().run_for(seconds(60));
  EXPECT_EQ(sent, 0u);
  world().network = {};
  a()->readmit(0, name_of_a());
  EXPECT_TRUE(world().run_until([&] { return a()->attached(0); }, seconds(10)));
  EXPECT_TRUE(reaches(a(), b()));
}

// ---- guests ----------------------------------------------------------------------------------------------------------

class StandingGuestTest : public StandingTest {
 protected:
  void SetUp() override {
    StandingTest::SetUp();
    for (auto& host : star.hosts)
      ASSERT_TRUE((*host)->learn_guest(0, guest.grant, world().unix_seconds()));
  }
  base::Result<forwarding::LinkId> add(const Bytes& grant) {
    return node()->add_guest(0, grant, std::nullopt, 1420, world().unix_seconds());
  }
  bool guest_reaches_a() {
    a().delivered.clear();
    guest.send(build({}, guest.addresses, a().in().addresses));
    return world().run_until([&] { return !a().delivered.empty(); }, seconds(8));
  }
  Bytes regrant(membership::Validity when, std::vector<wire::Name> nodes) {
    auto body = membership::parse_grant(guest.grant)->body;
    body.validity = when;
    body.nodes = std::move(nodes);
    return membership::sign(body, star.authority.root)->octets();
  }
  Guest guest{world(), 40, node(), {100, 64, 0, 40}, star.authority, {node().in().name}};
};

TEST_F(StandingGuestTest, AGuestComesWhileItsNodeRuns) {
  guest.send(build({}, guest.addresses, a().in().addresses));
  world().run_for(seconds(1));
  EXPECT_EQ(node().drops(DropReason::handshake_unknown_peer), 1u);
  ASSERT_TRUE(add(guest.grant));
  world().run_for(seconds(6));
  EXPECT_TRUE(guest_reaches_a());
}

TEST_F(StandingGuestTest, ARevokedGuestIsCutOffAtOnce) {
  ASSERT_TRUE(add(guest.grant));
  ASSERT_TRUE(guest_reaches_a());
  revoke(node(), guest.name);
  EXPECT_EQ(place_of(guest.name), nullptr);
  EXPECT_TRUE(node()->agent(0).sessions().all().empty());
  EXPECT_FALSE(guest_reaches_a());
  EXPECT_GE(node().drops(DropReason::record_index_unknown), 1u);
  guest.rekey();
  world().run_for(seconds(6));
  EXPECT_GE(node().drops(DropReason::name_revoked), 1u);
  auto again = add(guest.grant);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, base::code::kMemberRevoked);
  node()->readmit(0, guest.name);
  ASSERT_TRUE(add(guest.grant));
  guest.rekey();
  world().run_for(seconds(6));
  EXPECT_TRUE(guest_reaches_a());
}

TEST_F(StandingGuestTest, AFarHostEndsItsSessionWithARevokedGuestAndWithTheGuestsOfARevokedNode) {
  ASSERT_TRUE(add(guest.grant));
  ASSERT_TRUE(guest_reaches_a());
  const auto with_guest = [&] {
    std::size_t n = 0;
    for (const auto& [names, session] : a()->agent(0).sessions().all())
      n += session->far == guest.name;
    return n;
  };
  ASSERT_EQ(with_guest(), 1u);
  revoke(a(), guest.name);
  EXPECT_EQ(with_guest(), 0u);
  EXPECT_FALSE(guest_reaches_a());
  a()->readmit(0, guest.name);
  ASSERT_TRUE(world().run_until([&] { return guest_reaches_a(); }, seconds(60)));
  ASSERT_EQ(with_guest(), 1u);
  revoke(a(), node().in().name);
  EXPECT_EQ(with_guest(), 0u);
}

TEST_F(StandingGuestTest, ARenewedGrantExtendsAGuestAndLeavesItsLinkAlone) {
  ASSERT_TRUE(add(regrant({kNow, kNow + 60}, {node().in().name})));
  ASSERT_TRUE(guest_reaches_a());
  const auto link = place_of(guest.name)->link;
  const auto handshakes = node()->peer_state(link)->handshakes;
  const auto generation = node()->tables().links[link].generation;
  world().run_for(seconds(30));
  const Bytes fresh = regrant({kNow + 10, kNow + 500}, {node().in().name});
  ASSERT_TRUE(node()->learn_guest(0, fresh, world().unix_seconds()));
  world().run_until(base::TimePoint{seconds(1000 + 100)});
  ASSERT_NE(place_of(guest.name), nullptr);
  EXPECT_EQ(place_of(guest.name)->link, link);
  EXPECT_EQ(node()->peer_state(link)->handshakes, handshakes);
  EXPECT_EQ(node()->tables().links[link].generation, generation);
  EXPECT_TRUE(guest_reaches_a());
  EXPECT_EQ(a()->membership(0).find(guest.name)->until, kNow + 500) << "its node has shown it";
  // The old one again changes nothing.
  ASSERT_TRUE(add(guest.grant));
  EXPECT_EQ(node()->membership(0).find(guest.name)->until, kNow + 500);
}

TEST_F(StandingGuestTest, AGrantForOtherNodesEndsAGuestHere) {
  ASSERT_TRUE(add(guest.grant));
  ASSERT_TRUE(guest_reaches_a());
  world().run_for(seconds(1));
  const auto refused = add(regrant({kNow + 1, kNow + 500}, {name_of_a()}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::code::kCertificateUntrusted);
  EXPECT_EQ(place_of(guest.name), nullptr);
  EXPECT_EQ(node().noted(Happening::kGuestEnded), 1u);
  EXPECT_FALSE(guest_reaches_a());
  EXPECT_FALSE(add(guest.grant)) << "the older one";
}

TEST_F(StandingGuestTest, AGuestIsRemovedAndMayComeAgain) {
  ASSERT_TRUE(add(guest.grant));
  ASSERT_TRUE(guest_reaches_a());
  EXPECT_TRUE(node()->remove_guest(0, guest.name));
  EXPECT_FALSE(node()->remove_guest(0, guest.name));
  EXPECT_TRUE(node()->agent(0).sessions().all().empty());
  EXPECT_FALSE(guest_reaches_a());
  ASSERT_TRUE(add(guest.grant));
  guest.rekey();
  world().run_for(seconds(6));
  EXPECT_TRUE(guest_reaches_a());
}

// ---- links and keys that change --------------------------------------------------------------------------------------

TEST_F(StandingTest, ALinkIsUndialledAndDialledAgain) {
  const auto link = a()->tables().layers[0].names.default_link;
  a()->undial(forwarding::kSelf);
  a()->undial(link);
  EXPECT_FALSE(a()->attached(0));
  EXPECT_EQ(used_links(a()), 0u);
  EXPECT_EQ(a().application(packet(a(), b())), DropReason::link_down);
  EXPECT_FALSE(
      a()->seek(0, session::Sought{std::string("host1")}, world().now, world().unix_nanos()));
  world().run_for(seconds(5));
  a().dial(node());
  EXPECT_TRUE(world().run_until([&] { return a()->attached(0); }, milliseconds(100)));
  EXPECT_TRUE(reaches(a(), b()));
  EXPECT_TRUE(reaches(b(), a()));
}

TEST_F(StandingTest, ANodesNewKeyThatIsLearntIsDialled) {
  const crypto::X25519KeyPair fresh = crypto::x25519_keypair(world().random.bytes<32>());
  node().joined[0].identity.native_public = fresh.public_key;
  node().joined[0].identity.native_private = fresh.secret;
  const auto link = a()->tables().layers[0].names.default_link;
  // It is told before the node has it: what there is goes on.
  auto learn = [&](std::uint64_t sequence) {
    const Bytes registration = star.authority.registration(node().in().identity, sequence);
    bool all = true;
    for (Machine* host : {&a(), &b()})
      all &= (*host)
                 ->learn(0, node().in().certificate, registration, world().unix_seconds())
                 .has_value();
    return all;
  };
  const auto now = static_cast<std::uint64_t>(world().unix_nanos());
  ASSERT_TRUE(learn(now));
  world().run_for(seconds(3));
  EXPECT_TRUE(a()->attached(0));
  EXPECT_TRUE(reaches(a(), b()));
  node().restart();
  EXPECT_TRUE(world().run_until([&] { return reaches(a(), b()); }, seconds(30)));
  EXPECT_EQ(a()->tables().layers[0].names.default_link, link);
  EXPECT_EQ(a()->peer_state(link)->key, fresh.public_key);
  EXPECT_EQ(used_links(a()), 1u);
  // Nobody tries the old one any more.
  const auto tried = node().drops(DropReason::handshake_mac1);
  world().run_for(seconds(60));
  EXPECT_EQ(node().drops(DropReason::handshake_mac1), tried);
  // An older registration changes nothing.
  node().joined[0].identity.native_public =
      crypto::x25519_keypair(world().random.bytes<32>()).public_key;
  ASSERT_TRUE(learn(now - 1));
  world().run_for(seconds(1));
  EXPECT_EQ(a()->peer_state(link)->key, fresh.public_key);
}

// Of a far host: the session goes over with the first handshake, and nothing under the old keys is taken after it.
TEST_F(StandingTest, AFarHostsNewKeyTakesItsSessionOver) {
  const auto old = b()->own_objects(0);
  const crypto::X25519KeyPair fresh = crypto::x25519_keypair(world().random.bytes<32>());
  b().joined[0].identity.native_public = fresh.public_key;
  b().joined[0].identity.native_private = fresh.secret;
  b().joined[0].reset_secret = crypto::SecretBytes<32>(world().random.bytes<32>());
  world().run_for(seconds(1));
  b().restart();
  ASSERT_TRUE(world().run_until([&] { return b()->attached(0); }, seconds(10)));
  world().run_for(seconds(1));
  EXPECT_EQ(used_links(node()), 2u) << "its old link is gone";
  const auto now = b()->own_objects(0);
  ASSERT_TRUE(a()->learn(0, now.certificate, now.registration, world().unix_seconds()));
  world().run_for(seconds(1));
  const auto& sessions = a()->agent(0).sessions();
  ASSERT_EQ(sessions.all().size(), 1u);
  const auto& session = *sessions.all().begin()->second;
  EXPECT_TRUE(session.send != nullptr) << "set up anew, at once";
  EXPECT_EQ(sessions.machine().state(session.peer)->key, fresh.public_key);
  EXPECT_EQ(session.peers.size(), 1u);
  EXPECT_EQ(sessions.machine().peers().size(), 1u);
  EXPECT_TRUE(reaches(a(), b()));
  ASSERT_TRUE(a()->learn(0, old.certificate, old.registration, world().unix_seconds()));
  EXPECT_EQ(a()->membership(0).find(b().in().name)->native_key, fresh.public_key);
}

// A member whose address another has got since is not sent the other's packets.
TEST_F(StandingTest, AnAddressIsOfWhomeverHasItNow) {
  const Bytes to_the_address = packet(a(), b());
  Joined moved = b().in();
  moved.addresses.ipv4 = {100, 64, 0, 99};
  const Joined heir =
      join(star.authority, membership::Role::kHost, "heir", b().in().addresses.ipv4);
  for (Machine* machine : {&a(), &node()}) {
    ASSERT_TRUE(
        (*machine)->learn(0, certificate_of(moved, membership::Role::kHost, {kNow, kNow + kDay}),
                          star.authority.registration(
                              moved.identity, static_cast<std::uint64_t>(world().unix_nanos())),
                          world().unix_seconds()));
    machine->learn(heir);
  }
  Machine machine(world(), 90, false, {heir});
  machine.dial(node());
  ASSERT_TRUE(world().run_until([&] { return star.node_has_keys(heir.name); }, seconds(5)));
  b().delivered.clear();
  a().application(to_the_address);
  EXPECT_TRUE(world().run_until([&] { return !machine.delivered.empty(); }, seconds(5)));
  EXPECT_TRUE(b().delivered.empty());
}

}  // namespace
}  // namespace entresol::layer::member
