// A layer's root for the tests of this folder and those above it: makes identities and signs what they show. All keys come
// from the seed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "crypto/x25519.h"
#include "layer/membership/membership.h"
#include "security/test_random.h"

namespace entresol::layer::membership::test {

inline constexpr base::UnixSeconds kNow = 1'700'000'000;
inline constexpr base::UnixSeconds kDay = 86'400;

inline Identity make_identity(base::RandomSource& random) {
  Identity identity;
  identity.identity = crypto::ed25519_keypair(random.bytes<32>());
  crypto::X25519KeyPair native = crypto::x25519_keypair(random.bytes<32>());
  identity.native_public = native.public_key;
  identity.native_private = native.secret;
  return identity;
}

class Authority {
 public:
  explicit Authority(std::uint64_t seed)
      : random(seed), root(crypto::ed25519_keypair(random.bytes<32>())), trust(root.public_key) {}

  Certificate describe(const Identity& identity, Role role, std::string label, Ipv4 ipv4) const {
    Certificate certificate;
    certificate.layer = trust.layer();
    certificate.identity = identity.identity.public_key;
    certificate.role = role;
    certificate.ipv4 = ipv4;
    certificate.validity = validity;
    certificate.label = std::move(label);
    certificate.issuer = root.public_key;
    return certificate;
  }
  base::Bytes certify(const Identity& identity, Role role, std::string label, Ipv4 ipv4) const {
    return sign(describe(identity, role, std::move(label), ipv4), root)->octets();
  }
  base::Bytes certify(Certificate body, Validity when) const {
    body.validity = when;
    return sign(body, root)->octets();
  }

  Registration describe_registration(const Identity& identity, std::uint64_t sequence) const {
    Registration registration;
    registration.layer = trust.layer();
    registration.name = name_of(trust.layer(), kSuiteEd25519, identity.identity.public_key);
    registration.sequence = sequence;
    registration.not_after = kNow + kDay;
    registration.keys.push_back({kProtocolNative, identity.native_public});
    return registration;
  }
  base::Bytes registration(const Identity& identity, std::uint64_t sequence = 1) const {
    return sign(describe_registration(identity, sequence), identity.identity)->octets();
  }

  Grant describe_grant(const Key& wireguard_key, std::string label, Ipv4 ipv4,
                       std::vector<wire::Name> nodes) const {
    Grant grant;
    grant.layer = trust.layer();
    grant.wireguard_key = wireguard_key;
    grant.ipv4 = ipv4;
    grant.validity = validity;
    grant.label = std::move(label);
    grant.nodes = std::move(nodes);
    grant.issuer = root.public_key;
    return grant;
  }
  base::Bytes grant(const Key& wireguard_key, std::string label, Ipv4 ipv4,
                    std::vector<wire::Name> nodes) const {
    return sign(describe_grant(wireguard_key, std::move(label), ipv4, std::move(nodes)), root)
        ->octets();
  }

  // A grant that was made here, for another time.
  base::Bytes grant_of(base::ByteView granted, Validity when) const {
    Grant body = parse_grant(granted)->body;
    body.validity = when;
    return sign(body, root)->octets();
  }

  security::SeededRandom random;
  crypto::Ed25519KeyPair root;
  Trust trust;
  Validity validity{kNow - kDay,
                    kNow + 30 * kDay};  // of what is certified and granted from here on
};

}  // namespace entresol::layer::membership::test
