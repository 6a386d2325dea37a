#include "security/association.h"

#include <gtest/gtest.h>

#include "security/association_sim.h"
#include "security/cookie/cookie.h"
#include "security/native/messages.h"

namespace entresol::security::sim {
namespace {

// Two members; a dials b. Messages are moved by hand or by `net`.
struct Two {
  explicit Two(Protocol protocol, const std::function<void(Config&, int)>& change = {})
      : random(99), net(99) {
    for (int i = 0; i < 2; ++i) {
      Config config = make_config(protocol, random);
      if (change) change(config, i);
      configs.push_back(config);
      nodes.push_back(std::make_unique<Node>(config, address(static_cast<unsigned>(i) + 1), i));
      net.add(*nodes.back());
    }
    PeerConfig far;
    far.key = b().table->static_public();
    far.path = Path{b().here, a().here};
    peer = a().table->add(far);
    if (protocol == Protocol::kWireGuard) know_a();
    net.accepted = [this](Node& node, std::uint64_t number) { got.emplace_back(&node, number); };
  }
  Node& a() { return *nodes[0]; }
  Node& b() { return *nodes[1]; }
  PeerId know_a(std::optional<crypto::SecretBytes<32>> psk = {}) {
    PeerConfig near;
    near.key = a().table->static_public();
    near.preshared_key = psk;
    return b().table->add(near);
  }
  PeerId a_at_b() { return *b().table->find(a().table->static_public()); }
  // Takes what a member wants to send.
  base::Bytes take(Node& node) {
    EXPECT_EQ(node.out.size(), 1u);
    base::Bytes bytes = node.out.empty() ? base::Bytes{} : node.out.front().bytes;
    node.out.clear();
    return bytes;
  }
  DropReason give(Node& to, const base::Bytes& bytes, const base::Endpoint& from) {
    to.receive({from, to.here, bytes}, net.now);
    return to.last_reason;
  }
  void connect() {
    a().connect(peer, net.now);
    run(seconds(1));
    ASSERT_TRUE(a().can_send(peer));
    ASSERT_TRUE(b().can_send(a_at_b()));
  }
  void run(base::Duration time) { net.run(time, std::chrono::hours(100), {}); }

  SeededRandom random;
  Network net;
  std::vector<Config> configs;
  std::vector<std::unique_ptr<Node>> nodes;
  PeerId peer;
  std::vector<std::pair<Node*, std::uint64_t>> got;
};

class Association : public testing::TestWithParam<Protocol> {};
INSTANTIATE_TEST_SUITE_P(Protocols, Association,
                         testing::Values(Protocol::kNative, Protocol::kWireGuard));

TEST_P(Association, OneRoundTripGivesKeysToBoth) {
  Two two(GetParam());
  two.connect();
  EXPECT_EQ(two.a().ups, 1);
  EXPECT_EQ(two.b().ups, 1);
  EXPECT_EQ(two.net.delivered, 3u);  // initiation, response, the initiator's keepalive
  EXPECT_TRUE(two.b().send_data(two.a_at_b(), 7, two.net.now));
  EXPECT_TRUE(two.a().send_data(two.peer, 8, two.net.now));
  two.run(seconds(1));
  ASSERT_EQ(two.got.size(), 2u);
  two.a().connect(two.peer, two.net.now);  // there are keys
  EXPECT_TRUE(two.a().out.empty());
}

TEST_P(Association, RetriesWithJitterThenGivesUp) {
  Two two(GetParam());
  std::vector<TimePoint> at;
  two.net.tap = [&](Datagram&) {
    at.push_back(two.net.now);
    return false;
  };
  two.a().connect(two.peer, two.net.now);
  two.run(seconds(120));
  ASSERT_GE(at.size(), 17u);
  ASSERT_LE(at.size(), 18u);
  bool jitter = false;
  for (std::size_t i = 1; i < at.size(); ++i) {
    const auto gap = at[i] - at[i - 1];
    EXPECT_GE(gap, seconds(5));
    EXPECT_LT(gap, milliseconds(5334));
    jitter = jitter || gap != seconds(5);
  }
  EXPECT_TRUE(jitter);
  EXPECT_EQ(two.a().downs, 1);
  EXPECT_EQ(two.a().down_reason[two.peer], DropReason::link_down);
  EXPECT_EQ(two.a().indices->in_use(), 0u);
  at.clear();
  two.a().connect(two.peer, two.net.now);  // and again
  two.run(seconds(1));
  EXPECT_EQ(at.size(), 1u);
}

TEST_P(Association, ReplayedInitiationIsRefused) {
  Two two(GetParam());
  two.a().connect(two.peer, two.net.now);
  const base::Bytes first = two.take(two.a());
  EXPECT_EQ(two.give(two.b(), first, two.a().here), DropReason::none);
  two.b().out.clear();
  two.net.now += seconds(1);
  EXPECT_EQ(two.give(two.b(), first, address(9)), DropReason::handshake_replayed);
  EXPECT_TRUE(two.b().out.empty());
  EXPECT_EQ(two.b().table->state(two.a_at_b())->path->remote, two.a().here);
}

TEST_P(Association, InitiationsFasterThanAllowedAreRefused) {
  Two two(GetParam());
  two.a().connect(two.peer, two.net.now);
  const base::Bytes first = two.take(two.a());
  two.a().timer(two.net.now + seconds(6));  // the retransmission
  const base::Bytes second = two.take(two.a());
  EXPECT_EQ(two.give(two.b(), first, two.a().here), DropReason::none);
  two.net.now += milliseconds(19);
  EXPECT_EQ(two.give(two.b(), second, two.a().here), DropReason::handshake_flood);
  two.net.now += milliseconds(1);
  EXPECT_EQ(two.give(two.b(), second, two.a().here), DropReason::none);
}

TEST_P(Association, ForgedMessagesLeaveNothingBehind) {
  Two two(GetParam());
  two.a().connect(two.peer, two.net.now);
  const base::Bytes first = two.take(two.a());
  for (std::size_t bit = 0; bit < first.size() * 8; bit += 7) {
    base::Bytes bad = first;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    if (bit / 8 >= first.size() - 16) continue;  // mac2 counts under load only
    ASSERT_NE(two.give(two.b(), bad, two.a().here), DropReason::none) << bit;
    ASSERT_TRUE(two.b().out.empty());
  }
  EXPECT_EQ(two.give(two.b(), first, two.a().here), DropReason::none);
  const base::Bytes second = two.take(two.b());
  for (std::size_t bit = 0; bit < (second.size() - 16) * 8; bit += 7) {
    base::Bytes bad = second;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    ASSERT_NE(two.give(two.a(), bad, two.b().here), DropReason::none) << bit;
  }
  EXPECT_EQ(two.give(two.a(), second, two.b().here), DropReason::none);
  EXPECT_TRUE(two.a().can_send(two.peer));
  EXPECT_EQ(two.give(two.a(), second, two.b().here), DropReason::handshake_unexpected);
}

TEST_P(Association, UnderLoadAsksForCookies) {
  Two two(GetParam(), [](Config& config, int i) {
    if (i == 1) config.handshakes_per_second_before_load = 0;
  });
  two.a().connect(two.peer, two.net.now);
  const base::Bytes first = two.take(two.a());
  EXPECT_EQ(two.give(two.b(), first, two.a().here), DropReason::handshake_cookie);
  const base::Bytes reply = two.take(two.b());
  EXPECT_EQ(reply.size(), 64u);
  EXPECT_EQ(two.a().table->recognise(reply), DropReason::none);
  EXPECT_FALSE(two.a().table->state(two.peer)->under_cookie);
  EXPECT_EQ(two.give(two.a(), reply, two.b().here), DropReason::none);
  EXPECT_TRUE(two.a().table->state(two.peer)->under_cookie);
  EXPECT_TRUE(two.a().out.empty());  // it waits for its retransmission
  two.net.now += seconds(6);
  two.a().timer(two.net.now);
  const base::Bytes second = two.take(two.a());
  EXPECT_EQ(two.give(two.b(), second, address(9)), DropReason::handshake_cookie);
  two.b().out.clear();
  EXPECT_EQ(two.give(two.b(), second, two.a().here), DropReason::none);
  two.run(seconds(1));
  EXPECT_TRUE(two.a().can_send(two.peer));
}

TEST_P(Association, RekeysWhenInitiatorSendsAfterTwoMinutes) {
  Two two(GetParam());
  two.connect();
  two.net.now += seconds(118);
  two.a().send_data(two.peer, 1, two.net.now);
  EXPECT_EQ(two.a().out.size(), 1u);
  two.run(seconds(3));
  ASSERT_TRUE(two.b().send_data(two.a_at_b(), 2, two.net.now));
  EXPECT_EQ(two.b().out.size(), 1u);  // the responder does not rekey
  two.a().send_data(two.peer, 3, two.net.now);
  EXPECT_EQ(two.a().out.size(), 2u);  // data and initiation
  two.run(seconds(1));
  EXPECT_EQ(two.a().table->state(two.peer)->handshakes, 2u);
  EXPECT_EQ(two.b().table->state(two.a_at_b())->handshakes, 2u);
}

TEST_P(Association, DataJustBeforeExpiryStartsAHandshakeOnce) {
  Two two(GetParam());
  two.connect();
  two.run(seconds(163));
  two.b().send_data(two.a_at_b(), 1, two.net.now);
  two.run(milliseconds(500));
  EXPECT_EQ(two.a().table->state(two.peer)->handshakes, 1u);
  two.run(seconds(2));
  int initiations = 0;
  two.net.tap = [&](Datagram& d) {
    initiations += d.bytes[0] == 1 || d.bytes[0] == 0x10;
    return initiations == 0 || d.bytes[0] != (GetParam() == Protocol::kNative ? 0x10 : 1);
  };
  for (std::uint64_t i = 2; i < 9; ++i) two.b().send_data(two.a_at_b(), i, two.net.now);
  two.run(seconds(1));
  EXPECT_EQ(initiations, 1);
}

TEST_P(Association, KeysEndAfterThreeMinutesOfSilence) {
  Two two(GetParam());
  two.connect();
  two.run(seconds(178));
  EXPECT_TRUE(two.a().can_send(two.peer));
  two.run(seconds(3));
  EXPECT_FALSE(two.a().can_send(two.peer));
  EXPECT_FALSE(two.b().can_send(two.a_at_b()));
  EXPECT_EQ(two.a().down_reason[two.peer], DropReason::record_expired);
  EXPECT_EQ(two.b().downs, 1);
  EXPECT_EQ(two.a().indices->in_use() + two.b().indices->in_use(), 0u);
  two.connect();
}

TEST_P(Association, AnswersDataWithAKeepaliveAfterTenSeconds) {
  Two two(GetParam());
  two.connect();
  const int before = two.b().keepalives;
  two.a().send_data(two.peer, 1, two.net.now);
  two.run(seconds(9));
  EXPECT_EQ(two.b().keepalives, before);
  two.run(seconds(2));
  EXPECT_EQ(two.b().keepalives, before + 1);
  two.run(seconds(60));
  EXPECT_EQ(two.b().keepalives, before + 1);
  EXPECT_EQ(two.a().table->state(two.peer)->handshakes, 1u);  // it was heard
}

TEST_P(Association, SilenceAfterDataStartsANewHandshake) {
  Two two(GetParam());
  two.connect();
  int initiations = 0;
  two.net.tap = [&](Datagram& d) {
    initiations += d.bytes[0] == 1 || d.bytes[0] == 0x10;
    return false;
  };
  two.a().send_data(two.peer, 1, two.net.now);
  two.run(milliseconds(14900));
  EXPECT_EQ(initiations, 0);
  two.run(milliseconds(500));
  EXPECT_EQ(initiations, 1);
}

TEST_P(Association, PersistentKeepaliveKeepsALinkUp) {
  Two two(GetParam());
  PeerConfig far;
  far.key = two.b().table->static_public();
  far.path = Path{two.b().here, two.a().here};
  far.persistent_keepalive = seconds(25);
  EXPECT_EQ(two.a().table->add(far), two.peer);
  two.connect();
  two.run(std::chrono::minutes(20));
  EXPECT_TRUE(two.a().can_send(two.peer));
  EXPECT_GE(two.a().keepalives, 45);
  EXPECT_EQ(two.a().downs, 0);
}

TEST_P(Association, FollowsAuthenticatedTrafficOnly) {
  Two two(GetParam());
  two.connect();
  const int moves = two.b().moves;
  two.a().send_data(two.peer, 1, two.net.now);
  base::Bytes record = two.take(two.a());
  base::Bytes forged = record;
  forged.back() ^= 1;
  two.give(two.b(), forged, address(9));
  EXPECT_EQ(two.b().moves, moves);
  two.give(two.b(), record, address(8));
  EXPECT_EQ(two.b().moves, moves + 1);
  EXPECT_EQ(two.b().paths[two.a_at_b()].remote, address(8));
  EXPECT_EQ(two.b().table->state(two.a_at_b())->path->remote, address(8));
  two.give(two.b(), record, address(9));  // replayed
  EXPECT_EQ(two.b().moves, moves + 1);
}

TEST_P(Association, BothDialAtOnceAndAgreeOnWhoReplacesKeys) {
  for (int i = 0; i < 20; ++i) {
    Two two(GetParam(), [i](Config& config, int) {
      config.static_private.data()[5] ^= static_cast<std::uint8_t>(i);
    });
    const PeerId back = two.know_a();
    PeerConfig near;
    near.key = two.a().table->static_public();
    near.path = Path{two.a().here, two.b().here};
    ASSERT_EQ(two.b().table->add(near), back);
    two.net.faults.jitter = milliseconds(i);
    two.a().connect(two.peer, two.net.now);
    two.b().connect(back, two.net.now);
    two.run(milliseconds(300));
    ASSERT_TRUE(two.a().send_data(two.peer, 1, two.net.now));
    ASSERT_TRUE(two.b().send_data(back, 2, two.net.now));
    two.run(milliseconds(300));
    ASSERT_EQ(two.got.size(), 2u);
    // Two minutes on, each sends: exactly one of them starts the handshake.
    two.net.now += seconds(125);
    two.a().send_data(two.peer, 3, two.net.now);
    two.b().send_data(back, 4, two.net.now);
    EXPECT_EQ(two.a().out.size() + two.b().out.size(), 3u) << i;
    two.run(seconds(1));
    EXPECT_EQ(two.got.size(), 4u);
  }
}

TEST_P(Association, RemoveAndDisconnectReleaseEverything) {
  Two two(GetParam());
  two.connect();
  Events events;
  two.a().table->disconnect(two.peer, events);
  two.a().act(events);
  EXPECT_FALSE(two.a().can_send(two.peer));
  EXPECT_EQ(two.a().indices->in_use(), 0u);
  two.connect();
  two.a().table->remove(two.peer, events);
  two.a().act(events);
  EXPECT_EQ(two.a().indices->in_use(), 0u);
  EXPECT_FALSE(two.a().table->state(two.peer));
  EXPECT_FALSE(two.a().table->find(two.b().table->static_public()));
  two.run(std::chrono::hours(1));
}

TEST_P(Association, ReportsTheThirteenInterfaces) {
  Two two(GetParam());
  two.connect();
  const auto all = two.a().table->interfaces(two.peer, two.net.now);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kInterfaces));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(all[i].interface), i);
    EXPECT_EQ(all[i].value.empty(), !all[i].supported) << all[i].code;
  }
  EXPECT_EQ(all[11].value, "in 179 s");
  EXPECT_TRUE(two.a().table->interfaces(PeerId(999), two.net.now).empty());
}

// ---- WireGuard alone

TEST(AssociationWireGuard, StrangersGetNotAByte) {
  Two two(Protocol::kWireGuard);
  Events events;
  two.b().table->remove(two.a_at_b(), events);
  two.a().connect(two.peer, two.net.now);
  EXPECT_EQ(two.give(two.b(), two.take(two.a()), two.a().here), DropReason::handshake_unknown_peer);
  EXPECT_TRUE(two.b().out.empty());
  EXPECT_EQ(two.b().verifier.asked, 0);
}

TEST(AssociationWireGuard, PresharedKeysHaveToAgree) {
  Two two(Protocol::kWireGuard);
  const crypto::SecretBytes<32> psk(two.random.bytes<32>());
  two.know_a(psk);
  two.a().connect(two.peer, two.net.now);
  EXPECT_EQ(two.give(two.b(), two.take(two.a()), two.a().here), DropReason::none);
  const base::Bytes response = two.take(two.b());
  EXPECT_EQ(two.give(two.a(), response, two.b().here), DropReason::handshake_forged);
  PeerConfig far;
  far.key = two.b().table->static_public();
  far.path = Path{two.b().here, two.a().here};
  far.preshared_key = psk;
  two.a().table->add(far);
  EXPECT_EQ(two.give(two.a(), response, two.b().here), DropReason::none);
}

// ---- native alone

TEST(AssociationNative, AnotherSuiteLayerOrPurposeIsRefused) {
  const auto reason = [](const std::function<void(Config&, int)>& change) {
    Two two(Protocol::kNative, change);
    two.a().connect(two.peer, two.net.now);
    const base::Bytes first = two.take(two.a());
    EXPECT_EQ(two.b().table->recognise(first), DropReason::none);
    const DropReason r = two.give(two.b(), first, two.a().here);
    EXPECT_TRUE(two.b().out.empty());
    EXPECT_TRUE(two.b().table->peers().empty());
    return r;
  };
  EXPECT_EQ(reason([](Config& c, int i) {
              if (i == 1) c.suite = crypto::AeadSuite::kChaCha20Poly1305;
            }),
            DropReason::handshake_suite);
  EXPECT_EQ(reason([](Config& c, int i) {
              if (i == 1) c.purpose = Purpose::kSession;
            }),
            DropReason::handshake_suite);
  EXPECT_EQ(reason([](Config& c, int i) { c.layer_id[0] = static_cast<std::uint8_t>(i); }),
            DropReason::handshake_forged);
}

TEST(AssociationNative, ATamperedSuiteEndsTheHandshake) {
  Two two(Protocol::kNative, [](Config& config, int i) {
    if (i == 1) config.suite = crypto::AeadSuite::kChaCha20Poly1305;
  });
  two.a().connect(two.peer, two.net.now);
  base::Bytes first = two.take(two.a());
  first[native::kSuiteOffset] = 2;
  // Who is on the path can make mac1 right again: its key is public.
  cookie::Jar jar(two.b().table->static_public(), {native::kMac1Label, native::kCookieLabel});
  jar.sign(first, two.net.now);
  EXPECT_EQ(two.give(two.b(), first, two.a().here), DropReason::handshake_forged);
  EXPECT_TRUE(two.b().out.empty());
}

TEST(AssociationNative, CredentialsDecide) {
  Two two(Protocol::kNative);
  two.a().verifier.shown = {'n', 'o'};
  two.a().connect(two.peer, two.net.now);
  EXPECT_EQ(two.give(two.b(), two.take(two.a()), two.a().here), DropReason::handshake_certificate);
  EXPECT_TRUE(two.b().table->peers().empty());
  two.a().verifier.shown = {'o', 'k'};
  two.b().verifier.shown = {'n', 'o'};
  two.net.now += seconds(6);
  two.a().timer(two.net.now);
  EXPECT_EQ(two.give(two.b(), two.take(two.a()), two.a().here), DropReason::none);
  EXPECT_EQ(two.give(two.a(), two.take(two.b()), two.b().here), DropReason::handshake_certificate);
  EXPECT_FALSE(two.a().can_send(two.peer));
}

TEST(AssociationNative, APeerThatMustBeAnotherNameIsRefused) {
  Two two(Protocol::kNative);
  PeerConfig near;
  near.key = two.a().table->static_public();
  near.name = wire::Name{};
  two.b().table->add(near);
  two.a().connect(two.peer, two.net.now);
  EXPECT_EQ(two.give(two.b(), two.take(two.a()), two.a().here), DropReason::handshake_certificate);
}

TEST(AssociationNative, ResetLetsAPeerStartOverAtOnce) {
  Two two(Protocol::kNative);
  two.connect();
  two.b().restart();
  two.run(seconds(30));
  two.a().send_data(two.peer, 1, two.net.now);
  two.run(milliseconds(500));
  EXPECT_EQ(two.a().downs, 1);
  EXPECT_EQ(two.a().down_reason[two.peer], DropReason::record_index_unknown);
  EXPECT_EQ(two.a().table->state(two.peer)->handshakes, 2u);
  ASSERT_TRUE(two.a().send_data(two.peer, 2, two.net.now));
  two.run(milliseconds(500));
  ASSERT_EQ(two.got.size(), 1u);
  EXPECT_EQ(two.got[0].second, 2u);
}

TEST(AssociationNative, ForgedResetsDoNothing) {
  Two two(Protocol::kNative);
  two.connect();
  two.a().send_data(two.peer, 1, two.net.now);
  base::Bytes record = two.take(two.a());
  Config stranger = make_config(Protocol::kNative, two.random);
  Node other(stranger, address(9), 5);
  const base::Bytes reset = other.table->reset_for(record, two.net.now);
  ASSERT_EQ(reset.size(), native::kResetSize);
  EXPECT_EQ(two.a().table->recognise(reset), DropReason::handshake_unexpected);
  EXPECT_EQ(two.give(two.a(), reset, two.b().here), DropReason::handshake_unexpected);
  EXPECT_TRUE(two.a().can_send(two.peer));
  two.b().restart();
  const base::Bytes good = two.b().table->reset_for(record, two.net.now);
  EXPECT_EQ(two.a().table->recognise(good), DropReason::none);
  EXPECT_EQ(two.give(two.a(), good, address(33)), DropReason::none);  // the token is the proof
  EXPECT_FALSE(two.a().can_send(two.peer));
}

TEST(AssociationNative, ResetsAreLimited) {
  Two two(Protocol::kNative);
  base::Bytes record(28);
  record[0] = 0x14;
  record[6] = 1;
  int resets = 0;
  for (int i = 0; i < 1000; ++i) resets += !two.b().table->reset_for(record, two.net.now).empty();
  EXPECT_EQ(resets, 50);
  record.resize(27);
  EXPECT_TRUE(two.b().table->reset_for(record, two.net.now + seconds(9)).empty());
}

TEST(AssociationNative, TheTableIsBoundedAndReusesPlaces) {
  Two two(Protocol::kNative, [](Config& config, int i) {
    if (i == 1) config.max_peers = 3;
  });
  std::vector<std::unique_ptr<Node>> guests;
  const auto dial = [&](unsigned n) {
    guests.push_back(
        std::make_unique<Node>(make_config(Protocol::kNative, two.random), address(100 + n), n));
    PeerConfig far;
    far.key = two.b().table->static_public();
    far.path = Path{two.b().here, guests.back()->here};
    guests.back()->connect(guests.back()->table->add(far), two.net.now);
    const DropReason reason = two.give(two.b(), two.take(*guests.back()), guests.back()->here);
    two.b().out.clear();
    return reason;
  };
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(dial(i), DropReason::none);
  EXPECT_EQ(dial(3), DropReason::handshake_queue_full);
  two.run(seconds(181));  // unconfirmed keys end
  EXPECT_EQ(dial(4), DropReason::none);
  EXPECT_EQ(two.b().table->peers().size(), 3u);
}

TEST(AssociationNative, SessionsAreKeptApartByNames) {
  const auto session = [](Config& config, int) { config.purpose = Purpose::kSession; };
  Two two(Protocol::kNative, session);
  std::set<PeerId> peers;
  for (unsigned local : {1u, 5u}) {
    for (unsigned remote : {2u, 6u}) {
      PeerConfig far;
      far.key = two.b().table->static_public();
      far.path = Path{address(remote), address(local)};
      const PeerId id = two.a().table->add(far);
      EXPECT_EQ(two.a().table->add(far), id);
      peers.insert(id);
      two.a().connect(id, two.net.now);
      const base::Bytes first = two.take(two.a());
      Events events;
      two.net.now += seconds(1);
      // Under other names than those that were meant it is refused.
      EXPECT_EQ(two.b().table->handle(first, {address(local), address(77)}, two.net.now,
                                      unix_at(two.net.now), events),
                DropReason::handshake_forged);
      EXPECT_EQ(two.b().table->handle(first, {address(local), address(remote)}, two.net.now,
                                      unix_at(two.net.now), events),
                DropReason::none);
    }
  }
  EXPECT_EQ(peers.size(), 4u);
  EXPECT_EQ(two.b().table->peers().size(), 4u);
  const auto found = two.a().table->find(two.b().table->static_public(), address(5));
  ASSERT_TRUE(found);
  EXPECT_EQ(two.a().table->state(*found)->path->local, address(5));
  EXPECT_FALSE(two.a().table->find(two.b().table->static_public(), address(7)));
}

}  // namespace
}  // namespace entresol::security::sim
