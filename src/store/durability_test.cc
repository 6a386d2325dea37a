// The machine dies at random writes, again and again, while an Authority is asked this and that. After each death the disk
// has forgotten what was not synced (or kept some of it, torn), and what was acknowledged must be there. The same play with
// syncing switched off must lose something: else this test shows nothing.
#include <gtest/gtest.h>

#include <cstdio>

#include "layer/directory/test_layer.h"
#include "store/file/test_disk.h"
#include "store/sqlite.h"

namespace entresol::store {
namespace {

namespace directory = layer::directory;
using directory::test::kHour;
using directory::test::kNow;
using directory::test::Person;

struct Count {
  int deaths = 0, deaths_while_opening = 0, acknowledged = 0, lost = 0, unreadable = 0;
};

class Play {
 public:
  Play(std::uint64_t seed, bool synchronous)
      : random_(seed * 1'000'003), disk_(seed), world_(seed), synchronous_(synchronous) {}

  void run(int lives) {
    // The founding is on disk in both plays: what may be lost comes after it.
    {
      auto opened = SqliteStore::open({"store", disk_.name(), true});
      ASSERT_TRUE(opened.has_value());
      ASSERT_TRUE(
          (*opened)->commit(*directory::Authority::found(world_.settings, "", kNow)).has_value());
    }
    if (!open()) return;
    for (int life = 0; life < lives && count_.unreadable == 0; ++life) {
      if (!revive()) return;
      disk_.die_at(random_.below(120));
      while (!disk_.dead()) act();
      store_.reset();
      ++count_.deaths;
      disk_.crash(random_.chance(50));
      // Sometimes it dies again while it is being read.
      while (random_.chance(20)) {
        disk_.die_at(random_.below(6));
        auto opened = SqliteStore::open({"store", disk_.name(), synchronous_});
        if (opened) auto loaded = (*opened)->load();
        opened = tl::unexpected(base::Error{});
        count_.deaths_while_opening += disk_.dead();
        disk_.crash(random_.chance(50));
      }
      if (!open()) return;
      compare();
    }
  }
  const Count& count() const { return count_; }

 private:
  struct Known {
    directory::Issued issued;
    bool revoked = false;
  };

  bool open() {
    auto opened = SqliteStore::open({"store", disk_.name(), synchronous_});
    if (!opened) {
      ++count_.unreadable;
      std::snprintf(why_, sizeof why_, "%s", opened.error().message.c_str());
      EXPECT_FALSE(synchronous_) << why_;
      return false;
    }
    store_ = std::move(*opened);
    return true;
  }

  bool revive() {
    auto snapshot = store_->load();
    base::Result<directory::Authority> authority = base::fail("", "");
    if (snapshot)
      authority = directory::Authority::open({world_.root.public_key, world_.op, world_.delegation},
                                             *snapshot, world_.random);
    if (!authority) {
      ++count_.unreadable;
      EXPECT_FALSE(synchronous_) << (snapshot ? authority.error() : snapshot.error()).message;
      return false;
    }
    authority_ = std::make_unique<directory::Authority>(std::move(*authority));
    return true;
  }

  template <typename T>
  base::Result<T> settle(directory::Outcome<T> outcome) {
    auto answer = directory::settle(*authority_, *store_, std::move(outcome));
    count_.acknowledged += answer.has_value();
    return answer;
  }

  void act() {
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2:
        return join();
      case 3:
        return revoke();
      case 4: {
        const auto set =
            settle(authority_->set_policy("# " + std::to_string(random_.next()) + "\n", kNow));
        if (set) policy_ = *set;
        return;
      }
      case 5:
        return enroll();
      case 6:
        return renew();
      case 7:
      case 8:
        return name();
      default: {
        const auto made =
            settle(authority_->create_token({directory::Role::kHost, {"t"}, "", kHour}, kNow));
        if (made) tokens_.push_back(*made);
        return;
      }
    }
  }

  void join() {
    if (tokens_.empty()) return;
    const auto token = tokens_[random_.below(tokens_.size())];
    Person who = world_.person("p" + std::to_string(people_.size()));
    const auto issued = settle(authority_->join(who.request(token.secret), now_));
    // Whoever was not answered is somebody else next time; his label may be taken by a commit that he never heard of.
    people_.push_back(who);
    if (!issued) return;
    known_[who.name] = {*issued, false};
    const auto [owner, fresh] = owners_.emplace(token.record.id, who.name);
    EXPECT_TRUE(fresh || !synchronous_) << "one token admitted two identities";
    lost_if(!fresh);
  }

  void revoke() {
    if (known_.empty()) return;
    auto& [name, known] =
        *std::next(known_.begin(), static_cast<std::ptrdiff_t>(random_.below(known_.size())));
    if (!known.revoked && settle(authority_->revoke_member(wire::to_string(name), now_)))
      known.revoked = true;
  }

  void renew() {
    if (known_.empty()) return;
    now_ += kHour;
    auto& [name, known] =
        *std::next(known_.begin(), static_cast<std::ptrdiff_t>(random_.below(known_.size())));
    const auto issued = settle(authority_->renew(name, now_));
    if (issued) known.issued = *issued;
  }

  void name() {
    base::Result<directory::NameRecord> done = base::fail("", "");
    if (named_.empty() || random_.chance(20)) {
      directory::NameRequest request;
      request.label = "n" + std::to_string(names_++);
      done = settle(authority_->create_name(request, now_));
    } else {
      const auto& [name, known] =
          *std::next(named_.begin(), static_cast<std::ptrdiff_t>(random_.below(named_.size())));
      if (known.revoked_at != 0) return;
      if (random_.chance(10)) {
        done = settle(authority_->revoke_name(known.label, now_));
      } else if (!people_.empty()) {
        done = settle(authority_->delegate_name({known.label,
                                                 {people_[random_.below(people_.size())].label},
                                                 static_cast<std::uint8_t>(random_.below(3))},
                                                now_));
      }
    }
    if (done) named_[done->name] = *done;
  }

  void enroll() {
    for (const Person& who : people_) {
      const auto member = authority_->members().find(who.name);
      if (member == authority_->members().end() || !random_.chance(20)) continue;
      settle(authority_->put_registration(member->second.certificate,
                                          who.registration(++sequence_, now_ + kHour), now_));
      return;
    }
  }

  // What was acknowledged against what a controller that starts now would know.
  void compare() {
    const auto snapshot = store_->load();
    if (!snapshot) {
      ++count_.unreadable;
      EXPECT_FALSE(synchronous_) << snapshot.error().message;
      return;
    }
    std::map<wire::Name, directory::MemberRecord> members;
    for (const auto& member : snapshot->members) members[member.name] = member;
    for (const auto& [name, known] : known_) {
      const auto found = members.find(name);
      lost_if(found == members.end() || found->second.ipv4 != known.issued.ipv4 ||
              found->second.label != known.issued.label ||
              found->second.until < known.issued.validity.not_after ||
              (known.revoked && found->second.revoked_at == 0));
    }
    std::map<wire::Name, directory::NameRecord> names;
    for (const auto& each : snapshot->names) names[each.name] = each;
    for (const auto& [name, known] : named_) {
      const auto found = names.find(name);
      const bool there = found != names.end() && found->second.ipv4 == known.ipv4 &&
                         found->second.label == known.label &&
                         (found->second.revoked_at != 0 || found->second.secret == known.secret) &&
                         (known.revoked_at == 0 || found->second.revoked_at != 0);
      lost_if(!there);
      for (const auto& each : known.delegates) {
        const auto* kept = there ? found->second.delegate(each.member) : nullptr;
        lost_if(kept == nullptr || kept->sequence < each.sequence);
      }
    }
    std::map<directory::TokenId, directory::TokenRecord> tokens;
    for (const auto& token : snapshot->tokens) tokens[token.id] = token;
    for (const auto& token : tokens_) lost_if(!tokens.contains(token.record.id));
    for (const auto& [id, name] : owners_)
      lost_if(!tokens.contains(id) || tokens[id].used_by != name);
    lost_if(policy_.revision != 0 &&
            (!snapshot->policy || snapshot->policy->revision < policy_.revision ||
             (snapshot->policy->revision == policy_.revision &&
              snapshot->policy->text != policy_.text)));
    // What was lost is lost once.
    if (!synchronous_ && count_.lost > 0) forget();
  }
  void forget() {
    known_.clear();
    named_.clear();
    tokens_.clear();
    owners_.clear();
    policy_ = {};
  }
  void lost_if(bool lost) { count_.lost += lost; }

  security::SeededRandom random_;
  test::Disk disk_;
  directory::test::World world_;
  bool synchronous_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<directory::Authority> authority_;
  base::UnixSeconds now_ = kNow;
  std::uint64_t sequence_ = 0;
  std::vector<Person> people_;
  std::vector<directory::NewToken> tokens_;
  std::map<wire::Name, Known> known_;
  std::map<wire::Name, directory::NameRecord> named_;
  int names_ = 0;
  std::map<directory::TokenId, wire::Name> owners_;
  directory::PolicyRecord policy_;
  Count count_;
  char why_[256] = "";
};

Count play(bool synchronous, std::uint64_t seeds, int lives) {
  Count sum;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Play one(seed, synchronous);
    one.run(lives);
    sum.deaths += one.count().deaths;
    sum.deaths_while_opening += one.count().deaths_while_opening;
    sum.acknowledged += one.count().acknowledged;
    sum.lost += one.count().lost;
    sum.unreadable += one.count().unreadable;
    if (synchronous) {
      EXPECT_EQ(one.count().lost, 0);
    }
  }
  std::printf(
      "syncing %s: %d deaths, %d more while opening, %d answers, %d things lost, %d stores "
      "unreadable\n",
      synchronous ? "on" : "off", sum.deaths, sum.deaths_while_opening, sum.acknowledged, sum.lost,
      sum.unreadable);
  return sum;
}

TEST(Durability, WhatWasAcknowledgedIsThere) {
  const Count count = play(true, 40, 25);
  EXPECT_EQ(count.lost, 0);
  EXPECT_EQ(count.unreadable, 0);
  EXPECT_EQ(count.deaths, 40 * 25);
  EXPECT_GT(count.deaths_while_opening, 50);
  EXPECT_GT(count.acknowledged, 5000);
}

TEST(Durability, WithoutSyncingItWouldNotBe) {
  const Count count = play(false, 40, 5);
  EXPECT_GT(count.lost, 100);
}

}  // namespace
}  // namespace entresol::store
