// Standing, everything at once: what the seed decides happens to all of them.
#include <gtest/gtest.h>

#include "layer/member/test_inner.h"
#include "layer/member/test_world.h"

namespace entresol::layer::member {
namespace {

using namespace test;

// Three hosts whose certificates live for a minute; revocations, readmissions, renewals and links that come and go in an
// order that the seed decides, over a network that loses packets. Whoever has revoked somebody gets nothing from there, and
// in the end all reach all again.
class Commotion {
 public:
  explicit Commotion(std::uint64_t seed) : star_(seed, 3, 60) {
    star_.world.network = [this](Datagram&) { return star_.world.random.u32() % 10 != 0; };
    machines_ = {star_.node.get(), &star_.host(0), &star_.host(1), &star_.host(2)};
    for (Machine* machine : machines_)
      machine->on_delivered = [this, machine](const Delivered& packet) {
        inner::IpPacket ip;
        ASSERT_EQ(inner::parse(packet.packet, ip), DropReason::none);
        for (Machine* far : machines_) {
          const auto& ipv4 = far->in().addresses.ipv4;
          const bool from = std::equal(ipv4.begin(), ipv4.end(), ip.source.begin() + 12);
          EXPECT_FALSE(from && (*machine)->membership(0).revoked(far->in().name));
        }
      };
  }
  void run() {
    const base::TimePoint end = world().now + seconds(200);
    while (world().now < end) {
      something_happens();
      world().run_for(milliseconds(20 + below(400)));
    }
    heal();
  }

 private:
  World& world() { return star_.world; }
  std::uint32_t below(std::uint32_t n) { return world().random.u32() % n; }
  Machine& any() { return *machines_[below(4)]; }
  Machine& any_host() { return star_.host(below(3)); }
  void renew(Machine& machine) {
    EXPECT_TRUE(machine.renew({world().unix_seconds(), world().unix_seconds() + 60}));
  }
  void send(Machine& from, Machine& to) {
    from.application(build({}, from.in().addresses, to.in().addresses));
  }
  void something_happens() {
    const std::uint32_t dice = below(100);
    Machine& one = any();
    Machine& other = any();
    if (dice < 10) {
      renew(one);
    } else if (dice < 13) {
      one->revoke(0, other.in().name, world().unix_seconds() + 5 + below(100), world().now,
                  world().unix_nanos());
    } else if (dice < 18) {
      one->readmit(0, other.in().name);
    } else if (dice < 22) {
      const auto shown = other->own_objects(0);
      (void)one->learn(0, shown.certificate, shown.registration, world().unix_seconds());
    } else if (dice < 24) {
      Machine& host = any_host();
      host->undial(host->tables().layers[0].names.default_link);
    } else if (dice < 28) {
      dial(any_host());
    } else if (dice < 30) {
      one->rekey(world().now, world().unix_nanos());
    } else {
      send(any_host(), any_host());
    }
  }
  void dial(Machine& host) {
    const auto shown = (*star_.node)->own_objects(0);
    if (host->learn(0, shown.certificate, shown.registration, world().unix_seconds()))
      (void)host->dial(0, star_.node->in().name, star_.node->address(), kMaxPacket);
  }
  void heal() {
    for (Machine* machine : machines_) renew(*machine);
    for (Machine* machine : machines_)
      for (Machine* far : machines_) (*machine)->readmit(0, far->in().name);
    for (auto& host : star_.hosts) dial(*host);
    world().network = {};
    const auto all_reach_all = [&] {
      for (auto& to : star_.hosts)
        for (auto& from : star_.hosts) {
          if (from == to) continue;
          to->delivered.clear();
          send(*from, *to);
          world().run_for(milliseconds(500));
          if (to->delivered.empty()) return false;
        }
      return true;
    };
    base::TimePoint renewed = world().now;
    const base::TimePoint end = world().now + seconds(300);
    bool all = false;
    while (!all && world().now < end) {
      if (world().now >= renewed + seconds(30)) {
        for (Machine* machine : machines_) renew(*machine);
        renewed = world().now;
      }
      all = all_reach_all();
    }
    EXPECT_TRUE(all);
  }

  Star star_;
  std::vector<Machine*> machines_;
};

TEST(StandingSimulation, WhateverHappensNobodyRevokedIsHeardAndItHeals) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Commotion(seed).run();
  }
}

}  // namespace
}  // namespace entresol::layer::member
