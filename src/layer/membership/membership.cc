#include "layer/membership/membership.h"

#include <algorithm>
#include <limits>

#include "base/error_codes.h"

namespace entresol::layer::membership {
namespace {

namespace code = base::code;
using base::DropReason;

// `until`: of the certificate's chain.
Member from_certificate(const Certificate& certificate, base::UnixSeconds until,
                        const Registration& registration, const Key& native_key) {
  Member member;
  member.name = certificate.name();
  member.label = certificate.label;
  member.ipv4 = certificate.ipv4;
  member.role = certificate.role;
  member.tags = certificate.tags;
  member.native_key = native_key;
  member.since = certificate.validity.not_before;
  member.until = std::min(until, registration.not_after);
  member.sequence = registration.sequence;
  member.attachments = registration.attachments;
  member.endpoints = registration.endpoints;
  return member;
}

const Key* native_key_of(const Registration& registration) {
  for (const auto& key : registration.keys)
    if (key.protocol == kProtocolNative) return &key.key;
  return nullptr;
}

base::ByteView behind_delegation(base::ByteView chain) {
  auto first = extent(chain);
  return first && first->kind == Kind::kDelegation ? chain.subspan(first->size) : chain;
}

// What is known already stays if it is the newer one.
bool newer(const Member& known, const Member& member) {
  return std::pair(known.sequence, known.since) > std::pair(member.sequence, member.since);
}

bool registered_elsewhere(const Member& before, const Member& now) {
  if (before.attachments != now.attachments || before.role != now.role || before.place != now.place)
    return true;
  return now.is_node() &&
         (before.native_key != now.native_key || before.endpoints != now.endpoints);
}

}  // namespace

bool lets_speak(const std::vector<wire::Name>& nodes, const wire::Name& node) {
  return nodes.empty() || std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

base::Result<void> Membership::set_own(base::Bytes certificate_chain, std::uint64_t sequence,
                                       base::UnixSeconds lease_end,
                                       std::vector<wire::Name> attachments, base::UnixSeconds now,
                                       std::vector<base::Endpoint> endpoints) {
  base::UnixSeconds until = 0;
  auto certificate = trust_.certificate(certificate_chain, now, &until);
  if (!certificate) return tl::unexpected(certificate.error());
  if (certificate->identity != identity_.identity.public_key)
    return base::fail(code::kCertificateUntrusted,
                      "certificate of '" + certificate->label + "' is for another identity key");
  Registration registration;
  registration.layer = trust_.layer();
  registration.name = certificate->name();
  registration.sequence = sequence;
  registration.not_after = std::min(lease_end, until);
  registration.attachments = std::move(attachments);
  registration.keys.push_back({kProtocolNative, identity_.native_public});
  registration.endpoints = std::move(endpoints);
  auto object = sign(registration, identity_.identity);
  if (!object) return tl::unexpected(object.error());
  own_registration_ = object->octets();
  own_certificate_ = std::move(certificate_chain);
  own_ = from_certificate(*certificate, until, registration, identity_.native_public);
  own_end_ = until;
  ++generation_;
  return {};
}

base::Result<void> Membership::check_renewal(base::ByteView certificate_chain,
                                             base::UnixSeconds now) const {
  auto certificate = trust_.certificate(certificate_chain, now);
  if (!certificate) return tl::unexpected(certificate.error());
  if (certificate->identity != identity_.identity.public_key)
    return base::fail(code::kCertificateUntrusted,
                      "certificate of '" + certificate->label + "' is for another identity key");
  if (certificate->role != own_.role || certificate->ipv4 != own_.ipv4)
    return base::fail(code::kConfigBadValue,
                      "certificate of '" + certificate->label +
                          "' has another role or IPv4 address, which takes a restart");
  if (certificate->validity.not_before < own_.since)
    return base::fail(code::kConfigBadValue,
                      "certificate of '" + certificate->label + "' is older than the present one");
  return {};
}

base::Result<void> Membership::may_insert(const Member& member) const {
  if (member.name == own_.name)
    return base::fail(code::kNameTaken, "'" + member.label + "' is this member itself");
  if (auto found = revocations_.find(member.name); found != revocations_.end()) {
    if (found->second.in_force)
      return base::fail(code::kMemberRevoked, "'" + member.label + "' is revoked");
    if (member.sequence < found->second.sequence)
      return base::fail(code::kRegistrationOld,
                        "registration of '" + member.label + "' is from before its revocation");
  }
  if (member.ipv4 == Ipv4{}) return {};
  auto taken = by_ipv4_.find(member.ipv4);
  const bool ours = own_.ipv4 == member.ipv4;
  if (ours || (taken != by_ipv4_.end() && taken->second != member.name))
    return base::fail(code::kNameTaken, "IPv4 address of '" + member.label + "' belongs to '" +
                                            (ours ? own_.label : find(taken->second)->label) + "'");
  return {};
}

base::Result<wire::Name> Membership::insert(Member member, Objects objects) {
  if (auto may = may_insert(member); !may) return tl::unexpected(may.error());
  const wire::Name name = member.name;
  const bool node = member.is_node();
  Key before = member.native_key;
  bool placed = !node;
  bool moved = true;
  std::vector<wire::Name> from;
  if (auto known = members_.find(name); known != members_.end()) {
    if (newer(known->second, member)) return name;
    before = known->second.native_key;
    if (known->second.label != member.label || known->second.tags != member.tags)
      ++description_changes_;
    placed = true;
    moved = registered_elsewhere(known->second, member);
    from = known->second.attachments;
    erase(name);
  }
  if (member.ipv4 != Ipv4{}) by_ipv4_[member.ipv4] = name;
  by_label_[member.label] = name;
  ends_.insert({member.until, name});
  if (member.placed()) place_ends_.insert({member.placed_until, name});
  const Key key = member.native_key;
  objects_.insert_or_assign(name, std::move(objects));
  members_.insert_or_assign(name, std::move(member));
  if (before != key) ++key_changes_;
  if (node && before != key) place_guests(before);
  if (!placed) place_guests(Key{});
  if (moved) note_moved(name, from);
  return name;
}

void Membership::note_moved(const wire::Name& name, const std::vector<wire::Name>& from) {
  if (follows_moves_) moved_.push_back({name, from});
}

void Membership::erase(const wire::Name& name) {
  auto known = members_.find(name);
  if (known == members_.end()) return;
  ++forgotten_;
  const Member& member = known->second;
  ends_.erase({member.until, name});
  place_ends_.erase({member.placed_until, name});
  by_ipv4_.erase(member.ipv4);
  if (auto label = by_label_.find(member.label); label != by_label_.end() && label->second == name)
    by_label_.erase(label);
  objects_.erase(name);
  members_.erase(known);
}

// Sessions with a guest are with a node that speaks for it.
Key Membership::key_of_nodes(const std::vector<wire::Name>& nodes) const {
  for (const wire::Name& node : nodes)
    if (const Member* known = find(node)) return known->native_key;
  return {};
}

bool Membership::still_speaks(const Member& guest, const Grant& grant,
                              const wire::Name& through) const {
  if (grant.nodes.empty()) return find(through) == nullptr;
  return std::any_of(grant.nodes.begin(), grant.nodes.end(), [&](const wire::Name& node) {
    const Member* known = find(node);
    return known != nullptr && known->native_key == guest.native_key;
  });
}

// The node that had this key has another one or is gone; zero: there is a new node.
void Membership::place_guests(const Key& lost) {
  for (auto& [name, member] : members_)
    if (member.guest && member.native_key == lost)
      member.native_key = key_of_nodes(member.attachments);
}

base::Result<wire::Name> Membership::learn(base::ByteView certificate_chain,
                                           base::ByteView registration, base::UnixSeconds now) {
  base::UnixSeconds until = 0;
  auto certificate = trust_.certificate(certificate_chain, now, &until);
  if (!certificate) return tl::unexpected(certificate.error());
  auto registered = trust_.registration(registration, *certificate, now);
  if (!registered) return tl::unexpected(registered.error());
  const Key* key = native_key_of(*registered);
  if (key == nullptr)
    return base::fail(code::kCertificateMalformed,
                      "registration of '" + certificate->label + "' has no native key");
  return insert(from_certificate(*certificate, until, *registered, *key),
                {.certificate = {certificate_chain.begin(), certificate_chain.end()},
                 .registration = {registration.begin(), registration.end()},
                 .grant = {},
                 .name_certificate = {},
                 .delegations = {}});
}

base::Result<wire::Name> Membership::learn_guest(base::Bytes grant_chain, base::UnixSeconds now,
                                                 const wire::Name& through) {
  base::UnixSeconds until = 0;
  auto grant = trust_.grant(grant_chain, now, &until);
  if (!grant) return tl::unexpected(grant.error());
  Member member;
  member.name = grant->name();
  member.label = grant->label;
  member.ipv4 = grant->ipv4;
  member.guest = true;
  member.tags = grant->tags;
  member.since = grant->validity.not_before;
  member.until = until;
  member.attachments = grant->nodes;
  member.native_key =
      key_of_nodes(grant->nodes.empty() ? std::vector<wire::Name>{through} : grant->nodes);
  if (member.native_key == Key{} && through != wire::Name{})
    member.native_key = key_of_nodes({through});
  // The node that speaks for it already still may, unless somebody has just said that another one does.
  const Member* known = find(member.name);
  if (known != nullptr && known->native_key != Key{} && still_speaks(*known, *grant, through))
    member.native_key = known->native_key;
  Objects objects;
  objects.grant = std::move(grant_chain);
  if (known != nullptr) {
    member.sequence = known->sequence;  // of its places, whatever becomes of them
  } else if (auto revocation = revocations_.find(member.name); revocation != revocations_.end()) {
    member.sequence = revocation->second.sequence;
  }
  // It stays where it is, if it may.
  if (known != nullptr && known->placed() && lets_speak(grant->nodes, known->place)) {
    member.place = known->place;
    member.placed_until = known->placed_until;
    objects.registration = objects_.at(member.name).registration;
    if (const Member* node = find(known->place)) member.native_key = node->native_key;
  }
  return insert(std::move(member), std::move(objects));
}

// ---- ends ----------------------------------------------------------------------------------------------------------

void Membership::revoke(const wire::Name& name, base::UnixSeconds until) {
  Revocation& revocation = revocations_[name];
  revocation_ends_.erase({revocation.until, name});
  revocation.until = until;
  revocation.in_force = true;
  revocation_ends_.insert({until, name});
  auto known = members_.find(name);
  if (known == members_.end()) return;
  revocation.sequence = std::max(revocation.sequence, known->second.sequence);
  const Key lost = known->second.native_key;
  const bool node = known->second.is_node();
  note_moved(name, known->second.attachments);
  erase(name);
  if (node) place_guests(lost);
}

// Its end stays noted: until then older registrations of it might still be shown.
void Membership::readmit(const wire::Name& name) {
  if (auto found = revocations_.find(name); found != revocations_.end())
    found->second.in_force = false;
}

std::vector<Member> Membership::expire(base::UnixSeconds now, std::size_t most) {
  while (!revocation_ends_.empty() && revocation_ends_.begin()->first <= now) {
    revocations_.erase(revocation_ends_.begin()->second);
    revocation_ends_.erase(revocation_ends_.begin());
  }
  while (!place_ends_.empty() && place_ends_.begin()->first <= now)
    forget_place(members_.at(place_ends_.begin()->second));
  std::vector<Member> ended;
  while (ended.size() < most && !ends_.empty() && ends_.begin()->first <= now) {
    const wire::Name name = ends_.begin()->second;
    ended.push_back(members_.at(name));
    note_moved(name, ended.back().attachments);
    erase(name);
    if (ended.back().is_node()) place_guests(ended.back().native_key);
  }
  return ended;
}

base::UnixSeconds Membership::next_end() const {
  base::UnixSeconds next = std::numeric_limits<base::UnixSeconds>::max();
  if (!ends_.empty()) next = std::min(next, ends_.begin()->first);
  if (!revocation_ends_.empty()) next = std::min(next, revocation_ends_.begin()->first);
  if (!place_ends_.empty()) next = std::min(next, place_ends_.begin()->first);
  return next;
}

// ---- what is known -------------------------------------------------------------------------------------------------

const Member* Membership::find(const wire::Name& name) const {
  if (name == own_.name) return &own_;
  auto found = members_.find(name);
  return found == members_.end() ? nullptr : &found->second;
}

const Member* Membership::find_ipv4(const Ipv4& address) const {
  if (address == Ipv4{}) return nullptr;
  if (address == own_.ipv4) return &own_;
  auto found = by_ipv4_.find(address);
  return found == by_ipv4_.end() ? nullptr : find(found->second);
}

const Member* Membership::find_label(std::string_view label) const {
  if (label == own_.label) return &own_;
  auto found = by_label_.find(label);
  return found == by_label_.end() ? nullptr : find(found->second);
}

Objects Membership::objects(const wire::Name& name) const {
  if (name == own_.name) return {own_certificate_, own_registration_, {}, {}, {}};
  auto found = objects_.find(name);
  return found == objects_.end() ? Objects{} : found->second;
}

security::Credentials Membership::own_credentials() const {
  security::Credentials shown;
  shown.certificate = own_certificate_;
  shown.registration = own_registration_;
  shown.link_size = link_size_;
  shown.generation = generation_;
  return shown;
}

wire::Name Membership::name_shown(const security::Credentials& shown) {
  auto certificate = parse_certificate(behind_delegation(shown.certificate));
  return certificate ? certificate->body.name() : wire::Name{};
}

wire::Name Membership::name_granted(base::ByteView grant_chain) {
  auto grant = parse_grant(behind_delegation(grant_chain));
  return grant ? grant->body.name() : wire::Name{};
}

// ---- handshakes ----------------------------------------------------------------------------------------------------

// The member that has shown exactly this before: its signatures have been looked at. Keys are renewed every two minutes.
const Member* Membership::known_by(const security::Credentials& shown) const {
  if (shown.registration.empty()) return nullptr;
  const auto known = objects_.find(name_shown(shown));
  if (known == objects_.end() || known->second.certificate != shown.certificate ||
      known->second.registration != shown.registration)
    return nullptr;
  return find(known->first);
}

DropReason Membership::verify(const security::PublicKey& key, const security::Credentials& shown,
                              base::UnixSeconds now, Member& out) const {
  if (!standing(now)) return DropReason::handshake_certificate;  // nothing to answer with
  if (const Member* same = known_by(shown);
      same != nullptr && same->native_key == key && now >= same->since && now < same->until) {
    out = *same;
    return DropReason::none;
  }
  base::UnixSeconds until = 0;
  auto certificate = trust_.certificate(shown.certificate, now, &until);
  if (!certificate) return DropReason::handshake_certificate;
  const wire::Name name = certificate->name();
  const auto revocation = revocations_.find(name);
  if (revocation != revocations_.end() && revocation->second.in_force)
    return DropReason::name_revoked;
  auto registration = trust_.registration(shown.registration, *certificate, now);
  if (!registration) return DropReason::handshake_certificate;
  const Key* bound = native_key_of(*registration);
  if (bound == nullptr || *bound != key) return DropReason::handshake_certificate;
  if (name == own_.name) return DropReason::handshake_certificate;
  const Member* known = find(name);
  const std::uint64_t least = known != nullptr                   ? known->sequence
                              : revocation != revocations_.end() ? revocation->second.sequence
                                                                 : 0;
  if (registration->sequence < least) return DropReason::handshake_certificate;
  out = from_certificate(*certificate, until, *registration, *bound);
  return DropReason::none;
}

security::Credentials Membership::Links::credentials(const security::Path&) {
  return membership_.own_credentials();
}

DropReason Membership::Links::admit(const security::PublicKey& key,
                                    const security::Credentials& shown, const security::Path&,
                                    base::UnixSeconds now, wire::Name& name) {
  Member member;
  const DropReason reason = membership_.verify(key, shown, now, member);
  if (reason != DropReason::none) return reason;
  name = member.name;
  return membership_.insert(std::move(member), {shown.certificate, shown.registration, {}, {}, {}})
             ? DropReason::none
             : DropReason::handshake_certificate;
}

security::Credentials Membership::Sessions::credentials(const security::Path& path) {
  security::Credentials shown = membership_.own_credentials();
  const wire::Name local{path.local.address};
  if (membership_.spoken_for_.contains(local)) {
    shown.grant = membership_.objects(local).grant;
  }
  return shown;
}

// Every way to "none" ends with a name that the credentials prove: the certificate's own, or that of a guest whose grant
// lets the certified node speak for it.
DropReason Membership::Sessions::admit(const security::PublicKey& key,
                                       const security::Credentials& shown,
                                       const security::Path& path, base::UnixSeconds now,
                                       wire::Name& name) {
  name = wire::Name{path.remote.address};
  if (membership_.revoked(name)) return DropReason::name_revoked;
  Member member;
  const DropReason reason = membership_.verify(key, shown, now, member);
  if (reason != DropReason::none) return reason;
  if (name != member.name) return membership_.admit_guest(member, shown, name, now);
  return membership_.insert(std::move(member), {shown.certificate, shown.registration, {}, {}, {}})
             ? DropReason::none
             : DropReason::handshake_certificate;
}

DropReason Membership::admit_guest(const Member& node, const security::Credentials& shown,
                                   const wire::Name& guest, base::UnixSeconds now) {
  if (node.role != Role::kNode) return DropReason::handshake_certificate;
  auto grant = trust_.grant(shown.grant, now);
  if (!grant || grant->name() != guest || !lets_speak(grant->nodes, node.name))
    return DropReason::handshake_certificate;
  // A newer grant may have taken the guest from this node.
  const Member* known = find(guest);
  if (known != nullptr && known->since > grant->validity.not_before &&
      !lets_speak(known->attachments, node.name))
    return DropReason::handshake_certificate;
  auto learnt = learn_guest(shown.grant, now);
  if (!learnt) return DropReason::handshake_certificate;
  members_[*learnt].native_key = node.native_key;
  return DropReason::none;
}

DropReason Membership::Guests::admit(const security::PublicKey&, const security::Credentials&,
                                     const security::Path&, base::UnixSeconds, wire::Name&) {
  return DropReason::none;  // who was configured
}

DropReason Membership::Guests::stranger(const security::PublicKey& key) const {
  const auto& layer = membership_.trust_.layer();
  return membership_.revoked(name_of(layer, kSuiteGuestX25519, key))
             ? DropReason::name_revoked
             : DropReason::handshake_unknown_peer;
}

}  // namespace entresol::layer::membership
