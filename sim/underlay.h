// The network below the layer: sites at distances, stations at sites, and what goes wrong between them. Datagrams are lost,
// repeated, delayed and overtake one another; parts of the network are cut off from others for a time. Requests to the
// controller go over TCP, which sends again what was lost, until patience ends.
//
// Everything follows from the seed. What is sent is counted by kind.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "security/test_random.h"
#include "timeline.h"

namespace entresol::sim {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value);
std::uint64_t mix(std::uint64_t hash, base::ByteView bytes);

enum class Kind : std::uint8_t { kHandshake, kProbe, kKeepalive, kRecord, kRequest, kAnswer };
inline constexpr std::size_t kKinds = 6;
std::string_view to_text(Kind kind);

struct Tally {
  std::uint64_t messages = 0, octets = 0;
};

struct Faults {
  unsigned loss = 0, duplicates = 0;  // percent
  base::Duration jitter{};
};

struct UnderlayCounts {
  std::uint64_t datagrams = 0, losses = 0, duplicates = 0, reorderings = 0, partitions = 0;
};

// Some of the stations: all of a site, one, or everybody.
struct Group {
  enum class Of : std::uint8_t { kAll, kSite, kStation } of = Of::kAll;
  std::size_t which = 0;
};

class Underlay {
 public:
  using StationId = std::size_t;
  struct Datagram {
    base::Endpoint from, to;
    std::uint8_t traffic_class = 0;
    base::Bytes bytes;
  };
  using Receive = std::function<void(Datagram&)>;

  Underlay(Timeline& timeline, std::uint64_t seed, std::size_t sites);

  StationId add(std::size_t site, Receive receive);
  void move(StationId station, std::size_t site);  // it has another address there
  const base::Endpoint& address(StationId station) const { return stations_[station].address; }
  std::size_t site(StationId station) const { return stations_[station].site; }
  // A station that is down takes nothing.
  void set_up(StationId station, bool up) { stations_[station].up = up; }

  void send(StationId from, const base::Endpoint& to, base::ByteView bytes,
            std::uint8_t traffic_class);
  // How long octets of a connection take; nothing: they do not arrive within this time.
  std::optional<base::Duration> carry(StationId from, StationId to, base::Duration patience);

  void cut(Group a, Group b, base::Duration how_long);
  void heal() { cuts_.clear(); }
  void count(Kind kind, std::size_t octets) {
    ++tallies_[static_cast<std::size_t>(kind)].messages;
    tallies_[static_cast<std::size_t>(kind)].octets += octets;
  }
  void note(base::ByteView bytes);  // of a conversation, for the trace

  Faults faults;
  const UnderlayCounts& counts() const { return counts_; }
  const std::array<Tally, kKinds>& tallies() const { return tallies_; }
  void clear_tallies() { tallies_ = {}; }
  std::uint64_t trace() const { return trace_; }

 private:
  struct Station {
    base::Endpoint address;
    std::size_t site = 0;
    Receive receive;
    bool up = true;
    std::map<StationId, std::uint64_t> newest;  // by sender
  };
  struct Cut {
    Group a, b;
    base::TimePoint until{};
  };
  bool in(const Group& group, StationId station) const;
  bool passes(StationId from, StationId to);
  base::Duration distance(StationId from, StationId to) const;
  void deliver(StationId from, StationId to, std::uint64_t order, Datagram& datagram);

  Timeline& timeline_;
  security::SeededRandom random_;
  std::size_t sites_;
  std::vector<base::Duration> distances_;
  std::vector<Station> stations_;
  std::map<base::Endpoint, StationId> by_address_;
  std::vector<Cut> cuts_;
  std::uint64_t order_ = 0, addresses_ = 0, trace_ = 0;
  UnderlayCounts counts_;
  std::array<Tally, kKinds> tallies_{};
};

}  // namespace entresol::sim
