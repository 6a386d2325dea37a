// Whom to believe: the root of a layer, and what it follows from it. Everything is verified offline.
#pragma once

#include "base/result.h"
#include "layer/membership/object.h"

namespace entresol::layer::membership {

class Trust {
 public:
  explicit Trust(const Key& root_key) : root_(root_key), layer_(layer_id_of(root_key)) {}

  const LayerId& layer() const { return layer_; }
  const Key& root() const { return root_; }

  // A certificate as it travels: itself alone if the root issued it, or with the operator's delegation before it.
  // Errors: kCertificateMalformed, kWrongLayer, kCertificateUntrusted, kCertificateExpired. `until`, if given, is when the
  // chain ends: the object, or the delegation before it.
  base::Result<Certificate> certificate(base::ByteView chain, base::UnixSeconds now,
                                        base::UnixSeconds* until = nullptr) const;
  base::Result<Grant> grant(base::ByteView chain, base::UnixSeconds now,
                            base::UnixSeconds* until = nullptr) const;
  // What the chain says of `text`. kCertificateUntrusted too if it is about another text.
  base::Result<PolicyStatement> policy(base::ByteView chain, std::string_view text,
                                       base::UnixSeconds now) const;
  // What the chain says of a catalogue's octets; errors the same.
  base::Result<CatalogueStatement> catalogue(base::ByteView chain, base::ByteView octets,
                                             base::UnixSeconds now) const;
  // A registration is believed if the certified identity signed it, for its own name, and its lease has not ended.
  base::Result<Registration> registration(base::ByteView bytes, const Certificate& of,
                                          base::UnixSeconds now) const;
  base::Result<NameCertificate> name_certificate(base::ByteView chain, base::UnixSeconds now,
                                                 base::UnixSeconds* until = nullptr) const;
  // A member delegation, or that one was taken back (weight 0), is believed if the shared name's key signed it, for that
  // name. Errors as a certificate's.
  base::Result<MemberDelegation> member_delegation(base::ByteView bytes, const NameCertificate& of,
                                                   base::UnixSeconds now) const;
  // A guest's place is believed if the node that it names has signed it, and its lease has not ended. Whether the guest's
  // grant lets that node is asked elsewhere.
  base::Result<GuestPlace> guest_place(base::ByteView bytes, const Certificate& node,
                                       base::UnixSeconds now) const;

 private:
  struct Issuer {
    Key key{};
    base::UnixSeconds until = 0;
    base::ByteView object;  // what of the chain is left: what it has issued
  };
  base::Result<Issuer> resolve_issuer(base::ByteView chain, base::UnixSeconds now) const;
  Key root_;
  LayerId layer_;
};

}  // namespace entresol::layer::membership
