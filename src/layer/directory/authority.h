// The controller's core: who is a member of the layer, and what the layer's members are told about each other.
//
// Pure. Every operation is const: it takes a request and `now`, and gives an answer together with the changes that the
// answer rests on. Those are made durable first, then applied, and only then the answer leaves:
//
//   base::Result<Issued> answer = settle(authority, store, authority.join(request, now));
//
// A commit that fails leaves the core as it was, and the request may be repeated. An outcome belongs to the state that it
// was made from: settle it before the next operation is asked for. Not thread-safe.
//
// Operations are idempotent: a request whose answer was lost gets the same answer again, and changes nothing.
// Each refusal has a code of its own (base/error_codes.h, E051x and E052x). Costs are O(log n), but for what lists and for
// expire().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "crypto/ed25519.h"
#include "layer/directory/address_pool.h"
#include "layer/directory/records.h"
#include "layer/directory/request.h"
#include "layer/directory/revision.h"
#include "layer/directory/store.h"
#include "layer/directory/token.h"
#include "layer/membership/trust.h"

namespace entresol::layer::directory {

// `changes` is empty if `answer` is an error.
template <typename T>
struct Outcome {
  base::Result<T> answer;
  std::vector<Change> changes;
};

// Who signs: an operator whose delegation by the root stands before what he signs, or, without one, the root.
struct Issuer {
  Key root{};
  crypto::Ed25519KeyPair key;
  base::Bytes delegation;
};

struct JoinRequest {
  TokenSecret secret;
  std::string label;  // empty: the token's
  Role role = Role::kHost;
  Key identity{};
  base::ByteView registration;  // empty: it comes later
  // The request was signed with the identity key (Authority::authenticate). A member that is there already must, if it
  // joins again with another token: else whoever has a token could change what another member is.
  bool proved = false;
};

struct Issued {
  wire::Name name;
  std::string label;
  Ipv4 ipv4{};
  Validity validity;
  base::Bytes certificate;  // the chain
};

struct TokenRequest {
  Role role = Role::kHost;
  std::vector<std::string> tags;
  std::string label;               // empty: the member chooses
  base::UnixSeconds lifetime = 0;  // from now
};
struct NewToken {
  TokenRecord record;
  TokenSecret secret;  // only here
};

struct GuestRequest {
  Key wireguard_key{};
  std::string label;
  std::vector<std::string> tags;
  std::vector<wire::Name> nodes;   // empty: every node
  base::UnixSeconds lifetime = 0;  // of the grant, from now
};

struct NameRequest {
  std::string label;
  std::vector<std::string> tags;
  membership::NameKind kind = membership::NameKind::kShared;
  std::uint32_t service = 0;  // of a service's name
  std::optional<Key> key;     // the owner's, who keeps the secret half; none: one is made
};
struct DelegateRequest {
  std::string label;  // of the shared name, or its text
  std::vector<std::string> members;
  std::uint8_t weight = 1;  // 0 takes back
};

// What the controller has read in a package, whose signature and manifest it has verified.
struct PublishRequest {
  std::uint32_t id = 0;
  std::string name;
  std::uint32_t version = 0;
  Key publisher{};
  crypto::Hash256 module{};
  std::shared_ptr<const base::Bytes> package;    // never null
  std::map<std::string, std::string> config;     // that holds from now on
  std::optional<std::vector<wire::Name>> nodes;  // empty: every node; none: as before
  bool upgrade = false;                          // the service has to be there
  bool in_registry = false;                      // the operator's file names id, name and publisher
};

struct ApiTokenRequest {
  std::string label;
  Scopes scopes = 0;
  base::UnixSeconds lifetime = 0;  // 0: for ever
};
struct NewApiToken {
  ApiTokenRecord record;
  std::string text;  // "enta1." and the secret; only here
};

// What a watcher is told.
struct MemberItem {
  base::Bytes certificate;  // the chain
  base::Bytes registration;
  friend bool operator==(const MemberItem&, const MemberItem&) = default;
};
struct GuestItem {
  base::Bytes grant;  // the chain
  friend bool operator==(const GuestItem&, const GuestItem&) = default;
};
struct NameItem {
  base::Bytes certificate;               // the chain
  std::vector<base::Bytes> delegations;  // those that were taken back among them
  friend bool operator==(const NameItem&, const NameItem&) = default;
};
struct RevokedItem {
  wire::Name name;
  base::UnixSeconds until = 0;  // nothing that was signed for it holds longer
  friend bool operator==(const RevokedItem&, const RevokedItem&) = default;
};
struct PolicyItem {
  std::uint64_t revision = 0;
  std::string text;
  base::Bytes statement;  // the chain that signs both
  friend bool operator==(const PolicyItem&, const PolicyItem&) = default;
};
struct CatalogueItem {
  std::uint64_t revision = 0;
  base::Bytes catalogue;  // catalogue.h
  base::Bytes statement;  // the chain that signs it
  friend bool operator==(const CatalogueItem&, const CatalogueItem&) = default;
};
using Item = std::variant<MemberItem, GuestItem, NameItem, RevokedItem, PolicyItem, CatalogueItem>;

// Items replace what was known under their name. Nothing is said by absence: what is known ends at its own end, or by a
// RevokedItem. A name whose MemberItem, GuestItem or NameItem comes after its RevokedItem is admitted again.
struct Changes {
  Revision revision;   // to ask from next
  bool whole = false;  // `since` was of another incarnation: from the beginning
  bool more = false;   // the limit cut it: ask again at once
  std::vector<Item> items;
};

class Authority {
 public:
  // Whether a text is a policy, with line and column in its error.
  using PolicyCheck = std::function<base::Result<void>(std::string_view)>;

  // The changes that make an empty store a layer's: the first commit.
  static base::Result<std::vector<Change>> found(const Settings& settings, std::string policy,
                                                 base::UnixSeconds now);
  // From what a store has. `random` outlives the Authority. Errors: kStoreBroken (records that contradict each other),
  // kWrongLayer (store of another root), and for the issuer kCertificateUntrusted, kCertificateMalformed. A delegation that
  // has ended is no error here: everything but issuing goes on.
  static base::Result<Authority> open(Issuer issuer, const Snapshot& snapshot,
                                      base::RandomSource& random,
                                      PolicyCheck policy_check = nullptr);

  // --- members ---
  // kTokenUnknown, kTokenExpired, kTokenUsed, kTokenRefused (role or label), kLabelMalformed, kLabelTaken, kNameTaken,
  // kPoolExhausted, kMemberRevoked, kRequestUnproved, kDelegationEnded; of the registration as put_registration.
  Outcome<Issued> join(const JoinRequest& request, base::UnixSeconds now) const;
  // For whom authenticate() has named, also when the old certificate has ended. During the first tenth of a certificate's
  // time it is given again. kMemberUnknown, kMemberRevoked, kDelegationEnded.
  Outcome<Issued> renew(const wire::Name& name, base::UnixSeconds now) const;
  // Its own signature authenticates it. kMemberUnknown, kMemberRevoked, kRegistrationOld, kObjectsTooLarge, and Trust's.
  Outcome<void> put_registration(base::ByteView certificate, base::ByteView registration,
                                 base::UnixSeconds now) const;
  // A label, or a name's text. The label is free at once, the address when the certificate ends; until then the name cannot
  // join. Takes back what it was delegated. kMemberUnknown.
  Outcome<MemberRecord> revoke_member(std::string_view who, base::UnixSeconds now) const;

  // --- join tokens ---
  Outcome<NewToken> create_token(const TokenRequest& request, base::UnixSeconds now) const;
  Outcome<TokenRecord> revoke_token(const TokenId& id) const;  // kTokenUnknown

  // --- guests ---
  // The same key, label, tags and nodes again: the same grant while half of its time is left. kLabelMalformed, kLabelTaken,
  // kNameTaken (the key has another label), kPoolExhausted, kMemberRevoked, kDelegationEnded.
  Outcome<GuestRecord> add_guest(const GuestRequest& request, base::UnixSeconds now) const;
  Outcome<GuestRecord> remove_guest(std::string_view who, base::UnixSeconds now) const;

  // --- names that members share (authority_names.cc) ---
  // The same label, key, tags and kind again: the name that is there. kLabelMalformed, kLabelTaken, kNameTaken (the key has
  // another label), kConfigBadValue (service id), kPoolExhausted, kMemberRevoked, kDelegationEnded.
  Outcome<NameRecord> create_name(const NameRequest& request, base::UnixSeconds now) const;
  // Signs that hosts or nodes may answer for the name, or may no longer. Of those that may already nothing is signed anew.
  // kMemberUnknown, kNameKeyElsewhere (the owner has the key), kConfigBadValue (more than 32).
  Outcome<NameRecord> delegate_name(const DelegateRequest& request, base::UnixSeconds now) const;
  // What the owner has signed. Errors as Trust's; kMemberUnknown, kRegistrationOld (of a sequence that is not higher).
  Outcome<NameRecord> put_delegation(std::string_view who, base::ByteView delegation,
                                     base::UnixSeconds now) const;
  // kMemberUnknown.
  Outcome<NameRecord> revoke_name(std::string_view who, base::UnixSeconds now) const;
  // New certificates for names at two thirds of their time, and with them the delegations that are signed here. O(names);
  // for several times in a certificate's lifetime. Nothing while the controller may not issue. The answer counts names.
  Outcome<std::size_t> renew_names(base::UnixSeconds now) const;

  // --- services (authority_services.cc) ---
  // A new service, a higher version of one, or other values or nodes; the same again changes nothing. kServiceTaken,
  // kServiceId, kServiceVersion, kServiceFull; with `upgrade` kServiceUnpublished.
  Outcome<ServiceRecord> publish(const PublishRequest& request, base::UnixSeconds now) const;
  // The version before takes the present one's place, and the other way round. kServiceUnpublished, kServiceVersion (there is
  // none).
  Outcome<ServiceRecord> roll_back(std::string_view name, base::UnixSeconds now) const;
  // Its id stays its publisher's. kServiceUnpublished.
  Outcome<ServiceRecord> remove_service(std::string_view name, base::UnixSeconds now) const;

  // --- policy, settings ---
  // The same text again changes nothing. kConfigBadValue if it is too long, and the check's errors.
  Outcome<PolicyRecord> set_policy(std::string text, base::UnixSeconds now) const;
  // Members keep the addresses they have. kConfigBadValue, kWrongLayer.
  Outcome<void> set_settings(const Settings& settings) const;

  // --- who asks ---
  Outcome<NewApiToken> create_api_token(const ApiTokenRequest& request,
                                        base::UnixSeconds now) const;
  Outcome<ApiTokenRecord> revoke_api_token(const TokenId& id) const;
  // kApiTokenUnknown (also when it has expired), kScopeMissing.
  base::Result<const ApiTokenRecord*> check_api_token(std::string_view text, Scope needed,
                                                      base::UnixSeconds now) const;
  // The member that signed the request; `authorization` is the header's value. A certificate that has ended is no reason to
  // refuse. kRequestUnproved, kRequestStale, kMemberUnknown, kMemberRevoked.
  base::Result<const MemberRecord*> authenticate(std::string_view authorization,
                                                 const Request& request,
                                                 base::UnixSeconds now) const;

  // --- watchers ---
  Revision revision() const { return {incarnation_, counter_}; }
  // At most `limit` items (0 counts as 1). Without `since`, or with one of another incarnation, from the beginning.
  Changes changes_since(const std::optional<Revision>& since, std::size_t limit,
                        base::UnixSeconds now) const;
  // The nodes that have a registration: what a member that joins is told.
  std::vector<MemberItem> nodes(base::UnixSeconds now) const;

  // Forgets what has ended: tokens a day after their end, members and guests whose label and address may be given away,
  // registrations. O(n); for once a minute. The answer counts them.
  Outcome<std::size_t> expire(base::UnixSeconds now) const;

  // Makes changes effective. Cannot fail.
  void apply(std::span<const Change> changes);
  // The changes that take this one back, once it has been applied to what is known now.
  std::vector<Change> inverse(const Change& change) const;

  // --- to list ---
  const Settings& settings() const { return settings_; }
  const PolicyRecord& policy() const { return policy_; }
  const membership::Trust& trust() const { return trust_; }
  const std::map<wire::Name, MemberRecord>& members() const { return members_; }
  const std::map<wire::Name, GuestRecord>& guests() const { return guests_; }
  const std::map<wire::Name, NameRecord>& names() const { return names_; }
  const std::map<TokenId, TokenRecord>& tokens() const { return tokens_; }
  const std::map<TokenId, ApiTokenRecord>& api_tokens() const { return api_tokens_; }
  const std::map<wire::Name, RegistrationRecord>& registrations() const { return registrations_; }
  // By id, those that were removed among them.
  const std::map<std::uint32_t, ServiceRecord>& services() const { return services_; }
  std::uint64_t catalogue_revision() const { return catalogue_revision_; }  // 0: there was none
  // Null if there is none that is not removed.
  const ServiceRecord* find_service(std::string_view name) const;
  const PackageRecord* find_package(const crypto::Hash256& hash) const;
  // Until when certificates can be issued; 0: for ever, by the root itself.
  base::UnixSeconds issues_until() const {
    return issuer_.delegation.empty() ? 0 : delegated_.not_after;
  }
  std::uint64_t free_addresses() const { return pool_.available(); }
  // By label or name's text; null if there is none that is not revoked.
  const MemberRecord* find_member(std::string_view who) const;
  const GuestRecord* find_guest(std::string_view who) const;
  const NameRecord* find_name(std::string_view who) const;

 private:
  enum class Subject : std::uint8_t { kMember, kGuest, kName, kRevoked, kPolicy, kServices };
  using Visible = std::pair<Subject, wire::Name>;

  Authority(Issuer issuer, base::RandomSource& random, PolicyCheck policy_check)
      : issuer_(std::move(issuer)),
        trust_(issuer_.root),
        random_(&random),
        policy_check_(std::move(policy_check)) {}
  static base::Result<void> check_issuer(const Issuer& issuer);

  base::Result<Issued> repeat_join(const TokenRecord& token, const JoinRequest& request,
                                   const wire::Name& name, base::UnixSeconds now) const;
  base::Result<MemberRecord> describe(const TokenRecord& token, const JoinRequest& request,
                                      const wire::Name& name, base::UnixSeconds now,
                                      std::vector<Change>& changes) const;
  base::Result<void> claim_label(const std::string& label, const wire::Name& name,
                                 base::UnixSeconds now, std::vector<Change>& changes) const;
  base::Result<Validity> validity(base::UnixSeconds lifetime, base::UnixSeconds now) const;
  base::Result<void> certify(MemberRecord& member, base::UnixSeconds now) const;
  struct Accepted {
    RegistrationRecord record;
    std::optional<MemberRecord>
        member;  // what the certificate tells about it that the store had lost
  };
  base::Result<Accepted> accept(const MemberRecord& member, base::ByteView certificate,
                                base::ByteView registration, base::UnixSeconds now) const;
  base::Bytes policy_statement() const;
  bool issued_by_current(const base::Bytes& chain) const;
  const GuestRecord* repeated(const GuestRequest& request, base::UnixSeconds now) const;
  base::Result<void> certify(NameRecord& name, base::UnixSeconds now) const;
  // Signs and notes it; the record has the key's secret half.
  base::Result<void> sign_delegate(NameRecord& name, const wire::Name& member, std::uint8_t weight,
                                   const Validity& when) const;
  base::Result<void> delegate_one(NameRecord& name, const std::string& who, std::uint8_t weight,
                                  base::UnixSeconds now) const;
  void withdraw_all(const wire::Name& member, base::UnixSeconds now,
                    std::vector<Change>& changes) const;
  base::Result<void> check_owner(const PublishRequest& request) const;
  base::Result<void> check_version(const ServiceRecord& known, const PublishRequest& request,
                                   const crypto::Hash256& package) const;
  base::Result<void> check_room(const ServiceRecord& next, bool fresh) const;
  Outcome<ServiceRecord> change_service(ServiceRecord next, std::vector<Change> changes,
                                        base::UnixSeconds now) const;
  std::vector<CatalogueEntry> catalogue() const;
  CatalogueItem catalogue_item() const;
  void note_services();
  bool forgettable(const MemberRecord& member, base::UnixSeconds now) const;
  bool forgettable(const GuestRecord& guest, base::UnixSeconds now) const;
  static bool forgettable(const NameRecord& name, base::UnixSeconds now);
  TokenId new_token_id() const;
  std::optional<wire::Name> resolve(std::string_view who) const;
  std::optional<Item> item(const Visible& visible, base::UnixSeconds now) const;

  void put(const Settings& settings);
  void put(const MemberRecord& record);
  void put(const GuestRecord& record);
  void put(const NameRecord& record);
  void put(const TokenRecord& record);
  void put(const ApiTokenRecord& record);
  void put(const PolicyRecord& record);
  void put(const RegistrationRecord& record);
  void put(const ServiceRecord& record);
  void put(const PackageRecord& record);
  void put(const DropMember& drop);
  void put(const DropGuest& drop);
  void put(const DropName& drop);
  void put(const DropToken& drop);
  void put(const DropApiToken& drop);
  void put(const DropRegistration& drop);
  void put(const DropService& drop);
  void put(const DropPackage& drop);
  void unindex(const std::string& label, const Ipv4& ipv4, const wire::Name& name);
  void touch(const Visible& visible);
  void hide(const Visible& visible);

  Issuer issuer_;
  membership::Trust trust_;
  Validity delegated_;  // without a delegation: for ever
  base::RandomSource* random_;
  PolicyCheck policy_check_;

  Settings settings_;
  PolicyRecord policy_;
  std::map<wire::Name, MemberRecord> members_;
  std::map<wire::Name, GuestRecord> guests_;
  std::map<wire::Name, NameRecord> names_;
  std::map<TokenId, TokenRecord> tokens_;
  std::map<TokenId, ApiTokenRecord> api_tokens_;
  std::map<wire::Name, RegistrationRecord> registrations_;
  std::map<std::uint32_t, ServiceRecord> services_;
  std::map<crypto::Hash256, PackageRecord> packages_;
  std::uint64_t catalogue_revision_ = 0;
  base::UnixSeconds catalogue_issued_at_ = 0;

  std::map<std::string, wire::Name, std::less<>> by_label_;  // all that have one, not the revoked
  std::map<crypto::Hash256, TokenId> by_secret_;
  std::map<crypto::Hash256, TokenId> by_api_secret_;
  std::set<wire::Name> nodes_;  // with a registration
  AddressPool pool_;

  std::uint64_t incarnation_ = 0;
  std::uint64_t counter_ = 0;
  std::map<Visible, std::uint64_t> seen_;  // when each was last changed
  std::map<std::uint64_t, Visible> log_;   // the same, the other way round
};

// Commit, apply, answer: in this order.
template <typename T>
base::Result<T> settle(Authority& authority, Store& store, Outcome<T> outcome) {
  if (outcome.answer && !outcome.changes.empty()) {
    if (auto committed = store.commit(outcome.changes); !committed)
      return tl::unexpected(committed.error());
    authority.apply(outcome.changes);
  }
  return std::move(outcome.answer);
}

}  // namespace entresol::layer::directory
