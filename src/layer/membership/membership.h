// One member's place in one layer: its own identity and what it shows, the directory of others as far as it is known, and
// the answer to "may this key speak for that name". The control cores ask it; files and a controller fill it.
//
// What is known has an end: that of the certificate or grant, of the delegation before it, or of the registration,
// whichever comes first. expire() forgets what has ended, and so says whose links and sessions have to go.
//
// Pure. Not thread-safe: owned by the role's control side.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/drop.h"
#include "layer/membership/trust.h"
#include "security/association.h"

namespace entresol::layer::membership {

// Who may answer for a shared name, as far as it is known here.
struct Delegate {
  wire::Name member;
  std::uint64_t sequence = 0;
  std::uint8_t weight = 0;  // 0: it may not
  Validity validity;
};

// A member as the directory knows it; or a guest, or a name that members share.
struct Member {
  wire::Name name;
  std::string label;
  Ipv4 ipv4{};
  Role role = Role::kHost;
  bool guest = false;
  bool shared = false;  // a name of its own key, for which members answer
  std::vector<std::string> tags;
  Key native_key{};             // X25519; a guest's is its node's; zero for a shared name
  base::UnixSeconds since = 0;  // its certificate or grant begins
  base::UnixSeconds until = 0;  // what is known of it ends then
  std::uint64_t sequence = 0;   // of its registration
  std::vector<wire::Name> attachments;
  std::vector<base::Endpoint> endpoints;  // a node's: where it can be dialled in the layer below
  wire::Name place;  // a guest's: the node that registered it; zero: it is not known where it is
  base::UnixSeconds placed_until = 0;
  NameKind name_kind = NameKind::kShared;  // of a shared name, as what follows
  std::uint32_t service = 0;
  std::vector<Delegate> delegates;  // by name, those whose delegation was taken back among them

  bool is_node() const { return role == Role::kNode && !guest && !shared; }
  bool is_host() const { return role == Role::kHost && !guest && !shared; }
  bool placed() const { return place != wire::Name{}; }
  // Its registration, or a guest's grant, names this node, perhaps beside others.
  bool attached_to(const wire::Name& node) const {
    return std::find(attachments.begin(), attachments.end(), node) != attachments.end();
  }
};

// Whether a grant for these nodes is one for `node`: that which names none is for every node.
bool lets_speak(const std::vector<wire::Name>& nodes, const wire::Name& node);

// How far a guest's registration may be ahead of the clock here.
inline constexpr std::int64_t kPlaceSkew = 300'000'000'000;  // ns

// A name that has become known, is known no longer, or is registered elsewhere than before.
struct Moved {
  wire::Name name;
  std::vector<wire::Name> from;  // the nodes that it was registered at
};

// What proves a member, as it was shown: a certificate chain and a registration, a guest's grant chain and the registration
// that its node has signed, or a name
// certificate's chain and the member delegations that count, one behind the other.
struct Objects {
  base::Bytes certificate;
  base::Bytes registration;
  base::Bytes grant;
  base::Bytes name_certificate;
  base::Bytes delegations;
};

// The keys a member holds itself.
struct Identity {
  crypto::Ed25519KeyPair identity;
  security::PublicKey native_public{};
  crypto::SecretBytes<32> native_private;
};

class Membership {
 public:
  Membership(const Trust& trust, Identity identity)
      : trust_(trust),
        identity_(std::move(identity)),
        links_(*this),
        sessions_(*this),
        guests_(*this) {}
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // The own certificate chain; makes the own registration, signed now, with the given sequence and lease.
  base::Result<void> set_own(base::Bytes certificate_chain, std::uint64_t sequence,
                             base::UnixSeconds lease_end, std::vector<wire::Name> attachments,
                             base::UnixSeconds now, std::vector<base::Endpoint> endpoints = {});
  // Whether the chain may follow the own one: same identity, role and IPv4 address, and not issued before it.
  // Errors as Trust's; kConfigBadValue.
  base::Result<void> check_renewal(base::ByteView certificate_chain, base::UnixSeconds now) const;
  // Whether this member may still show itself: its certificate has not ended, and it is not revoked as far as it knows.
  bool standing(base::UnixSeconds now) const { return now < own_end_ && !revoked(own_.name); }
  base::UnixSeconds own_end() const { return own_end_; }  // of the own certificate chain
  // Moves whenever what this member shows has changed; Credentials carry it.
  std::uint64_t generation() const { return generation_; }

  // A member from files or the controller: certificate chain and registration. Of one that is known already the highest
  // sequence wins, of one sequence the newest certificate; what is older changes nothing.
  // Errors as Trust's; kNameTaken for a second key under a name or a second member with an address; kMemberRevoked;
  // kRegistrationOld for one from before a revocation.
  base::Result<wire::Name> learn(base::ByteView certificate_chain, base::ByteView registration,
                                 base::UnixSeconds now);
  // The same of a guest; the newest grant wins. `through`: the node that told, which then speaks for a guest whose node is
  // not known; zero: nobody does yet.
  base::Result<wire::Name> learn_guest(base::Bytes grant_chain, base::UnixSeconds now,
                                       const wire::Name& through = {});
  // Where a guest is (GuestPlace): its node speaks for it. The guest and the node have to be known; the highest sequence
  // wins. One from further ahead than kPlaceSkew is refused: nobody could follow it. Errors as Trust's; kMemberUnknown;
  // kCertificateUntrusted if the grant is for other nodes; kRegistrationOld.
  base::Result<wire::Name> learn_place(base::ByteView place, std::int64_t unix_nanos);
  // This node has the guest: says so, with a sequence above what is known, until `lease_end` at most.
  base::Result<void> place_here(const wire::Name& guest, base::UnixSeconds lease_end,
                                std::int64_t unix_nanos);
  // A shared name: its certificate's chain, and member delegations one behind the other. The newest certificate wins, and of
  // each member's delegations the highest sequence; one that does not verify is left out, and changes nothing, and so is a
  // member beyond kMaxDelegates. Nothing is taken back by absence. Errors as Trust's for the certificate; kNameTaken; kMemberRevoked.
  base::Result<wire::Name> learn_name(base::ByteView certificate_chain, base::ByteView delegations,
                                      base::UnixSeconds now);
  // The delegation by which `member` may answer for a shared name now; null if it may not.
  const Delegate* delegate(const wire::Name& shared, const wire::Name& member,
                           base::UnixSeconds now) const;
  // All that may, in the order in which `asker` is to try them: always the same for one asker, by weight over many.
  std::vector<wire::Name> preferred(const wire::Name& shared, const wire::Name& asker,
                                    base::UnixSeconds now) const;
  // Of the delegations of a shared name what fits into `room` octets, for `asker`: first those of members that are known
  // here, in its order, at last what was taken back.
  base::Bytes delegations_for(const wire::Name& shared, const wire::Name& asker, std::size_t room,
                              base::UnixSeconds now) const;
  // A node speaks for this guest from here: sessions with the guest's name show its grant.
  void speak_for(const wire::Name& guest) {
    spoken_for_.insert(guest);
    ++generation_;
  }
  bool speaks_for(const wire::Name& guest) const { return spoken_for_.contains(guest); }
  void speak_no_more_for(const wire::Name& guest) { spoken_for_.erase(guest); }

  // Nobody knows the name any more, and nothing is learnt of it until readmit(), or until `until`, when whatever was
  // issued for it has ended by itself.
  void revoke(const wire::Name& name, base::UnixSeconds until);
  void readmit(const wire::Name& name);
  bool revoked(const wire::Name& name) const {
    auto found = revocations_.find(name);
    return found != revocations_.end() && found->second.in_force;
  }
  // Forgets members whose objects have ended, at most `most` of them, and revocations. Returns the members.
  std::vector<Member> expire(base::UnixSeconds now, std::size_t most);
  // The first end of all that expire() looks at; the largest value if there is none.
  base::UnixSeconds next_end() const;
  // Moves when what was known of somebody is known no longer, or not as it was.
  std::uint64_t forgotten() const { return forgotten_; }
  // Moves when a known member or a guest's node has another native key than before.
  std::uint64_t key_changes() const { return key_changes_; }
  // Who forwards wants to know: from now on take_moved() has to be called again and again.
  void follow_moves() { follows_moves_ = true; }
  // Since the last call. A node that has another key or other endpoints than before counts as moved.
  std::vector<Moved> take_moved() { return std::exchange(moved_, {}); }
  // Moves when a known member has another label or other tags than before.
  std::uint64_t description_changes() const { return description_changes_; }

  const Trust& trust() const { return trust_; }
  const Member& own() const { return own_; }
  const Identity& identity() const { return identity_; }
  const Member* find(const wire::Name& name) const;
  const Member* find_ipv4(const Ipv4& address) const;
  const Member* find_label(std::string_view label) const;
  // For those who ask for it; empty if it is not known.
  Objects objects(const wire::Name& name) const;
  const std::map<wire::Name, Member>& all() const { return members_; }
  void set_link_size(std::uint16_t octets) { link_size_ = octets; }
  base::Bytes own_registration() const { return own_registration_; }
  const base::Bytes& own_certificate() const { return own_certificate_; }

  // The handshakes' verifiers. Links are with the certified member itself; a session may also be with a guest whose node
  // speaks for it. Both live as long as this object.
  security::Verifier* link_verifier() { return &links_; }
  security::Verifier* session_verifier() { return &sessions_; }
  // Of guests' own handshakes, which show nothing: it only says why a stranger is refused.
  security::Verifier* guest_verifier() { return &guests_; }
  // The name of the certificate among credentials that were admitted; zero if there is none.
  static wire::Name name_shown(const security::Credentials& shown);
  // The name that a grant's chain is for, whether it is to be believed or not; zero if it is no grant.
  static wire::Name name_granted(base::ByteView grant_chain);

 private:
  class Links final : public security::Verifier {
   public:
    explicit Links(Membership& membership) : membership_(membership) {}
    security::Credentials credentials(const security::Path& path) override;
    base::DropReason admit(const security::PublicKey& key, const security::Credentials& shown,
                           const security::Path& path, base::UnixSeconds now,
                           wire::Name& name) override;

   private:
    Membership& membership_;
  };
  class Sessions final : public security::Verifier {
   public:
    explicit Sessions(Membership& membership) : membership_(membership) {}
    security::Credentials credentials(const security::Path& path) override;
    base::DropReason admit(const security::PublicKey& key, const security::Credentials& shown,
                           const security::Path& path, base::UnixSeconds now,
                           wire::Name& name) override;

   private:
    Membership& membership_;
  };

  class Guests final : public security::Verifier {
   public:
    explicit Guests(Membership& membership) : membership_(membership) {}
    security::Credentials credentials(const security::Path&) override { return {}; }
    base::DropReason admit(const security::PublicKey& key, const security::Credentials& shown,
                           const security::Path& path, base::UnixSeconds now,
                           wire::Name& name) override;
    base::DropReason stranger(const security::PublicKey& key) const override;

   private:
    Membership& membership_;
  };
  struct Revocation {
    base::UnixSeconds until = 0;
    std::uint64_t sequence = 0;  // registrations below it are from before
    bool in_force = true;        // false: readmitted
  };
  using Ends = std::set<std::pair<base::UnixSeconds, wire::Name>>;

  base::Result<wire::Name> insert(Member member, Objects objects);
  base::Result<void> may_insert(const Member& member) const;
  base::Bytes merge(const NameCertificate& certificate, base::ByteView delegations,
                    base::UnixSeconds now, std::vector<Delegate>& delegates) const;
  void erase(const wire::Name& name);
  void note_moved(const wire::Name& name, const std::vector<wire::Name>& from);
  void set_place(Member& guest, const GuestPlace& place, base::ByteView octets);
  void forget_place(Member& guest);
  Key key_of_nodes(const std::vector<wire::Name>& nodes) const;
  bool still_speaks(const Member& guest, const Grant& grant, const wire::Name& through) const;
  void place_guests(const Key& lost);
  security::Credentials own_credentials() const;
  const Member* known_by(const security::Credentials& shown) const;
  // None and the member that the credentials prove to hold `key`, or why not.
  base::DropReason verify(const security::PublicKey& key, const security::Credentials& shown,
                          base::UnixSeconds now, Member& out) const;
  base::DropReason admit_guest(const Member& node, const security::Credentials& shown,
                               const wire::Name& guest, base::UnixSeconds now);

  Trust trust_;
  Identity identity_;
  Member own_;
  base::Bytes own_certificate_;
  base::Bytes own_registration_;
  base::UnixSeconds own_end_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t key_changes_ = 0;
  std::uint64_t description_changes_ = 0;
  std::uint64_t forgotten_ = 0;
  std::uint16_t link_size_ = 0;
  bool follows_moves_ = false;
  std::vector<Moved> moved_;
  std::map<wire::Name, Member> members_;
  Ends ends_;        // of members_
  Ends place_ends_;  // of guests' places
  std::map<wire::Name, Revocation> revocations_;
  Ends revocation_ends_;
  std::map<Ipv4, wire::Name> by_ipv4_;
  std::map<std::string, wire::Name, std::less<>> by_label_;
  std::map<wire::Name, Objects> objects_;
  std::set<wire::Name> spoken_for_;
  Links links_;
  Sessions sessions_;
  Guests guests_;
};

}  // namespace entresol::layer::membership
