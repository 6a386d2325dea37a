// What people ask of an Authority: tokens, guests, policy, settings.
#include <algorithm>

#include "base/error_codes.h"
#include "layer/directory/authority.h"
#include "layer/directory/base64url.h"

namespace entresol::layer::directory {
namespace {

namespace code = base::code;
using base::UnixSeconds;

constexpr std::string_view kApiTokenPrefix = "enta1.";
constexpr UnixSeconds kLongest = 3660L * 24 * 3600;  // ten years

template <typename T>
tl::unexpected<base::Error> error_of(const base::Result<T>& result) {
  return tl::unexpected(result.error());
}

crypto::Hash256 hash_of_text(std::string_view text) {
  return crypto::sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

base::Result<void> check_lifetime(UnixSeconds lifetime) {
  if (lifetime >= 1 && lifetime <= kLongest) return {};
  return base::fail(code::kConfigBadValue, "a lifetime is 1 s to ten years");
}

}  // namespace

TokenId Authority::new_token_id() const {
  for (;;) {
    const TokenId id = random_->bytes<8>();
    if (!tokens_.contains(id) && !api_tokens_.contains(id)) return id;
  }
}

// --- join tokens ---

Outcome<NewToken> Authority::create_token(const TokenRequest& request, UnixSeconds now) const {
  if (request.role != Role::kHost && request.role != Role::kNode)
    return {base::fail(code::kConfigBadValue, "a token admits a host or a node"), {}};
  if (auto fits = check_tags(request.tags); !fits) return {error_of(fits), {}};
  if (!request.label.empty())
    if (auto fits = check_label(request.label); !fits) return {error_of(fits), {}};
  if (auto fits = check_lifetime(request.lifetime); !fits) return {error_of(fits), {}};
  NewToken token;
  token.secret = TokenSecret(random_->bytes<16>());
  token.record.id = new_token_id();
  token.record.secret = hash_of(token.secret);
  token.record.role = request.role;
  token.record.tags = request.tags;
  token.record.label = request.label;
  token.record.created_at = now;
  token.record.expires_at = now + request.lifetime;
  std::vector<Change> changes = {token.record};
  return {std::move(token), std::move(changes)};
}

Outcome<TokenRecord> Authority::revoke_token(const TokenId& id) const {
  const auto known = tokens_.find(id);
  if (known == tokens_.end())
    return {base::fail(code::kTokenUnknown, "no such token, or no longer"), {}};
  return {known->second, {DropToken{id}}};
}

// --- guests ---

// The guest that was asked for before, if its grant does.
const GuestRecord* Authority::repeated(const GuestRequest& request, UnixSeconds now) const {
  const auto known = guests_.find(
      membership::name_of(trust_.layer(), membership::kSuiteGuestX25519, request.wireguard_key));
  if (known == guests_.end()) return nullptr;
  const GuestRecord& guest = known->second;
  const bool same = guest.revoked_at == 0 && guest.label == request.label &&
                    guest.tags == request.tags && guest.nodes == request.nodes;
  const bool long_enough = guest.not_after - now >= (guest.not_after - guest.not_before) / 2;
  return same && long_enough && issued_by_current(guest.grant) ? &guest : nullptr;
}

Outcome<GuestRecord> Authority::add_guest(const GuestRequest& request, UnixSeconds now) const {
  if (auto fits = check_label(request.label); !fits) return {error_of(fits), {}};
  if (auto fits = check_tags(request.tags); !fits) return {error_of(fits), {}};
  if (auto fits = check_lifetime(request.lifetime); !fits) return {error_of(fits), {}};
  if (request.nodes.size() > kMaxGuestNodes)
    return {base::fail(code::kConfigBadValue, "a guest's grant names at most 16 nodes"), {}};
  if (const GuestRecord* guest = repeated(request, now)) return {*guest, {}};

  GuestRecord guest;
  guest.name =
      membership::name_of(trust_.layer(), membership::kSuiteGuestX25519, request.wireguard_key);
  const auto known = guests_.find(guest.name);
  if (known != guests_.end()) {
    guest = known->second;
    if (guest.wireguard_key != request.wireguard_key ||
        (guest.revoked_at == 0 && guest.label != request.label))
      return {base::fail(code::kNameTaken,
                         "this WireGuard key is the guest '" + guest.label + "' already"),
              {}};
    if (guest.revoked_at != 0 && now <= guest.until + kClockSkew)
      return {base::fail(code::kMemberRevoked,
                         "this WireGuard key was revoked: make another one for the guest"),
              {}};
  } else {
    const auto ipv4 = pool_.lowest();
    if (!ipv4) return {base::fail(code::kPoolExhausted, "no IPv4 address is free"), {}};
    guest.ipv4 = *ipv4;
  }
  std::vector<Change> changes;
  if (auto free = claim_label(request.label, guest.name, now, changes); !free)
    return {error_of(free), {}};
  auto when = validity(request.lifetime, now);
  if (!when) return {error_of(when), {}};
  guest.wireguard_key = request.wireguard_key;
  guest.label = request.label;
  guest.tags = request.tags;
  guest.nodes = request.nodes;
  guest.revoked_at = 0;
  guest.not_before = when->not_before;
  guest.not_after = when->not_after;
  guest.until = std::max(guest.until, when->not_after);

  membership::Grant grant;
  grant.layer = trust_.layer();
  grant.wireguard_key = guest.wireguard_key;
  grant.ipv4 = guest.ipv4;
  grant.validity = *when;
  grant.label = guest.label;
  grant.tags = guest.tags;
  grant.nodes = guest.nodes;
  grant.issuer = issuer_.key.public_key;
  auto object = membership::sign(grant, issuer_.key);
  if (!object) return {error_of(object), {}};
  const base::Bytes octets = object->octets();
  guest.grant = issuer_.delegation;
  guest.grant.insert(guest.grant.end(), octets.begin(), octets.end());
  changes.emplace_back(guest);
  return {std::move(guest), std::move(changes)};
}

Outcome<GuestRecord> Authority::remove_guest(std::string_view who, UnixSeconds now) const {
  if (const GuestRecord* guest = find_guest(who)) {
    GuestRecord gone = *guest;
    gone.revoked_at = now;
    return {gone, {gone}};
  }
  const GuestRecord* latest = nullptr;
  for (const auto& [name, guest] : guests_) {
    if (guest.revoked_at == 0 || (guest.label != who && wire::to_string(name) != who)) continue;
    if (latest == nullptr || latest->revoked_at < guest.revoked_at) latest = &guest;
  }
  if (latest != nullptr) return {*latest, {}};
  return {base::fail(code::kMemberUnknown, "no guest is called '" + std::string(who) + "'"), {}};
}

// --- policy, settings ---

Outcome<PolicyRecord> Authority::set_policy(std::string text, UnixSeconds now) const {
  if (text.size() > kMaxPolicy)
    return {base::fail(code::kConfigBadValue, "a policy has at most 1 MiB"), {}};
  if (policy_check_)
    if (auto holds = policy_check_(text); !holds) return {error_of(holds), {}};
  if (policy_.revision != 0 && text == policy_.text) return {policy_, {}};
  PolicyRecord policy{policy_.revision + 1, std::move(text), now};
  return {policy, {policy}};
}

Outcome<void> Authority::set_settings(const Settings& settings) const {
  if (auto fits = check_settings(settings); !fits) return {error_of(fits), {}};
  if (settings.layer != trust_.layer())
    return {base::fail(code::kWrongLayer, "settings of another layer"), {}};
  if (settings == settings_) return {{}, {}};
  return {{}, {settings}};
}

// --- API tokens ---

Outcome<NewApiToken> Authority::create_api_token(const ApiTokenRequest& request,
                                                 UnixSeconds now) const {
  if (request.scopes == 0 || (request.scopes & ~kAllScopes) != 0)
    return {
        base::fail(code::kConfigBadValue, "scopes are of read, admit, policy, services and admin"),
        {}};
  if (auto fits = check_label(request.label); !fits) return {error_of(fits), {}};
  if (request.lifetime != 0)
    if (auto fits = check_lifetime(request.lifetime); !fits) return {error_of(fits), {}};
  NewApiToken token;
  token.text = std::string(kApiTokenPrefix) + to_base64url(random_->bytes<24>());
  token.record.id = new_token_id();
  token.record.secret = hash_of_text(token.text);
  token.record.label = request.label;
  token.record.scopes = request.scopes;
  token.record.created_at = now;
  token.record.expires_at = request.lifetime == 0 ? 0 : now + request.lifetime;
  std::vector<Change> changes = {token.record};
  return {std::move(token), std::move(changes)};
}

Outcome<ApiTokenRecord> Authority::revoke_api_token(const TokenId& id) const {
  const auto known = api_tokens_.find(id);
  if (known == api_tokens_.end())
    return {base::fail(code::kApiTokenUnknown, "no such API token, or no longer"), {}};
  return {known->second, {DropApiToken{id}}};
}

base::Result<const ApiTokenRecord*> Authority::check_api_token(std::string_view text, Scope needed,
                                                               UnixSeconds now) const {
  const auto known = by_api_secret_.find(hash_of_text(text));
  const ApiTokenRecord* token =
      known == by_api_secret_.end() ? nullptr : &api_tokens_.at(known->second);
  if (token == nullptr || (token->expires_at != 0 && now >= token->expires_at))
    return base::fail(code::kApiTokenUnknown, "the API token is not known, or has expired");
  constexpr auto kAdmin = static_cast<Scopes>(Scope::kAdmin);
  if ((token->scopes & (static_cast<Scopes>(needed) | kAdmin)) == 0)
    return base::fail(code::kScopeMissing,
                      "the API token '" + token->label + "' has not the scope that this takes");
  return token;
}

base::Result<const MemberRecord*> Authority::authenticate(std::string_view authorization,
                                                          const Request& request,
                                                          UnixSeconds now) const {
  auto proof = parse_authorization(authorization);
  if (!proof) return error_of(proof);
  const auto known = members_.find(proof->name);
  if (known == members_.end())
    return base::fail(code::kMemberUnknown,
                      wire::to_string(proof->name) + " is no member: join with a token");
  const MemberRecord& member = known->second;
  if (auto proved = check(*proof, request, trust_.layer(), member.identity, now); !proved)
    return error_of(proved);
  if (member.revoked_at != 0)
    return base::fail(code::kMemberRevoked, "'" + member.label + "' was revoked");
  return &member;
}

}  // namespace entresol::layer::directory
