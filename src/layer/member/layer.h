// What a member holds for each of its layers. Private to layer/member.
#pragma once

#include <map>

#include "layer/member/member.h"

namespace entresol::layer::member {

struct GuestAddresses {
  inner::MemberAddresses addresses;
  std::uint16_t mtu = 1420;
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
  std::vector<std::pair<forwarding::LinkId, base::Bytes>> for_guests;  // fragments, after the batch
  base::Bytes certificate_chain;
  std::vector<wire::Name> attachments;
  base::UnixSeconds renew_at = 0;  // the own registration's lease
  base::UnixSeconds next_expiry = 0;
  wire::Name attached_to;  // the node behind the default link

  Peers& peers(bool of_guests) { return of_guests ? guests : native; }
};

}  // namespace entresol::layer::member
