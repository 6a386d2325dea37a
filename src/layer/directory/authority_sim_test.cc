// A thousand hosts join over a network that loses, repeats, delays and reorders, at a controller whose disk fills and which
// dies between any two of commit, apply and answer. Virtual time; one seed, one run.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <queue>
#include <set>
#include <tuple>

#include "layer/directory/authority.h"
#include "layer/directory/test_layer.h"

namespace entresol::layer::directory {
namespace {

namespace error = base::code;
using test::code_of;
using test::kHour;
using test::kNow;
using test::Person;
using test::World;

struct Count {
  int requests = 0, lost = 0, repeated = 0, restarts = 0, full_disks = 0, refused_tokens = 0;
  int joined = 0, renewed = 0, registered = 0, revoked = 0, expired_tokens = 0;
  std::uint64_t trace = 14695981039346656037u;  // FNV-1a of what hosts were told
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, int hosts) : world_(seed), random_(seed * 7919 + 1) {
    world_.settings.lifetime = 600;
    world_.settings.forget_after = kHour;
    world_.found();
    for (int i = 0; i < hosts; ++i) add_host(i);
    for (int i = 0; i < hosts; ++i) at(random_.below(2000), [this, i] { send_join(i); });
    at(500, [this] { housekeeping(); });
  }

  Count run(std::uint64_t until_ms) {
    while (!events_.empty() && events_.top().when <= until_ms) {
      Event event = events_.top();
      events_.pop();
      clock_ = event.when;
      event.act();
      if (::testing::Test::HasFatalFailure()) break;
    }
    return count_;
  }

  // Everything that a host was told is so.
  void check_end() {
    world_.open();
    std::set<Ipv4> addresses;
    std::set<std::string> labels;
    for (const auto& [name, member] : authority().members()) {
      EXPECT_TRUE(addresses.insert(member.ipv4).second);
      if (member.revoked_at == 0) {
        EXPECT_TRUE(labels.insert(member.label).second);
      }
    }
    std::map<crypto::Hash256, wire::Name> by_token;
    for (const Host& host : hosts_) {
      if (!host.issued) {
        EXPECT_TRUE(host.gave_up) << host.person.label << " is neither in nor refused";
        continue;
      }
      const auto found = authority().members().find(host.person.name);
      if (host.revoked && found == authority().members().end()) continue;  // and forgotten since
      ASSERT_NE(found, authority().members().end()) << host.person.label << " was lost";
      EXPECT_EQ(found->second.ipv4, host.issued->ipv4);
      EXPECT_EQ(found->second.label, host.issued->label);
      EXPECT_EQ(found->second.revoked_at != 0, host.revoked);
      EXPECT_TRUE(by_token.emplace(hash_of(host.secret), host.person.name).second)
          << "one token admitted two identities";
    }
  }
  int in() const {
    int n = 0;
    for (const Host& host : hosts_) n += host.issued.has_value();
    return n;
  }

 private:
  struct Host {
    Person person;
    TokenSecret secret;
    std::int64_t skew = 0;  // of its clock, seconds
    std::uint64_t sequence = 0;
    std::optional<Issued> issued;
    bool gave_up = false;
    bool revoked = false;
  };
  struct Event {
    std::uint64_t when;
    std::uint64_t order;
    std::function<void()> act;
    bool operator<(const Event& other) const {  // the earliest on top
      return std::tie(when, order) > std::tie(other.when, other.order);
    }
  };

  Authority& authority() { return *world_.authority; }
  base::UnixSeconds now() const { return kNow + static_cast<base::UnixSeconds>(clock_ / 1000); }
  void at(std::uint64_t delay_ms, std::function<void()> act) {
    events_.push({clock_ + delay_ms, order_++, std::move(act)});
  }

  void add_host(int i) {
    Host host{world_.person("h" + std::to_string(i)), {}, 0, 0, {}, false, false};
    host.skew = static_cast<std::int64_t>(random_.below(401)) - 200;
    // Every twentieth has somebody else's token; some tokens end before they are used.
    if (i > 0 && random_.chance(5)) {
      host.secret = hosts_.back().secret;
    } else {
      const bool brief = random_.chance(2);
      host.secret = world_.token(Role::kHost, {"t"}, "", brief ? 1 : 2 * kHour).secret;
    }
    hosts_.push_back(std::move(host));
  }

  // One way through the network: perhaps never, perhaps twice.
  void carry(std::function<void()> arrive) {
    ++count_.requests;
    if (random_.chance(20)) {
      ++count_.lost;
      return;
    }
    if (random_.chance(10)) {
      ++count_.repeated;
      at(1 + random_.below(3000), arrive);
    }
    at(1 + random_.below(200), std::move(arrive));
  }

  // What a controller does with an outcome, and may die at. Nothing: it died, or the answer did not leave.
  template <typename T>
  std::optional<base::Result<T>> settle(Outcome<T> outcome) {
    if (random_.chance(1)) {  // before the commit
      restart();
      return std::nullopt;
    }
    if (!outcome.answer || outcome.changes.empty()) return std::move(outcome.answer);
    world_.store.failing = random_.chance(2);
    auto committed = world_.store.commit(outcome.changes);
    count_.full_disks += world_.store.failing;
    world_.store.failing = false;
    if (!committed) return tl::unexpected(committed.error());
    if (random_.chance(1)) {  // after it
      restart();
      return std::nullopt;
    }
    authority().apply(outcome.changes);
    if (random_.chance(1)) {  // before the answer
      restart();
      return std::nullopt;
    }
    return std::move(outcome.answer);
  }

  void restart() {
    ++count_.restarts;
    if (random_.chance(50)) world_.store.forget_soft();
    world_.open();
  }

  void note(const std::string& what) {
    for (char c : what)
      count_.trace = (count_.trace ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }

  void send_join(int i) {
    Host& host = hosts_[static_cast<std::size_t>(i)];
    if (host.issued || host.gave_up) return;
    carry([this, i] {
      Host& asking = hosts_[static_cast<std::size_t>(i)];
      JoinRequest request = asking.person.request(asking.secret);
      const base::Bytes registration = asking.person.registration(1, now() + asking.skew + kHour);
      if (i % 2 == 0) request.registration = registration;
      auto answer = settle(authority().join(request, now()));
      if (answer) carry([this, i, told = std::move(*answer)] { on_join(i, told); });
    });
    at(1000 + random_.below(1000), [this, i] { send_join(i); });  // until it hears something
  }

  void on_join(int i, const base::Result<Issued>& told) {
    Host& host = hosts_[static_cast<std::size_t>(i)];
    note(host.person.label + code_of(told));
    if (told) {
      ASSERT_FALSE(host.gave_up);
      if (host.issued) {
        ASSERT_EQ(told->ipv4, host.issued->ipv4);  // a repeat
        return;
      }
      ++count_.joined;
      host.issued = *told;
      host.sequence = 1;
      at(random_.below(1000), [this, i] { send_registration(i); });
      at(400'000 + random_.below(100'000), [this, i] { send_renewal(i); });
      if (random_.chance(5)) at(random_.below(60'000), [this, i] { revoke(i); });
      return;
    }
    if (host.issued || host.gave_up) return;  // an old answer
    const std::string& code = told.error().code;
    if (code == error::kTokenUsed || code == error::kTokenExpired) {
      host.gave_up = true;
      ++(code == error::kTokenUsed ? count_.refused_tokens : count_.expired_tokens);
      return;
    }
    ASSERT_EQ(code, error::kStoreFull) << told.error().message;
  }

  void send_registration(int i) {
    Host& host = hosts_[static_cast<std::size_t>(i)];
    const std::uint64_t sequence = ++host.sequence;
    const base::Bytes registration = host.person.registration(sequence, now() + host.skew + kHour);
    carry([this, i, registration, certificate = host.issued->certificate] {
      const auto newest =
          authority().registrations().find(hosts_[static_cast<std::size_t>(i)].person.name);
      const std::uint64_t had =
          newest == authority().registrations().end() ? 0 : newest->second.sequence;
      auto answer = settle(authority().put_registration(certificate, registration, now()));
      if (!answer) return;
      count_.registered += answer->has_value();
      const auto after =
          authority().registrations().find(hosts_[static_cast<std::size_t>(i)].person.name);
      if (after != authority().registrations().end()) {
        ASSERT_GE(after->second.sequence, had);
      }
    });
  }

  void send_renewal(int i) {
    const Host& host = hosts_[static_cast<std::size_t>(i)];
    if (host.revoked) return;
    carry([this, i] {
      const Host& asking = hosts_[static_cast<std::size_t>(i)];
      const Request request{"POST", "/v1/certificates", {}};
      const std::string header = emit_authorization(prove(
          request, world_.layer, asking.person.name, asking.person.identity, now() + asking.skew));
      const auto who = authority().authenticate(header, request, now());
      if (asking.revoked) {
        ASSERT_EQ(code_of(who), error::kMemberRevoked);
        return;
      }
      ASSERT_TRUE(who.has_value()) << who.error().message;
      auto answer = settle(authority().renew((*who)->name, now()));
      if (answer && *answer) carry([this, i, told = **answer] { on_renewal(i, told); });
    });
    at(10'000 + random_.below(5'000), [this, i, old = host.issued->validity.not_after] {
      if (hosts_[static_cast<std::size_t>(i)].issued->validity.not_after == old) send_renewal(i);
    });
  }

  void on_renewal(int i, const Issued& told) {
    Host& host = hosts_[static_cast<std::size_t>(i)];
    if (told.validity.not_after <= host.issued->validity.not_after) return;
    ASSERT_EQ(told.ipv4, host.issued->ipv4);
    ++count_.renewed;
    host.issued = told;
    send_registration(i);
    at(400'000 + random_.below(100'000), [this, i] { send_renewal(i); });
  }

  // By the operator, who repeats it until it is acknowledged.
  void revoke(int i) {
    Host& host = hosts_[static_cast<std::size_t>(i)];
    auto answer = settle(authority().revoke_member(host.person.label, now()));
    if (authority().find_member(host.person.label) == nullptr) host.revoked = true;
    if (!answer || !*answer) {
      at(500, [this, i] { revoke(i); });
      return;
    }
    ASSERT_TRUE(host.revoked);
    ++count_.revoked;
  }

  void housekeeping() {
    settle(authority().expire(now()));
    at(30'000, [this] { housekeeping(); });
  }

  World world_;
  security::SeededRandom random_;
  std::vector<Host> hosts_;
  std::priority_queue<Event> events_;
  std::uint64_t clock_ = 0, order_ = 0;
  Count count_;
};

TEST(AuthoritySimulation, AThousandHostsJoinAndNoneIsLost) {
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed, 1000);
    const Count count = simulation.run(1'200'000);  // twenty minutes: two renewals
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
    simulation.check_end();
    std::printf(
        "seed %llu: %d in, %d used and %d ended tokens refused, %d renewals, %d registrations, %d "
        "revoked; "
        "%d messages, %d lost, %d repeated, %d restarts, %d full disks; trace %016llx\n",
        static_cast<unsigned long long>(seed), simulation.in(), count.refused_tokens,
        count.expired_tokens, count.renewed, count.registered, count.revoked, count.requests,
        count.lost, count.repeated, count.restarts, count.full_disks,
        static_cast<unsigned long long>(count.trace));
    EXPECT_EQ(simulation.in() + count.refused_tokens + count.expired_tokens, 1000);
    EXPECT_GT(simulation.in(), 850);
    EXPECT_GT(count.refused_tokens, 10);
    EXPECT_GT(count.renewed, 1000);
    EXPECT_GT(count.restarts, 50);
    EXPECT_GT(count.full_disks, 50);
    EXPECT_GT(count.revoked, 20);
  }
}

TEST(AuthoritySimulation, OneSeedIsOneRun) {
  const auto trace = [](std::uint64_t seed) {
    Simulation simulation(seed, 100);
    return simulation.run(600'000).trace;
  };
  EXPECT_EQ(trace(5), trace(5));
  EXPECT_NE(trace(5), trace(6));
}

}  // namespace
}  // namespace entresol::layer::directory
