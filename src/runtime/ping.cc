#include "runtime/ping.h"

#include <algorithm>
#include <utility>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/endpoint_text.h"
#include "layer/member/member.h"

namespace entresol::runtime {
namespace {

constexpr base::Duration kProbeTime = std::chrono::seconds(1);
constexpr std::uint8_t kFullTtl = 64;
constexpr std::size_t kMostHops = 8;
constexpr base::Duration kSearchTime = std::chrono::seconds(5);
constexpr std::size_t kMaxCount = 100;
constexpr std::size_t kMaxPings = 32;

// A member by its label, its name or its IPv4 address as text.
const layer::membership::Member* find_member(const layer::membership::Membership& membership,
                                             const std::string& text) {
  if (auto name = wire::name_from_text(text)) return membership.find(*name);
  for (const auto& [name, member] : membership.all()) {
    const auto& v4 = member.ipv4;
    const std::string address = std::to_string(v4[0]) + "." + std::to_string(v4[1]) + "." +
                                std::to_string(v4[2]) + "." + std::to_string(v4[3]);
    if (member.label == text || address == text) return &member;
  }
  return nullptr;
}

// Nothing if it can be nobody's.
std::optional<layer::session::Sought> sought_from(const std::string& text) {
  if (auto name = wire::name_from_text(text)) return *name;
  const auto address = io::parse_address(text);
  if (address && io::is_v4(*address)) {
    layer::membership::Ipv4 v4;
    std::copy_n(address->begin() + 12, v4.size(), v4.begin());
    return v4;
  }
  if (text.empty() || text.size() > wire::kLabelMaximum) return std::nullopt;
  return text;
}

void refuse(const io::ControlServer::Reply& reply, std::string_view code, const std::string& what) {
  reply(Json{{"error", {{"code", code}, {"message", what}}}}.dump());
}

void refuse_unknown(const io::ControlServer::Reply& reply, const Json& call) {
  refuse(reply, base::code::kUnreachable,
         "no member '" + call.value("name", "") + "' is known here, nor at the node");
}

std::string_view describe(wire::ControlType type) {
  switch (type) {
    case wire::ControlType::no_route:
      return "no route";
    case wire::ControlType::unknown_service:
      return "unknown service";
    case wire::ControlType::ttl_exceeded:
      return "TTL exceeded";
    case wire::ControlType::refused_by_rule:
      return "refused";
    default:
      return "error";
  }
}

}  // namespace

Pings::Pings(layer::member::Member& member, io::EventLoop& loop)
    : member_(member), loop_(loop), search_timer_(loop.add_timer([this] { search(); })) {}

void Pings::start(const Json& call, io::ControlServer::Reply reply) {
  if (pings_.size() + searches_.size() >= kMaxPings)
    return refuse(reply, base::code::kUsage, "too many pings at once");
  if (begin(call, reply)) return;
  if (!seek(call)) return refuse_unknown(reply, call);
  searches_.push_back({call, std::move(reply), io::now() + kSearchTime});
  loop_.arm(search_timer_, searches_.front().until);
}

bool Pings::begin(const Json& call, io::ControlServer::Reply& reply) {
  const std::string text = call.value("name", "");
  const std::string label = call.value("layer", "");
  for (std::size_t i = 0; i < member_.layer_count(); ++i) {
    const auto index = static_cast<layer::member::LayerIndex>(i);
    if (!label.empty() && member_.label(index) != label) continue;
    const auto* member = find_member(member_.membership(index), text);
    if (member == nullptr) continue;
    Ping& ping = pings_.emplace_back();
    ping.identifier = next_identifier_++;
    ping.layer = index;
    ping.target = member->name;
    ping.label = member->label;
    ping.count = std::clamp<std::size_t>(call.value("count", std::size_t{3}), 1, kMaxCount);
    ping.reply = std::move(reply);
    ping.timer = loop_.add_timer([this, id = ping.identifier] {
      for (Ping& p : pings_)
        if (p.identifier == id) send_next(p);
    });
    send_next(ping);
    return true;
  }
  return false;
}

// In all layers that may have it. False if none of them waits for an answer.
bool Pings::seek(const Json& call) {
  const std::string text = call.value("name", "");
  const std::string label = call.value("layer", "");
  const auto sought = sought_from(text);
  bool asked = false;
  for (std::size_t i = 0; sought && i < member_.layer_count(); ++i) {
    const auto index = static_cast<layer::member::LayerIndex>(i);
    if (!label.empty() && member_.label(index) != label) continue;
    asked |= member_.seek(index, *sought, io::now(), io::unix_nanos());
  }
  return asked;
}

// Whether answers have come.
void Pings::search() {
  for (std::size_t i = searches_.size(); i > 0; --i) {
    Search each = std::move(searches_.front());
    searches_.pop_front();
    if (begin(each.call, each.reply)) continue;
    if (io::now() < each.until && seek(each.call)) {
      searches_.push_back(std::move(each));
    } else {
      refuse_unknown(each.reply, each.call);
    }
  }
  if (searches_.empty()) {
    loop_.disarm(search_timer_);
  } else {
    loop_.arm(search_timer_, searches_.front().until);
  }
}

// Once there is a way, probes die at the nodes on it and so name them, one after the other.
void Pings::send_next(Ping& ping) {
  const bool first = ping.probes.empty();
  if (ping.tracing && ping.hops > 0) {
    const Probe& last = ping.probes.back();
    ping.tracing = last.answered && !last.reply && last.error == wire::ControlType::ttl_exceeded &&
                   ping.hops < kMostHops;
  }
  if (!ping.tracing && ping.probes.size() == ping.first_echo() + ping.count) return finish(ping);
  const bool hop = ping.tracing && !first;
  if (hop) ++ping.hops;
  const std::uint8_t ttl = hop ? static_cast<std::uint8_t>(ping.hops) : kFullTtl;
  Probe probe;
  probe.sent = io::now();
  ping.probes.push_back(probe);
  loop_.arm(ping.timer, probe.sent + kProbeTime);
  member_.send_echo(ping.layer, ping.target, ttl, ping.identifier,
                    static_cast<std::uint16_t>(ping.probes.size() - 1), probe.sent,
                    io::unix_nanos());
}

void Pings::collect() {
  if (!searches_.empty()) search();
  for (std::size_t i = 0; i < member_.layer_count(); ++i) {
    const auto index = static_cast<layer::member::LayerIndex>(i);
    const auto echoes = std::exchange(member_.echoes(index), {});
    for (const auto& echo : echoes) {
      for (Ping& ping : pings_) {
        if (ping.done || ping.identifier != echo.identifier || echo.sequence >= ping.probes.size())
          continue;
        Probe& probe = ping.probes[echo.sequence];
        if (probe.answered) continue;
        probe.answered = true;
        probe.reply = echo.reply;
        probe.milliseconds =
            std::chrono::duration<double, std::milli>(io::now() - probe.sent).count();
        probe.from = echo.from;
        probe.error = echo.error;
        probe.text = echo.text;
        // Who a node at another site is, the own node knows.
        if (member_.membership(index).find(echo.from) == nullptr)
          (void)member_.seek(index, echo.from, io::now(), io::unix_nanos());
        if (echo.sequence + 1u == ping.probes.size()) send_next(ping);
      }
    }
  }
  while (!pings_.empty() && pings_.front().done) pings_.pop_front();
}

Json Pings::path(const Ping& ping) const {
  const auto& membership = member_.membership(ping.layer);
  Json hops = Json::array();
  hops.push_back(
      {{"name", membership.own().label}, {"address", wire::to_string(membership.own().name)}});
  for (std::size_t i = 0; i < ping.hops; ++i) {
    const Probe& hop = ping.probes[1 + i];
    if (!hop.answered || hop.reply) continue;
    const auto* member = membership.find(hop.from);
    hops.push_back({{"name", member != nullptr ? member->label : wire::to_string(hop.from)},
                    {"address", wire::to_string(hop.from)},
                    {"ms", hop.milliseconds}});
  }
  return hops;
}

void Pings::finish(Ping& ping) {
  Json answer{{"target", ping.label},
              {"address", wire::to_string(ping.target)},
              {"layer", member_.label(ping.layer)}};
  Json hops = path(ping);
  Json echoes = Json::array();
  std::size_t received = 0;
  double least = 0;
  std::string error;
  for (std::size_t i = ping.first_echo(); i < ping.probes.size(); ++i) {
    const Probe& probe = ping.probes[i];
    if (probe.answered && probe.reply) {
      least = received == 0 ? probe.milliseconds : std::min(least, probe.milliseconds);
      ++received;
      echoes.push_back(probe.milliseconds);
    } else {
      echoes.push_back(nullptr);
      if (probe.answered)
        error = std::string(describe(probe.error)) + (probe.text.empty() ? "" : ": " + probe.text);
    }
  }
  if (received > 0)
    hops.push_back(
        {{"name", ping.label}, {"address", wire::to_string(ping.target)}, {"ms", least}});
  answer["sent"] = ping.count;
  answer["received"] = received;
  answer["path"] = hops;
  answer["echoes_ms"] = echoes;
  if (!error.empty()) answer["refused"] = error;
  ping.done = true;
  loop_.remove_timer(ping.timer);
  ping.reply(answer.dump());
}

}  // namespace entresol::runtime
