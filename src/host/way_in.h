// A host's way into a layer: the node that it dials. Nodes come from the configuration or, with a controller, from the
// directory, with the endpoints that they have registered; when one does not answer, the next is tried.
//
// One thread, the runtime's loop. The runtime outlives it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "runtime/runtime.h"

namespace entresol::host {

class WayIn {
 public:
  WayIn(runtime::Runtime& runtime, layer::member::LayerIndex layer, std::uint16_t underlay_mtu);

  // A node of the configuration; the first is dialled first. The member knows it already.
  void add(const wire::Name& node, const base::Endpoint& endpoint);
  // Uses the nodes of the directory, and asks for them when none of those that are known answers.
  void follow_directory(std::function<void()> nodes_wanted);
  // Dials; the errors of Member::dial. Without a node it waits for one.
  base::Result<void> start();
  // The directory's nodes are others now.
  void nodes_changed();
  // Octets of the largest packet of the link that is dialled, or would be.
  base::Result<std::uint16_t> max_packet() const;
  runtime::Json status() const;

 private:
  struct Candidate {
    wire::Name node;
    base::Endpoint endpoint;
    bool operator==(const Candidate&) const = default;
  };
  std::vector<Candidate> candidates() const;
  base::Result<void> dial(const Candidate& candidate);
  void look();

  runtime::Runtime& runtime_;
  layer::member::LayerIndex layer_;
  std::uint16_t underlay_mtu_;
  std::vector<Candidate> configured_;
  std::function<void()> nodes_wanted_;
  std::optional<Candidate> dialled_;
  layer::forwarding::LinkId link_{};
  base::TimePoint dialled_at_{};
  io::TimerId timer_{};
};

}  // namespace entresol::host
