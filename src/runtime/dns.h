// Names of a process's layers for applications and guests: dns::Server on the loop. Records come from membership, which
// holds verified objects alone; a host asks its node about whom it does not know.
//
// One thread, the loop's. The runtime outlives it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/server.h"
#include "io/endpoint_text.h"
#include "runtime/dns_sockets.h"
#include "runtime/runtime.h"

namespace entresol::runtime {

// A layer's members as DNS sees them.
class LayerNames final : public dns::Lookup {
 public:
  // `ask`: a host's, which asks its node; a node knows all that there are.
  LayerNames(layer::member::Member& member, layer::member::LayerIndex layer, bool ask)
      : member_(member), layer_(layer), ask_(ask) {}

  dns::Known by_label(std::string_view label, dns::Found& out) override;
  dns::Known by_name(const dns::Ipv6& name, dns::Found& out) override;
  dns::Known by_ipv4(const dns::Ipv4& address, dns::Found& out) override;

 private:
  dns::Known tell(const layer::membership::Member* member, const layer::session::Sought& sought,
                  dns::Found& out);

  layer::member::Member& member_;
  layer::member::LayerIndex layer_;
  bool ask_;
};

class Dns {
 public:
  using Reply = DnsListener::Reply;

  explicit Dns(Runtime& runtime);
  ~Dns();

  // kConfigBadValue for what is no domain.
  base::Result<void> add_layer(layer::member::LayerIndex layer, const std::string& domain,
                               const std::optional<io::Prefix>& ipv4_pool);
  // The domains of all layers, and those of their addresses.
  std::vector<std::string> domains() const;
  // For applications, over UDP and TCP. Errors as DnsListener's.
  base::Result<void> listen(const base::Endpoint& at);
  // Who is asked about other names; `source` is called again from time to time, since a machine's servers change.
  void set_upstream(std::function<std::vector<base::Endpoint>()> source);

  // `reply` is called later, or never if this returns 0: nothing answers such a message.
  dns::Asker ask(base::ByteView message, bool stream, std::size_t largest, Reply reply);
  void forget(dns::Asker asker);
  // Somebody may be known now who was not.
  void look_again();

  Json status() const;

 private:
  void work();
  void rearm();
  void refresh_upstream(base::TimePoint now);

  Runtime& runtime_;
  io::SystemRandom random_;
  dns::Server server_;
  std::deque<LayerNames> names_;
  DnsUpstream upstream_;
  std::unique_ptr<DnsListener> listener_;
  std::map<dns::Asker, Reply> askers_;
  dns::Asker last_asker_ = 0;
  std::function<std::vector<base::Endpoint>()> upstream_source_;
  base::TimePoint refreshed_{};
  io::TimerId timer_{};
};

}  // namespace entresol::runtime
