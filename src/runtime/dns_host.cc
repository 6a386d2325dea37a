#include "runtime/dns_host.h"

#include <algorithm>
#include <array>

#include "base/error_codes.h"

namespace entresol::runtime {
namespace {

std::string_view name_of(config::ResolvConf how) {
  constexpr std::array<std::string_view, 5> kNames{"auto", "off", "plain", "resolvconf",
                                                   "systemd-resolved"};
  return kNames[static_cast<std::size_t>(how)];
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : " ") + text;
  return out;
}

const config::HostLayer* first_with_dns(const std::vector<config::HostLayer>& layers) {
  const auto found =
      std::ranges::find_if(layers, [](const auto& layer) { return layer.dns.has_value(); });
  return found == layers.end() ? nullptr : &*found;
}

}  // namespace

std::unique_ptr<HostDns> HostDns::start(Runtime& runtime,
                                        const std::vector<config::HostLayer>& layers,
                                        const std::vector<std::string>& interfaces) {
  if (first_with_dns(layers) == nullptr) return nullptr;
  std::unique_ptr<HostDns> self(new HostDns(runtime));
  if (auto done = self->set_up(layers, interfaces); !done) {
    self->error_ = done.error().message;
    runtime.log().write(config::LogLevel::kWarning, "dns_failed", io::now(),
                        {{"error", self->error_}});
  }
  runtime.at_end_of_round([raw = self.get()] { raw->dns_.look_again(); });
  return self;
}

base::Result<void> HostDns::add_layers(const std::vector<config::HostLayer>& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].dns) continue;
    auto added = dns_.add_layer(static_cast<layer::member::LayerIndex>(i), layers[i].dns->domain,
                                layers[i].ipv4_pool);
    if (!added) return added;
  }
  return {};
}

base::Result<void> HostDns::set_up(const std::vector<config::HostLayer>& layers,
                                   const std::vector<std::string>& interfaces) {
  const config::HostLayer& first = *first_with_dns(layers);
  listen_ = first.dns->listen;
  if (auto added = add_layers(layers); !added) return added;
  ResolvPlan plan;
  plan.how = first.dns->resolv_conf;
  plan.state = first.dns->state;
  plan.server = listen_;
  plan.interface = interfaces[static_cast<std::size_t>(&first - layers.data())];
  plan.domains = dns_.domains();
  auto resolv = ResolvFile::look(std::move(plan));
  if (!resolv) return tl::unexpected(resolv.error());
  resolv_ = std::move(*resolv);

  std::vector<base::Endpoint> configured;
  for (const config::HostLayer& layer : layers)
    if (layer.dns)
      configured.insert(configured.end(), layer.dns->upstream.begin(), layer.dns->upstream.end());
  dns_.set_upstream(
      [this, configured] { return configured.empty() ? resolv_->servers() : configured; });
  if (auto listening = dns_.listen(listen_); !listening) {
    if (listening.error().code == base::code::kNoPermission)
      listening.error().message +=
          "; give the process CAP_NET_BIND_SERVICE, or set dns.listen to another port and "
          "dns.resolv_conf to off";
    return listening;
  }
  if (auto installed = resolv_->install(); !installed) return installed;
  runtime_.log().write(config::LogLevel::kInfo, "dns", io::now(),
                       {{"listen", io::to_text(listen_)},
                        {"resolv_conf", std::string(name_of(resolv_->how()))},
                        {"domains", joined(dns_.domains())}});
  return {};
}

HostDns::~HostDns() {
  if (!resolv_) return;
  const auto back = resolv_->put_back();
  if (!back) {
    runtime_.log().write(config::LogLevel::kError, "resolv_conf_failed", io::now(),
                         {{"error", back.error().message}});
  } else if (!*back) {
    runtime_.log().write(config::LogLevel::kWarning, "resolv_conf_left", io::now(),
                         {{"error", "somebody else has rewritten it: it stays as it is"}});
  }
}

Json HostDns::status() const {
  Json out = dns_.status();
  out["listen"] = io::to_text(listen_);
  out["resolv_conf"] = resolv_ ? name_of(resolv_->how()) : "off";
  out["in_place"] = resolv_ && resolv_->in_place();
  if (!error_.empty()) out["error"] = error_;
  return out;
}

}  // namespace entresol::runtime
