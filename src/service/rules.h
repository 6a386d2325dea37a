// Holds flows to the policies of a node's layers. A packet is asked about once a flow, by the header that both ends have
// authenticated: who opened the flow, its protocol and the responder's port stand there; that the far agent refuses who
// claims wrongly to answer is layer/session's part.
//
// What carries no application's octets is no flow: control messages, sessions' handshakes and keepalives pass, so that a
// session between two names stands whichever of them may open.
//
// One thread. A layer without a policy allows everything.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "layer/membership/membership.h"
#include "layer/policy/policy.h"

namespace entresol::service {

using LayerIndex = std::uint8_t;

// A flow that was refused.
struct Denial {
  LayerIndex layer = 0;
  std::string rule;
  wire::Name from, to;  // who opened it, who answers
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;
};

class Rules {
 public:
  static constexpr std::size_t kMaxDenials = 16;  // until they are taken

  // From now on, for running flows too. Counts begin anew. `members` outlives this.
  void set(LayerIndex layer, layer::policy::Policy policy, std::uint64_t revision,
           const layer::membership::Membership& members);

  // False: refused by the rule, and `miss` says so.
  bool allow(layer::forwarding::Miss& miss);
  void count(LayerIndex layer, std::uint16_t rule);
  std::string_view name(LayerIndex layer, std::uint16_t rule) const;
  // Moves when flows have to be asked about again: another policy, or a member with another label or other tags.
  std::uint32_t generation() const;

  struct Report {
    LayerIndex layer = 0;
    std::uint64_t revision = 0;
    std::size_t rules = 0;
    std::vector<std::pair<std::string, std::uint64_t>> denied;  // packets, by rule; not of zero
  };
  std::vector<Report> reports() const;
  // The first flows that were refused since the last call.
  std::vector<Denial> take_denials() { return std::exchange(denials_, {}); }

 private:
  struct Held {
    layer::policy::Policy policy;
    std::uint64_t revision = 0;
    const layer::membership::Membership* members = nullptr;
    std::vector<std::uint64_t> denied;  // by rule, the default rule last
  };
  // What was allowed lately between two names: with thousands of members, whose labels and tags are cold in the caches, a
  // flow like one before costs one cache line. It is looked up by all of its fields; another generation forgets it.
  struct alignas(64) Allowed {
    wire::Name from, to;
    std::uint32_t generation = 0;
    std::uint32_t service = 0;
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    LayerIndex layer = 0;
    bool here = false;
    bool operator==(const Allowed&) const = default;
  };
  static constexpr std::size_t kAllowed = 4096;
  Allowed& slot(const Allowed& flow);
  const Held* held(LayerIndex layer) const {
    return layer < layers_.size() ? layers_[layer].get() : nullptr;
  }

  std::vector<std::unique_ptr<Held>> layers_;  // null: no policy
  std::vector<Allowed> allowed_;               // empty: no layer has a policy
  std::vector<Denial> denials_;
  std::uint32_t generation_ = 0;
};

}  // namespace entresol::service
