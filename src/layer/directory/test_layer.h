// A layer for the tests of this folder and those above it: root, operator, store in memory, and people who join. All keys
// come from the seed.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error_codes.h"
#include "layer/directory/authority.h"
#include "security/test_random.h"

namespace entresol::layer::directory::test {

using base::UnixSeconds;
using security::SeededRandom;

inline constexpr UnixSeconds kNow = 1'700'000'000;
inline constexpr UnixSeconds kHour = 3600;
inline constexpr UnixSeconds kDay = 24 * kHour;

template <typename T>
std::string code_of(const base::Result<T>& result) {
  return result ? "" : result.error().code;
}
inline std::string code(std::string_view text) {
  return std::string(text);
}

// What a disk would hold. A commit can be made to fail; then it has kept nothing.
class MemoryStore final : public Store {
 public:
  base::Result<Snapshot> load() override { return snapshot(); }
  base::Result<void> commit(std::span<const Change> changes) override {
    ++commits;
    if (failing) return base::fail(base::code::kStoreFull, "the disk is full");
    for (const Change& change : changes)
      std::visit([this](const auto& record) { put(record); }, change);
    return {};
  }
  void forget_soft() { registrations_.clear(); }
  Snapshot snapshot() const {
    Snapshot out;
    out.settings = settings_;
    out.policy = policy_;
    fill(out.members, members_);
    fill(out.guests, guests_);
    fill(out.names, names_);
    fill(out.tokens, tokens_);
    fill(out.api_tokens, api_tokens_);
    fill(out.registrations, registrations_);
    fill(out.services, services_);
    fill(out.packages, packages_);
    return out;
  }

  bool failing = false;
  int commits = 0;

 private:
  template <typename Record, typename Map>
  static void fill(std::vector<Record>& out, const Map& map) {
    for (const auto& [key, record] : map) out.push_back(record);
  }
  void put(const Settings& record) { settings_ = record; }
  void put(const PolicyRecord& record) { policy_ = record; }
  void put(const MemberRecord& record) { members_[record.name] = record; }
  void put(const GuestRecord& record) { guests_[record.name] = record; }
  void put(const NameRecord& record) { names_[record.name] = record; }
  void put(const TokenRecord& record) { tokens_[record.id] = record; }
  void put(const ApiTokenRecord& record) { api_tokens_[record.id] = record; }
  void put(const RegistrationRecord& record) { registrations_[record.name] = record; }
  void put(const ServiceRecord& record) { services_[record.id] = record; }
  void put(const PackageRecord& record) { packages_[record.hash] = record; }
  void put(const DropService& drop) { services_.erase(drop.id); }
  void put(const DropPackage& drop) { packages_.erase(drop.hash); }
  void put(const DropMember& drop) {
    members_.erase(drop.name);
    registrations_.erase(drop.name);
  }
  void put(const DropGuest& drop) { guests_.erase(drop.name); }
  void put(const DropName& drop) { names_.erase(drop.name); }
  void put(const DropToken& drop) { tokens_.erase(drop.id); }
  void put(const DropApiToken& drop) { api_tokens_.erase(drop.id); }
  void put(const DropRegistration& drop) { registrations_.erase(drop.name); }

  std::optional<Settings> settings_;
  std::optional<PolicyRecord> policy_;
  std::map<wire::Name, MemberRecord> members_;
  std::map<wire::Name, GuestRecord> guests_;
  std::map<wire::Name, NameRecord> names_;
  std::map<TokenId, TokenRecord> tokens_;
  std::map<TokenId, ApiTokenRecord> api_tokens_;
  std::map<wire::Name, RegistrationRecord> registrations_;
  std::map<std::uint32_t, ServiceRecord> services_;
  std::map<crypto::Hash256, PackageRecord> packages_;
};

// Somebody with an identity key.
struct Person {
  Person(SeededRandom& random, const LayerId& layer_id, std::string wanted)
      : layer(layer_id),
        identity(crypto::ed25519_keypair(random.bytes<32>())),
        native(random.bytes<32>()),
        name(membership::name_of(layer_id, membership::kSuiteEd25519, identity.public_key)),
        label(std::move(wanted)) {}
  base::Bytes registration(std::uint64_t sequence, UnixSeconds until,
                           std::vector<wire::Name> attachments = {}) const {
    membership::Registration body;
    body.layer = layer;
    body.name = name;
    body.sequence = sequence;
    body.not_after = until;
    body.attachments = std::move(attachments);
    body.keys.push_back({membership::kProtocolNative, native});
    return membership::sign(body, identity)->octets();
  }
  JoinRequest request(const TokenSecret& secret, Role role = Role::kHost) const {
    JoinRequest out;
    out.secret = secret;
    out.label = label;
    out.role = role;
    out.identity = identity.public_key;
    return out;
  }

  LayerId layer;
  crypto::Ed25519KeyPair identity;
  Key native;
  wire::Name name;
  std::string label;
};

class World {
 public:
  explicit World(std::uint64_t seed = 1)
      : random(seed),
        root(crypto::ed25519_keypair(random.bytes<32>())),
        op(crypto::ed25519_keypair(random.bytes<32>())),
        layer(membership::layer_id_of(root.public_key)),
        delegation(delegate({kNow - kDay, kNow + 3650 * kDay})) {
    settings.layer = layer;
    settings.label = "edge";
    settings.domain = "edge.internal";
    settings.pool = {{100, 64, 0, 0}, 10};
  }
  base::Bytes delegate(Validity validity, std::string label = "north") const {
    membership::Delegation body;
    body.layer = layer;
    body.operator_key = op.public_key;
    body.validity = validity;
    body.label = std::move(label);
    return membership::sign(body, root)->octets();
  }
  void found() {
    auto changes = Authority::found(settings, "allow * *\n", kNow);
    ASSERT_TRUE(changes.has_value());
    ASSERT_TRUE(store.commit(*changes).has_value());
    open();
  }
  // As a controller that starts: what the store has is all there is.
  void open() {
    auto opened = Authority::open({root.public_key, op, delegation}, *store.load(), random);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    authority = std::make_unique<Authority>(std::move(*opened));
  }
  template <typename T>
  base::Result<T> settle(Outcome<T> outcome) {
    return directory::settle(*authority, store, std::move(outcome));
  }
  NewToken token(Role role = Role::kHost, std::vector<std::string> tags = {},
                 std::string label = "", UnixSeconds lifetime = kHour, UnixSeconds now = kNow) {
    return settle(authority->create_token({role, std::move(tags), std::move(label), lifetime}, now))
        .value();
  }
  Person person(std::string label) { return Person(random, layer, std::move(label)); }
  base::Result<Issued> join(const Person& who, const TokenSecret& secret, UnixSeconds now = kNow,
                            Role role = Role::kHost) {
    return settle(authority->join(who.request(secret, role), now));
  }
  // A new token, and in.
  Issued admit(const Person& who, UnixSeconds now = kNow, Role role = Role::kHost) {
    const NewToken fresh = token(role, {}, "", kHour, now);
    auto issued = join(who, fresh.secret, now, role);
    EXPECT_TRUE(issued.has_value()) << issued.error().message;
    return issued.value();
  }
  base::Result<void> put(const Person& who, base::ByteView certificate, std::uint64_t sequence,
                         UnixSeconds until, UnixSeconds now) {
    return settle(authority->put_registration(certificate, who.registration(sequence, until), now));
  }

  SeededRandom random;
  crypto::Ed25519KeyPair root, op;
  LayerId layer;
  base::Bytes delegation;
  Settings settings;
  MemoryStore store;
  std::unique_ptr<Authority> authority;
};

}  // namespace entresol::layer::directory::test
