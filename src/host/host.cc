#include "host/host.h"

#include <algorithm>

#include "base/error_codes.h"
#include "io/netlink.h"
#include "runtime/enrolment.h"
#include "runtime/files.h"
#include "runtime/link_size.h"

namespace entresol::host {
namespace {

constexpr std::uint32_t kTunQueue = 1000;  // packets
constexpr std::uint8_t kNamesLength = 32;  // fd35:LLLL::/32

io::Prefix names_prefix(const wire::Name& own) {
  io::Prefix prefix;
  std::copy_n(own.octets.begin(), 4, prefix.address.begin());
  prefix.length = kNamesLength;
  return prefix;
}

io::Address mapped(const layer::membership::Ipv4& v4) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]};
}

base::Result<void> refuse_overlap(io::Netlink& netlink, const io::Prefix& prefix,
                                  const std::string& tun, const std::string& way_out) {
  auto overlap = netlink.find_overlapping_route(prefix, tun);
  if (!overlap) return tl::unexpected(overlap.error());
  if (!*overlap) return {};
  return base::fail(
      base::code::kRouteOverlap,
      io::to_text(prefix) + " overlaps this host's route " + **overlap + "; " + way_out);
}

// Opens the device, gives it addresses and routes. Nothing is left behind if a step fails: the device goes with `tun`.
base::Result<io::Tun> set_up_tun(const config::HostLayer& layer,
                                 const layer::membership::Member& own, std::uint16_t mtu) {
  auto netlink = io::Netlink::open();
  if (!netlink) return tl::unexpected(netlink.error());
  const io::Prefix names = names_prefix(own.name);
  if (auto ok = refuse_overlap(*netlink, names, layer.tun,
                               "two layers with one id prefix cannot be joined by one host");
      !ok)
    return tl::unexpected(ok.error());
  if (layer.ipv4_pool)
    if (auto ok = refuse_overlap(
            *netlink, *layer.ipv4_pool, layer.tun,
            "set ipv4_pool to a prefix that is free here, or leave it out for IPv6 alone");
        !ok)
      return tl::unexpected(ok.error());

  io::TunOptions options;
  options.offloads = {layer.tun_checksum, layer.tun_tso && layer.tun_checksum,
                      layer.tun_uso && layer.tun_tso && layer.tun_checksum};
  auto tun = io::Tun::open(layer.tun, options);
  if (!tun) return tun;
  auto step = netlink->set_mtu(tun->name(), mtu);
  if (step) step = netlink->disable_link_local(tun->name());
  if (step) step = netlink->set_queue_length(tun->name(), kTunQueue);
  if (step) step = netlink->set_up(tun->name());
  if (step) step = netlink->add_address(tun->name(), own.name.octets, 128, false);
  if (step) step = netlink->add_route(names, tun->name(), own.name.octets);
  const bool has_ipv4 = own.ipv4 != layer::membership::Ipv4{};
  if (step && has_ipv4) step = netlink->add_address(tun->name(), mapped(own.ipv4), 32, false);
  if (step && has_ipv4 && layer.ipv4_pool)
    step = netlink->add_route(*layer.ipv4_pool, tun->name(), mapped(own.ipv4));
  if (!step) return tl::unexpected(step.error());
  return tun;
}

base::Result<void> add_layer(Host& host, const config::HostLayer& layer,
                             std::uint16_t underlay_mtu) {
  const base::UnixSeconds now = io::unix_now();
  auto& member = host.runtime->member();
  auto setup = runtime::read_layer(layer, now, io::unix_nanos());
  if (!setup) return tl::unexpected(setup.error());
  for (const config::ServiceRule& rule : layer.services)
    setup->services.push_back({rule.to, rule.protocol, rule.port, rule.service});
  auto index = member.add_layer(std::move(*setup), now);
  if (!index) return tl::unexpected(index.error());

  auto way_in = std::make_unique<WayIn>(*host.runtime, *index, underlay_mtu);
  for (const config::HostLayer::Node& node : layer.nodes) {
    auto file = runtime::read_member(node.member);
    if (!file) return tl::unexpected(file.error());
    auto name = member.learn(*index, file->certificate, file->registration, now);
    if (!name) {
      name.error().message = node.member + ": " + name.error().message;
      return tl::unexpected(name.error());
    }
    way_in->add(*name, node.endpoint);
  }
  if (layer.controller) {
    runtime::Enrolment& enrolment = host.runtime->enrol(*index, layer);
    way_in->follow_directory([&enrolment] { enrolment.nodes_wanted(); });
    enrolment.set_nodes_changed([raw = way_in.get()] { raw->nodes_changed(); });
    enrolment.start();
  }
  if (auto started = way_in->start(); !started) return started;
  auto max_packet = way_in->max_packet();
  if (!max_packet) return tl::unexpected(max_packet.error());
  host.ways_in.push_back(std::move(way_in));
  if (auto learned = runtime::learn_directory(member, *index, layer.directory, now); !learned)
    return learned;

  auto tun =
      set_up_tun(layer, member.membership(*index).own(), layer::forwarding::inner_mtu(*max_packet));
  if (!tun) return tl::unexpected(tun.error());
  return host.applications->add(std::move(*tun));
}

void extend_status(runtime::Json& status, const TunApplications& applications,
                   const std::vector<const WayIn*>& ways_in, const runtime::HostDns* dns) {
  for (std::size_t i = 0; i < status["layers"].size(); ++i) {
    const io::Tun& tun = applications.tun(static_cast<layer::member::LayerIndex>(i));
    status["layers"][i]["tun"] = {{"name", tun.name()},
                                  {"checksum", tun.offloads().checksum},
                                  {"tso", tun.offloads().tso},
                                  {"uso", tun.offloads().uso}};
    status["layers"][i]["nodes"] = ways_in[i]->status();
  }
  if (dns != nullptr) status["dns"] = dns->status();
}

}  // namespace

base::Result<Host> start(const config::Host& config) {
  Host host;
  base::Endpoint bind;
  bind.port = config.port;
  auto runtime = runtime::Runtime::create(config, {false, bind, "host"});
  if (!runtime) return tl::unexpected(runtime.error());
  host.runtime = std::move(*runtime);
  host.applications = std::make_unique<TunApplications>(*host.runtime);
  host.runtime->set_applications(host.applications.get());
  if (auto control = host.runtime->open_control(config.control); !control)
    return tl::unexpected(control.error());
  for (const auto& layer : config.layers)
    if (auto added = add_layer(host, layer, config.underlay_mtu); !added)
      return tl::unexpected(added.error());
  if (config.metrics)
    if (auto metrics = host.runtime->open_metrics(*config.metrics); !metrics)
      return tl::unexpected(metrics.error());
  std::vector<const WayIn*> ways_in;
  ways_in.reserve(host.ways_in.size());
  for (const auto& way_in : host.ways_in) ways_in.push_back(way_in.get());
  std::vector<std::string> interfaces;
  interfaces.reserve(config.layers.size());
  for (std::size_t i = 0; i < config.layers.size(); ++i)
    interfaces.push_back(host.applications->tun(static_cast<layer::member::LayerIndex>(i)).name());
  host.dns = runtime::HostDns::start(*host.runtime, config.layers, interfaces);
  host.runtime->set_status([applications = host.applications.get(), ways_in = std::move(ways_in),
                            dns = host.dns.get()](runtime::Json& status) {
    extend_status(status, *applications, ways_in, dns);
  });
  return host;
}

}  // namespace entresol::host
