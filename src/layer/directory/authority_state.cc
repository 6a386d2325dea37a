// What an Authority knows: opened from a store's records, changed by apply(), read by watchers.
#include <algorithm>
#include <limits>

#include "base/error_codes.h"
#include "layer/directory/authority.h"

namespace entresol::layer::directory {
namespace {

namespace code = base::code;
using base::UnixSeconds;

constexpr UnixSeconds kDay = 24 * 3600;

template <typename T>
tl::unexpected<base::Error> error_of(const base::Result<T>& result) {
  return tl::unexpected(result.error());
}

auto contradiction(const std::string& what) {
  return base::fail(code::kStoreBroken, "the store contradicts itself: " + what);
}

// No two with one name, address or label.
base::Result<void> check_unique(const Snapshot& snapshot) {
  std::set<wire::Name> names;
  std::set<Ipv4> addresses;
  std::set<std::string> labels;
  const auto look = [&](const auto& record) -> base::Result<void> {
    if (!names.insert(record.name).second)
      return contradiction("two records of " + wire::to_string(record.name));
    if (!addresses.insert(record.ipv4).second)
      return contradiction("the IPv4 address of '" + record.label + "' is another member's too");
    if (record.revoked_at == 0 && !labels.insert(record.label).second)
      return contradiction("two members have the label '" + record.label + "'");
    return {};
  };
  for (const MemberRecord& member : snapshot.members)
    if (auto fits = look(member); !fits) return fits;
  for (const GuestRecord& guest : snapshot.guests)
    if (auto fits = look(guest); !fits) return fits;
  for (const NameRecord& name : snapshot.names)
    if (auto fits = look(name); !fits) return fits;
  return {};
}

// What brings the record of this key back, or its absence.
template <typename Map, typename Drop>
std::vector<Change> as_it_is(const Map& map, const typename Map::key_type& key, Drop drop) {
  const auto found = map.find(key);
  if (found == map.end()) return {std::move(drop)};
  return {found->second};
}

}  // namespace

// --- from and to the store ---

base::Result<std::vector<Change>> Authority::found(const Settings& settings, std::string policy,
                                                   UnixSeconds now) {
  if (auto fits = check_settings(settings); !fits) return error_of(fits);
  if (policy.size() > kMaxPolicy)
    return base::fail(code::kConfigBadValue, "a policy has at most 1 MiB");
  return std::vector<Change>{settings, PolicyRecord{1, std::move(policy), now}};
}

base::Result<Authority> Authority::open(Issuer issuer, const Snapshot& snapshot,
                                        base::RandomSource& random, PolicyCheck policy_check) {
  if (auto fits = check_issuer(issuer); !fits) return error_of(fits);
  if (!snapshot.settings)
    return base::fail(code::kStoreBroken, "the store has no layer in it: found one first");
  Authority authority(std::move(issuer), random, std::move(policy_check));
  if (snapshot.settings->layer != authority.trust_.layer())
    return base::fail(code::kWrongLayer, "the store belongs to the layer of another root");
  if (auto fits = check_unique(snapshot); !fits) return error_of(fits);
  authority.delegated_ = {std::numeric_limits<UnixSeconds>::min(),
                          std::numeric_limits<UnixSeconds>::max()};
  if (!authority.issuer_.delegation.empty())
    authority.delegated_ =
        membership::parse_delegation(authority.issuer_.delegation)->body.validity;
  authority.incarnation_ = base::load_be64(random.bytes<8>().data());

  authority.put(*snapshot.settings);
  if (snapshot.policy) authority.put(*snapshot.policy);
  for (const auto& record : snapshot.tokens) authority.put(record);
  for (const auto& record : snapshot.api_tokens) authority.put(record);
  for (const auto& record : snapshot.members) authority.put(record);
  for (const auto& record : snapshot.guests) authority.put(record);
  for (const auto& record : snapshot.names) authority.put(record);
  for (const auto& record : snapshot.registrations) authority.put(record);
  for (const auto& record : snapshot.packages) authority.put(record);
  for (const auto& record : snapshot.services) authority.put(record);
  return authority;
}

void Authority::apply(std::span<const Change> changes) {
  for (const Change& change : changes)
    std::visit([this](const auto& record) { put(record); }, change);
}

std::vector<Change> Authority::inverse(const Change& change) const {
  struct Inverse {
    const Authority& of;
    std::vector<Change> operator()(const Settings&) const { return {of.settings_}; }
    std::vector<Change> operator()(const PolicyRecord&) const { return {of.policy_}; }
    std::vector<Change> operator()(const MemberRecord& r) const { return member(r.name); }
    std::vector<Change> operator()(const DropMember& r) const { return member(r.name); }
    std::vector<Change> operator()(const GuestRecord& r) const { return guest(r.name); }
    std::vector<Change> operator()(const DropGuest& r) const { return guest(r.name); }
    std::vector<Change> operator()(const NameRecord& r) const { return name(r.name); }
    std::vector<Change> operator()(const DropName& r) const { return name(r.name); }
    std::vector<Change> operator()(const TokenRecord& r) const { return token(r.id); }
    std::vector<Change> operator()(const DropToken& r) const { return token(r.id); }
    std::vector<Change> operator()(const ApiTokenRecord& r) const { return api_token(r.id); }
    std::vector<Change> operator()(const DropApiToken& r) const { return api_token(r.id); }
    std::vector<Change> operator()(const RegistrationRecord& r) const { return lease(r.name); }
    std::vector<Change> operator()(const DropRegistration& r) const { return lease(r.name); }
    std::vector<Change> operator()(const ServiceRecord& r) const { return service(r.id); }
    std::vector<Change> operator()(const DropService& r) const { return service(r.id); }
    std::vector<Change> operator()(const PackageRecord& r) const { return package(r.hash); }
    std::vector<Change> operator()(const DropPackage& r) const { return package(r.hash); }
    // It takes its registration with it.
    std::vector<Change> member(const wire::Name& name) const {
      std::vector<Change> out = as_it_is(of.members_, name, DropMember{name});
      const auto registration = of.registrations_.find(name);
      if (registration != of.registrations_.end()) out.emplace_back(registration->second);
      return out;
    }
    std::vector<Change> guest(const wire::Name& name) const {
      return as_it_is(of.guests_, name, DropGuest{name});
    }
    std::vector<Change> name(const wire::Name& name) const {
      return as_it_is(of.names_, name, DropName{name});
    }
    std::vector<Change> token(const TokenId& id) const {
      return as_it_is(of.tokens_, id, DropToken{id});
    }
    std::vector<Change> api_token(const TokenId& id) const {
      return as_it_is(of.api_tokens_, id, DropApiToken{id});
    }
    std::vector<Change> lease(const wire::Name& name) const {
      return as_it_is(of.registrations_, name, DropRegistration{name});
    }
    std::vector<Change> service(std::uint32_t id) const {
      return as_it_is(of.services_, id, DropService{id});
    }
    std::vector<Change> package(const crypto::Hash256& hash) const {
      return as_it_is(of.packages_, hash, DropPackage{hash});
    }
  };
  return std::visit(Inverse{*this}, change);
}

void Authority::put(const Settings& settings) {
  settings_ = settings;
  pool_ = AddressPool(settings.pool, settings.reserved);
  for (const auto& [name, member] : members_) pool_.take(member.ipv4);
  for (const auto& [name, guest] : guests_) pool_.take(guest.ipv4);
  for (const auto& [name, shared] : names_) pool_.take(shared.ipv4);
}

void Authority::unindex(const std::string& label, const Ipv4& ipv4, const wire::Name& name) {
  const auto owner = by_label_.find(label);
  if (owner != by_label_.end() && owner->second == name) by_label_.erase(owner);
  pool_.release(ipv4);
}

void Authority::put(const MemberRecord& record) {
  const auto [at, fresh] = members_.try_emplace(record.name, record);
  if (!fresh) {
    unindex(at->second.label, at->second.ipv4, record.name);
    at->second = record;
  }
  pool_.take(record.ipv4);
  if (record.revoked_at != 0) {
    registrations_.erase(record.name);
    nodes_.erase(record.name);
    hide({Subject::kMember, record.name});
    touch({Subject::kRevoked, record.name});
    return;
  }
  by_label_[record.label] = record.name;
  hide({Subject::kRevoked, record.name});
  if (!registrations_.contains(record.name)) return;
  if (record.role == Role::kNode) nodes_.insert(record.name);
  if (record.role != Role::kNode) nodes_.erase(record.name);
  touch({Subject::kMember, record.name});
}

void Authority::put(const GuestRecord& record) {
  const auto [at, fresh] = guests_.try_emplace(record.name, record);
  if (!fresh) {
    unindex(at->second.label, at->second.ipv4, record.name);
    at->second = record;
  }
  pool_.take(record.ipv4);
  if (record.revoked_at != 0) {
    hide({Subject::kGuest, record.name});
    touch({Subject::kRevoked, record.name});
    return;
  }
  by_label_[record.label] = record.name;
  hide({Subject::kRevoked, record.name});
  touch({Subject::kGuest, record.name});
}

void Authority::put(const NameRecord& record) {
  const auto [at, fresh] = names_.try_emplace(record.name, record);
  if (!fresh) {
    unindex(at->second.label, at->second.ipv4, record.name);
    at->second = record;
  }
  pool_.take(record.ipv4);
  if (record.revoked_at != 0) {
    hide({Subject::kName, record.name});
    touch({Subject::kRevoked, record.name});
    return;
  }
  by_label_[record.label] = record.name;
  hide({Subject::kRevoked, record.name});
  touch({Subject::kName, record.name});
}

void Authority::put(const TokenRecord& record) {
  tokens_[record.id] = record;
  by_secret_[record.secret] = record.id;
}

void Authority::put(const ApiTokenRecord& record) {
  api_tokens_[record.id] = record;
  by_api_secret_[record.secret] = record.id;
}

void Authority::put(const PolicyRecord& record) {
  policy_ = record;
  touch({Subject::kPolicy, {}});
}

void Authority::put(const RegistrationRecord& record) {
  const auto member = members_.find(record.name);
  if (member == members_.end() || member->second.revoked_at != 0) return;
  registrations_[record.name] = record;
  if (member->second.role == Role::kNode) nodes_.insert(record.name);
  touch({Subject::kMember, record.name});
}

void Authority::put(const DropMember& drop) {
  const auto at = members_.find(drop.name);
  if (at == members_.end()) return;
  unindex(at->second.label, at->second.ipv4, drop.name);
  members_.erase(at);
  put(DropRegistration{drop.name});
  hide({Subject::kRevoked, drop.name});
}

void Authority::put(const DropGuest& drop) {
  const auto at = guests_.find(drop.name);
  if (at == guests_.end()) return;
  unindex(at->second.label, at->second.ipv4, drop.name);
  guests_.erase(at);
  hide({Subject::kGuest, drop.name});
  hide({Subject::kRevoked, drop.name});
}

void Authority::put(const DropName& drop) {
  const auto at = names_.find(drop.name);
  if (at == names_.end()) return;
  unindex(at->second.label, at->second.ipv4, drop.name);
  names_.erase(at);
  hide({Subject::kName, drop.name});
  hide({Subject::kRevoked, drop.name});
}

void Authority::put(const DropToken& drop) {
  const auto at = tokens_.find(drop.id);
  if (at == tokens_.end()) return;
  by_secret_.erase(at->second.secret);
  tokens_.erase(at);
}

void Authority::put(const DropApiToken& drop) {
  const auto at = api_tokens_.find(drop.id);
  if (at == api_tokens_.end()) return;
  by_api_secret_.erase(at->second.secret);
  api_tokens_.erase(at);
}

void Authority::put(const DropRegistration& drop) {
  registrations_.erase(drop.name);
  nodes_.erase(drop.name);
  hide({Subject::kMember, drop.name});
}

// --- watchers ---

void Authority::touch(const Visible& visible) {
  hide(visible);
  seen_[visible] = ++counter_;
  log_.emplace(counter_, visible);
}

void Authority::hide(const Visible& visible) {
  const auto at = seen_.find(visible);
  if (at == seen_.end()) return;
  log_.erase(at->second);
  seen_.erase(at);
}

std::optional<Item> Authority::item(const Visible& visible, UnixSeconds now) const {
  const auto& [subject, name] = visible;
  switch (subject) {
    case Subject::kMember: {
      const MemberRecord& member = members_.at(name);
      const RegistrationRecord& registration = registrations_.at(name);
      if (now >= member.not_after || now >= registration.until) return std::nullopt;
      return MemberItem{member.certificate, registration.registration};
    }
    case Subject::kGuest: {
      const GuestRecord& guest = guests_.at(name);
      if (now >= guest.not_after) return std::nullopt;
      return GuestItem{guest.grant};
    }
    case Subject::kName: {
      const NameRecord& shared = names_.at(name);
      if (now >= shared.not_after) return std::nullopt;
      NameItem told{shared.certificate, {}};
      for (const DelegateRecord& each : shared.delegates)
        told.delegations.push_back(each.delegation);
      return told;
    }
    case Subject::kRevoked: {
      const auto member = members_.find(name);
      const auto guest = guests_.find(name);
      const UnixSeconds until = member != members_.end() ? member->second.until
                                : guest != guests_.end() ? guest->second.until
                                                         : names_.at(name).until;
      if (now > until + kClockSkew) return std::nullopt;
      return RevokedItem{name, until};
    }
    case Subject::kPolicy:
      return PolicyItem{policy_.revision, policy_.text, policy_statement()};
    case Subject::kServices:
      return catalogue_item();
  }
  return std::nullopt;
}

// Signed when it is told: whoever is the issuer then stands behind it.
base::Bytes Authority::policy_statement() const {
  membership::PolicyStatement body{trust_.layer(), policy_.revision, policy_.set_at,
                                   membership::policy_digest(policy_.text), issuer_.key.public_key};
  base::Bytes chain = issuer_.delegation;
  const base::Bytes object = membership::sign(body, issuer_.key)->octets();
  chain.insert(chain.end(), object.begin(), object.end());
  return chain;
}

Changes Authority::changes_since(const std::optional<Revision>& since, std::size_t limit,
                                 UnixSeconds now) const {
  Changes changes;
  changes.whole = !since || since->incarnation != incarnation_ || since->counter > counter_;
  const std::uint64_t after = changes.whole ? 0 : since->counter;
  changes.revision = revision();
  for (auto at = log_.upper_bound(after); at != log_.end(); ++at) {
    if (changes.items.size() >= std::max<std::size_t>(limit, 1)) {
      changes.more = true;
      changes.revision.counter = at->first - 1;
      break;
    }
    if (auto one = item(at->second, now)) changes.items.push_back(std::move(*one));
  }
  return changes;
}

std::vector<MemberItem> Authority::nodes(UnixSeconds now) const {
  std::vector<MemberItem> out;
  for (const wire::Name& name : nodes_)
    if (auto one = item({Subject::kMember, name}, now))
      out.push_back(std::move(std::get<MemberItem>(*one)));
  return out;
}

// --- what has ended ---

bool Authority::forgettable(const MemberRecord& member, UnixSeconds now) const {
  const UnixSeconds rest = member.revoked_at != 0 ? 0 : settings_.forget_after;
  return now > member.until + std::max(rest, kClockSkew);
}

bool Authority::forgettable(const GuestRecord& guest, UnixSeconds now) const {
  const UnixSeconds rest = guest.revoked_at != 0 ? 0 : settings_.forget_after;
  return now > guest.until + std::max(rest, kClockSkew);
}

// Nobody renews one but the controller, so that silence means nothing.
bool Authority::forgettable(const NameRecord& name, UnixSeconds now) {
  return name.revoked_at != 0 && now > name.until + kClockSkew;
}

Outcome<std::size_t> Authority::expire(UnixSeconds now) const {
  std::vector<Change> changes;
  for (const auto& [id, token] : tokens_)
    if (now >= token.expires_at + kDay) changes.emplace_back(DropToken{id});
  for (const auto& [id, token] : api_tokens_)
    if (token.expires_at != 0 && now >= token.expires_at + kDay)
      changes.emplace_back(DropApiToken{id});
  for (const auto& [name, registration] : registrations_)
    if (now >= registration.until) changes.emplace_back(DropRegistration{name});
  for (const auto& [name, member] : members_)
    if (forgettable(member, now)) changes.emplace_back(DropMember{name});
  for (const auto& [name, guest] : guests_)
    if (forgettable(guest, now)) changes.emplace_back(DropGuest{name});
  for (const auto& [name, shared] : names_)
    if (forgettable(shared, now)) changes.emplace_back(DropName{name});
  const std::size_t count = changes.size();
  return {count, std::move(changes)};
}

// --- looking up ---

std::optional<wire::Name> Authority::resolve(std::string_view who) const {
  const auto labelled = by_label_.find(who);
  if (labelled != by_label_.end()) return labelled->second;
  return wire::name_from_text(who);
}

const MemberRecord* Authority::find_member(std::string_view who) const {
  const auto name = resolve(who);
  const auto found = name ? members_.find(*name) : members_.end();
  return found == members_.end() || found->second.revoked_at != 0 ? nullptr : &found->second;
}

const GuestRecord* Authority::find_guest(std::string_view who) const {
  const auto name = resolve(who);
  const auto found = name ? guests_.find(*name) : guests_.end();
  return found == guests_.end() || found->second.revoked_at != 0 ? nullptr : &found->second;
}

const NameRecord* Authority::find_name(std::string_view who) const {
  const auto name = resolve(who);
  const auto found = name ? names_.find(*name) : names_.end();
  return found == names_.end() || found->second.revoked_at != 0 ? nullptr : &found->second;
}

}  // namespace entresol::layer::directory
