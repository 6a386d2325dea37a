// The names of a host's layers for its applications: the listener on loopback, and the machine's resolver settings for as
// long as this object lives. A host whose names fail runs on without them: why is in the log and in `status`.
//
// One thread; the runtime outlives it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "runtime/dns.h"
#include "runtime/resolv_file.h"

namespace entresol::runtime {

class HostDns {
 public:
  // `interfaces`: the layers' TUN devices, in the order of the layers. Null if no layer has a `dns` section.
  static std::unique_ptr<HostDns> start(Runtime& runtime,
                                        const std::vector<config::HostLayer>& layers,
                                        const std::vector<std::string>& interfaces);
  ~HostDns();
  HostDns(const HostDns&) = delete;
  HostDns& operator=(const HostDns&) = delete;

  Json status() const;

 private:
  explicit HostDns(Runtime& runtime) : runtime_(runtime), dns_(runtime) {}
  base::Result<void> set_up(const std::vector<config::HostLayer>& layers,
                            const std::vector<std::string>& interfaces);
  base::Result<void> add_layers(const std::vector<config::HostLayer>& layers);

  Runtime& runtime_;
  Dns dns_;
  std::unique_ptr<ResolvFile> resolv_;
  base::Endpoint listen_;
  std::string error_;  // empty: all is well
};

}  // namespace entresol::runtime
