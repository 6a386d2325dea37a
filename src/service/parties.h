// Whose packet it is, for what is said of flows: policies, bindings, rights.
#pragma once

#include "layer/inner/ip.h"
#include "layer/membership/membership.h"
#include "layer/policy/policy.h"
#include "wire/header.h"

namespace entresol::service {

// Control messages, sessions' handshakes and keepalives carry no application's octets: nothing is said of them.
inline bool is_flow(const wire::HeaderView& view) {
  switch (view.next_protocol()) {
    case wire::next_protocol::kSealed:
      return view.inner_protocol() != layer::inner::kProtocolNone;
    case wire::next_protocol::kInnerIpv4:
    case wire::next_protocol::kInnerIpv6:
      return true;
    default:
      return false;
  }
}

// Borrows from the member.
inline layer::policy::Party party_of(const layer::membership::Membership& members,
                                     const wire::Name& name) {
  const layer::membership::Member* known =
      name == members.own().name ? &members.own() : members.find(name);
  if (known == nullptr) return {name, {}, {}};
  return {name, known->label, known->tags};
}

}  // namespace entresol::service
