// What a service may receive and send, by whose it is. All of it is decided here; the dispatcher and the remote carry it
// out and count.
//
//                  may be asked about                    may deliver to
//   third party    packets that name it                  their destination; who has agreed; their source, if it may reply
//   client         also traffic bound to it, of its own  the same, and its own
//   operator       all traffic bound to it               all
//
// A packet is never changed by a service, so its source is always the original's. A reply goes once, to who has sent: no
// packet makes more of them. Of what is replicated each copy needs the right of its own, and none is a reply.
//
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "layer/policy/policy.h"

namespace entresol::service {

enum class Tenant : std::uint8_t { kThirdParty, kClient, kOperator };

// The rule that a service has broken.
enum class Violation : std::uint8_t {
  kNone,
  kDestination,    // neither the packet's, nor one that has agreed, nor its own
  kReply,          // to the sender, and it may not
  kAmplification,  // more copies of one packet than it may make
};
inline constexpr std::array<std::string_view, 4> kViolationNames = {"none", "destination", "reply",
                                                                    "amplification"};

struct Rights {
  Tenant tenant = Tenant::kThirdParty;
  bool replies = false;
  std::uint32_t copies = 16;                    // of one packet; an operator's: no end
  std::vector<layer::policy::Subject> owns;     // of a client
  std::vector<layer::policy::Subject> consent;  // who has agreed to what it sends
};
inline Rights rights_of_operator() {
  Rights out;
  out.tenant = Tenant::kOperator;
  return out;
}

// The members of a layer, by name.
using Parties = std::function<layer::policy::Party(const wire::Name&)>;

// A packet from `source` to `destination`, delivered to `to`; `copy`: as one of several. `parties` is asked only where
// the rights name anybody.
Violation may_send(const Rights& rights, const wire::Name& source, const wire::Name& destination,
                   const wire::Name& to, bool copy, const Parties& parties);
inline bool may_replicate(const Rights& rights, std::size_t copies) {
  return rights.tenant == Tenant::kOperator || copies <= rights.copies;
}
// Whether traffic between these two may be bound to it: an owner binds what goes to or comes from what it owns.
bool may_bind(const Rights& rights, const layer::policy::Subject& from,
              const layer::policy::Subject& to);

}  // namespace entresol::service
