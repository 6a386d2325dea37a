// A layer's names for the WireGuard clients of a node: what they send inside their tunnels to the layer's resolver
// (layer/directory/address_pool.h), UDP port 53, is answered as applications are on hosts. TCP is refused there, by ICMP.
//
// Each guest has a budget of queries, and a bounded number of them at once. One thread; the runtime outlives it.
#pragma once

#include <map>
#include <memory>

#include "config/config.h"
#include "layer/inner/ip.h"
#include "runtime/dns.h"

namespace entresol::runtime {

// The packet that answers `query`, a UDP packet: addresses and ports change places. Its `bytes` are not looked at.
base::Bytes udp_reply(const layer::inner::IpPacket& query, base::ByteView payload);

class GuestDns {
 public:
  // Of one guest: queries, and those that are not answered yet.
  static constexpr double kBurst = 100, kPerSecond = 50;
  static constexpr std::size_t kMostOpen = 32;

  explicit GuestDns(Runtime& runtime);
  ~GuestDns();
  GuestDns(const GuestDns&) = delete;
  GuestDns& operator=(const GuestDns&) = delete;

  // A domain that is none leaves the layer's guests without names, which is logged.
  void add_layer(layer::member::LayerIndex layer, const config::NodeLayer& config);
  void extend(Json& status) const;

 private:
  struct Budget {
    double left = kBurst;
    base::TimePoint at{};
    std::size_t open = 0;
  };
  struct LayerDns {
    std::unique_ptr<Dns> dns;
    std::map<wire::Name, Budget> budgets;
    std::uint64_t over_budget = 0;
  };
  void take(layer::member::LayerIndex layer, const wire::Name& guest, base::ByteView packet);
  static bool spend(LayerDns& layer, const wire::Name& guest, base::TimePoint now);

  Runtime& runtime_;
  std::map<layer::member::LayerIndex, LayerDns> layers_;
};

}  // namespace entresol::runtime
