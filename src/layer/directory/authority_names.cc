// Names that members share: who holds their keys, who may answer for them, and that none of it ends by itself.
#include <algorithm>

#include "base/error_codes.h"
#include "layer/directory/authority.h"

namespace entresol::layer::directory {
namespace {

namespace code = base::code;
using base::UnixSeconds;
using membership::NameKind;

constexpr std::uint32_t kFirstService = 2;  // 0 is the member itself, 1 IP delivery
constexpr std::uint32_t kLastStandard = 65535;
constexpr std::uint32_t kFirstPrivate = 0x80000000;

template <typename T>
tl::unexpected<base::Error> error_of(const base::Result<T>& result) {
  return tl::unexpected(result.error());
}

auto unknown(std::string_view who) {
  return base::fail(code::kMemberUnknown, "no shared name is called '" + std::string(who) + "'");
}

base::Result<void> check_kind(const NameRequest& request) {
  const std::uint32_t id = request.service;
  if (request.kind == NameKind::kShared && id == 0) return {};
  if (request.kind == NameKind::kService &&
      ((id >= kFirstService && id <= kLastStandard) || id >= kFirstPrivate))
    return {};
  return base::fail(code::kConfigBadValue,
                    "a service's id is 2 to 65535, or 2147483648 (0x80000000) and above");
}

void keep(NameRecord& name, DelegateRecord record) {
  const auto at =
      std::ranges::lower_bound(name.delegates, record.member, {}, &DelegateRecord::member);
  if (at != name.delegates.end() && at->member == record.member) {
    *at = std::move(record);
  } else {
    name.delegates.insert(at, std::move(record));
  }
}

base::Result<void> has_room(const NameRecord& name, const wire::Name& member) {
  if (name.delegate(member) != nullptr || name.delegates.size() < kMaxDelegates) return {};
  return base::fail(code::kConfigBadValue,
                    "'" + name.label +
                        "' has 32 members already, those that were taken back "
                        "lately among them");
}

}  // namespace

base::Result<void> Authority::certify(NameRecord& name, UnixSeconds now) const {
  auto when = validity(settings_.lifetime, now);
  if (!when) return error_of(when);
  membership::NameCertificate body;
  body.layer = trust_.layer();
  body.key = name.key;
  body.kind = name.kind;
  body.service = name.service;
  body.ipv4 = name.ipv4;
  body.validity = *when;
  body.label = name.label;
  body.tags = name.tags;
  body.issuer = issuer_.key.public_key;
  auto object = membership::sign(body, issuer_.key);
  if (!object) return error_of(object);
  const base::Bytes octets = object->octets();
  name.certificate = issuer_.delegation;
  name.certificate.insert(name.certificate.end(), octets.begin(), octets.end());
  name.not_before = when->not_before;
  name.not_after = when->not_after;
  name.until = std::max(name.until, when->not_after);
  return {};
}

Outcome<NameRecord> Authority::create_name(const NameRequest& request, UnixSeconds now) const {
  if (auto fits = check_label(request.label); !fits) return {error_of(fits), {}};
  if (auto fits = check_tags(request.tags); !fits) return {error_of(fits), {}};
  if (auto fits = check_kind(request); !fits) return {error_of(fits), {}};
  // A request whose answer was lost comes again; without a key it can mean no other name.
  if (const NameRecord* there = find_name(request.label);
      there != nullptr && there->label == request.label && there->tags == request.tags &&
      there->kind == request.kind && there->service == request.service &&
      (request.key ? there->key == *request.key : there->secret.has_value()))
    return {*there, {}};

  NameRecord name;
  if (request.key) {
    name.key = *request.key;
  } else {
    name.secret.emplace(random_->bytes<32>());
    name.key = crypto::ed25519_keypair(*name.secret).public_key;
  }
  name.name = membership::name_of(trust_.layer(), membership::kSuiteShared, name.key);
  if (const auto known = names_.find(name.name); known != names_.end()) {
    if (known->second.revoked_at == 0)
      return {base::fail(code::kNameTaken,
                         "this key is that of the name '" + known->second.label + "' already"),
              {}};
    return {base::fail(code::kMemberRevoked, "this key was revoked with the name '" +
                                                 known->second.label + "': make another one"),
            {}};
  }
  const auto ipv4 = pool_.lowest();
  if (!ipv4) return {base::fail(code::kPoolExhausted, "no IPv4 address is free"), {}};
  std::vector<Change> changes;
  if (auto free = claim_label(request.label, name.name, now, changes); !free)
    return {error_of(free), {}};
  name.kind = request.kind;
  name.service = request.service;
  name.ipv4 = *ipv4;
  name.label = request.label;
  name.tags = request.tags;
  name.created_at = now;
  if (auto done = certify(name, now); !done) return {error_of(done), {}};
  changes.emplace_back(name);
  return {std::move(name), std::move(changes)};
}

base::Result<void> Authority::sign_delegate(NameRecord& name, const wire::Name& member,
                                            std::uint8_t weight, const Validity& when) const {
  const DelegateRecord* before = name.delegate(member);
  membership::MemberDelegation body;
  body.layer = trust_.layer();
  body.name = name.name;
  body.member = member;
  // Above all that was signed, also by a store that was lost: time goes on.
  body.sequence = std::max(before == nullptr ? 0 : before->sequence + 1,
                           static_cast<std::uint64_t>(std::max<UnixSeconds>(when.not_before, 0)));
  body.weight = weight;
  body.validity = when;
  auto object = membership::sign(body, crypto::ed25519_keypair(*name.secret));
  if (!object) return error_of(object);
  auto record = delegate_record(object->octets());
  if (!record) return error_of(record);
  keep(name, std::move(*record));
  return {};
}

base::Result<void> Authority::delegate_one(NameRecord& name, const std::string& who,
                                           std::uint8_t weight, UnixSeconds now) const {
  const MemberRecord* member = find_member(who);
  if (member == nullptr)
    return base::fail(code::kMemberUnknown,
                      "no host or node is called '" + who + "', and no other answers for a name");
  const DelegateRecord* before = name.delegate(member->name);
  const bool holds = before != nullptr && now < before->not_after;
  if (holds ? before->weight == weight : weight == 0) return {};
  if (auto fits = has_room(name, member->name); !fits) return fits;
  Validity when{now - kClockSkew, name.not_after};
  if (weight == 0) when.not_after = before->not_after;
  return sign_delegate(name, member->name, weight, when);
}

Outcome<NameRecord> Authority::delegate_name(const DelegateRequest& request,
                                             UnixSeconds now) const {
  const NameRecord* known = find_name(request.label);
  if (known == nullptr) return {unknown(request.label), {}};
  if (!known->secret)
    return {base::fail(code::kNameKeyElsewhere,
                       "the owner of '" + known->label + "' has its key, and signs for it"),
            {}};
  NameRecord name = *known;
  for (const std::string& who : request.members)
    if (auto done = delegate_one(name, who, request.weight, now); !done)
      return {error_of(done), {}};
  if (name == *known) return {std::move(name), {}};
  std::vector<Change> changes{name};
  return {std::move(name), std::move(changes)};
}

Outcome<NameRecord> Authority::put_delegation(std::string_view who, base::ByteView delegation,
                                              UnixSeconds now) const {
  const NameRecord* known = find_name(who);
  if (known == nullptr) return {unknown(who), {}};
  membership::NameCertificate of;
  of.layer = trust_.layer();
  of.key = known->key;
  of.label = known->label;
  auto body = trust_.member_delegation(delegation, of, now);
  if (!body) return {error_of(body), {}};
  if (body->weight != 0 && find_member(wire::to_string(body->member)) == nullptr)
    return {base::fail(code::kMemberUnknown,
                       wire::to_string(body->member) + " is no host and no node of the layer"),
            {}};
  auto record = delegate_record(delegation);
  if (!record) return {error_of(record), {}};
  const DelegateRecord* before = known->delegate(body->member);
  if (before != nullptr && *before == *record) return {*known, {}};
  if (before != nullptr && before->sequence >= record->sequence)
    return {
        base::fail(code::kRegistrationOld,
                   "'" + known->label + "' has a delegation with sequence " +
                       std::to_string(before->sequence) + " for this member, and this one has " +
                       std::to_string(record->sequence)),
        {}};
  if (auto fits = has_room(*known, body->member); !fits) return {error_of(fits), {}};
  NameRecord name = *known;
  keep(name, std::move(*record));
  std::vector<Change> changes{name};
  return {std::move(name), std::move(changes)};
}

Outcome<NameRecord> Authority::revoke_name(std::string_view who, UnixSeconds now) const {
  if (const NameRecord* known = find_name(who)) {
    NameRecord gone = *known;
    gone.revoked_at = now;
    gone.secret.reset();  // nothing is signed with it any more
    return {gone, {gone}};
  }
  const NameRecord* latest = nullptr;
  for (const auto& [text, name] : names_) {
    if (name.revoked_at == 0 || (name.label != who && wire::to_string(text) != who)) continue;
    if (latest == nullptr || latest->revoked_at < name.revoked_at) latest = &name;
  }
  if (latest != nullptr) return {*latest, {}};
  return {unknown(who), {}};
}

// Where the owner signs, the member cannot be kept from showing what it has when it is admitted again.
void Authority::withdraw_all(const wire::Name& member, UnixSeconds now,
                             std::vector<Change>& changes) const {
  for (const auto& [text, name] : names_) {
    const DelegateRecord* has = name.delegate(member);
    if (name.revoked_at != 0 || !name.secret || has == nullptr || has->weight == 0) continue;
    NameRecord changed = name;
    if (sign_delegate(changed, member, 0, {now - kClockSkew, has->not_after}))
      changes.emplace_back(std::move(changed));
  }
}

Outcome<std::size_t> Authority::renew_names(UnixSeconds now) const {
  std::vector<Change> changes;
  if (!delegated_.holds(now)) return {std::size_t{0}, {}};
  for (const auto& [text, name] : names_) {
    const UnixSeconds begun = name.not_before + kClockSkew;
    const bool due = now >= begun + (name.not_after - begun) * 2 / 3;
    if (name.revoked_at != 0 || (!due && issued_by_current(name.certificate))) continue;
    NameRecord renewed = name;
    std::erase_if(renewed.delegates, [&](const auto& each) { return now >= each.not_after; });
    if (!certify(renewed, now)) continue;
    if (renewed.secret) {
      const std::vector<DelegateRecord> before = name.delegates;
      for (const DelegateRecord& each : before)
        if (each.weight != 0 && find_member(wire::to_string(each.member)) != nullptr)
          (void)sign_delegate(renewed, each.member, each.weight,
                              {now - kClockSkew, renewed.not_after});
    }
    changes.emplace_back(std::move(renewed));
  }
  const std::size_t count = changes.size();
  return {count, std::move(changes)};
}

}  // namespace entresol::layer::directory
