// A node in one of its named states, the honest machines around it, and mallory, who has keys and a certificate of her own,
// a host's or a node's. A fuzz target brings it there, lets things happen, and asks at the end whether the honest still
// reach one another.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <set>
#include <source_location>
#include <string>

#include "layer/member/test_guest.h"
#include "layer/member/test_raw_host.h"
#include "layer/member/test_sites.h"
#include "security/cookie/cookie.h"

namespace entresol::fuzz {

namespace test = layer::member::test;
namespace membership = layer::membership;
using base::Bytes;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline void require(bool holds, const std::source_location& at = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: does not hold\n", at.file_name(), static_cast<unsigned>(at.line()));
  std::abort();
}

enum class State : std::uint8_t {
  kFresh,            // nothing has been sent
  kAttached,         // hosts have links
  kSessionBegun,     // an initiation is on its way between two hosts
  kSessionAnswered,  // the response is
  kSessionUp,
  kNodesLinked,
  kHostMoved,  // to the other node; the other hosts have not noticed
  kMemberRevoked,
  kOwnEnded,  // the node's own certificate
  kUnderLoad,
  kGuestAttached,
  kCount,
};

class NodeScene {
 public:
  // Who is who: hosts 0 and 1 live at the node, host 2 at the other one.
  static constexpr std::size_t kHosts = 3;

  NodeScene(State in, bool mallory_is_a_node)
      : state(in),
        sites(7, 2, 2),
        mallory(sites.world, 66, node(),
                test::join(sites.authority,
                           mallory_is_a_node ? membership::Role::kNode : membership::Role::kHost,
                           "mallory", {100, 64, 0, 66})),
        guest(sites.world, 90, node(), {100, 64, 7, 1}, sites.authority, {}) {
    sites.hosts.pop_back();
    world().tap = [this](const test::Datagram& datagram) {
      if (recorded.size() == kRecorded) recorded.pop_front();
      recorded.push_back(datagram);
    };
    if (state != State::kFresh) become();
  }

  test::World& world() { return sites.world; }
  test::Machine& node() { return sites.node(0); }
  test::Machine& other() { return sites.node(1); }
  test::Machine& host(std::size_t i) { return sites.host(i % kHosts); }

  // A packet of its own kind each time, so that what arrives can be told from what was forged or came twice.
  void talk(std::size_t from, std::size_t to) {
    if (host(from).in().name == host(to).in().name) return;
    host(from).application(numbered(host(from).in().addresses, host(to).in().addresses));
  }
  void revoke(std::size_t who) {
    node()->revoke(0, host(who).in().name, world().unix_seconds() + test::kDay, world().now,
                   world().unix_nanos());
  }
  // Initiations that anybody can send who knows the node's key: they pass mac1, and mean nothing.
  void flood(std::size_t n) {
    security::cookie::Jar jar(node().in().identity.native_public,
                              {"entresol mac1", "entresol cookie"});
    for (std::size_t i = 0; i < n; ++i) {
      Bytes message = initiation();
      if (message.size() < security::cookie::kMacs + 24) return;
      message[20] ^= static_cast<std::uint8_t>(i + 1);
      message[21] ^= static_cast<std::uint8_t>(i >> 8);
      jar.sign(message, world().now);
      world().send(test::endpoint(static_cast<std::uint16_t>(100 + i % 100)), node().address(),
                   message, 0);
    }
  }

  // Nothing that was not said arrives, and nothing twice; all that waits has its bounds.
  void check() {
    for (std::size_t i = 0; i < kHosts; ++i) {
      for (const test::Delivered& each : host(i).delivered) check(host(i), each.packet);
      host(i).delivered.clear();
      host(i).replies.clear();
    }
    guest.delivered.clear();
    mallory.packets.clear();
    for (auto& machine : sites.nodes) {
      auto& member = **machine;
      require(member.pipeline().control().size() <= 256);
      require(member.tables().links.size() <= 32);
      require(member.membership(0).all().size() <= 8);
      require(member.agent(0).sessions().all().size() <= 16);
    }
  }

  // Whatever has happened: the network is whole again, a controller tells the nodes who is where, and the honest find one
  // another.
  void settle() {
    world().network = nullptr;
    if (state == State::kOwnEnded) require_renewed();
    for (std::size_t i = 0; i < kHosts; ++i) node()->readmit(0, host(i).in().name);
    sites.publish();
    if (state == State::kGuestAttached) admit_guest();
    world().run_for(seconds(30));
    sites.publish();
    check();
    for (auto [from, to] : {std::pair{0, 1}, {1, 0}, {0, 2}, {2, 0}}) {
      if (reaches(from, to)) continue;
      std::string said = sites.drops();
      for (std::size_t i = 0; i < kHosts; ++i) said += sites.whereabouts(i);
      std::fprintf(stderr, "host%d does not reach host%d\n%s", from, to, said.c_str());
      require(false);
    }
    if (state == State::kGuestAttached) require(finds_guest());
    check();
    world().run_for(seconds(5));
    for (auto& machine : sites.nodes) require(!(*machine)->work_waits());
  }

  State state;
  test::Sites sites;
  test::RawHost mallory;
  test::Guest guest;
  std::deque<test::Datagram> recorded;  // what has arrived anywhere, the newest last

 private:
  static constexpr std::size_t kRecorded = 256;

  void become() {
    require(sites.attach());
    sites.publish();
    require(world().run_until([&] { return mallory.attached(); }, seconds(5)));
    switch (state) {
      case State::kSessionBegun:
        talk(0, 1);
        return world().run_for(milliseconds(7));
      case State::kSessionAnswered:
        talk(0, 1);
        return world().run_for(milliseconds(12));
      case State::kSessionUp:
        return require(reaches(0, 1));
      case State::kNodesLinked:
        return require(reaches(0, 2));
      case State::kHostMoved:
        require(reaches(0, 1));
        sites.move(1, 1);
        return world().run_for(milliseconds(40));
      case State::kMemberRevoked:
        require(reaches(0, 1));
        revoke(1);
        return world().run_for(milliseconds(40));
      case State::kOwnEnded: {
        require(reaches(0, 1));
        const auto now = world().unix_seconds();
        require(node().renew({now, now + 10}).has_value());
        return world().run_for(seconds(11));
      }
      case State::kUnderLoad:
        flood(240);
        return world().run_for(milliseconds(100));
      case State::kGuestAttached:
        admit_guest();
        guest.send(numbered(guest.addresses, host(0).in().addresses));
        return require(world().run_until([&] { return !host(0).delivered.empty(); }, seconds(10)));
      default:
        return;
    }
  }

  Bytes numbered(const layer::inner::MemberAddresses& from,
                 const layer::inner::MemberAddresses& to) {
    test::InnerPacket inner;
    inner.version = 6;
    base::store_be32(inner.payload.data(), ++said_);
    return test::build(inner, from, to);
  }
  bool reaches(std::size_t from, std::size_t to) {
    for (int i = 0; i < 60; ++i) {
      const base::TimePoint next = world().now + seconds(1);
      talk(from, to);
      if (world().run_until([&] { return !host(to).delivered.empty(); }, seconds(1))) break;
      world().run_until(next);  // it stands still where nothing happens
    }
    const bool arrived = !host(to).delivered.empty();
    check();
    return arrived;
  }
  void admit_guest() {
    const auto now = world().unix_seconds();
    require(node()->add_guest(0, guest.grant, std::nullopt, 1420, now).has_value());
    require(other()->learn_guest(0, guest.grant, now).has_value());
  }
  // It shows itself, as one does that is used, and is found from both nodes.
  bool finds_guest() {
    for (std::size_t from : {0u, 2u}) {
      guest.delivered.clear();
      for (int i = 0; i < 60 && guest.delivered.empty(); ++i) {
        guest.send(numbered(guest.addresses, host(0).in().addresses));
        host(from).application(numbered(host(from).in().addresses, guest.addresses));
        world().run_for(seconds(1));
      }
      if (guest.delivered.empty()) return false;
    }
    return true;
  }
  void check(test::Machine& at, const Bytes& packet) {
    layer::inner::IpPacket ip;
    require(layer::inner::parse(packet, ip) == base::DropReason::none);
    if (ip.version == 6 && ip.source == guest.addresses.ipv6) return;  // it may send what it likes
    if (ip.version == 4 &&
        std::equal(ip.source.begin() + 12, ip.source.end(), guest.addresses.ipv4.begin()))
      return;
    require(packet.size() >= 52);
    const std::uint32_t number = base::load_be32(packet.data() + 48);
    require(number >= 1 && number <= said_);
    require(arrived_.emplace(at.in().label, number).second);
  }
  Bytes initiation() const {
    for (auto at = recorded.rbegin(); at != recorded.rend(); ++at)
      if (!at->bytes.empty() && at->bytes[0] == 0x10) return at->bytes;
    return {};
  }
  void require_renewed() {
    const auto now = world().unix_seconds();
    require(node().renew({now, now + test::kDay}).has_value());
  }

  std::uint32_t said_ = 0;
  std::set<std::pair<std::string, std::uint32_t>> arrived_;
};

}  // namespace entresol::fuzz
