// Runs services for packets that the decision cache does not know and that the layer's policy allows: shows each service
// the fields that its manifest lists, and nothing else, and turns its verdicts into decisions. Native services run inline
// here.
//
// One thread. Services are owned; they are added while starting up.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "entresol/service.h"
#include "layer/forwarding/pipeline.h"
#include "service/rules.h"

namespace entresol::service {

class Dispatcher final : public layer::forwarding::Decider {
 public:
  // A second service with an id replaces the first; kept decisions of all services become void.
  void add(std::unique_ptr<sdk::Service> service);

  void decide(std::span<layer::forwarding::Miss> misses) override;
  std::uint32_t generation() const override { return generation_ + rules_.generation(); }
  void refused(std::uint8_t layer, std::uint16_t rule) override { rules_.count(layer, rule); }
  std::string_view rule_name(std::uint8_t layer, std::uint16_t rule) const override {
    return rules_.name(layer, rule);
  }
  Rules& rules() { return rules_; }
  const Rules& rules() const { return rules_; }

  struct Usage {
    sdk::Manifest manifest;
    std::uint64_t packets = 0;  // that the service was asked about
    std::uint64_t batches = 0;
  };
  std::vector<Usage> usage() const;

 private:
  struct Entry {
    std::unique_ptr<sdk::Service> service;
    Usage usage;
    std::vector<std::size_t> misses;  // of the present batch
    std::vector<sdk::Packet> packets;
    std::vector<sdk::Verdict> verdicts;
  };
  void run(Entry& entry, std::span<layer::forwarding::Miss> misses);

  std::unordered_map<sdk::ServiceId, Entry> entries_;
  Rules rules_;
  std::uint32_t generation_ = 1;
};

}  // namespace entresol::service
