// Random requests against one Authority, with commits that fail and restarts: what must hold after each of them.
#include <gtest/gtest.h>

#include <set>

#include "layer/directory/authority.h"
#include "layer/directory/batch.h"
#include "layer/directory/test_layer.h"

namespace entresol::layer::directory {
namespace {

using test::kHour;
using test::kNow;
using test::Person;
using test::World;

// What a watcher has put together from all that it was told.
struct Watcher {
  std::optional<Revision> at;
  std::map<wire::Name, Item> known;
  std::optional<PolicyItem> policy;

  void follow(const Authority& authority, std::size_t limit, base::UnixSeconds now) {
    for (bool more = true; more;) {
      Changes changes = authority.changes_since(at, limit, now);
      at = changes.revision;
      more = changes.more;
      for (Item& item : changes.items) take(std::move(item));
    }
  }
  void take(Item item) {
    if (auto* told = std::get_if<PolicyItem>(&item)) {
      policy = *told;
      return;
    }
    wire::Name name;
    if (auto* member = std::get_if<MemberItem>(&item)) {
      name = membership::parse_registration(member->registration)->body.name;
    } else if (auto* revoked = std::get_if<RevokedItem>(&item)) {
      name = revoked->name;
    } else if (auto* shared = std::get_if<NameItem>(&item)) {
      const std::size_t size = membership::extent(shared->certificate)->size;
      name = membership::parse_name_certificate(base::ByteView(shared->certificate).subspan(size))
                 ->body.name();
    } else {
      const base::Bytes& chain = std::get<GuestItem>(item).grant;
      const std::size_t size = membership::extent(chain)->size;
      name = membership::parse_grant(base::ByteView(chain).subspan(size))->body.name();
    }
    known[name] = std::move(item);
  }
};

class Play {
 public:
  explicit Play(std::uint64_t seed) : world_(seed), random_(seed ^ 0x5eed) {
    world_.settings.pool = {{10, 8, 0, 0}, 26};  // small, so that it ends
    world_.settings.lifetime = 4 * kHour;
    world_.settings.forget_after = 8 * kHour;
    world_.found();
  }

  void step() {
    now_ += static_cast<base::UnixSeconds>(random_.below(20 * 60));
    world_.store.failing = random_.chance(5);
    if (random_.chance(30)) {
      several();
    } else {
      const Revision before = authority().revision();
      const int commits = world_.store.commits;
      act();
      if (world_.store.failing && world_.store.commits != commits) {
        ASSERT_EQ(authority().revision(), before);
      }
    }
    world_.store.failing = false;
    if (random_.chance(3)) world_.open();
    hold();
  }

  void watch() {
    if (random_.chance(30)) watcher_.follow(authority(), 1 + random_.below(5), now_);
  }

  // Who followed all along knows of each name what somebody who comes now is told.
  void compare() {
    watcher_.follow(authority(), 3, now_);
    Watcher fresh;
    fresh.follow(authority(), 1000, now_);
    for (const auto& [name, item] : fresh.known) {
      ASSERT_TRUE(watcher_.known.contains(name));
      ASSERT_EQ(watcher_.known.at(name), item);
    }
    ASSERT_EQ(watcher_.policy, fresh.policy);
  }

  int admitted() const { return admitted_; }
  int refused() const { return refused_; }

 private:
  Authority& authority() { return *world_.authority; }

  Person& anybody() {
    if (people_.empty() || random_.chance(10))
      people_.push_back(world_.person("p" + std::to_string(random_.below(40))));
    return people_[random_.below(people_.size())];
  }

  void act() {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
        return join();
      case 3:
        return count(settle(authority().renew(anybody().name, now_)));
      case 4:
      case 5:
        return enroll();
      case 6:
        return count(
            settle(authority().revoke_member("p" + std::to_string(random_.below(40)), now_)));
      case 7:
        return guest();
      case 8:
        return count(settle(
            authority().set_policy("allow p" + std::to_string(random_.below(5)) + " *\n", now_)));
      case 9:
      case 10:
        return name();
      default:
        return count(settle(authority().expire(now_)));
    }
  }

  template <typename T>
  base::Result<T> settle(Outcome<T> outcome) {
    return batch_ != nullptr ? batch_->add(std::move(outcome)) : world_.settle(std::move(outcome));
  }

  // In one commit, that may fail or never be asked for.
  void several() {
    const auto owners = owners_;
    const auto secrets = secrets_;
    bool kept = false;
    {
      Batch batch(authority(), world_.store);
      batch_ = &batch;
      for (std::uint64_t i = random_.below(6); i > 0; --i) act();
      batch_ = nullptr;
      if (random_.chance(90)) kept = batch.commit().has_value();
    }
    if (kept) return;
    owners_ = owners;
    secrets_ = secrets;
  }

  template <typename T>
  void count(const base::Result<T>& result) {
    ++(result ? admitted_ : refused_);
  }

  void join() {
    if (secrets_.empty() || random_.chance(50)) {
      auto made = settle(authority().create_token({Role::kHost, {"t"}, "", 1 + 4 * kHour}, now_));
      if (!made) return;
      secrets_.push_back(made->secret);
    }
    const TokenSecret& secret = secrets_[random_.below(secrets_.size())];
    JoinRequest request = anybody().request(secret);
    request.proved = random_.chance(50);
    const auto issued = settle(authority().join(request, now_));
    count(issued);
    if (!issued) return;
    // A token is one identity's for ever.
    const auto [owner, fresh] = owners_.emplace(hash_of(secret), request.identity);
    ASSERT_EQ(owner->second, request.identity);
  }

  void enroll() {
    const Person& who = anybody();
    const auto known = authority().members().find(who.name);
    if (known == authority().members().end()) return;
    count(settle(authority().put_registration(
        known->second.certificate,
        who.registration(random_.below(50),
                         now_ + static_cast<base::UnixSeconds>(random_.below(2 * kHour))),
        now_)));
  }

  void guest() {
    if (random_.chance(30))
      return count(settle(authority().remove_guest("p" + std::to_string(random_.below(40)), now_)));
    GuestRequest request;
    request.wireguard_key[0] = static_cast<std::uint8_t>(random_.below(8));
    request.label = "p" + std::to_string(random_.below(40));
    request.lifetime = 6 * kHour;
    count(settle(authority().add_guest(request, now_)));
  }

  void name() {
    const std::string label = "p" + std::to_string(random_.below(40));
    switch (random_.below(5)) {
      case 0:
        return count(settle(authority().renew_names(now_)));
      case 1:
        return count(settle(authority().revoke_name(label, now_)));
      case 2: {
        NameRequest request;
        request.label = label;
        return count(settle(authority().create_name(request, now_)));
      }
      default: {
        const auto& names = authority().names();
        if (names.empty()) return;
        const auto at =
            std::next(names.begin(), static_cast<std::ptrdiff_t>(random_.below(names.size())));
        return count(settle(authority().delegate_name(
            {at->second.label, {label}, static_cast<std::uint8_t>(random_.below(3))}, now_)));
      }
    }
  }

  void hold() {
    std::set<std::string> labels;
    std::set<Ipv4> addresses;
    const auto look = [&](const auto& records) {
      for (const auto& [name, record] : records) {
        ASSERT_TRUE(addresses.insert(record.ipv4).second);
        if (record.revoked_at == 0) {
          ASSERT_TRUE(labels.insert(record.label).second) << record.label;
        }
        ASSERT_GE(record.until, record.not_after);
      }
    };
    look(authority().members());
    look(authority().guests());
    look(authority().names());
    ASSERT_EQ(authority().free_addresses(), 61u - addresses.size());
    // Nothing is known that the store has not, and nothing is in the store that is not known.
    const Snapshot stored = world_.store.snapshot();
    const auto same = [](const auto& records, const auto& map) {
      if (records.size() != map.size()) return false;
      for (const auto& record : records)
        if constexpr (requires { record.name; }) {
          if (!map.contains(record.name) || map.at(record.name) != record) return false;
        } else {
          if (!map.contains(record.id) || map.at(record.id) != record) return false;
        }
      return true;
    };
    ASSERT_TRUE(same(stored.members, authority().members()));
    ASSERT_TRUE(same(stored.guests, authority().guests()));
    ASSERT_TRUE(same(stored.names, authority().names()));
    ASSERT_TRUE(same(stored.tokens, authority().tokens()));
    ASSERT_EQ(*stored.policy, authority().policy());
    // An address is nobody else's while a certificate with it may hold.
    for (const auto& [name, member] : authority().members())
      if (member.until > now_) check_holder(member.ipv4, name, member.until);
    for (const auto& [name, guest] : authority().guests())
      if (guest.until > now_) check_holder(guest.ipv4, name, guest.until);
    for (const auto& [name, shared] : authority().names())
      if (shared.until > now_) check_holder(shared.ipv4, name, shared.until);
  }

  void check_holder(const Ipv4& address, const wire::Name& name, base::UnixSeconds until) {
    auto& holder = holders_[address];
    if (holder.first != name) {
      ASSERT_LE(holder.second, now_);
    }
    holder = {name, std::max(until, holder.first == name ? holder.second : until)};
  }

  World world_;
  security::SeededRandom random_;
  base::UnixSeconds now_ = kNow;
  std::vector<Person> people_;
  std::vector<TokenSecret> secrets_;
  std::map<crypto::Hash256, Key> owners_;
  std::map<Ipv4, std::pair<wire::Name, base::UnixSeconds>> holders_;
  Batch* batch_ = nullptr;
  Watcher watcher_;
  int admitted_ = 0, refused_ = 0;
};

TEST(AuthorityProperty, HoldsAfterEveryRequest) {
  int admitted = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Play play(seed);
    for (int step = 0; step < 400; ++step) {
      play.step();
      if (::testing::Test::HasFatalFailure()) return;
      play.watch();
    }
    play.compare();
    if (::testing::Test::HasFatalFailure()) return;
    admitted += play.admitted();
    refused += play.refused();
  }
  // The play was one: both happened, often.
  EXPECT_GT(admitted, 2000);
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace entresol::layer::directory
