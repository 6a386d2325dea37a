#include "layer/membership/object.h"

#include <string_view>

#include "base/error_codes.h"
#include "crypto/hash.h"

namespace entresol::layer::membership {
namespace {

using base::ByteReader;
using base::ByteView;
using base::ByteWriter;

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHead = 4;        // version, kind, length
constexpr std::size_t kMaxCount = 255;  // octets of a text, elements of a list
constexpr std::string_view kSignatureContext = "entresol object";

ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What cannot be written as it is, because an octet of length or count does not hold it, is told by `fits`.
struct ObjectWriter : ByteWriter {
  using ByteWriter::ByteWriter;
  bool fits = true;
  void count(std::size_t n) {
    fits = fits && n <= kMaxCount;
    u8(static_cast<std::uint8_t>(n));
  }
};

void put_text(ObjectWriter& out, std::string_view text) {
  out.count(text.size());
  out.bytes(view(text));
}

std::string get_text(ByteReader& in) {
  ByteView text = in.view(in.u8());
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

void put_tags(ObjectWriter& out, const std::vector<std::string>& tags) {
  out.count(tags.size());
  for (const std::string& tag : tags) put_text(out, tag);
}

std::vector<std::string> get_tags(ByteReader& in) {
  std::vector<std::string> tags;
  for (int n = in.u8(); n > 0 && in.ok(); --n) tags.push_back(get_text(in));
  return tags;
}

void put_names(ObjectWriter& out, const std::vector<wire::Name>& names) {
  out.count(names.size());
  for (const wire::Name& name : names) out.bytes(name.octets);
}

std::vector<wire::Name> get_names(ByteReader& in) {
  std::vector<wire::Name> names;
  for (int n = in.u8(); n > 0 && in.ok(); --n) names.push_back(wire::Name{in.array<16>()});
  return names;
}

void put_endpoints(ObjectWriter& out, const std::vector<base::Endpoint>& endpoints) {
  out.count(endpoints.size());
  out.fits = out.fits && endpoints.size() <= kMaxEndpoints;
  for (const base::Endpoint& endpoint : endpoints) {
    out.bytes(endpoint.address);
    out.u16(endpoint.port);
  }
}

const char* get_endpoints(ByteReader& in, std::vector<base::Endpoint>& endpoints) {
  const std::size_t count = in.u8();
  if (count > kMaxEndpoints) return "more than eight endpoints";
  while (endpoints.size() < count && in.ok()) {
    base::Endpoint& endpoint = endpoints.emplace_back();
    endpoint.address = in.array<16>();
    endpoint.port = in.u16();
  }
  return nullptr;
}

void put_validity(ByteWriter& out, const Validity& validity) {
  out.u64(static_cast<std::uint64_t>(validity.not_before));
  out.u64(static_cast<std::uint64_t>(validity.not_after));
}

Validity get_validity(ByteReader& in) {
  Validity validity;
  validity.not_before = static_cast<base::UnixSeconds>(in.u64());
  validity.not_after = static_cast<base::UnixSeconds>(in.u64());
  return validity;
}

template <typename Body>
struct Codec;

template <>
struct Codec<Certificate> {
  static constexpr Kind kKind = Kind::kCertificate;
  static void emit(const Certificate& body, ObjectWriter& out) {
    out.bytes(body.layer);
    out.u8(kSuiteEd25519);
    out.bytes(body.identity);
    out.u8(static_cast<std::uint8_t>(body.role));
    out.bytes(body.ipv4);
    put_validity(out, body.validity);
    put_text(out, body.label);
    put_tags(out, body.tags);
    out.u8(0);  // prefixes: none in version 1
    out.bytes(body.issuer);
  }
  static const char* parse(ByteReader& in, Certificate& body) {
    body.layer = in.array<32>();
    if (in.u8() != kSuiteEd25519) return "identity suite is not Ed25519";
    body.identity = in.array<32>();
    std::uint8_t role = in.u8();
    if (role != 1 && role != 2) return "role is neither host nor node";
    body.role = static_cast<Role>(role);
    body.ipv4 = in.array<4>();
    body.validity = get_validity(in);
    body.label = get_text(in);
    body.tags = get_tags(in);
    if (in.u8() != 0) return "prefixes are not part of version 1";
    body.issuer = in.array<32>();
    return nullptr;
  }
};

template <>
struct Codec<Delegation> {
  static constexpr Kind kKind = Kind::kDelegation;
  static void emit(const Delegation& body, ObjectWriter& out) {
    out.bytes(body.layer);
    out.bytes(body.operator_key);
    put_validity(out, body.validity);
    put_text(out, body.label);
  }
  static const char* parse(ByteReader& in, Delegation& body) {
    body.layer = in.array<32>();
    body.operator_key = in.array<32>();
    body.validity = get_validity(in);
    body.label = get_text(in);
    return nullptr;
  }
};

template <>
struct Codec<Registration> {
  static constexpr Kind kKind = Kind::kRegistration;
  static void emit(const Registration& body, ObjectWriter& out) {
    out.bytes(body.layer);
    out.bytes(body.name.octets);
    out.u64(body.sequence);
    out.u64(static_cast<std::uint64_t>(body.not_after));
    put_names(out, body.attachments);
    out.count(body.keys.size());
    for (const auto& key : body.keys) {
      out.u8(key.protocol);
      out.bytes(key.key);
    }
    put_endpoints(out, body.endpoints);
  }
  static const char* parse(ByteReader& in, Registration& body) {
    body.layer = in.array<32>();
    body.name = wire::Name{in.array<16>()};
    body.sequence = in.u64();
    body.not_after = static_cast<base::UnixSeconds>(in.u64());
    body.attachments = get_names(in);
    for (int n = in.u8(); n > 0 && in.ok(); --n) {
      Registration::ProtocolKey key;
      key.protocol = in.u8();
      key.key = in.array<32>();
      body.keys.push_back(key);
    }
    return get_endpoints(in, body.endpoints);
  }
};

template <>
struct Codec<Grant> {
  static constexpr Kind kKind = Kind::kGrant;
  static void emit(const Grant& body, ObjectWriter& out) {
    out.bytes(body.layer);
    out.bytes(body.wireguard_key);
    out.bytes(body.ipv4);
    put_validity(out, body.validity);
    put_text(out, body.label);
    put_tags(out, body.tags);
    put_names(out, body.nodes);
    out.bytes(body.issuer);
  }
  static const char* parse(ByteReader& in, Grant& body) {
    body.layer = in.array<32>();
    body.wireguard_key = in.array<32>();
    body.ipv4 = in.array<4>();
    body.validity = get_validity(in);
    body.label = get_text(in);
    body.tags = get_tags(in);
    body.nodes = get_names(in);
    body.issuer = in.array<32>();
    return nullptr;
  }
};

// Both say the same of something that travels beside them.
template <typename Statement, Kind kOf>
struct StatementCodec {
  static constexpr Kind kKind = kOf;
  static void emit(const Statement& body, ObjectWriter& out) {
    out.bytes(body.layer);
    out.u64(body.revision);
    out.u64(static_cast<std::uint64_t>(body.issued_at));
    out.bytes(body.digest);
    out.bytes(body.issuer);
  }
  static const char* parse(ByteReader& in, Statement& body) {
    body.layer = in.array<32>();
    body.revision = in.u64();
    body.issued_at = static_cast<base::UnixSeconds>(in.u64());
    body.digest = in.array<32>();
    body.issuer = in.array<32>();
    return nullptr;
  }
};
template <>
struct Codec<PolicyStatement> : StatementCodec<PolicyStatement, Kind::kPolicy> {};
template <>
struct Codec<CatalogueStatement> : StatementCodec<CatalogueStatement, Kind::kCatalogue> {};

template <>
struct Codec<NameCertificate> {
  static constexpr Kind kKind = Kind::kNameCertificate;
  static void emit(const NameCertificate& body, ObjectWriter& out) {
    out.fits = out.fits && (body.kind == NameKind::kService) == (body.service != 0);
    out.bytes(body.layer);
    out.u8(kSuiteShared);
    out.bytes(body.key);
    out.u8(static_cast<std::uint8_t>(body.kind));
    out.u32(body.service);
    out.bytes(body.ipv4);
    put_validity(out, body.validity);
    put_text(out, body.label);
    put_tags(out, body.tags);
    out.bytes(body.issuer);
  }
  static const char* parse(ByteReader& in, NameCertificate& body) {
    body.layer = in.array<32>();
    if (in.u8() != kSuiteShared) return "a shared name's suite is not 2";
    body.key = in.array<32>();
    const std::uint8_t kind = in.u8();
    if (kind != 1 && kind != 2) return "name is neither shared nor a service's";
    body.kind = static_cast<NameKind>(kind);
    body.service = in.u32();
    if ((body.kind == NameKind::kService) != (body.service != 0))
      return "a service's name has a service id, and no other name has";
    body.ipv4 = in.array<4>();
    body.validity = get_validity(in);
    body.label = get_text(in);
    body.tags = get_tags(in);
    body.issuer = in.array<32>();
    return nullptr;
  }
};

template <>
struct Codec<MemberDelegation> {
  static constexpr Kind kKind = Kind::kMemberDelegation;
  static void emit(const MemberDelegation& body, ObjectWriter& out) {
    out.bytes(body.layer);
    out.bytes(body.name.octets);
    out.bytes(body.member.octets);
    out.u64(body.sequence);
    out.u8(body.weight);
    put_validity(out, body.validity);
  }
  static const char* parse(ByteReader& in, MemberDelegation& body) {
    body.layer = in.array<32>();
    body.name = wire::Name{in.array<16>()};
    body.member = wire::Name{in.array<16>()};
    body.sequence = in.u64();
    body.weight = in.u8();
    body.validity = get_validity(in);
    return nullptr;
  }
};

template <>
struct Codec<GuestPlace> {
  static constexpr Kind kKind = Kind::kGuestPlace;
  static void emit(const GuestPlace& body, ObjectWriter& out) {
    out.bytes(body.layer);
    out.bytes(body.guest.octets);
    out.bytes(body.node.octets);
    out.u64(body.sequence);
    out.u64(static_cast<std::uint64_t>(body.not_after));
  }
  static const char* parse(ByteReader& in, GuestPlace& body) {
    body.layer = in.array<32>();
    body.guest = wire::Name{in.array<16>()};
    body.node = wire::Name{in.array<16>()};
    body.sequence = in.u64();
    body.not_after = static_cast<base::UnixSeconds>(in.u64());
    return nullptr;
  }
};

base::Bytes to_sign(ByteView covered) {
  base::Bytes message(view(kSignatureContext).begin(), view(kSignatureContext).end());
  message.insert(message.end(), covered.begin(), covered.end());
  return message;
}

auto malformed(std::string_view what) {
  return base::fail(base::code::kCertificateMalformed, "not a signed object: " + std::string(what));
}

template <typename Body>
base::Result<Signed<Body>> sign_object(const Body& body, const crypto::Ed25519KeyPair& key) {
  Signed<Body> object;
  object.body = body;
  ObjectWriter out(object.covered);
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(Codec<Body>::kKind));
  out.u16(0);
  Codec<Body>::emit(body, out);
  if (!out.fits)
    return malformed(
        "a text has more than 255 octets, a list more than 255 elements, there are more than eight "
        "endpoints, or a name's service id does not go with what it is");
  if (object.covered.size() + crypto::kEd25519SignatureSize > kMaxObject)
    return malformed("it would be longer than 4096 octets");
  base::store_be16(object.covered.data() + 2,
                   static_cast<std::uint16_t>(object.covered.size() - kHead));
  object.signature = crypto::ed25519_sign(key, to_sign(object.covered));
  return object;
}

template <typename Body>
base::Result<Signed<Body>> parse_object(ByteView bytes) {
  auto found = extent(bytes);
  if (!found) return tl::unexpected(found.error());
  if (found->kind != Codec<Body>::kKind) return malformed("another kind of object than expected");
  if (found->size != bytes.size()) return malformed("octets behind the signature");
  Signed<Body> object;
  std::size_t body_end = bytes.size() - crypto::kEd25519SignatureSize;
  object.covered.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(body_end));
  ByteReader in(bytes.subspan(kHead, body_end - kHead));
  if (const char* wrong = Codec<Body>::parse(in, object.body)) return malformed(wrong);
  if (!in.ok()) return malformed("ends inside a field");
  if (!in.done()) return malformed("octets between the body and the signature");
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(body_end), bytes.end(),
            object.signature.begin());
  return object;
}

}  // namespace

LayerId layer_id_of(const Key& root_key) {
  return crypto::sha256(view("entresol layer v1"), root_key);
}

crypto::Hash256 policy_digest(std::string_view text) {
  return crypto::sha256({}, view(text));
}

wire::Name name_of(const LayerId& layer, std::uint8_t suite, const Key& key) {
  base::Bytes input(layer.begin(), layer.end());
  input.push_back(suite);
  input.insert(input.end(), key.begin(), key.end());
  auto hash = crypto::sha256(view("entresol name v1"), input);
  wire::Name name;
  name.octets[0] = 0xfd;
  name.octets[1] = 0x35;
  std::copy_n(layer.begin(), 2, name.octets.begin() + 2);
  std::copy_n(hash.begin(), 12, name.octets.begin() + 4);
  return name;
}

template <typename Body>
bool Signed<Body>::signed_by(const Key& key) const {
  return crypto::ed25519_verify(key, to_sign(covered), signature);
}
template struct Signed<Certificate>;
template struct Signed<Delegation>;
template struct Signed<Registration>;
template struct Signed<Grant>;
template struct Signed<PolicyStatement>;
template struct Signed<CatalogueStatement>;
template struct Signed<NameCertificate>;
template struct Signed<MemberDelegation>;
template struct Signed<GuestPlace>;

base::Result<Signed<Certificate>> sign(const Certificate& body, const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}
base::Result<Signed<Delegation>> sign(const Delegation& body, const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}
base::Result<Signed<Registration>> sign(const Registration& body,
                                        const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}
base::Result<Signed<Grant>> sign(const Grant& body, const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}
base::Result<Signed<PolicyStatement>> sign(const PolicyStatement& body,
                                           const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}
base::Result<Signed<CatalogueStatement>> sign(const CatalogueStatement& body,
                                              const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}
base::Result<Signed<NameCertificate>> sign(const NameCertificate& body,
                                           const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}
base::Result<Signed<MemberDelegation>> sign(const MemberDelegation& body,
                                            const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}

base::Result<Signed<GuestPlace>> sign(const GuestPlace& body, const crypto::Ed25519KeyPair& key) {
  return sign_object(body, key);
}

base::Result<Extent> extent(ByteView bytes) {
  ByteReader in(bytes);
  std::uint8_t version = in.u8();
  std::uint8_t kind = in.u8();
  std::size_t size = kHead + in.u16() + crypto::kEd25519SignatureSize;
  if (!in.ok()) return malformed("shorter than its head");
  if (version != kVersion) return malformed("version is not 1");
  if (kind < 1 || kind > 9) return malformed("unknown kind");
  if (size > kMaxObject) return malformed("longer than 4096 octets");
  if (size > bytes.size()) return malformed("ends before its signature");
  return Extent{static_cast<Kind>(kind), size};
}

base::Result<Signed<Certificate>> parse_certificate(ByteView bytes) {
  return parse_object<Certificate>(bytes);
}
base::Result<Signed<Delegation>> parse_delegation(ByteView bytes) {
  return parse_object<Delegation>(bytes);
}
base::Result<Signed<Registration>> parse_registration(ByteView bytes) {
  return parse_object<Registration>(bytes);
}
base::Result<Signed<Grant>> parse_grant(ByteView bytes) {
  return parse_object<Grant>(bytes);
}
base::Result<Signed<PolicyStatement>> parse_policy(ByteView bytes) {
  return parse_object<PolicyStatement>(bytes);
}
base::Result<Signed<CatalogueStatement>> parse_catalogue_statement(ByteView bytes) {
  return parse_object<CatalogueStatement>(bytes);
}
base::Result<Signed<NameCertificate>> parse_name_certificate(ByteView bytes) {
  return parse_object<NameCertificate>(bytes);
}
base::Result<Signed<MemberDelegation>> parse_member_delegation(ByteView bytes) {
  return parse_object<MemberDelegation>(bytes);
}

base::Result<Signed<GuestPlace>> parse_guest_place(ByteView bytes) {
  return parse_object<GuestPlace>(bytes);
}

base::Result<std::vector<ByteView>> split_delegations(ByteView bytes) {
  std::vector<ByteView> out;
  while (!bytes.empty()) {
    const auto found = extent(bytes);
    if (!found) return tl::unexpected(found.error());
    if (found->kind != Kind::kMemberDelegation) return malformed("no member delegation");
    out.push_back(bytes.first(found->size));
    bytes = bytes.subspan(found->size);
  }
  return out;
}

}  // namespace entresol::layer::membership
