// Names of their own key, for which members answer: what is known of them, and whom to prefer.
#include <algorithm>
#include <cmath>
#include <limits>

#include "crypto/hash.h"
#include "layer/membership/membership.h"

namespace entresol::layer::membership {
namespace {

// Rendezvous hashing with weights: of one asker the order is always the same, and a member that comes or goes moves only the
// askers that are its own.
double score(const wire::Name& shared, const wire::Name& asker, const Delegate& delegate) {
  base::Bytes input(shared.octets.begin(), shared.octets.end());
  input.insert(input.end(), asker.octets.begin(), asker.octets.end());
  input.insert(input.end(), delegate.member.octets.begin(), delegate.member.octets.end());
  const auto hash = crypto::sha256({}, input);
  const double part = (static_cast<double>(base::load_be64(hash.data()) >> 11) + 0.5) * 0x1p-53;
  return -static_cast<double>(delegate.weight) / std::log(part);
}

}  // namespace

// What is known and what is told, by the highest sequence; of one sequence what was known. Returns the objects that count.
base::Bytes Membership::merge(const NameCertificate& certificate, base::ByteView delegations,
                              base::UnixSeconds now, std::vector<Delegate>& delegates) const {
  std::map<wire::Name, std::pair<Delegate, base::ByteView>> newest;
  const base::Bytes known = objects(certificate.name()).delegations;
  for (const base::ByteView part : {base::ByteView(known), delegations}) {
    const auto each_of = split_delegations(part);
    if (!each_of) continue;
    for (const base::ByteView object : *each_of) {
      const auto body = trust_.member_delegation(object, certificate, now);
      if (!body || (newest.size() == kMaxDelegates && !newest.contains(body->member))) continue;
      const auto [at, fresh] = newest.try_emplace(body->member);
      if (!fresh && at->second.first.sequence >= body->sequence) continue;
      at->second = {{body->member, body->sequence, body->weight, body->validity}, object};
    }
  }
  base::Bytes out;
  for (const auto& [member, each] : newest) {
    delegates.push_back(each.first);
    out.insert(out.end(), each.second.begin(), each.second.end());
  }
  return out;
}

base::Result<wire::Name> Membership::learn_name(base::ByteView certificate_chain,
                                                base::ByteView delegations, base::UnixSeconds now) {
  base::UnixSeconds until = 0;
  auto certificate = trust_.name_certificate(certificate_chain, now, &until);
  if (!certificate) return tl::unexpected(certificate.error());
  Member member;
  Objects proof;
  member.name = certificate->name();
  proof.delegations = merge(*certificate, delegations, now, member.delegates);
  // An older certificate may come with newer delegations.
  if (const auto known = members_.find(member.name);
      known != members_.end() && known->second.since > certificate->validity.not_before) {
    proof.name_certificate = objects(member.name).name_certificate;
    std::vector<Delegate> delegates = std::move(member.delegates);
    member = known->second;
    member.delegates = std::move(delegates);
    return insert(std::move(member), std::move(proof));
  }
  member.label = certificate->label;
  member.ipv4 = certificate->ipv4;
  member.shared = true;
  member.tags = certificate->tags;
  member.since = certificate->validity.not_before;
  member.until = until;
  member.name_kind = certificate->kind;
  member.service = certificate->service;
  proof.name_certificate.assign(certificate_chain.begin(), certificate_chain.end());
  return insert(std::move(member), std::move(proof));
}

const Delegate* Membership::delegate(const wire::Name& shared, const wire::Name& member,
                                     base::UnixSeconds now) const {
  const Member* known = find(shared);
  if (known == nullptr || !known->shared || now >= known->until || revoked(member)) return nullptr;
  const auto found = std::ranges::find(known->delegates, member, &Delegate::member);
  if (found == known->delegates.end() || found->weight == 0 || !found->validity.holds(now))
    return nullptr;
  return &*found;
}

std::vector<wire::Name> Membership::preferred(const wire::Name& shared, const wire::Name& asker,
                                              base::UnixSeconds now) const {
  std::vector<std::pair<double, wire::Name>> order;
  const Member* known = find(shared);
  if (known == nullptr) return {};
  for (const Delegate& each : known->delegates)
    if (each.member != asker && delegate(shared, each.member, now) != nullptr)
      order.emplace_back(-score(shared, asker, each), each.member);
  std::ranges::sort(order);
  std::vector<wire::Name> out;
  out.reserve(order.size());
  for (const auto& [rank, member] : order) out.push_back(member);
  return out;
}

base::Bytes Membership::delegations_for(const wire::Name& shared, const wire::Name& asker,
                                        std::size_t room, base::UnixSeconds now) const {
  const Member* known = find(shared);
  if (known == nullptr) return {};
  const base::Bytes all = objects(shared).delegations;
  std::map<wire::Name, base::ByteView> object_of;
  std::vector<wire::Name> order, others;
  const auto each_of = split_delegations(all);
  for (std::size_t i = 0; each_of && i < known->delegates.size(); ++i)
    object_of[known->delegates[i].member] = (*each_of)[i];
  for (const wire::Name& member : preferred(shared, asker, now))
    (find(member) != nullptr ? order : others).push_back(member);
  order.insert(order.end(), others.begin(), others.end());
  for (const Delegate& each : known->delegates)
    if (std::ranges::find(order, each.member) == order.end()) order.push_back(each.member);
  base::Bytes out;
  for (const wire::Name& member : order)
    if (const base::ByteView object = object_of[member]; out.size() + object.size() <= room)
      out.insert(out.end(), object.begin(), object.end());
  return out;
}

}  // namespace entresol::layer::membership
