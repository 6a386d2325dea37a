// What a member holds for each of its layers. Private to layer/member.
#pragma once

#include <chrono>
#include <map>
#include <tuple>

#include "layer/member/member.h"
#include "security/native/probe.h"

namespace entresol::layer::member {

// Who dials keeps the way back open (NAT), and notices a node that has lost its keys: it answers with a reset.
inline constexpr base::Duration kDialledKeepalive = std::chrono::seconds(5);
inline constexpr base::UnixSeconds kLease = 24 * 3600;     // of registrations that are signed here
inline constexpr base::UnixSeconds kRenewInterval = 3600;  // of them

struct GuestAddresses {
  inner::MemberAddresses addresses;
  std::uint16_t mtu = 1420;
};

// Somebody who has not seen yet what this member shows now: a neighbour on a link, or the far end of a session.
struct Member::Show {
  std::uint64_t generation = 0;          // of what it has to see
  std::optional<security::PeerId> peer;  // a link's
  wire::Name local, far;                 // else a session's
};

// Another node, at a node. Its link's slot is there as soon as it is known, so that names have a place; keys come when
// somebody needs them.
struct Member::Neighbour {
  forwarding::LinkId link;
  bool wanted = false;    // it is dialled, and kept up while it is used
  std::size_t turns = 0;  // endpoints that were tried since it was wanted
  base::TimePoint next =
      base::kNever;              // of the next endpoint's turn, or of looking whether it is used
  base::TimePoint not_before{};  // it is dialled again
  base::TimePoint used{};        // last, by packets
};

// A registration that another node is told of, some times, since a message may be lost.
struct Member::News {
  wire::Name node, about;
  int left = 0;
};

struct Member::Layer {
  Layer(LayerSetup setup, bool node, const crypto::SecretBytes<32>& link_reset_secret,
        base::RandomSource& random, security::IndexAllocator& indices);

  // A table of associations and the links that it has made.
  struct Peers {
    std::unique_ptr<security::Associations> machine;
    std::map<security::PeerId, forwarding::LinkId> links;
    std::map<std::pair<security::PeerId, std::uint32_t>, security::Keys>
        keys;  // that may be sent with
  };

  std::string label;
  membership::Membership membership;
  session::Agent agent;
  Peers native;
  Peers guests;  // machine is null on hosts
  std::map<forwarding::LinkId, GuestAddresses> guest_addresses;
  std::map<wire::Name, forwarding::LinkId> guest_links;
  std::map<wire::Name, base::TimePoint> guests_left;  // for another node; when that was heard of
  std::vector<std::pair<forwarding::LinkId, base::Bytes>> for_guests;  // fragments, after the batch
  std::vector<wire::Name> attachments;
  std::vector<base::Endpoint> endpoints;
  base::UnixSeconds renew_at = 0;  // the own registration's lease
  bool standing = true;            // Membership::standing, as it was last acted upon
  std::multimap<base::TimePoint, Show> shows;
  // Of links whose far end has another key now: the peers that they had, until the first keys with the new one.
  std::map<forwarding::LinkId, std::vector<security::PeerId>> superseded;
  std::optional<security::native::ProbeKeys> probe_keys;  // a node's own; made for the first probe
  // Probes that were sent, newest last: nonce, and the key of the node that was asked.
  std::deque<std::pair<std::uint64_t, security::PublicKey>> asked;
  std::vector<ProbeAnswer> probe_answers;
  wire::Name attached_to;  // the node behind the default link
  bool to_report = false;  // the own registration names another node, and its link is not up yet

  // A node's:
  std::optional<inner::MemberAddresses> resolver;  // of guests
  std::map<wire::Name, forwarding::LinkId> hosts;  // links of those who dialled
  std::map<wire::Name, Neighbour> neighbours;
  base::TimePoint neighbours_at = base::kNever;  // the first of their times
  std::multimap<base::TimePoint, News> news;
  // To which node something was said about a name (true: asked): not again before then.
  std::map<std::tuple<wire::Name, wire::Name, bool>, base::TimePoint> said;
  base::TimePoint said_swept{};
  // Nodes that have used a name, and the registration of it that they were told of.
  std::map<wire::Name, std::map<wire::Name, std::uint64_t>> interest;

  Peers& peers(bool of_guests) { return of_guests ? guests : native; }
};

}  // namespace entresol::layer::member
