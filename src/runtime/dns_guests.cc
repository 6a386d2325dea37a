#include "runtime/dns_guests.h"

#include <algorithm>

#include "io/files.h"
#include "layer/directory/address_pool.h"
#include "layer/inner/checksum.h"
#include "runtime/resolv.h"

namespace entresol::runtime {
namespace {

namespace inner = layer::inner;

constexpr std::size_t kIpv4Header = 20, kIpv6Header = 40, kUdpHeader = 8;
constexpr std::uint8_t kTtl = 64;
constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::size_t kMaxBudgets = 65536;

std::vector<base::Endpoint> servers_of_machine() {
  return parse_servers(io::read_text_file("/etc/resolv.conf", kMaxFile).value_or(""));
}

}  // namespace

base::Bytes udp_reply(const inner::IpPacket& query, base::ByteView payload) {
  const std::size_t header = query.version == 4 ? kIpv4Header : kIpv6Header;
  const std::size_t udp_size = kUdpHeader + payload.size();
  base::Bytes out(header + udp_size, 0);
  if (query.version == 4) {
    out[0] = 0x45;
    base::store_be16(&out[2], static_cast<std::uint16_t>(out.size()));
    out[8] = kTtl;
    out[9] = inner::kProtocolUdp;
    std::copy_n(query.destination.begin() + 12, 4, &out[12]);
    std::copy_n(query.source.begin() + 12, 4, &out[16]);
    inner::write_ipv4_checksum(out.data(), kIpv4Header);
  } else {
    out[0] = 0x60;
    base::store_be16(&out[4], static_cast<std::uint16_t>(udp_size));
    out[6] = inner::kProtocolUdp;
    out[7] = kTtl;
    std::ranges::copy(query.destination, &out[8]);
    std::ranges::copy(query.source, &out[24]);
  }
  std::uint8_t* const udp = &out[header];
  base::store_be16(udp, query.destination_port);
  base::store_be16(udp + 2, query.source_port);
  base::store_be16(udp + 4, static_cast<std::uint16_t>(udp_size));
  std::ranges::copy(payload, udp + kUdpHeader);
  inner::OnesSum sum = inner::pseudo_header(out.data(), query.version, inner::kProtocolUdp);
  sum.add16(static_cast<std::uint16_t>(udp_size));
  sum.add({udp, udp_size});
  const std::uint16_t checksum = sum.checksum();
  base::store_be16(udp + 6, checksum == 0 ? std::uint16_t{0xffff} : checksum);
  return out;
}

GuestDns::GuestDns(Runtime& runtime) : runtime_(runtime) {
  runtime_.set_resolver([this](layer::member::LayerIndex layer, const wire::Name& guest,
                               base::ByteView packet) { take(layer, guest, packet); });
}

GuestDns::~GuestDns() {
  runtime_.set_resolver(nullptr);
}

void GuestDns::add_layer(layer::member::LayerIndex index, const config::NodeLayer& config) {
  auto dns = std::make_unique<Dns>(runtime_);
  if (auto added = dns->add_layer(index, config.dns.domain, config.ipv4_pool); !added) {
    runtime_.log().write(config::LogLevel::kWarning, "dns_failed", io::now(),
                         {{"layer", config.label}, {"error", added.error().message}});
    return;
  }
  if (config.dns.upstream.empty()) {
    dns->set_upstream(servers_of_machine);
  } else {
    dns->set_upstream([servers = config.dns.upstream] { return servers; });
  }
  inner::MemberAddresses resolver;
  resolver.ipv6 =
      layer::directory::resolver_name(runtime_.member().membership(index).own().name).octets;
  if (config.ipv4_pool) {
    layer::directory::Ipv4Pool pool;
    std::copy_n(config.ipv4_pool->address.begin() + 12, 4, pool.first.begin());
    pool.length = config.ipv4_pool->length;
    resolver.ipv4 = layer::directory::resolver_address(pool).value_or(layer::directory::Ipv4{});
  }
  runtime_.member().set_resolver(index, resolver);
  layers_[index].dns = std::move(dns);
}

bool GuestDns::spend(LayerDns& layer, const wire::Name& guest, base::TimePoint now) {
  if (layer.budgets.size() >= kMaxBudgets && !layer.budgets.contains(guest))
    std::erase_if(layer.budgets, [](const auto& each) { return each.second.open == 0; });
  auto [at, fresh] = layer.budgets.try_emplace(guest);
  Budget& budget = at->second;
  if (!fresh) {
    const double passed = std::chrono::duration<double>(now - budget.at).count();
    budget.left = std::min(kBurst, budget.left + passed * kPerSecond);
  }
  budget.at = now;
  if (budget.left < 1 || budget.open >= kMostOpen) return false;
  budget.left -= 1;
  return true;
}

void GuestDns::take(layer::member::LayerIndex index, const wire::Name& guest,
                    base::ByteView packet) {
  const auto found = layers_.find(index);
  if (found == layers_.end()) return;
  LayerDns& layer = found->second;
  inner::IpPacket ip;
  if (inner::parse(packet, ip) != base::DropReason::none || ip.payload_size() < kUdpHeader) return;
  const std::size_t size = base::load_be16(ip.payload().data() + 4);
  if (size < kUdpHeader || size > ip.payload_size()) return;
  const base::ByteView query = ip.payload().subspan(kUdpHeader, size - kUdpHeader);
  if (!spend(layer, guest, io::now())) {
    ++layer.over_budget;
    return;
  }
  ip.bytes = {};  // gone when the reply is made
  const auto reply = [this, &layer, index, guest, ip](base::ByteView message) {
    --layer.budgets[guest].open;
    (void)runtime_.member().send_to_guest(index, guest, udp_reply(ip, message), io::now());
  };
  if (layer.dns->ask(query, false, dns::kUdpAccepted, reply) != 0) ++layer.budgets[guest].open;
}

void GuestDns::extend(Json& status) const {
  for (const auto& [index, layer] : layers_) {
    status["layers"][index]["dns"] = layer.dns->status();
    status["layers"][index]["dns"]["over_budget"] = layer.over_budget;
  }
}

}  // namespace entresol::runtime
