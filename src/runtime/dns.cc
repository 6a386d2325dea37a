#include "runtime/dns.h"

#include <algorithm>

#include "base/error_codes.h"

namespace entresol::runtime {
namespace {

namespace membership = layer::membership;
using dns::Known;

constexpr base::Duration kRefresh = std::chrono::seconds(5);  // of upstream, if somebody asks
constexpr base::Duration kLookAgain =
    std::chrono::milliseconds(50);  // while a name waits for the node

std::optional<dns::Ipv4Prefix> prefix_of(const std::optional<io::Prefix>& pool) {
  if (!pool) return std::nullopt;
  dns::Ipv4Prefix out;
  std::copy_n(pool->address.begin() + 12, out.first.size(), out.first.begin());
  out.length = pool->length;
  return out;
}

}  // namespace

// ---- a layer's members ---------------------------------------------------------------------------------------------

Known LayerNames::by_label(std::string_view label, dns::Found& out) {
  return tell(member_.membership(layer_).find_label(label), std::string(label), out);
}

Known LayerNames::by_name(const dns::Ipv6& name, dns::Found& out) {
  return tell(member_.membership(layer_).find(wire::Name{name}), wire::Name{name}, out);
}

Known LayerNames::by_ipv4(const dns::Ipv4& address, dns::Found& out) {
  return tell(member_.membership(layer_).find_ipv4(address), address, out);
}

Known LayerNames::tell(const membership::Member* member, const layer::session::Sought& sought,
                       dns::Found& out) {
  if (member != nullptr) {
    const auto& own = member_.membership(layer_);
    const base::UnixSeconds until = member->name == own.own().name ? own.own_end() : member->until;
    out = {member->label, member->name.octets, member->ipv4, until - io::unix_now()};
    if (out.seconds > 0) return Known::kFound;
  }
  if (!ask_) return Known::kUnknown;
  if (member_.seek(layer_, sought, io::now(), io::unix_nanos())) return Known::kLater;
  return member_.attached(layer_) ? Known::kUnknown : Known::kLater;
}

// ---- queries -------------------------------------------------------------------------------------------------------

Dns::Dns(Runtime& runtime)
    : runtime_(runtime),
      server_(random_),
      upstream_(
          runtime.loop(),
          [this](dns::Ticket ticket, base::ByteView message) {
            server_.forwarder().answered(ticket, message, io::now());
            rearm();
          },
          [this](dns::Ticket ticket) {
            server_.forwarder().unreachable(ticket, io::now());
            rearm();
          }),
      timer_(runtime.loop().add_timer([this] { work(); })) {}

Dns::~Dns() {
  listener_.reset();
  runtime_.loop().remove_timer(timer_);
}

base::Result<void> Dns::add_layer(layer::member::LayerIndex layer, const std::string& domain,
                                  const std::optional<io::Prefix>& ipv4_pool) {
  const auto name = dns::name_from_text(domain);
  if (!name || dns::is_root(*name))
    return base::fail(base::code::kConfigBadValue, "'" + domain + "' is no domain for DNS");
  dns::ZoneConfig zone;
  zone.domain = *name;
  const auto& own = runtime_.member().membership(layer).own().name;
  std::copy_n(own.octets.begin(), zone.names.size(), zone.names.begin());
  zone.ipv4 = prefix_of(ipv4_pool);
  server_.add(std::move(zone), names_.emplace_back(runtime_.member(), layer, !runtime_.is_node()));
  return {};
}

std::vector<std::string> Dns::domains() const {
  std::vector<std::string> out;
  for (const dns::Zone& zone : server_.zones())
    for (std::string& domain : zone.domains()) out.push_back(std::move(domain));
  return out;
}

base::Result<void> Dns::listen(const base::Endpoint& at) {
  auto listener = DnsListener::open(
      runtime_.loop(), at,
      [this](base::ByteView message, bool stream, Reply reply) {
        return ask(message, stream, dns::kMessageMaximum, std::move(reply));
      },
      [this](dns::Asker asker) { forget(asker); });
  if (!listener) return tl::unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void Dns::set_upstream(std::function<std::vector<base::Endpoint>()> source) {
  upstream_source_ = std::move(source);
  server_.forwarder().set_servers(upstream_source_());
  refreshed_ = io::now();
}

void Dns::refresh_upstream(base::TimePoint now) {
  if (!upstream_source_ || now < refreshed_ + kRefresh) return;
  refreshed_ = now;
  server_.forwarder().set_servers(upstream_source_());
}

dns::Asker Dns::ask(base::ByteView message, bool stream, std::size_t largest, Reply reply) {
  const base::TimePoint now = io::now();
  refresh_upstream(now);
  const dns::Asker asker = ++last_asker_;
  if (!server_.take(asker, message, stream, largest, now)) return 0;
  askers_.emplace(asker, std::move(reply));
  rearm();
  return asker;
}

void Dns::forget(dns::Asker asker) {
  askers_.erase(asker);
  server_.forget(asker);
  rearm();
}

void Dns::look_again() {
  if (!server_.waits()) return;
  server_.retry(io::now());
  rearm();
}

// In the same round, but not within the call that has led here.
void Dns::rearm() {
  base::TimePoint next = server_.next_timer();
  if (server_.waits()) next = std::min(next, io::now() + kLookAgain);
  if (!server_.sends().empty() || !server_.replies().empty() || !server_.closed().empty())
    next = io::now();
  runtime_.loop().arm(timer_, next);
}

void Dns::work() {
  const base::TimePoint now = io::now();
  if (server_.waits()) server_.retry(now);
  server_.on_timer(now);
  // A ticket may be among both: what was opened for it is closed.
  const auto closed = std::exchange(server_.closed(), {});
  for (const dns::Send& send : std::exchange(server_.sends(), {}))
    if (!upstream_.send(send)) server_.forwarder().unreachable(send.ticket, now);
  for (const dns::Ticket ticket : closed) upstream_.close(ticket);
  for (const dns::Reply& reply : std::exchange(server_.replies(), {})) {
    const auto asker = askers_.find(reply.asker);
    if (asker == askers_.end()) continue;
    const Reply answer = std::move(asker->second);
    askers_.erase(asker);
    answer(reply.message);
  }
  rearm();
}

Json Dns::status() const {
  const auto& here = server_.counters();
  const auto& there = server_.forwarder().counters();
  Json domains = Json::array();
  for (const dns::Zone& zone : server_.zones()) domains.push_back(dns::text_of(zone.domain()));
  Json servers = Json::array();
  for (const auto& server : server_.forwarder().servers()) servers.push_back(io::to_text(server));
  return {{"domains", domains},
          {"upstream", servers},
          {"queries", here.queries},
          {"answered_here", here.answered_here},
          {"forwarded", there.asked},
          {"answered_upstream", there.answered},
          {"refused", here.refused},
          {"malformed", here.malformed},
          {"unanswered", here.unanswered + there.given_up + there.crowded_out},
          {"upstream_timeouts", there.timeouts},
          {"upstream_unreachable", there.unreachable},
          {"upstream_declined", there.declined},
          {"upstream_mismatched", there.mismatched}};
}

}  // namespace entresol::runtime
