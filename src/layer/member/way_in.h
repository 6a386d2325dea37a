// A host's way into a layer: the node that it dials. Nodes come from the configuration or, with a controller, from the
// directory, with the endpoints that they have registered; which of them it is, association::Selector decides.
//
// Pure: probes and dials go to the member. One thread; member and randomness outlive it.
#pragma once

#include <functional>
#include <vector>

#include "layer/association/selector.h"
#include "layer/member/member.h"

namespace entresol::layer::member {

class WayIn {
 public:
  using Candidate = association::Candidate;
  // Octets of the largest packet of a link to this endpoint, or why it cannot be dialled from here.
  using MaxPacket = std::function<base::Result<std::uint16_t>(const base::Endpoint&)>;

  WayIn(Member& member, LayerIndex layer, base::RandomSource& random, MaxPacket max_packet);

  // A node of the configuration; of two that are as near the first is dialled. The member knows it already.
  void add(const wire::Name& node, const base::Endpoint& endpoint);
  // Uses the nodes of the directory, and asks for them when none of those that are known answers.
  void follow_directory(std::function<void()> nodes_wanted);
  // Dials the only node, or begins to measure; the errors of Member::dial, and of nodes that cannot be dialled from here.
  // Without a node it waits for one.
  base::Result<void> start(base::TimePoint now);
  // The directory's nodes are others now.
  void nodes_changed(base::TimePoint now);
  // Call it at next(), and when the member has probe_answers(). Afterwards the member may have something to do.
  base::Result<void> act(base::TimePoint now);
  base::TimePoint next() const { return started_ ? selector_.next() : base::kNever; }

  std::vector<Candidate> candidates() const;
  const association::Selector& selector() const { return selector_; }

 private:
  base::Result<void> dial(const Candidate& candidate);
  association::LinkState link_state() const;

  Member& member_;
  LayerIndex layer_;
  MaxPacket max_packet_;
  std::vector<Candidate> configured_;
  std::function<void()> nodes_wanted_;
  association::Selector selector_;
  bool started_ = false;
  forwarding::LinkId link_ = forwarding::kSelf;
};

}  // namespace entresol::layer::member
