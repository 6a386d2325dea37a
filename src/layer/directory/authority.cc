#include "layer/directory/authority.h"

#include <algorithm>

#include "base/error_codes.h"

namespace entresol::layer::directory {
namespace {

namespace code = base::code;
using base::ByteView;
using base::UnixSeconds;

template <typename T>
tl::unexpected<base::Error> error_of(const base::Result<T>& result) {
  return tl::unexpected(result.error());
}

Issued issued(const MemberRecord& member) {
  return {member.name,
          member.label,
          member.ipv4,
          {member.not_before, member.not_after},
          member.certificate};
}

auto revoked(const MemberRecord& member) {
  return base::fail(code::kMemberRevoked, "'" + member.label + "' was revoked");
}

}  // namespace

base::Result<void> Authority::check_issuer(const Issuer& issuer) {
  if (issuer.delegation.empty()) {
    if (issuer.key.public_key == issuer.root) return {};
    return base::fail(code::kCertificateUntrusted,
                      "the issuer's key is not the root's, and no delegation stands beside it");
  }
  if (issuer.delegation.size() > kMaxDelegation)
    return base::fail(code::kCertificateMalformed,
                      "the operator's delegation is longer than 212 octets: certificates behind it "
                      "would not fit a datagram");
  auto delegation = membership::parse_delegation(issuer.delegation);
  if (!delegation) return error_of(delegation);
  if (delegation->body.layer != membership::layer_id_of(issuer.root))
    return base::fail(code::kWrongLayer, "the operator's delegation belongs to another layer");
  if (!delegation->signed_by(issuer.root) || delegation->body.operator_key != issuer.key.public_key)
    return base::fail(code::kCertificateUntrusted,
                      "the operator's delegation is not the root's for this operator's key");
  return {};
}

base::Result<Validity> Authority::validity(UnixSeconds lifetime, UnixSeconds now) const {
  if (!delegated_.holds(now))
    return base::fail(code::kDelegationEnded,
                      "the controller may not issue at this time: its delegation by the root ended "
                      "or has not begun");
  return Validity{now - kClockSkew, std::min(now + lifetime, delegated_.not_after)};
}

base::Result<void> Authority::certify(MemberRecord& member, UnixSeconds now) const {
  auto when = validity(settings_.lifetime, now);
  if (!when) return error_of(when);
  membership::Certificate certificate;
  certificate.layer = trust_.layer();
  certificate.identity = member.identity;
  certificate.role = member.role;
  certificate.ipv4 = member.ipv4;
  certificate.validity = *when;
  certificate.label = member.label;
  certificate.tags = member.tags;
  certificate.issuer = issuer_.key.public_key;
  auto object = membership::sign(certificate, issuer_.key);
  if (!object) return error_of(object);
  const base::Bytes octets = object->octets();
  member.certificate = issuer_.delegation;
  member.certificate.insert(member.certificate.end(), octets.begin(), octets.end());
  member.not_before = when->not_before;
  member.not_after = when->not_after;
  member.until = std::max(member.until, when->not_after);
  return {};
}

// Whether the chain stands behind the delegation that is used now (a new one is made before the old one ends).
bool Authority::issued_by_current(const base::Bytes& chain) const {
  const base::Bytes& delegation = issuer_.delegation;
  if (chain.size() < delegation.size() ||
      !std::equal(delegation.begin(), delegation.end(), chain.begin()))
    return false;
  const auto behind = membership::extent(ByteView(chain).subspan(delegation.size()));
  return behind && behind->kind != membership::Kind::kDelegation;
}

// --- joining ---

Outcome<Issued> Authority::join(const JoinRequest& request, UnixSeconds now) const {
  const auto known = by_secret_.find(hash_of(request.secret));
  if (known == by_secret_.end())
    return {
        base::fail(code::kTokenUnknown,
                   "the token is not known here: it was revoked, or another controller made it"),
        {}};
  const TokenRecord& token = tokens_.at(known->second);
  const wire::Name name =
      membership::name_of(trust_.layer(), membership::kSuiteEd25519, request.identity);
  if (token.used_by) return {repeat_join(token, request, name, now), {}};
  if (now >= token.expires_at)
    return {base::fail(code::kTokenExpired, "the token has expired: ask for a new one"), {}};
  if (request.role != token.role)
    return {base::fail(code::kTokenRefused, std::string("the token admits a ") +
                                                (token.role == Role::kNode ? "node" : "host") +
                                                ", and not what asks"),
            {}};
  std::vector<Change> changes;
  auto member = describe(token, request, name, now, changes);
  if (!member) return {error_of(member), {}};
  std::optional<RegistrationRecord> registration;
  if (!request.registration.empty()) {
    auto accepted = accept(*member, member->certificate, request.registration, now);
    if (!accepted) return {error_of(accepted), {}};
    registration = std::move(accepted->record);
  }
  TokenRecord used = token;
  used.used_by = name;
  used.used_at = now;
  changes.emplace_back(std::move(used));
  Issued answer = issued(*member);
  changes.emplace_back(std::move(*member));
  if (registration) changes.emplace_back(std::move(*registration));
  return {std::move(answer), std::move(changes)};
}

// The token was used: by whoever asks again since the answer was lost, or by somebody else.
base::Result<Issued> Authority::repeat_join(const TokenRecord& token, const JoinRequest& request,
                                            const wire::Name& name, UnixSeconds now) const {
  const auto used = base::fail(code::kTokenUsed, "the token was used already: ask for a new one");
  const auto found = members_.find(name);
  if (*token.used_by != name || found == members_.end()) return used;
  const MemberRecord& member = found->second;
  if (member.identity != request.identity || member.token != token.id) return used;
  if (member.revoked_at != 0) return revoked(member);
  if (now >= member.not_after || request.role != member.role ||
      (!request.label.empty() && request.label != member.label))
    return used;
  return issued(member);
}

base::Result<MemberRecord> Authority::describe(const TokenRecord& token, const JoinRequest& request,
                                               const wire::Name& name, UnixSeconds now,
                                               std::vector<Change>& changes) const {
  MemberRecord member;
  if (const auto known = members_.find(name); known != members_.end()) {
    member = known->second;
    if (member.identity != request.identity)
      return base::fail(code::kNameTaken, "another identity key has this name");
    if (member.revoked_at != 0 && now <= member.until + kClockSkew) return revoked(member);
    if (member.revoked_at == 0 && !request.proved)
      return base::fail(
          code::kRequestUnproved,
          "'" + member.label + "' is a member: to join again it signs the request with its key");
  } else {
    const auto ipv4 = pool_.lowest();
    if (!ipv4)
      return base::fail(code::kPoolExhausted,
                        "no IPv4 address is free: revoke members that are gone, or give the layer "
                        "a larger pool");
    member.ipv4 = *ipv4;
  }
  if (!token.label.empty() && !request.label.empty() && token.label != request.label)
    return base::fail(code::kTokenRefused, "the token is for another label");
  member.label = token.label.empty() ? request.label : token.label;
  if (auto fits = check_label(member.label); !fits) return error_of(fits);
  if (auto free = claim_label(member.label, name, now, changes); !free) return error_of(free);
  member.name = name;
  member.identity = request.identity;
  member.role = token.role;
  member.tags = token.tags;
  member.admitted_at = now;
  member.revoked_at = 0;
  member.token = token.id;
  if (auto done = certify(member, now); !done) return error_of(done);
  return member;
}

base::Result<void> Authority::claim_label(const std::string& label, const wire::Name& name,
                                          UnixSeconds now, std::vector<Change>& changes) const {
  const auto owner = by_label_.find(label);
  if (owner == by_label_.end() || owner->second == name) return {};
  if (const auto member = members_.find(owner->second); member != members_.end()) {
    if (forgettable(member->second, now)) {
      changes.emplace_back(DropMember{owner->second});
      return {};
    }
  } else if (const auto guest = guests_.find(owner->second);
             guest != guests_.end() && forgettable(guest->second, now)) {
    changes.emplace_back(DropGuest{owner->second});
    return {};
  } else if (names_.contains(owner->second)) {
    return base::fail(code::kLabelTaken, "a shared name has the label '" + label +
                                             "': choose another one, or revoke that name");
  }
  return base::fail(code::kLabelTaken, "another member has the label '" + label +
                                           "': choose another one, or have that member revoked");
}

Outcome<Issued> Authority::renew(const wire::Name& name, UnixSeconds now) const {
  const auto known = members_.find(name);
  if (known == members_.end())
    return {base::fail(code::kMemberUnknown, "no such member: join with a token"), {}};
  const MemberRecord& member = known->second;
  if (member.revoked_at != 0) return {revoked(member), {}};
  const UnixSeconds begun = member.not_before + kClockSkew;
  const bool fresh = now < begun + (member.not_after - begun) / 10;
  if (fresh && issued_by_current(member.certificate)) return {issued(member), {}};
  MemberRecord renewed = member;
  if (auto done = certify(renewed, now); !done) return {error_of(done), {}};
  Issued answer = issued(renewed);
  std::vector<Change> changes;
  changes.emplace_back(std::move(renewed));
  return {std::move(answer), std::move(changes)};
}

// --- registrations ---

base::Result<Authority::Accepted> Authority::accept(const MemberRecord& member,
                                                    ByteView certificate, ByteView registration,
                                                    UnixSeconds now) const {
  if (certificate.size() + registration.size() > kMaxShown)
    return base::fail(code::kObjectsTooLarge,
                      "certificate and registration have more than 1200 octets together: attach to "
                      "fewer nodes");
  Accepted accepted;
  membership::Certificate shown;
  if (std::ranges::equal(certificate, member.certificate)) {
    // Signed here: no signature is verified again.
    shown.layer = trust_.layer();
    shown.identity = member.identity;
    shown.label = member.label;
    shown.validity = {member.not_before, member.not_after};
    if (!shown.validity.holds(now))
      return base::fail(code::kCertificateExpired,
                        "the certificate of '" + member.label + "' is not valid at this time");
  } else {
    auto believed = trust_.certificate(certificate, now);
    if (!believed) return error_of(believed);
    shown = std::move(*believed);
    if (shown.identity != member.identity)
      return base::fail(code::kNameTaken, "another identity key has this name");
    if (shown.validity.not_after > member.until) {
      // Issued here and forgotten: the store is an older copy.
      accepted.member = member;
      accepted.member->until = shown.validity.not_after;
      if (shown.label == member.label && shown.ipv4 == member.ipv4 && shown.role == member.role &&
          shown.tags == member.tags) {
        accepted.member->certificate.assign(certificate.begin(), certificate.end());
        accepted.member->not_before = shown.validity.not_before;
        accepted.member->not_after = shown.validity.not_after;
      }
    }
  }
  auto body = trust_.registration(registration, shown, now);
  if (!body) return error_of(body);
  accepted.record.name = member.name;
  accepted.record.sequence = body->sequence;
  accepted.record.until = std::min(body->not_after, shown.validity.not_after);
  accepted.record.registration.assign(registration.begin(), registration.end());
  const auto newest = registrations_.find(member.name);
  if (newest != registrations_.end() && newest->second.sequence >= body->sequence &&
      newest->second.registration != accepted.record.registration)
    return base::fail(code::kRegistrationOld,
                      "'" + member.label + "' has a registration with sequence " +
                          std::to_string(newest->second.sequence) + ", and this one has " +
                          std::to_string(body->sequence));
  return accepted;
}

Outcome<void> Authority::put_registration(ByteView certificate, ByteView registration,
                                          UnixSeconds now) const {
  auto parsed = membership::parse_registration(registration);
  if (!parsed) return {error_of(parsed), {}};
  const auto known = members_.find(parsed->body.name);
  if (known == members_.end())
    return {base::fail(code::kMemberUnknown, "no such member: join with a token"), {}};
  if (known->second.revoked_at != 0) return {revoked(known->second), {}};
  auto accepted = accept(known->second, certificate, registration, now);
  if (!accepted) return {error_of(accepted), {}};
  std::vector<Change> changes;
  if (accepted->member) changes.emplace_back(std::move(*accepted->member));
  const auto newest = registrations_.find(accepted->record.name);
  if (newest == registrations_.end() || newest->second != accepted->record)
    changes.emplace_back(std::move(accepted->record));
  return {{}, std::move(changes)};
}

Outcome<MemberRecord> Authority::revoke_member(std::string_view who, UnixSeconds now) const {
  if (const MemberRecord* member = find_member(who)) {
    MemberRecord gone = *member;
    gone.revoked_at = now;
    std::vector<Change> changes{gone};
    withdraw_all(gone.name, now, changes);
    return {std::move(gone), std::move(changes)};
  }
  // A repeat, perhaps: the latest that had this label.
  const MemberRecord* latest = nullptr;
  for (const auto& [name, member] : members_) {
    if (member.revoked_at == 0 || (member.label != who && wire::to_string(name) != who)) continue;
    if (latest == nullptr || latest->revoked_at < member.revoked_at) latest = &member;
  }
  if (latest != nullptr) return {*latest, {}};
  return {base::fail(code::kMemberUnknown, "no member is called '" + std::string(who) + "'"), {}};
}

}  // namespace entresol::layer::directory
