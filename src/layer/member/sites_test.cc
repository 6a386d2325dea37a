// Hosts at several nodes: where names are placed, how nodes find each other, what a host that moves takes along, and what a
// node that lies gets.
#include <gtest/gtest.h>

#include "layer/member/test_guest.h"
#include "layer/member/test_raw_host.h"
#include "layer/member/test_sites.h"

namespace entresol::layer::member {
namespace {

using namespace test;

class SitesTest : public testing::Test {
 protected:
  void SetUp() override { begin(); }
  void begin() {
    ASSERT_TRUE(sites.attach());
    sites.publish();
  }
  World& world() { return sites.world; }
  Machine& north() { return sites.node(0); }
  Machine& south() { return sites.node(1); }
  Machine& a() { return sites.host(0); }
  Machine& b() { return sites.host(1); }
  bool at_node(std::size_t at, const wire::Name& name, std::size_t node) {
    const auto* link = sites.place_of(at, name);
    return link != nullptr && link->name == sites.node(node).in().name;
  }
  bool attached_here(std::size_t at, const wire::Name& name) {
    const auto* link = sites.place_of(at, name);
    return link != nullptr && link->name == name;
  }
  void revoke(Machine& at, const wire::Name& name) {
    at->revoke(0, name, world().unix_seconds() + kDay, world().now, world().unix_nanos());
  }
  session::EchoResult echo(Machine& from, const wire::Name& far, std::uint8_t ttl) {
    from->echoes(0).clear();
    from->send_echo(0, far, ttl, 1, ttl, world().now, world().unix_nanos());
    world().run_until([&] { return !from->echoes(0).empty(); }, seconds(5));
    return from->echoes(0).empty() ? session::EchoResult{} : from->echoes(0).front();
  }

  explicit SitesTest(std::size_t count = 2) : sites(31, count) {}
  Sites sites;
};

// ---- from one site to the other --------------------------------------------------------------------------------------

TEST_F(SitesTest, HostsTalkThroughTwoNodes) {
  for (int version : {6, 4}) {
    EXPECT_TRUE(sites.reaches(0, 1, version)) << version;
    EXPECT_TRUE(sites.reaches(1, 0, version)) << version;
  }
  ASSERT_EQ(b().delivered.size() + a().delivered.size(), 2u);
  InnerPacket sent;
  sent.ttl = 62;
  EXPECT_TRUE(
      same_inside(b().delivered[0].packet, build(sent, a().in().addresses, b().in().addresses)));
}

// No handshake of the session is lost while the nodes make theirs: 3 round trips and lookups, no retransmission.
TEST_F(SitesTest, TheFirstPacketWaitsForTheLinkBetweenNodes) {
  EXPECT_EQ(sites.between(0, 1)->send, nullptr) << "nobody has needed it";
  EXPECT_TRUE(sites.reaches(0, 1, 6, milliseconds(500)));
  EXPECT_EQ(north().drops(DropReason::link_down), 0u);
}

TEST_F(SitesTest, ARegistrationSaysWhereItsHostIs) {
  EXPECT_EQ(a()->membership(0).own().attachments, std::vector{north().in().name});
  EXPECT_EQ(a().noted(Happening::kRegistered), 1u) << "the controller is told";
  const auto* known = north()->membership(0).find(a().in().name);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->attachments, std::vector{north().in().name}) << "from the handshake";
  EXPECT_TRUE(attached_here(0, a().in().name));
  EXPECT_TRUE(at_node(1, a().in().name, 0));
  EXPECT_TRUE(at_node(0, south().in().name, 1)) << "nodes have places too";
}

TEST_F(SitesTest, BothSidesDialAndOneLinkResults) {
  for (Machine* from : {&a(), &b()}) {
    Machine& to = from == &a() ? b() : a();
    from->application(Sites::packet(*from, to));
  }
  EXPECT_TRUE(world().run_until([&] { return !a().delivered.empty() && !b().delivered.empty(); },
                                seconds(10)))
      << sites.drops();
  EXPECT_EQ(sites.used_links(0), 2u);
  EXPECT_EQ(sites.used_links(1), 2u);
  EXPECT_NE(sites.between(0, 1)->send, nullptr);
  EXPECT_NE(sites.between(1, 0)->send, nullptr);
}

TEST_F(SitesTest, ALinkThatNobodyUsesGoesAndComesAgain) {
  ASSERT_TRUE(sites.reaches(0, 1));
  world().run_for(std::chrono::minutes(9));
  EXPECT_NE(sites.between(0, 1)->send, nullptr) << "it is kept for a while";
  const auto sent_before = sites.between(0, 1)->tx_packets;
  // The hosts' session renews its keys now and then as long as it has some.
  a()->undial(a()->tables().layers[0].names.default_link);
  world().run_for(std::chrono::minutes(20));
  EXPECT_EQ(sites.between(0, 1)->send, nullptr)
      << sites.between(0, 1)->tx_packets - sent_before << " packets";
  EXPECT_EQ(sites.between(1, 0)->send, nullptr);
  const auto sent = world().sent;
  a().dial(north());
  ASSERT_TRUE(sites.attach());
  EXPECT_TRUE(sites.reaches(0, 1));
  EXPECT_GT(world().sent, sent);
}

TEST_F(SitesTest, RegisteredEndpointsHaveTheirTurns) {
  south().registered_at = {endpoint(200), endpoint(201), south().address()};
  south().restart();
  ASSERT_TRUE(world().run_until([&] { return sites.attached(1); }, seconds(60)));
  north().hear_of(south());
  sites.publish();
  EXPECT_TRUE(sites.reaches(0, 1, 6, seconds(20)));
  EXPECT_EQ(sites.between(0, 1)->path.remote, south().address());
}

// ---- errors ----------------------------------------------------------------------------------------------------------

TEST_F(SitesTest, EachNodeOnTheWayNamesItself) {
  ASSERT_TRUE(sites.reaches(0, 1));
  const auto first = echo(a(), b().in().name, 1);
  EXPECT_EQ(first.from, north().in().name);
  EXPECT_EQ(first.error, wire::ControlType::ttl_exceeded);
  const auto second = echo(a(), b().in().name, 2);
  EXPECT_EQ(second.from, south().in().name);
  EXPECT_EQ(second.error, wire::ControlType::ttl_exceeded);
  const auto far = echo(a(), b().in().name, 3);
  EXPECT_EQ(far.from, b().in().name);
  EXPECT_TRUE(far.reply);
  EXPECT_TRUE(echo(a(), south().in().name, 64).reply) << "a far node answers for itself";
}

TEST_F(SitesTest, ErrorsOfTheFarNodeReachTheApplication) {
  ASSERT_TRUE(sites.reaches(0, 1));
  InnerPacket dying;
  dying.version = 6;
  dying.ttl = 2;
  a().replies.clear();
  a().application(build(dying, a().in().addresses, b().in().addresses));
  ASSERT_TRUE(world().run_until([&] { return !a().replies.empty(); }, seconds(5)));
  inner::IpPacket ip;
  ASSERT_EQ(inner::parse(a().replies[0].packet, ip), DropReason::none);
  EXPECT_EQ(ip.icmp_type, 3) << "time exceeded";
  EXPECT_EQ(ip.source, south().in().addresses.ipv6);
}

TEST_F(SitesTest, WhatTheFarLinkDoesNotTakeIsAnsweredWithItsSize) {
  b()->undial(b()->tables().layers[0].names.default_link);
  b().dial(south(), 0, 0, 1380);
  ASSERT_TRUE(world().run_until([&] { return b()->attached(0); }, seconds(10)));
  ASSERT_TRUE(sites.reaches(0, 1));
  InnerPacket large;
  large.version = 6;
  large.payload.resize(1340 - 48);
  a().replies.clear();
  a().application(build(large, a().in().addresses, b().in().addresses));
  ASSERT_TRUE(world().run_until([&] { return !a().replies.empty(); }, seconds(5)));
  const Bytes& reply = a().replies[0].packet;
  EXPECT_EQ(reply[40], 2) << "packet too big";
  EXPECT_EQ(base::load_be32(reply.data() + 44), forwarding::inner_mtu(1380));
}

TEST_F(SitesTest, ANodeThatDoesNotAnswerIsReportedAndComesBack) {
  ASSERT_TRUE(sites.reaches(0, 1));
  world().remove(south().address());
  EXPECT_TRUE(world().run_until(
      [&] {
        a().application(Sites::packet(a(), b()));
        world().run_for(seconds(1));
        return !a().replies.empty();
      },
      seconds(240)))
      << "its keys have ended, it was dialled, and applications are told";
  a().replies.clear();
  world().add(&south());
  EXPECT_TRUE(world().run_until([&] { return sites.reaches(0, 1); }, seconds(60)));
}

TEST_F(SitesTest, EitherNodeMayStartAnew) {
  for (Machine* node : {&south(), &north()}) {
    ASSERT_TRUE(sites.reaches(0, 1));
    ASSERT_TRUE(sites.reaches(1, 0));
    node->restart();
    ASSERT_TRUE(
        world().run_until([&] { return sites.attached(0) && sites.attached(1); }, seconds(60)));
    sites.publish();
    EXPECT_TRUE(world().run_until([&] { return sites.reaches(0, 1, 6, seconds(1)); }, seconds(30)));
    EXPECT_TRUE(world().run_until([&] { return sites.reaches(1, 0, 6, seconds(1)); }, seconds(30)));
  }
}

// ---- places ----------------------------------------------------------------------------------------------------------

TEST_F(SitesTest, ANameHasAPlaceAsLongAsItsRegistration) {
  ASSERT_TRUE(at_node(0, b().in().name, 1));
  revoke(north(), b().in().name);
  EXPECT_EQ(sites.place_of(0, b().in().name), nullptr);
  north()->readmit(0, b().in().name);
  north().hear_of(b());
  EXPECT_TRUE(at_node(0, b().in().name, 1));
  world().remove(south().address());
  world().remove(b().address());
  world().run_for(std::chrono::hours(25));
  EXPECT_EQ(sites.place_of(0, b().in().name), nullptr) << "the lease has ended";
  EXPECT_EQ(sites.place_of(0, south().in().name), nullptr);
}

TEST_F(SitesTest, ANodeThatIsRevokedTakesItsHostsPlacesAlong) {
  ASSERT_TRUE(sites.reaches(0, 1));
  revoke(north(), south().in().name);
  EXPECT_EQ(sites.place_of(0, south().in().name), nullptr);
  EXPECT_EQ(sites.place_of(0, b().in().name), nullptr);
  EXPECT_EQ(sites.used_links(0), 1u);
  EXPECT_FALSE(sites.reaches(0, 1));
  north()->readmit(0, south().in().name);
  north().hear_of(south());
  EXPECT_TRUE(at_node(0, b().in().name, 1));
  EXPECT_TRUE(world().run_until([&] { return sites.reaches(0, 1, 6, seconds(1)); }, seconds(60)));
}

TEST_F(SitesTest, ANodesNewKeyIsFollowed) {
  ASSERT_TRUE(sites.reaches(0, 1));
  const crypto::X25519KeyPair fresh = crypto::x25519_keypair(world().random.bytes<32>());
  south().joined[0].identity.native_public = fresh.public_key;
  south().joined[0].identity.native_private = fresh.secret;
  world().run_for(seconds(1));
  south().restart();
  b()->undial(b()->tables().layers[0].names.default_link);
  ASSERT_TRUE(b().hear_of(south()));
  b().dial(south());
  ASSERT_TRUE(world().run_until([&] { return sites.attached(1); }, seconds(60)));
  north().hear_of(south());
  south().hear_of(a());
  EXPECT_TRUE(world().run_until([&] { return sites.reaches(0, 1, 6, seconds(1)); }, seconds(60)));
  EXPECT_EQ(sites.used_links(0), 2u);
  EXPECT_EQ(north()->membership(0).find(south().in().name)->native_key, fresh.public_key);
}

// ---- hosts that move ---------------------------------------------------------------------------------------------------

// Nobody but the nodes themselves tells anybody anything.
TEST_F(SitesTest, AHostMovesUnderTrafficAndTheFarSiteFollows) {
  ASSERT_TRUE(sites.reaches(0, 1));
  std::size_t sent = 0;
  b().delivered.clear();
  const auto flow_for = [&](base::Duration duration) {
    for (const base::TimePoint end = world().now + duration; world().now < end;) {
      a().application(Sites::packet(a(), b()));
      ++sent;
      world().run_for(milliseconds(10));
    }
    return world().run_for(seconds(1)), sent - b().delivered.size();
  };
  ASSERT_EQ(flow_for(seconds(2)), 0u);
  sites.move(1, 0);
  const std::size_t to_north = flow_for(seconds(2));
  EXPECT_TRUE(attached_here(0, b().in().name));
  EXPECT_TRUE(at_node(1, b().in().name, 0)) << "south was told";
  sites.move(1, 1);
  const std::size_t back = flow_for(seconds(2)) - to_north;
  EXPECT_TRUE(at_node(0, b().in().name, 1)) << "north was told";
  EXPECT_TRUE(attached_here(1, b().in().name)) << sites.drops();
  std::printf("lost at 100 packets a second: %zu on the way to north, %zu on the way back\n",
              to_north, back);
  RecordProperty("lost_to_north", static_cast<int>(to_north));
  RecordProperty("lost_back", static_cast<int>(back));
  EXPECT_LE(to_north, 10u);
  EXPECT_LE(back, 10u);
  EXPECT_EQ(flow_for(seconds(2)), to_north + back) << "nothing more";
}

// Leases last for a day: hosts sign new ones, show them to their node, and it tells the node that has used their names.
TEST_F(SitesTest, LeasesAreRenewedWithoutAController) {
  ASSERT_TRUE(sites.reaches(0, 1));
  ASSERT_TRUE(sites.reaches(1, 0));
  const auto first = north()->membership(0).find(b().in().name)->until;
  world().run_for(std::chrono::hours(5));
  EXPECT_GE(north()->membership(0).find(b().in().name)->until, first + 4 * 3600);
  EXPECT_GE(south()->membership(0).find(a().in().name)->until, first + 4 * 3600);
  EXPECT_TRUE(sites.reaches(0, 1));
}

TEST_F(SitesTest, ANodeIsNotToldWhomToDial) {
  EXPECT_FALSE(north()->dial(0, south().in().name, south().address(), kMaxPacket));
  const auto* link = sites.between(0, 1);
  ASSERT_TRUE(sites.reaches(0, 1));
  for (std::uint32_t i = 0; i < north()->tables().links.size(); ++i)
    north()->undial(forwarding::LinkId(i));
  EXPECT_EQ(sites.between(0, 1), link);
  EXPECT_TRUE(sites.reaches(0, 1));
}

TEST_F(SitesTest, TheNewestRegistrationSaysWhereANameIs) {
  const auto old = b()->own_objects(0);
  sites.move(1, 0);
  ASSERT_TRUE(sites.attach());
  ASSERT_TRUE(attached_here(0, b().in().name));
  ASSERT_TRUE(
      north()->learn(0, old.certificate, old.registration, world().unix_seconds()).has_value());
  EXPECT_TRUE(attached_here(0, b().in().name)) << "the older one changes nothing";
  // A newer one moves it, although its link is here.
  auto body = sites.authority.describe_registration(b().in().identity,
                                                    b()->membership(0).own().sequence + 1);
  body.attachments = {south().in().name};
  const Bytes newer = membership::sign(body, b().in().identity.identity)->octets();
  ASSERT_TRUE(north()->learn(0, b().in().certificate, newer, world().unix_seconds()).has_value());
  EXPECT_TRUE(at_node(0, b().in().name, 1));
  const auto refused = north().drops(DropReason::source_not_here);
  b().application(Sites::packet(b(), a()));
  world().run_for(seconds(1));
  EXPECT_GT(north().drops(DropReason::source_not_here), refused);
}

// ---- three nodes -----------------------------------------------------------------------------------------------------

class ThreeSitesTest : public SitesTest {
 protected:
  ThreeSitesTest() : SitesTest(3) {}
  Machine& west() { return sites.node(2); }
};

// a sends to b, who goes from south to west: south tells north, and west has told south.
TEST_F(ThreeSitesTest, WhoeverSendsToWhereAHostWasIsTold) {
  ASSERT_TRUE(sites.reaches(0, 1));
  // The one message that would tell north in advance is lost.
  world().network = [&](Datagram& datagram) {
    return !(datagram.from == south().address() && datagram.to == north().address());
  };
  sites.move(1, 2);
  ASSERT_TRUE(sites.attach());
  world().run_for(seconds(4));
  EXPECT_TRUE(at_node(1, b().in().name, 2));
  EXPECT_TRUE(at_node(0, b().in().name, 1));
  world().network = {};
  const auto refused = south().drops(DropReason::no_route);
  EXPECT_TRUE(world().run_until([&] { return sites.reaches(0, 1, 6, seconds(1)); }, seconds(30)));
  EXPECT_GT(south().drops(DropReason::no_route), refused) << "it went no further than to south";
  EXPECT_TRUE(at_node(0, b().in().name, 2));
}

// Two nodes of which each believes the other to have a host: packets do not go to and fro.
TEST_F(ThreeSitesTest, APacketOfANodeGoesToNoThird) {
  ASSERT_TRUE(sites.reaches(0, 1));
  ASSERT_TRUE(sites.reaches(0, 2));
  b()->undial(b()->tables().layers[0].names.default_link);
  auto body = sites.authority.describe_registration(b().in().identity,
                                                    b()->membership(0).own().sequence + 1);
  for (auto [at, node] : {std::pair{&south(), &west()}, std::pair{&west(), &south()}}) {
    body.attachments = {node->in().name};
    const Bytes signed_now = membership::sign(body, b().in().identity.identity)->octets();
    ASSERT_TRUE((*at)->learn(0, b().in().certificate, signed_now, world().unix_seconds()));
  }
  const auto refused = [&] {
    return south().drops(DropReason::no_route) + west().drops(DropReason::no_route);
  };
  const auto before = refused();
  a().application(Sites::packet(a(), b()));
  world().run_for(milliseconds(200));
  EXPECT_EQ(refused(), before + 1);
  EXPECT_EQ(sites.between(1, 2)->tx_packets + sites.between(2, 1)->tx_packets, 0u);
}

// ---- nodes that lie --------------------------------------------------------------------------------------------------

// A node with a certificate, and a host of its own.
class LyingNodeTest : public SitesTest {
 protected:
  LyingNodeTest() {
    ordinary = join(sites.authority, membership::Role::kHost, "own", {100, 64, 9, 1});
    for (auto& node : sites.nodes) (void)register_at(*node, ordinary, 1, mallory.joined.name);
  }
  void SetUp() override {
    begin();
    ASSERT_TRUE(world().run_until([&] { return mallory.attached(); }, seconds(5)));
    ASSERT_TRUE(sites.reaches(0, 1));
    world().run_for(seconds(1));
  }
  bool register_at(Machine& node, const Joined& who, std::uint64_t sequence,
                   const wire::Name& where) {
    auto body = sites.authority.describe_registration(who.identity, sequence);
    body.attachments = {where};
    return node
        ->learn(0, who.certificate, membership::sign(body, who.identity.identity)->octets(),
                world().unix_seconds())
        .has_value();
  }
  // A packet under this name to a.
  Bytes under(const wire::Name& source) {
    wire::Header header = mallory.header_to(a().in().name);
    header.source = source;
    return wire::emit_packet(header, Bytes(64, 7));
  }
  void tell(base::ByteView certificate, base::ByteView registration) {
    wire::Header header;
    header.next_protocol = wire::next_protocol::kControl;
    header.layer = mallory.header_to({}).layer;
    header.source = mallory.joined.name;
    header.destination = north().in().name;
    mallory.send_packet(wire::emit_packet(
        header, wire::emit_answer(0, wire::AnswerKind::member, certificate, registration)));
  }
  void tell_at_leisure(base::ByteView certificate, base::ByteView registration) {
    tell(certificate, registration);
    world().run_for(milliseconds(100));
  }
  // It has no session with a, who then says so.
  bool passes(const wire::Name& source) {
    const auto arrived = a().drops(DropReason::session_unknown);
    const auto refused = north().drops(DropReason::source_not_here);
    mallory.send_packet(under(source));
    world().run_for(milliseconds(20));
    const bool passed = a().drops(DropReason::session_unknown) > arrived;
    EXPECT_NE(passed, north().drops(DropReason::source_not_here) > refused);
    return passed;
  }

  Joined ordinary;
  RawHost mallory{sites.world, 66, sites.node(0),
                  join(sites.authority, membership::Role::kNode, "mallory", {100, 64, 0, 66})};
};

TEST_F(LyingNodeTest, SendsOnlyForNamesThatAreRegisteredThere) {
  EXPECT_TRUE(passes(ordinary.name));
  EXPECT_TRUE(passes(mallory.joined.name));
  EXPECT_FALSE(passes(a().in().name)) << "north's own host";
  EXPECT_FALSE(passes(b().in().name)) << "another node's host";
  EXPECT_FALSE(passes(north().in().name));
  EXPECT_FALSE(passes(south().in().name));
  EXPECT_FALSE(passes(wire::Name{}));
  Joined stranger = join(sites.authority, membership::Role::kHost, "stranger", {100, 64, 9, 2});
  EXPECT_FALSE(passes(stranger.name));
  // Its own host goes to south.
  ASSERT_TRUE(register_at(north(), ordinary, 2, south().in().name));
  EXPECT_FALSE(passes(ordinary.name));
  ASSERT_TRUE(register_at(north(), ordinary, 3, mallory.joined.name));
  EXPECT_TRUE(passes(ordinary.name));
  revoke(north(), ordinary.name);
  EXPECT_FALSE(passes(ordinary.name));
  EXPECT_TRUE(sites.reaches(0, 1)) << "everybody else goes on";
}

// It may tell what it likes: what proves itself and is newer counts, and nothing else.
TEST_F(LyingNodeTest, ItsNewsAreBelievedAsFarAsTheyProveThemselves) {
  auto body = sites.authority.describe_registration(b().in().identity, ~0ull);
  body.attachments = {mallory.joined.name};
  const Bytes forged = membership::sign(body, mallory.joined.identity.identity)->octets();
  tell_at_leisure(b().in().certificate, forged);
  EXPECT_TRUE(at_node(0, b().in().name, 1));
  body.sequence = 1;
  tell_at_leisure(b().in().certificate,
                  membership::sign(body, b().in().identity.identity)->octets());
  EXPECT_TRUE(at_node(0, b().in().name, 1)) << "an old one";
  tell_at_leisure(b().in().certificate, {});
  tell_at_leisure({}, {});
  for (int i = 0; i < 2000; ++i) mallory.send_packet(under(mallory.header_to({}).destination));
  world().run_for(seconds(1));
  EXPECT_TRUE(sites.reaches(0, 1));
  EXPECT_TRUE(sites.reaches(1, 0));
  body.sequence = b()->membership(0).own().sequence + 1;
  tell_at_leisure(b().in().certificate,
                  membership::sign(body, b().in().identity.identity)->octets());
  EXPECT_EQ(sites.place_of(0, b().in().name)->name, mallory.joined.name) << "b has signed it";
}

TEST_F(LyingNodeTest, AFloodOfItsNewsIsCountedAndPasses) {
  const Bytes junk(100, 1);
  for (int i = 0; i < 2000; ++i) tell(junk, junk);
  world().run_for(seconds(2));
  EXPECT_GT(north().drops(DropReason::news_queue_full), 0u);
  EXPECT_TRUE(sites.reaches(0, 1));
  auto body = sites.authority.describe_registration(b().in().identity,
                                                    b()->membership(0).own().sequence + 1);
  body.attachments = {mallory.joined.name};
  tell_at_leisure(b().in().certificate,
                  membership::sign(body, b().in().identity.identity)->octets());
  EXPECT_EQ(sites.place_of(0, b().in().name)->name, mallory.joined.name) << "b has signed it";
}

TEST_F(LyingNodeTest, AHostTellsANodeNothing) {
  RawHost host(world(), 67, north(),
               join(sites.authority, membership::Role::kHost, "teller", {100, 64, 9, 3}));
  ASSERT_TRUE(world().run_until([&] { return host.attached(); }, seconds(5)));
  auto body = sites.authority.describe_registration(b().in().identity,
                                                    b()->membership(0).own().sequence + 1);
  body.attachments = {mallory.joined.name};
  wire::Header header;
  header.next_protocol = wire::next_protocol::kControl;
  header.layer = mallory.header_to({}).layer;
  header.source = host.joined.name;
  header.destination = north().in().name;
  host.send_packet(wire::emit_packet(
      header, wire::emit_answer(0, wire::AnswerKind::member, b().in().certificate,
                                membership::sign(body, b().in().identity.identity)->octets())));
  world().run_for(seconds(1));
  EXPECT_TRUE(at_node(0, b().in().name, 1));
}

// ---- guests ----------------------------------------------------------------------------------------------------------

TEST_F(SitesTest, AGuestIsReachedThroughTheOneNodeOfItsGrant) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority, {south().in().name});
  ASSERT_TRUE(south()->add_guest(0, guest.grant, std::nullopt, 1420, world().unix_seconds()));
  ASSERT_TRUE(north()->learn_guest(0, guest.grant, world().unix_seconds()));
  EXPECT_TRUE(at_node(0, guest.name, 1));
  guest.send(build({}, guest.addresses, a().in().addresses));
  EXPECT_TRUE(world().run_until([&] { return !a().delivered.empty(); }, seconds(10)));
  a().application(build({}, a().in().addresses, guest.addresses));
  EXPECT_TRUE(world().run_until([&] { return !guest.delivered.empty(); }, seconds(10)));
}

TEST_F(SitesTest, AGuestOfSeveralNodesIsReachedWhereItIsAlone) {
  Guest guest(world(), 90, south(), {100, 64, 7, 1}, sites.authority,
              {south().in().name, north().in().name});
  ASSERT_TRUE(south()->add_guest(0, guest.grant, std::nullopt, 1420, world().unix_seconds()));
  ASSERT_TRUE(north()->learn_guest(0, guest.grant, world().unix_seconds()));
  EXPECT_EQ(sites.place_of(0, guest.name), nullptr);
  EXPECT_TRUE(attached_here(1, guest.name));
}

}  // namespace
}  // namespace entresol::layer::member
