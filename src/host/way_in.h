// A host's way into a layer: the node that it dials. Nodes come from the configuration or, with a controller, from the
// directory, with the endpoints that they have registered; which of them it is, layer::association::Selector decides.
//
// One thread, the runtime's loop. The runtime outlives it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.h"
#include "layer/association/selector.h"
#include "runtime/runtime.h"

namespace entresol::host {

class WayIn {
 public:
  WayIn(runtime::Runtime& runtime, layer::member::LayerIndex layer, std::uint16_t underlay_mtu);

  // A node of the configuration; of two that are as near the first is dialled. The member knows it already.
  void add(const wire::Name& node, const base::Endpoint& endpoint);
  // Uses the nodes of the directory, and asks for them when none of those that are known answers.
  void follow_directory(std::function<void()> nodes_wanted);
  // Dials the only node, or begins to measure; the errors of Member::dial, and of nodes that cannot be dialled from here.
  // Without a node it waits for one.
  base::Result<void> start();
  // The directory's nodes are others now.
  void nodes_changed();
  // Octets of the largest packet of the link that is dialled, or will be.
  base::Result<std::uint16_t> max_packet() const;
  runtime::Json status() const;

 private:
  using Candidate = layer::association::Candidate;

  std::vector<Candidate> candidates() const;
  base::Result<std::uint16_t> max_packet_to(const Candidate& candidate) const;
  base::Result<void> dial(const Candidate& candidate);
  layer::association::LinkState link_state() const;
  // What the selector wants now.
  base::Result<void> act();

  runtime::Runtime& runtime_;
  layer::member::LayerIndex layer_;
  std::uint16_t underlay_mtu_;
  std::vector<Candidate> configured_;
  std::function<void()> nodes_wanted_;
  layer::association::Selector selector_;
  bool started_ = false;
  layer::forwarding::LinkId link_ = layer::forwarding::kSelf;
  io::TimerId timer_{};
};

}  // namespace entresol::host
