#include "layer/membership/trust.h"

#include <algorithm>
#include <limits>

#include "base/error_codes.h"

namespace entresol::layer::membership {
namespace {

namespace code = base::code;

template <typename Body>
base::Result<Body> believe(const base::Result<Signed<Body>>& object, const LayerId& layer,
                           const Key& issuer, base::UnixSeconds now) {
  if (!object) return tl::unexpected(object.error());
  const Body& body = object->body;
  if (body.layer != layer)
    return base::fail(code::kWrongLayer, "'" + body.label + "' belongs to another layer");
  if (body.issuer != issuer || !object->signed_by(issuer))
    return base::fail(code::kCertificateUntrusted,
                      "'" + body.label + "' is not signed by the root or by an operator of it");
  if (!body.validity.holds(now))
    return base::fail(code::kCertificateExpired, "'" + body.label + "' is not valid at this time");
  return body;
}

// Of what travels beside the statement, by its digest. `what` is for people.
template <typename Body>
base::Result<Body> believe_about(const base::Result<Signed<Body>>& object, const LayerId& layer,
                                 const Key& issuer, const crypto::Hash256& digest,
                                 const std::string& what) {
  if (!object) return tl::unexpected(object.error());
  const Body& body = object->body;
  if (body.layer != layer) return base::fail(code::kWrongLayer, what + " of another layer");
  if (body.issuer != issuer || !object->signed_by(issuer))
    return base::fail(code::kCertificateUntrusted,
                      what + " is not signed by the root or by an operator of it");
  if (body.digest != digest)
    return base::fail(code::kCertificateUntrusted, what + " is not the one that was signed");
  return body;
}

}  // namespace

base::Result<Trust::Issuer> Trust::resolve_issuer(base::ByteView chain,
                                                  base::UnixSeconds now) const {
  auto first = extent(chain);
  if (!first) return tl::unexpected(first.error());
  if (first->kind != Kind::kDelegation)
    return Issuer{root_, std::numeric_limits<base::UnixSeconds>::max(), chain};
  auto delegation = parse_delegation(chain.first(first->size));
  if (!delegation) return tl::unexpected(delegation.error());
  if (delegation->body.layer != layer_)
    return base::fail(code::kWrongLayer, "operator's delegation belongs to another layer");
  if (!delegation->signed_by(root_))
    return base::fail(code::kCertificateUntrusted,
                      "operator's delegation is not signed by the root");
  if (!delegation->body.validity.holds(now))
    return base::fail(code::kCertificateExpired, "operator's delegation is not valid at this time");
  return Issuer{delegation->body.operator_key, delegation->body.validity.not_after,
                chain.subspan(first->size)};
}

base::Result<Certificate> Trust::certificate(base::ByteView chain, base::UnixSeconds now,
                                             base::UnixSeconds* until) const {
  auto issuer = resolve_issuer(chain, now);
  if (!issuer) return tl::unexpected(issuer.error());
  auto body = believe(parse_certificate(issuer->object), layer_, issuer->key, now);
  if (body && until != nullptr) *until = std::min(issuer->until, body->validity.not_after);
  return body;
}

base::Result<Grant> Trust::grant(base::ByteView chain, base::UnixSeconds now,
                                 base::UnixSeconds* until) const {
  auto issuer = resolve_issuer(chain, now);
  if (!issuer) return tl::unexpected(issuer.error());
  auto body = believe(parse_grant(issuer->object), layer_, issuer->key, now);
  if (body && until != nullptr) *until = std::min(issuer->until, body->validity.not_after);
  return body;
}

base::Result<PolicyStatement> Trust::policy(base::ByteView chain, std::string_view text,
                                            base::UnixSeconds now) const {
  auto issuer = resolve_issuer(chain, now);
  if (!issuer) return tl::unexpected(issuer.error());
  return believe_about(parse_policy(issuer->object), layer_, issuer->key, policy_digest(text),
                       "policy");
}

base::Result<CatalogueStatement> Trust::catalogue(base::ByteView chain, base::ByteView octets,
                                                  base::UnixSeconds now) const {
  auto issuer = resolve_issuer(chain, now);
  if (!issuer) return tl::unexpected(issuer.error());
  return believe_about(parse_catalogue_statement(issuer->object), layer_, issuer->key,
                       crypto::sha256(octets), "catalogue of services");
}

base::Result<Registration> Trust::registration(base::ByteView bytes, const Certificate& of,
                                               base::UnixSeconds now) const {
  auto object = parse_registration(bytes);
  if (!object) return tl::unexpected(object.error());
  const Registration& body = object->body;
  if (body.layer != layer_)
    return base::fail(code::kWrongLayer, "registration belongs to another layer");
  if (body.name != of.name() || !object->signed_by(of.identity))
    return base::fail(code::kCertificateUntrusted,
                      "registration is not signed by the identity of '" + of.label + "'");
  if (now >= body.not_after)
    return base::fail(code::kCertificateExpired, "registration of '" + of.label + "' has ended");
  return body;
}

base::Result<NameCertificate> Trust::name_certificate(base::ByteView chain, base::UnixSeconds now,
                                                      base::UnixSeconds* until) const {
  auto issuer = resolve_issuer(chain, now);
  if (!issuer) return tl::unexpected(issuer.error());
  auto body = believe(parse_name_certificate(issuer->object), layer_, issuer->key, now);
  if (body && until != nullptr) *until = std::min(issuer->until, body->validity.not_after);
  return body;
}

base::Result<MemberDelegation> Trust::member_delegation(base::ByteView bytes,
                                                        const NameCertificate& of,
                                                        base::UnixSeconds now) const {
  auto object = parse_member_delegation(bytes);
  if (!object) return tl::unexpected(object.error());
  const MemberDelegation& body = object->body;
  if (body.layer != layer_)
    return base::fail(code::kWrongLayer, "member delegation belongs to another layer");
  if (body.name != of.name() || !object->signed_by(of.key))
    return base::fail(code::kCertificateUntrusted,
                      "member delegation is not signed by the key of '" + of.label + "'");
  if (!body.validity.holds(now))
    return base::fail(code::kCertificateExpired,
                      "member delegation of '" + of.label + "' is not valid at this time");
  return body;
}

base::Result<GuestPlace> Trust::guest_place(base::ByteView bytes, const Certificate& node,
                                            base::UnixSeconds now) const {
  auto object = parse_guest_place(bytes);
  if (!object) return tl::unexpected(object.error());
  const GuestPlace& body = object->body;
  if (body.layer != layer_)
    return base::fail(code::kWrongLayer, "guest's registration belongs to another layer");
  if (node.role != Role::kNode || body.node != node.name() || !object->signed_by(node.identity))
    return base::fail(code::kCertificateUntrusted,
                      "guest's registration is not signed by the node '" + node.label + "'");
  if (now >= body.not_after)
    return base::fail(code::kCertificateExpired, "guest's registration has ended");
  return body;
}

}  // namespace entresol::layer::membership
