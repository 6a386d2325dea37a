// Services that are bound to traffic at this node: they are asked about flows that do not name them, in a stated order,
// before the service that the packet names. A flow passes them in both directions, as it is one flow.
//
// The services of a flow are a chain; chains that are alike have one number, which is what kept decisions remember.
//
// One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "layer/membership/membership.h"
#include "layer/policy/rule.h"

namespace entresol::service {

struct Binding {
  std::uint32_t service = 0;
  std::string text;           // what people have written, for people
  layer::policy::Rule flows;  // its name and `allow` are not looked at
  std::uint32_t order = 0;    // lower ones are asked first
};

class Bindings {
 public:
  static constexpr std::size_t kMaxChains =
      4096;  // beyond, flows get none: their packets are dropped
  static constexpr std::uint16_t kTooMany = 0xffff;

  // In place of those of before, and who the members are. Those of one order are asked as they stand. At most
  // kMaxOfLayer. `members` outlives this.
  static constexpr std::size_t kMaxOfLayer = 64;
  void set(std::uint8_t layer, std::vector<Binding> bindings,
           const layer::membership::Membership& members);

  // Of the packet's flow; 0: nothing is bound to it.
  std::uint16_t chain_of(const layer::forwarding::Miss& miss);
  // In their order; empty for 0.
  const std::vector<std::uint32_t>& services(std::uint16_t chain) const { return chains_[chain]; }
  // Null: nobody has said.
  const layer::membership::Membership* members(std::uint8_t layer) const {
    return layer < layers_.size() && layers_[layer] ? layers_[layer]->members : nullptr;
  }
  // Moves when flows may have other chains, or members other labels and tags.
  std::uint32_t generation() const;

  struct Report {
    std::uint8_t layer = 0;
    std::uint32_t service = 0;
    std::string text;
    std::uint32_t order = 0;
    std::uint64_t flows = 0;  // times that a flow was looked up and taken
  };
  std::vector<Report> reports() const;

 private:
  struct Layer {
    std::vector<Binding> bindings;  // in their order
    std::vector<std::uint64_t> flows;
    const layer::membership::Membership* members = nullptr;
  };

  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<std::vector<std::uint32_t>> chains_{{}};
  std::map<std::vector<std::uint32_t>, std::uint16_t> numbers_;
  std::vector<std::uint32_t> found_;  // of the flow at hand
  std::uint32_t generation_ = 0;
};

}  // namespace entresol::service
