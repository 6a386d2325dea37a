// Certificates, registrations and grants that are renewed while packets flow.
#include <gtest/gtest.h>

#include <set>

#include "base/error_codes.h"
#include "layer/member/test_guest.h"
#include "layer/member/test_inner.h"

namespace entresol::layer::member {
namespace {

using namespace test;

constexpr base::UnixSeconds kLifetime = 60;

// A node, two hosts and a guest whose certificates and grant live for a minute, each renewed at its own time.
class ShortLived {
 public:
  explicit ShortLived(std::uint64_t seed) : star(seed, 2, kLifetime) {
    for (auto& host : star.hosts) add_guest_to(*host);
    EXPECT_TRUE((*star.node)->add_guest(0, guest.grant, std::nullopt, 1420, now()));
    EXPECT_TRUE(star.attach());
  }
  base::UnixSeconds now() const { return star.world.unix_seconds(); }
  Machine& a() { return star.host(0); }
  Machine& b() { return star.host(1); }
  void add_guest_to(Machine& host) { EXPECT_TRUE(host->learn_guest(0, guest.grant, now())); }

  // Everybody sends to everybody.
  void send() {
    ++sent;
    a().application(build({}, a().in().addresses, b().in().addresses));
    b().application(build(answer(1000), b().in().addresses, a().in().addresses));
    guest.send(build(flow(3000), guest.addresses, a().in().addresses));
    a().application(build(answer(3000), a().in().addresses, guest.addresses));
  }
  void renew_what_is_due() {
    const membership::Validity fresh{now(), now() + kLifetime};
    std::uint64_t offset = 0;
    for (Machine* machine : {star.node.get(), &a(), &b()}) {
      if (due(offset)) {
        EXPECT_TRUE(machine->renew(fresh));
      }
      offset += 3;
    }
    if (!due(offset)) return;
    ASSERT_NE((*star.node)->tables().layers[0].names.find(guest.name), nullptr) << "it has ended";
    const Bytes grant = star.authority.grant_of(guest.grant, fresh);
    const auto handshakes = (*star.node)->peer_state(guest_link())->handshakes;
    EXPECT_TRUE((*star.node)->add_guest(0, grant, std::nullopt, 1420, now()));
    EXPECT_EQ((*star.node)->peer_state(guest_link())->handshakes, handshakes);
  }
  forwarding::LinkId guest_link() {
    return (*star.node)->tables().layers[0].names.find(guest.name)->link;
  }

  static InnerPacket flow(std::uint16_t port) {
    InnerPacket packet;
    packet.from_port = port;
    return packet;
  }
  static InnerPacket answer(std::uint16_t port) {
    InnerPacket packet;
    packet.from_port = packet.to_port;
    packet.to_port = port;
    return packet;
  }

  Star star;
  Guest guest{star.world, 40, *star.node, {100, 64, 0, 40}, star.authority, {star.node->in().name}};
  std::size_t sent = 0;

 private:
  // Every 40 seconds, beginning 35 seconds after the start.
  bool due(std::uint64_t offset) const {
    const auto ms = static_cast<std::uint64_t>((star.world.now - base::TimePoint{seconds(1000)}) /
                                               milliseconds(1));
    const std::uint64_t first = 35'000 + offset * 1000;
    return ms >= first && (ms - first) % 40'000 < 100;
  }
};

TEST(Renewal, TrafficRunsThroughThreeRenewalsAndLosesNothing) {
  for (std::uint64_t seed : {1, 2, 3}) {
    ShortLived layer(seed);
    // Handshakes of links are lost, too, and have to be repeated in time.
    layer.star.world.network = [&](Datagram& datagram) {
      const std::uint8_t type = datagram.bytes[0];
      return type < 0x10 || type > 0x11 || layer.star.world.random.u32() % 4 != 0;
    };
    layer.send();
    layer.star.world.run_for(seconds(7));
    layer.a().delivered.clear();
    layer.b().delivered.clear();
    layer.guest.delivered.clear();
    layer.sent = 0;
    const base::TimePoint end = layer.star.world.now + seconds(160);
    while (layer.star.world.now < end) {
      layer.send();
      layer.renew_what_is_due();
      layer.star.world.run_for(milliseconds(100));
    }
    layer.star.world.run_for(seconds(1));
    EXPECT_EQ(layer.a().delivered.size(), 2 * layer.sent) << seed;
    EXPECT_EQ(layer.b().delivered.size(), layer.sent) << seed;
    EXPECT_EQ(layer.guest.delivered.size(), layer.sent) << seed;
    for (Machine* machine : {layer.star.node.get(), &layer.a(), &layer.b()}) {
      EXPECT_EQ(machine->noted(Happening::kMemberEnded), 0u) << seed;
      EXPECT_GE(machine->noted(Happening::kRegistered), 3u) << seed;
      EXPECT_EQ(machine->noted(Happening::kOwnEnded), 0u) << seed;
    }
  }
}

TEST(Renewal, WithoutOneTheSameTrafficEnds) {
  ShortLived layer(4);
  const base::TimePoint end = layer.star.world.now + seconds(80);
  while (layer.star.world.now < end) {
    layer.send();
    layer.star.world.run_for(milliseconds(100));
  }
  layer.a().delivered.clear();
  layer.b().delivered.clear();
  layer.guest.delivered.clear();
  layer.send();
  layer.star.world.run_for(seconds(1));
  EXPECT_TRUE(layer.a().delivered.empty());
  EXPECT_TRUE(layer.b().delivered.empty());
  EXPECT_TRUE(layer.guest.delivered.empty());
  EXPECT_EQ(layer.star.node->noted(Happening::kGuestEnded), 1u);
  EXPECT_EQ(layer.a().noted(Happening::kOwnEnded), 1u);
}

TEST(Renewal, OwnObjectsAreThoseThatWereRenewed) {
  Star star(5, 1, kLifetime);
  ASSERT_TRUE(star.attach());
  Machine& host = star.host(0);
  const auto before = host->own_objects(0);
  EXPECT_EQ(before.certificate, host.in().certificate);
  star.world.run_for(seconds(40));
  const membership::Validity fresh{kNow + 40, kNow + 100};
  ASSERT_TRUE(host.renew(fresh));
  EXPECT_EQ(host.noted(Happening::kRegistered), 2u);
  const auto after = host->own_objects(0);
  EXPECT_EQ(after.certificate, certificate_of(host.in(), membership::Role::kHost, fresh));
  const auto old = membership::parse_registration(before.registration)->body;
  const auto registration = membership::parse_registration(after.registration)->body;
  EXPECT_GT(registration.sequence, old.sequence);
  EXPECT_EQ(old.not_after, kNow + 60) << "not longer than the certificate";
  EXPECT_EQ(registration.not_after, kNow + 100);
  // The same again is no change.
  ASSERT_TRUE(host.renew(fresh));
  EXPECT_EQ(host.noted(Happening::kRegistered), 2u);
  EXPECT_EQ(host->own_objects(0).registration, after.registration);
}

TEST(Renewal, WhatDoesNotFollowChangesNothing) {
  Star star(6, 2, kLifetime);
  ASSERT_TRUE(star.attach());
  Machine& host = star.host(0);
  star.world.run_for(seconds(1));
  const auto before = host->own_objects(0);
  const auto sent = star.world.sent;
  auto refused = [&](const Bytes& chain) {
    auto renewed = host->renew_certificate(0, chain, star.world.now, star.world.unix_nanos());
    return renewed ? "accepted" : renewed.error().code;
  };
  const Joined& own = host.in();
  const membership::Validity fresh{kNow + 1, kNow + 90};
  EXPECT_EQ(refused(certificate_of(own, membership::Role::kNode, fresh)),
            base::code::kConfigBadValue);
  Joined moved = own;
  moved.addresses.ipv4 = {100, 64, 0, 99};
  EXPECT_EQ(refused(certificate_of(moved, membership::Role::kHost, fresh)),
            base::code::kConfigBadValue);
  EXPECT_EQ(refused(certificate_of(own, membership::Role::kHost, {kNow - 1, kNow + 500})),
            base::code::kConfigBadValue);
  EXPECT_EQ(refused(certificate_of(star.host(1).in(), membership::Role::kHost, fresh)),
            base::code::kCertificateUntrusted);
  EXPECT_EQ(refused(certificate_of(own, membership::Role::kHost, {kNow, kNow + 1})),
            base::code::kCertificateExpired);
  EXPECT_EQ(refused({}), base::code::kCertificateMalformed);
  EXPECT_EQ(host->own_objects(0).certificate, before.certificate);
  EXPECT_EQ(host->own_objects(0).registration, before.registration);
  EXPECT_EQ(host.noted(Happening::kRegistered), 1u);
  EXPECT_EQ(star.world.sent, sent);
}

// A node with many links does not make all its handshakes at once.
TEST(Renewal, NeighboursAreShownItOneAfterTheOther) {
  constexpr std::size_t kHosts = 40;
  Star star(7, kHosts, 300);
  ASSERT_TRUE(star.attach());
  star.world.run_for(seconds(1));
  std::map<base::TimePoint, std::size_t> initiations;
  star.world.network = [&](Datagram& datagram) {
    if (datagram.from == star.node->address() && datagram.bytes[0] == 0x10)
      ++initiations[star.world.now];
    return true;
  };
  ASSERT_TRUE(star.node->renew({kNow + 1, kNow + 302}));
  EXPECT_TRUE(initiations.empty());
  star.world.run_for(seconds(11));
  std::size_t total = 0, most = 0;
  for (const auto& [at, count] : initiations) {
    total += count;
    most = std::max(most, count);
  }
  EXPECT_EQ(total, kHosts);
  EXPECT_LE(most, 8u);
  EXPECT_GE(initiations.rbegin()->first - initiations.begin()->first, seconds(5));
  for (auto& host : star.hosts)
    EXPECT_EQ((*host)->membership(0).find(star.node->in().name)->until, kNow + 302);
}

// An own handshake that is on its way shows the old certificate: it is followed by one that shows the new.
TEST(Renewal, AHandshakeUnderWayIsFollowedByAnother) {
  Star star(8, 1, kLifetime);
  ASSERT_TRUE(star.attach());
  star.world.run_until(base::TimePoint{seconds(1000 + 30)});
  ASSERT_TRUE(star.node->renew({kNow + 30, kNow + 500}));
  star.world.run_until(base::TimePoint{seconds(1000 + 56)});
  // A second is left for everybody, and the answer takes longer.
  star.world.latency = milliseconds(750);
  star.host(0)->rekey(star.world.now, star.world.unix_nanos());
  ASSERT_TRUE(star.host(0).renew({kNow + 56, kNow + 500}));
  star.world.run_for(seconds(10));
  const auto* known = (*star.node)->membership(0).find(star.host(0).in().name);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->until, kNow + 500);
  EXPECT_EQ(star.node->noted(Happening::kMemberEnded), 0u);
}

TEST(Renewal, TheRegistrationIsSignedAnewEveryHour) {
  Star star(9, 1);
  ASSERT_TRUE(star.attach());
  const auto before = star.host(0)->own_objects(0).registration;
  star.world.run_for(std::chrono::minutes(59));
  EXPECT_EQ(star.host(0).noted(Happening::kRegistered), 1u);
  star.world.run_for(std::chrono::minutes(2));
  EXPECT_EQ(star.host(0).noted(Happening::kRegistered), 2u);
  EXPECT_NE(star.host(0)->own_objects(0).registration, before);
}

// Nothing is sent with a certificate that has ended, and everything is there again with a new one.
TEST(Renewal, WhoHasNoCertificateIsSilentUntilThereIsOne) {
  Star star(10, 2, kLifetime);
  ASSERT_TRUE(star.attach());
  Machine& a = star.host(0);
  Machine& b = star.host(1);
  const Bytes packet = build({}, a.in().addresses, b.in().addresses);
  a.application(packet);
  star.world.run_for(seconds(1));
  ASSERT_EQ(b.delivered.size(), 1u);
  star.world.run_for(seconds(40));
  for (Machine* machine : {star.node.get(), &b})
    ASSERT_TRUE(machine->renew({kNow + 40, kNow + 400}));
  star.world.run_until(base::TimePoint{seconds(1000 + 60)});
  std::size_t sent = 0;
  star.world.network = [&](Datagram& datagram) {
    sent += datagram.from == a.address();
    return true;
  };
  for (int i = 0; i < 30; ++i) {
    a.replies.clear();
    EXPECT_EQ(a.application(packet), DropReason::link_down);
    EXPECT_EQ(a.replies.size(), 1u) << "applications are told";
    a->rekey(star.world.now, star.world.unix_nanos());
    b.application(build({}, b.in().addresses, a.in().addresses));
    star.world.run_for(seconds(1));
  }
  EXPECT_EQ(sent, 0u);
  EXPECT_FALSE(a->attached(0));
  EXPECT_EQ(a.noted(Happening::kOwnEnded), 1u);
  ASSERT_TRUE(a.renew({kNow + 90, kNow + 400}));
  EXPECT_TRUE(star.world.run_until([&] { return a->attached(0); }, seconds(10)));
  star.world.run_for(seconds(1));
  b.delivered.clear();
  EXPECT_EQ(a.application(packet), DropReason::none);
  EXPECT_TRUE(star.world.run_until([&] { return !b.delivered.empty(); }, seconds(10)));
}

}  // namespace
}  // namespace entresol::layer::member
