#include "layer/membership/membership.h"

#include <algorithm>

#include "base/error_codes.h"

namespace entresol::layer::membership {
namespace {

namespace code = base::code;

Member from_certificate(const Certificate& certificate, const Registration& registration,
                        const Key& native_key) {
  Member member;
  member.name = certificate.name();
  member.label = certificate.label;
  member.ipv4 = certificate.ipv4;
  member.role = certificate.role;
  member.tags = certificate.tags;
  member.native_key = native_key;
  member.until = std::min(certificate.validity.not_after, registration.not_after);
  member.sequence = registration.sequence;
  member.attachments = registration.attachments;
  return member;
}

const Key* native_key_of(const Registration& registration) {
  for (const auto& key : registration.keys)
    if (key.protocol == kProtocolNative) return &key.key;
  return nullptr;
}

}  // namespace

base::Result<void> Membership::set_own(base::Bytes certificate_chain, std::uint64_t sequence,
                                       base::UnixSeconds lease_end,
                                       std::vector<wire::Name> attachments, base::UnixSeconds now) {
  auto certificate = trust_.certificate(certificate_chain, now);
  if (!certificate) return tl::unexpected(certificate.error());
  if (certificate->identity != identity_.identity.public_key)
    return base::fail(code::kCertificateUntrusted,
                      "certificate of '" + certificate->label + "' is for another identity key");
  Registration registration;
  registration.layer = trust_.layer();
  registration.name = certificate->name();
  registration.sequence = sequence;
  registration.not_after = std::min(lease_end, certificate->validity.not_after);
  registration.attachments = std::move(attachments);
  registration.keys.push_back({kProtocolNative, identity_.native_public});
  auto object = sign(registration, identity_.identity);
  if (!object) return tl::unexpected(object.error());
  own_registration_ = object->octets();
  own_certificate_ = std::move(certificate_chain);
  own_ = from_certificate(*certificate, registration, identity_.native_public);
  return {};
}

base::Result<wire::Name> Membership::insert(Member member, Objects objects) {
  if (member.name == own_.name)
    return base::fail(code::kNameTaken, "'" + member.label + "' is this member itself");
  if (member.ipv4 != Ipv4{}) {
    auto taken = by_ipv4_.find(member.ipv4);
    bool ours = own_.ipv4 == member.ipv4;
    if (ours || (taken != by_ipv4_.end() && taken->second != member.name))
      return base::fail(code::kNameTaken, "IPv4 address of '" + member.label + "' belongs to '" +
                                              (ours ? own_.label : find(taken->second)->label) +
                                              "'");
  }
  wire::Name name = member.name;
  if (auto known = members_.find(name); known != members_.end()) {
    if (known->second.sequence > member.sequence) return name;  // the highest sequence wins
    by_ipv4_.erase(known->second.ipv4);
    if (auto label = by_label_.find(known->second.label);
        label != by_label_.end() && label->second == name)
      by_label_.erase(label);
  }
  if (member.ipv4 != Ipv4{}) by_ipv4_[member.ipv4] = name;
  by_label_[member.label] = name;
  objects_.insert_or_assign(name, std::move(objects));
  members_.insert_or_assign(name, std::move(member));
  return name;
}

base::Result<wire::Name> Membership::learn(base::ByteView certificate_chain,
                                           base::ByteView registration, base::UnixSeconds now) {
  auto certificate = trust_.certificate(certificate_chain, now);
  if (!certificate) return tl::unexpected(certificate.error());
  auto registered = trust_.registration(registration, *certificate, now);
  if (!registered) return tl::unexpected(registered.error());
  const Key* key = native_key_of(*registered);
  if (key == nullptr)
    return base::fail(code::kCertificateMalformed,
                      "registration of '" + certificate->label + "' has no native key");
  return insert(from_certificate(*certificate, *registered, *key),
                {{certificate_chain.begin(), certificate_chain.end()},
                 {registration.begin(), registration.end()},
                 {}});
}

base::Result<wire::Name> Membership::learn_guest(base::Bytes grant_chain, base::UnixSeconds now,
                                                 const wire::Name& through) {
  auto grant = trust_.grant(grant_chain, now);
  if (!grant) return tl::unexpected(grant.error());
  Member member;
  member.name = grant->name();
  member.label = grant->label;
  member.ipv4 = grant->ipv4;
  member.guest = true;
  member.tags = grant->tags;
  member.until = grant->validity.not_after;
  member.attachments = grant->nodes;
  // Sessions with a guest are with a node that speaks for it.
  const std::vector<wire::Name> nodes =
      grant->nodes.empty() ? std::vector<wire::Name>{through} : grant->nodes;
  for (const wire::Name& node : nodes)
    if (const Member* known = find(node)) member.native_key = known->native_key;
  return insert(std::move(member), {{}, {}, std::move(grant_chain)});
}

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
  if (name == own_.name) return {own_certificate_, own_registration_, {}};
  auto found = objects_.find(name);
  return found == objects_.end() ? Objects{} : found->second;
}

security::Credentials Membership::own_credentials() const {
  security::Credentials shown;
  shown.certificate = own_certificate_;
  shown.registration = own_registration_;
  shown.link_size = link_size_;
  return shown;
}

std::optional<Member> Membership::verify(const security::PublicKey& key,
                                         const security::Credentials& shown,
                                         base::UnixSeconds now) const {
  auto certificate = trust_.certificate(shown.certificate, now);
  if (!certificate) return std::nullopt;
  auto registration = trust_.registration(shown.registration, *certificate, now);
  if (!registration) return std::nullopt;
  const Key* bound = native_key_of(*registration);
  if (bound == nullptr || *bound != key) return std::nullopt;
  Member member = from_certificate(*certificate, *registration, *bound);
  if (member.name == own_.name) return std::nullopt;
  const Member* known = find(member.name);
  if (known != nullptr && known->sequence > member.sequence) return std::nullopt;
  return member;
}

security::Credentials Membership::Links::credentials(const security::Path&) {
  return membership_.own_credentials();
}

base::DropReason Membership::Links::admit(const security::PublicKey& key,
                                          const security::Credentials& shown, const security::Path&,
                                          base::UnixSeconds now, wire::Name& name) {
  auto member = membership_.verify(key, shown, now);
  if (!member || !membership_.insert(*member, {shown.certificate, shown.registration, {}}))
    return base::DropReason::handshake_certificate;
  name = member->name;
  return base::DropReason::none;
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
base::DropReason Membership::Sessions::admit(const security::PublicKey& key,
                                             const security::Credentials& shown,
                                             const security::Path& path, base::UnixSeconds now,
                                             wire::Name& name) {
  auto member = membership_.verify(key, shown, now);
  if (!member) return base::DropReason::handshake_certificate;
  const wire::Name remote{path.remote.address};
  name = remote;
  if (remote == member->name)
    return membership_.insert(*member, {shown.certificate, shown.registration, {}})
               ? base::DropReason::none
               : base::DropReason::handshake_certificate;

  if (member->role != Role::kNode) return base::DropReason::handshake_certificate;
  auto grant = membership_.trust_.grant(shown.grant, now);
  if (!grant || grant->name() != remote) return base::DropReason::handshake_certificate;
  const auto& nodes = grant->nodes;
  if (!nodes.empty() && std::find(nodes.begin(), nodes.end(), member->name) == nodes.end())
    return base::DropReason::handshake_certificate;
  auto guest = membership_.learn_guest(shown.grant, now);
  if (!guest) return base::DropReason::handshake_certificate;
  membership_.members_[*guest].native_key = key;
  return base::DropReason::none;
}

}  // namespace entresol::layer::membership
