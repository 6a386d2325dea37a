// What an Authority knows, as records: the rows of its store, and the changes that its answers come with.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "layer/directory/address_pool.h"
#include "layer/directory/catalogue.h"
#include "layer/membership/object.h"
#include "wire/name.h"

namespace entresol::layer::directory {

using membership::Key;
using membership::LayerId;
using membership::Role;
using membership::Validity;

inline constexpr std::size_t kMaxLabel = 63;
inline constexpr std::size_t kMaxTags = 8;
inline constexpr std::size_t kMaxTag = 31;
inline constexpr std::size_t kMaxGuestNodes = 16;
// Certificate with its delegation, and registration: what a handshake shows at once, and still fits a datagram.
inline constexpr std::size_t kMaxShown = 1200;
inline constexpr std::size_t kMaxDelegation = 212;  // label of 63 octets
inline constexpr std::size_t kMaxPolicy = std::size_t{1} << 20;

// [a-z0-9-], no hyphen at either end: kLabelMalformed.
base::Result<void> check_label(std::string_view label);
// At most eight of 1 to 31 octets each, as labels: kLabelMalformed.
base::Result<void> check_tags(const std::vector<std::string>& tags);

struct Settings {
  LayerId layer{};
  std::string label;   // "edge"
  std::string domain;  // "edge.internal"
  Ipv4Pool pool;
  std::vector<Ipv4> reserved;              // of the pool, for no member
  base::UnixSeconds lifetime = 24 * 3600;  // of a certificate
  base::UnixSeconds forget_after =
      30L * 24 * 3600;  // its end, a silent member's label and address are free
  friend bool operator==(const Settings&, const Settings&) = default;
};
// kConfigBadValue.
base::Result<void> check_settings(const Settings& settings);

// Names a token to people; it is no secret.
using TokenId = std::array<std::uint8_t, 8>;

struct MemberRecord {
  wire::Name name;
  Key identity{};
  Role role = Role::kHost;
  Ipv4 ipv4{};
  std::string label;
  std::vector<std::string> tags;
  base::UnixSeconds admitted_at = 0;
  base::UnixSeconds revoked_at = 0;  // 0: it is not
  TokenId token{};                   // that admitted it
  base::UnixSeconds not_before = 0;  // of the newest certificate
  base::UnixSeconds not_after = 0;
  base::UnixSeconds until = 0;  // none of its certificates holds longer, older ones included
  base::Bytes certificate;      // the newest, with the delegation before it
  friend bool operator==(const MemberRecord&, const MemberRecord&) = default;
};

struct TokenRecord {
  TokenId id{};
  crypto::Hash256 secret{};  // its hash
  Role role = Role::kHost;
  std::vector<std::string> tags;
  std::string label;  // empty: the member chooses
  base::UnixSeconds created_at = 0;
  base::UnixSeconds expires_at = 0;
  base::UnixSeconds used_at = 0;
  std::optional<wire::Name> used_by;
  friend bool operator==(const TokenRecord&, const TokenRecord&) = default;
};

struct GuestRecord {
  wire::Name name;
  Key wireguard_key{};
  Ipv4 ipv4{};
  std::string label;
  std::vector<std::string> tags;
  std::vector<wire::Name> nodes;  // empty: every node
  base::UnixSeconds revoked_at = 0;
  base::UnixSeconds not_before = 0;  // of the newest grant
  base::UnixSeconds not_after = 0;
  base::UnixSeconds until = 0;  // none of its grants holds longer
  base::Bytes grant;            // the newest, with the delegation before it
  friend bool operator==(const GuestRecord&, const GuestRecord&) = default;
};

inline constexpr std::size_t kMaxDelegates = membership::kMaxDelegates;

// Who may answer for a shared name, or might until `not_after` if it was taken back (weight 0).
struct DelegateRecord {
  wire::Name member;
  std::uint64_t sequence = 0;
  std::uint8_t weight = 0;
  base::UnixSeconds not_before = 0;
  base::UnixSeconds not_after = 0;
  base::Bytes delegation;  // signed by the name's key
  friend bool operator==(const DelegateRecord&, const DelegateRecord&) = default;
};
// From its signed form, which is not verified; kCertificateMalformed.
base::Result<DelegateRecord> delegate_record(base::ByteView delegation);

// A name that members share, or a service's.
struct NameRecord {
  wire::Name name;
  Key key{};
  // Its seed, if it was made here: then delegations are signed here. Else the owner has it.
  std::optional<crypto::SecretBytes<32>> secret;
  membership::NameKind kind = membership::NameKind::kShared;
  std::uint32_t service = 0;
  Ipv4 ipv4{};
  std::string label;
  std::vector<std::string> tags;
  base::UnixSeconds created_at = 0;
  base::UnixSeconds revoked_at = 0;
  base::UnixSeconds not_before = 0;  // of the newest certificate
  base::UnixSeconds not_after = 0;
  base::UnixSeconds until = 0;            // none of its certificates holds longer
  base::Bytes certificate;                // the newest, with the delegation before it
  std::vector<DelegateRecord> delegates;  // by member
  const DelegateRecord* delegate(const wire::Name& member) const;
  friend bool operator==(const NameRecord&, const NameRecord&) = default;
};

// What a bearer of an API token may do; kAdmin includes the others.
enum class Scope : std::uint8_t { kRead = 1, kAdmit = 2, kPolicy = 4, kAdmin = 8, kServices = 16 };
inline constexpr std::uint8_t kAllScopes = 31;
using Scopes = std::uint8_t;  // of their bits

struct ApiTokenRecord {
  TokenId id{};
  crypto::Hash256 secret{};  // hash of its text
  std::string label;         // whose it is, for people
  Scopes scopes = 0;
  base::UnixSeconds created_at = 0;
  base::UnixSeconds expires_at = 0;  // 0: never
  friend bool operator==(const ApiTokenRecord&, const ApiTokenRecord&) = default;
};

struct PolicyRecord {
  std::uint64_t revision = 0;  // 1 for the first
  std::string text;
  base::UnixSeconds set_at = 0;
  friend bool operator==(const PolicyRecord&, const PolicyRecord&) = default;
};

// The newest of a name. It is soft: it comes again with the next renewal.
struct RegistrationRecord {
  wire::Name name;
  std::uint64_t sequence = 0;
  base::UnixSeconds until = 0;
  base::Bytes registration;
  friend bool operator==(const RegistrationRecord&, const RegistrationRecord&) = default;
};

struct DropMember {
  wire::Name name;
};
struct DropGuest {
  wire::Name name;
};
struct DropName {
  wire::Name name;
};
struct DropToken {
  TokenId id{};
};
struct DropApiToken {
  TokenId id{};
};
struct DropRegistration {
  wire::Name name;
};
struct DropService {
  std::uint32_t id = 0;
};
struct DropPackage {
  crypto::Hash256 hash{};
};

// A record replaces what had its key (name, id, hash; there is one of settings and of policy).
using Change = std::variant<Settings, MemberRecord, GuestRecord, NameRecord, TokenRecord,
                            ApiTokenRecord, PolicyRecord, RegistrationRecord, ServiceRecord,
                            PackageRecord, DropMember, DropGuest, DropName, DropToken, DropApiToken,
                            DropRegistration, DropService, DropPackage>;

// Whether it has to be on disk before somebody hears of it.
inline bool is_durable(const Change& change) {
  return !std::holds_alternative<RegistrationRecord>(change) &&
         !std::holds_alternative<DropRegistration>(change);
}

}  // namespace entresol::layer::directory
