// A host's way into a layer (layer/member/way_in.h) in the runtime's loop: timers, sizes of links, and what people see of it.
//
// One thread, the runtime's loop. The runtime outlives it.
#pragma once

#include <functional>
#include <string>

#include "config/config.h"
#include "layer/member/way_in.h"
#include "runtime/runtime.h"

namespace entresol::host {

class WayIn {
 public:
  WayIn(runtime::Runtime& runtime, layer::member::LayerIndex layer, std::uint16_t underlay_mtu);

  void add(const wire::Name& node, const base::Endpoint& endpoint) { way_.add(node, endpoint); }
  void follow_directory(std::function<void()> nodes_wanted) {
    way_.follow_directory(std::move(nodes_wanted));
  }
  base::Result<void> start();
  // The directory's nodes are others now.
  void nodes_changed();
  // Octets of the largest packet of the link that is dialled, or will be.
  base::Result<std::uint16_t> max_packet() const;
  runtime::Json status() const;

 private:
  base::Result<std::uint16_t> max_packet_to(const base::Endpoint& endpoint) const;
  // After whatever the way in has done.
  void settle();

  runtime::Runtime& runtime_;
  layer::member::LayerIndex layer_;
  std::uint16_t underlay_mtu_;
  layer::member::WayIn way_;
  io::TimerId timer_{};
};

}  // namespace entresol::host
