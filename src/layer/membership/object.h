// The signed objects of a layer: certificate, delegation, registration, guest's grant, policy, and those of names that
// members share. One binary form for files, the handshake and the controller. Source: docs/wire.md section 9, field by field.
//
// parse() checks form only; whether to believe an object is asked of Trust (trust.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "wire/name.h"

namespace entresol::layer::membership {

using LayerId = std::array<std::uint8_t, 32>;
using Key = std::array<std::uint8_t, 32>;
using Ipv4 = std::array<std::uint8_t, 4>;

inline constexpr std::uint8_t kSuiteEd25519 = 1;
inline constexpr std::uint8_t kSuiteShared = 2;  // Ed25519, of a name that members share
inline constexpr std::uint8_t kSuiteGuestX25519 = 128;
inline constexpr std::uint8_t kProtocolNative = 1;  // of a registration's keys
inline constexpr std::size_t kMaxObject = 4096;     // octets, signature included
inline constexpr std::size_t kMaxEndpoints = 8;     // of a registration
inline constexpr std::size_t kMaxDelegates = 32;    // of a shared name, as a member keeps them

enum class Kind : std::uint8_t {
  kCertificate = 1,
  kDelegation = 2,
  kRegistration = 3,
  kGrant = 4,
  kPolicy = 5,
  kNameCertificate = 6,
  kMemberDelegation = 7,
  kGuestPlace = 8,
  kCatalogue = 9
};
enum class Role : std::uint8_t { kHost = 1, kNode = 2 };

LayerId layer_id_of(const Key& root_key);
// `fd35:LLLL:` and 96 bits of the hash of what lasts: the identity key, a shared name's key, or a guest's WireGuard key.
wire::Name name_of(const LayerId& layer, std::uint8_t suite, const Key& key);

struct Validity {
  base::UnixSeconds not_before = 0;
  base::UnixSeconds not_after = 0;
  bool holds(base::UnixSeconds now) const { return not_before <= now && now < not_after; }
};

struct Certificate {
  LayerId layer{};
  Key identity{};
  Role role = Role::kHost;
  Ipv4 ipv4{};  // zero: none
  Validity validity;
  std::string label;
  std::vector<std::string> tags;
  Key issuer{};
  wire::Name name() const { return name_of(layer, kSuiteEd25519, identity); }
};

struct Delegation {
  LayerId layer{};
  Key operator_key{};
  Validity validity;
  std::string label;
};

struct Registration {
  LayerId layer{};
  wire::Name name;
  std::uint64_t sequence = 0;
  base::UnixSeconds not_after = 0;
  std::vector<wire::Name> attachments;  // nodes
  struct ProtocolKey {
    std::uint8_t protocol = kProtocolNative;
    Key key{};
  };
  std::vector<ProtocolKey> keys;
  std::vector<base::Endpoint> endpoints;  // of a node: where it is dialled in the layer below
};

struct Grant {
  LayerId layer{};
  Key wireguard_key{};
  Ipv4 ipv4{};
  Validity validity;
  std::string label;
  std::vector<std::string> tags;
  std::vector<wire::Name> nodes;  // empty: every node
  Key issuer{};
  wire::Name name() const { return name_of(layer, kSuiteGuestX25519, wireguard_key); }
};

// That a text is the layer's policy. The text itself is too long for an object, and travels beside it.
struct PolicyStatement {
  LayerId layer{};
  std::uint64_t revision = 0;
  base::UnixSeconds issued_at = 0;
  crypto::Hash256 digest{};  // SHA-256 of the text
  Key issuer{};
};
crypto::Hash256 policy_digest(std::string_view text);

// That octets are the catalogue of the layer's services (layer/directory/catalogue.h), which travel beside it.
struct CatalogueStatement {
  LayerId layer{};
  std::uint64_t revision = 0;
  base::UnixSeconds issued_at = 0;
  crypto::Hash256 digest{};  // SHA-256 of the catalogue
  Key issuer{};
};

// Where a guest is: its registration, which its node signs under the grant, since the guest cannot.
struct GuestPlace {
  LayerId layer{};
  wire::Name guest;
  wire::Name node;
  std::uint64_t sequence = 0;
  base::UnixSeconds not_after = 0;
};

enum class NameKind : std::uint8_t { kShared = 1, kService = 2 };

// A name that is no member's: several may answer for it, or those that run a service.
struct NameCertificate {
  LayerId layer{};
  Key key{};
  NameKind kind = NameKind::kShared;
  std::uint32_t service = 0;  // of a service's name; else 0
  Ipv4 ipv4{};                // zero: none
  Validity validity;
  std::string label;
  std::vector<std::string> tags;
  Key issuer{};
  wire::Name name() const { return name_of(layer, kSuiteShared, key); }
};

// That a member may answer for a shared name, signed by that name's key. Of one name and member the highest sequence
// counts. One that takes another back holds as long as that one would have, and may be forgotten then.
struct MemberDelegation {
  LayerId layer{};
  wire::Name name;    // the shared one
  wire::Name member;  // who may answer for it
  std::uint64_t sequence = 0;
  std::uint8_t weight = 1;  // among the members; 0: it may not, or no longer
  Validity validity;
};

// An object with its signature, and the octets that the signature covers.
template <typename Body>
struct Signed {
  Body body;
  base::Bytes covered;  // the object's octets before the signature
  crypto::Ed25519Signature signature{};
  base::Bytes octets() const {
    base::Bytes all = covered;
    all.insert(all.end(), signature.begin(), signature.end());
    return all;
  }
  bool signed_by(const Key& key) const;
};

// kCertificateMalformed for a body that has no binary form: text of more than 255 octets, lists of more than 255 elements,
// more than
// kMaxEndpoints endpoints, more than kMaxObject octets in all.
base::Result<Signed<Certificate>> sign(const Certificate& body, const crypto::Ed25519KeyPair& key);
base::Result<Signed<Delegation>> sign(const Delegation& body, const crypto::Ed25519KeyPair& key);
base::Result<Signed<Registration>> sign(const Registration& body,
                                        const crypto::Ed25519KeyPair& key);
base::Result<Signed<Grant>> sign(const Grant& body, const crypto::Ed25519KeyPair& key);
base::Result<Signed<PolicyStatement>> sign(const PolicyStatement& body,
                                           const crypto::Ed25519KeyPair& key);
base::Result<Signed<CatalogueStatement>> sign(const CatalogueStatement& body,
                                              const crypto::Ed25519KeyPair& key);
base::Result<Signed<NameCertificate>> sign(const NameCertificate& body,
                                           const crypto::Ed25519KeyPair& key);
base::Result<Signed<GuestPlace>> sign(const GuestPlace& body, const crypto::Ed25519KeyPair& key);
base::Result<Signed<MemberDelegation>> sign(const MemberDelegation& body,
                                            const crypto::Ed25519KeyPair& key);

// Length of the object that starts here, signature included, and its kind; an error if it is not whole.
struct Extent {
  Kind kind;
  std::size_t size;
};
base::Result<Extent> extent(base::ByteView bytes);

// Exactly one object, nothing behind it. Error: kCertificateMalformed with what is wrong.
base::Result<Signed<Certificate>> parse_certificate(base::ByteView bytes);
base::Result<Signed<Delegation>> parse_delegation(base::ByteView bytes);
base::Result<Signed<Registration>> parse_registration(base::ByteView bytes);
base::Result<Signed<Grant>> parse_grant(base::ByteView bytes);
base::Result<Signed<PolicyStatement>> parse_policy(base::ByteView bytes);
base::Result<Signed<CatalogueStatement>> parse_catalogue_statement(base::ByteView bytes);
base::Result<Signed<NameCertificate>> parse_name_certificate(base::ByteView bytes);
base::Result<Signed<GuestPlace>> parse_guest_place(base::ByteView bytes);
base::Result<Signed<MemberDelegation>> parse_member_delegation(base::ByteView bytes);

// Member delegations, one behind the other; an error if one of them is not whole.
base::Result<std::vector<base::ByteView>> split_delegations(base::ByteView bytes);

}  // namespace entresol::layer::membership
