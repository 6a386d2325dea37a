#include "node/node.h"

#include <algorithm>
#include <span>

#include "base/error_codes.h"
#include "runtime/enrolment.h"
#include "runtime/files.h"
#include "runtime/link_size.h"
#include "runtime/module_runner.h"

namespace entresol::node {
namespace {

// Compiled code is kept with the first layer that has a place for it.
void keep_code(runtime::Runtime& runtime, const config::NodeLayer& layer,
               const crypto::Ed25519KeyPair& identity) {
  if (layer.state.empty() || runtime.modules().cache() != nullptr) return;
  runtime.modules().set_cache(
      std::make_unique<runtime::CodeCache>(layer.state + "/code", identity));
}

base::Result<void> add_layer(runtime::Runtime& runtime, runtime::GuestDns& dns,
                             const config::NodeLayer& layer,
                             std::vector<runtime::Enrolment*>& enrolments) {
  const base::UnixSeconds now = io::unix_now();
  auto setup = runtime::read_layer(layer, now, io::unix_nanos());
  if (!setup) return tl::unexpected(setup.error());
  setup->endpoints = layer.endpoints;
  auto index = runtime.member().add_layer(std::move(*setup), now);
  if (!index) return tl::unexpected(index.error());
  if (auto learned = runtime::learn_directory(runtime.member(), *index, layer.directory, now);
      !learned)
    return learned;
  for (const auto& guest : layer.guests) {
    auto grant = runtime::read_grant(guest.grant);
    if (!grant) return tl::unexpected(grant.error());
    std::optional<crypto::SecretBytes<32>> preshared_key;
    if (!guest.preshared_key.empty()) {
      auto key = runtime::read_preshared_key(guest.preshared_key);
      if (!key) return tl::unexpected(key.error());
      preshared_key = std::move(*key);
    }
    auto added = runtime.member().add_guest(*index, std::move(*grant), std::move(preshared_key),
                                            guest.mtu, now);
    if (!added) {
      added.error().message = guest.grant + ": " + added.error().message;
      return tl::unexpected(added.error());
    }
  }
  dns.add_layer(*index, layer);
  keep_code(runtime, layer, runtime.member().membership(*index).identity().identity);
  if (layer.controller) enrolments.push_back(&runtime.enrol(*index, layer));
  return {};
}

struct LoadedService {
  config::ServiceFile file;
  const config::NodeService* wanted = nullptr;
};

// What a layer's bindings mean, or why one may not be.
base::Result<std::vector<service::Binding>> bindings_of(const config::NodeLayer& layer,
                                                        std::span<const LoadedService> services) {
  std::vector<service::Binding> out;
  for (const config::NodeBinding& wanted : layer.bindings) {
    const auto found = std::ranges::find_if(services, [&](const LoadedService& each) {
      return each.file.manifest.name == wanted.service;
    });
    const std::string what = "binding of '" + wanted.service + "' to " + wanted.text + ": ";
    if (found == services.end())
      return base::fail(base::code::kConfigBadValue,
                        what + "this node runs no service of that name; name one of `services`");
    if (found->file.manifest.payload)
      return base::fail(
          base::code::kBindingPayload,
          what + "the service asks for payload, and this traffic is sealed end to end");
    if (!service::may_bind(found->wanted->rights, wanted.from, wanted.to))
      return base::fail(
          base::code::kBindingNotOwned,
          what + (found->wanted->rights.tenant == service::Tenant::kClient
                      ? "neither end stands in the `owns` of this client's service"
                      : "it is a third party's, which gets only packets that name it; say "
                        "`tenant: operator` if it is yours"));
    service::Binding& binding = out.emplace_back();
    binding.service = found->file.manifest.id;
    binding.text = wanted.text;
    binding.order = wanted.order;
    binding.flows = wanted.traffic;
    binding.flows.from = wanted.from;
    binding.flows.to = wanted.to;
  }
  return out;
}

base::Result<void> add_services(runtime::Runtime& runtime, const config::Node& config) {
  std::vector<LoadedService> services;
  for (const auto& wanted : config.services) {
    auto file = config::load_service(wanted.file);
    if (!file) return tl::unexpected(file.error());
    services.push_back({std::move(*file), &wanted});
  }
  const bool names_members = std::ranges::any_of(config.services, [](const auto& each) {
    return !each.rights.owns.empty() || !each.rights.consent.empty();
  });
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    auto bindings = bindings_of(config.layers[i], services);
    if (!bindings) return tl::unexpected(bindings.error());
    if (names_members || !bindings->empty())
      runtime.set_bindings(static_cast<layer::member::LayerIndex>(i), std::move(*bindings));
  }
  for (const LoadedService& each : services)
    if (auto added = runtime.add_module(each.file, each.wanted->values, each.wanted->rights);
        !added)
      return added;
  return {};
}

}  // namespace

base::Result<Node> start(const config::Node& config) {
  auto over_ipv4 = runtime::link_max_packet(config.underlay_mtu, false);
  if (!over_ipv4) return tl::unexpected(over_ipv4.error());
  // An underlay that is too small for IPv6 only serves hosts that dial over IPv4.
  auto over_ipv6 = runtime::link_max_packet(config.underlay_mtu, true);
  if (!over_ipv6 && !io::is_v4(config.listen.address) && !io::is_unspecified(config.listen.address))
    return tl::unexpected(over_ipv6.error());
  auto runtime =
      runtime::Runtime::create(config, {true, config.listen, "node", config.service_store});
  if (!runtime) return tl::unexpected(runtime.error());
  Node node;
  node.runtime = std::move(*runtime);
  node.dns = std::make_unique<runtime::GuestDns>(*node.runtime);
  node.runtime->member().set_accepted_max_packet(*over_ipv4, over_ipv6.value_or(*over_ipv4));
  std::vector<runtime::Enrolment*> enrolments;
  for (const auto& layer : config.layers)
    if (auto added = add_layer(*node.runtime, *node.dns, layer, enrolments); !added)
      return tl::unexpected(added.error());
  if (auto added = add_services(*node.runtime, config); !added)
    return tl::unexpected(added.error());
  // Ids that the configuration gives away are not the catalogue's.
  for (runtime::Enrolment* each : enrolments) each->start();
  if (auto control = node.runtime->open_control(config.control); !control)
    return tl::unexpected(control.error());
  if (config.metrics)
    if (auto metrics = node.runtime->open_metrics(*config.metrics); !metrics)
      return tl::unexpected(metrics.error());
  node.runtime->set_status([dns = node.dns.get()](runtime::Json& status) { dns->extend(status); });
  return node;
}

}  // namespace entresol::node
