// One member's place in one layer: its own identity and what it shows, the directory of others as far as it is known, and
// the answer to "may this key speak for that name". The control cores ask it; files fill it now, a controller later.
//
// Pure. Not thread-safe: owned by the role's control side.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/drop.h"
#include "layer/membership/trust.h"
#include "security/association.h"

namespace entresol::layer::membership {

// A member as the directory knows it.
struct Member {
  wire::Name name;
  std::string label;
  Ipv4 ipv4{};
  Role role = Role::kHost;
  bool guest = false;
  std::vector<std::string> tags;
  Key native_key{};             // X25519; a guest's is its node's
  base::UnixSeconds until = 0;  // what is known of it ends then
  std::uint64_t sequence = 0;   // of its registration
  std::vector<wire::Name> attachments;
};

// What proves a member, as it was shown: a certificate chain and a registration, or a guest's grant chain.
struct Objects {
  base::Bytes certificate;
  base::Bytes registration;
  base::Bytes grant;
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
      : trust_(trust), identity_(std::move(identity)), links_(*this), sessions_(*this) {}
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // The own certificate chain; makes the own registration, signed now, with the given sequence and lease.
  base::Result<void> set_own(base::Bytes certificate_chain, std::uint64_t sequence,
                             base::UnixSeconds lease_end, std::vector<wire::Name> attachments,
                             base::UnixSeconds now);
  // A member from files (or, later, the controller): certificate chain and registration.
  // Errors as Trust's; kNameTaken for a second key under a name or a second member with an address.
  base::Result<wire::Name> learn(base::ByteView certificate_chain, base::ByteView registration,
                                 base::UnixSeconds now);
  // `through`: the node that told, which then speaks for a guest of every node; zero: nobody does yet.
  base::Result<wire::Name> learn_guest(base::Bytes grant_chain, base::UnixSeconds now,
                                       const wire::Name& through = {});
  // A node speaks for this guest from here: sessions with the guest's name show its grant.
  void speak_for(const wire::Name& guest) { spoken_for_.insert(guest); }

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

  base::Result<wire::Name> insert(Member member, Objects objects);
  security::Credentials own_credentials() const;
  // The member that the credentials prove to hold `key`, or nothing.
  std::optional<Member> verify(const security::PublicKey& key, const security::Credentials& shown,
                               base::UnixSeconds now) const;

  Trust trust_;
  Identity identity_;
  Member own_;
  base::Bytes own_certificate_;
  base::Bytes own_registration_;
  std::uint16_t link_size_ = 0;
  std::map<wire::Name, Member> members_;
  std::map<Ipv4, wire::Name> by_ipv4_;
  std::map<std::string, wire::Name, std::less<>> by_label_;
  std::map<wire::Name, Objects> objects_;
  std::set<wire::Name> spoken_for_;
  Links links_;
  Sessions sessions_;
};

}  // namespace entresol::layer::membership
