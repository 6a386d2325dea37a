#include "underlay.h"

#include <memory>

namespace entresol::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t kEmptyRecord = 28;
constexpr std::size_t kHeaders = 20 + 8;                       // IPv4, UDP
constexpr base::Duration kRetransmission = milliseconds(200);  // doubles
constexpr base::Duration kMostRetransmission = std::chrono::seconds(5);

Kind kind_of(base::ByteView bytes) {
  switch (bytes[0]) {
    case 0x14:
      return bytes.size() <= kEmptyRecord ? Kind::kKeepalive : Kind::kRecord;
    case 0x17:
    case 0x18:
      return Kind::kProbe;
    default:
      return Kind::kHandshake;
  }
}

}  // namespace

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

std::uint64_t mix(std::uint64_t hash, base::ByteView bytes) {
  hash = mix(hash, bytes.size());
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) hash = mix(hash, base::load_be64(bytes.data() + i));
  for (; i < bytes.size(); ++i) hash = mix(hash, bytes[i]);
  return hash;
}

std::string_view to_text(Kind kind) {
  constexpr std::array<std::string_view, kKinds> kTexts{"handshakes", "probes",   "keepalives",
                                                        "records",    "requests", "answers"};
  return kTexts[static_cast<std::size_t>(kind)];
}

Underlay::Underlay(Timeline& timeline, std::uint64_t seed, std::size_t sites)
    : timeline_(timeline), random_(seed), sites_(sites), distances_(sites * sites) {
  for (std::size_t a = 0; a < sites; ++a)
    for (std::size_t b = 0; b <= a; ++b)
      distances_[a * sites + b] = distances_[b * sites + a] =
          a == b ? base::Duration(microseconds(300 + random_.below(3000)))
                 : base::Duration(microseconds(4000 + random_.below(50000)));
}

Underlay::StationId Underlay::add(std::size_t site, Receive receive) {
  stations_.push_back({{}, site, std::move(receive), true, {}});
  move(stations_.size() - 1, site);
  return stations_.size() - 1;
}

void Underlay::move(StationId station, std::size_t site) {
  Station& it = stations_[station];
  by_address_.erase(it.address);
  const auto number = static_cast<std::uint32_t>(++addresses_);
  it.address = {
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, static_cast<std::uint8_t>(number >> 16),
       static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)},
      4850};
  it.site = site;
  by_address_[it.address] = station;
}

bool Underlay::in(const Group& group, StationId station) const {
  switch (group.of) {
    case Group::Of::kAll:
      return true;
    case Group::Of::kSite:
      return stations_[station].site == group.which;
    case Group::Of::kStation:
      return station == group.which;
  }
  return false;
}

void Underlay::cut(Group a, Group b, base::Duration how_long) {
  ++counts_.partitions;
  cuts_.push_back({a, b, timeline_.now + how_long});
}

bool Underlay::passes(StationId from, StationId to) {
  std::erase_if(cuts_, [&](const Cut& cut) { return cut.until <= timeline_.now; });
  for (const Cut& cut : cuts_)
    if ((in(cut.a, from) && in(cut.b, to)) || (in(cut.b, from) && in(cut.a, to))) return false;
  return faults.loss == 0 || !random_.chance(faults.loss);
}

base::Duration Underlay::distance(StationId from, StationId to) const {
  return distances_[stations_[from].site * sites_ + stations_[to].site];
}

void Underlay::send(StationId from, const base::Endpoint& to, base::ByteView bytes,
                    std::uint8_t traffic_class) {
  ++counts_.datagrams;
  count(kind_of(bytes), bytes.size() + kHeaders);
  const auto far = by_address_.find(to);
  if (far == by_address_.end() || !passes(from, far->second)) {
    ++counts_.losses;
    return;
  }
  const auto jitter = static_cast<std::uint64_t>(faults.jitter.count());
  const bool twice = faults.duplicates > 0 && random_.chance(faults.duplicates);
  counts_.duplicates += twice;
  for (int copy = 0; copy <= static_cast<int>(twice); ++copy) {
    base::Duration delay = distance(from, far->second);
    if (jitter > 0) delay += base::Duration(random_.below(jitter));
    if (copy > 0) delay += base::Duration(random_.below(2'000'000'000));
    timeline_.after(
        delay,
        [this, from, station = far->second, order = ++order_,
         datagram = Datagram{
             stations_[from].address, to, traffic_class, {bytes.begin(), bytes.end()}}]() mutable {
          deliver(from, station, order, datagram);
        });
  }
}

void Underlay::deliver(StationId from, StationId to, std::uint64_t order, Datagram& datagram) {
  Station& station = stations_[to];
  if (!station.up || station.address != datagram.to) return;  // it has moved on
  auto& newest = station.newest[from];
  if (order < newest) ++counts_.reorderings;
  newest = std::max(newest, order);
  trace_ = mix(trace_, static_cast<std::uint64_t>(timeline_.now.time_since_epoch().count()));
  trace_ = mix(trace_, to);
  trace_ = mix(trace_, datagram.bytes);
  station.receive(datagram);
}

// The path may be tried at these times alone: when it is open, and what was sent is not lost.
std::optional<base::Duration> Underlay::carry(StationId from, StationId to,
                                              base::Duration patience) {
  const base::TimePoint began = timeline_.now;
  base::Duration waited{}, again = kRetransmission;
  while (waited <= patience) {
    const bool through = std::none_of(cuts_.begin(), cuts_.end(), [&](const Cut& cut) {
      return cut.until > began + waited &&
             ((in(cut.a, from) && in(cut.b, to)) || (in(cut.b, from) && in(cut.a, to)));
    });
    if (through && (faults.loss == 0 || !random_.chance(faults.loss))) {
      const base::Duration whole = waited + distance(from, to);
      return whole <= patience ? std::optional(whole) : std::nullopt;
    }
    waited += again;
    again = std::min(2 * again, kMostRetransmission);
  }
  return std::nullopt;
}

void Underlay::note(base::ByteView bytes) {
  trace_ = mix(trace_, static_cast<std::uint64_t>(timeline_.now.time_since_epoch().count()));
  trace_ = mix(trace_, bytes);
}

}  // namespace entresol::sim
