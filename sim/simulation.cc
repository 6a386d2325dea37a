#include "simulation.h"

#include <cstdio>
#include <map>
#include <set>

#include "layer/member/test_inner.h"
#include "layer/member/test_world.h"

namespace entresol::sim {
namespace {

using namespace layer::member::test;
using layer::member::LayerIndex;

constexpr std::size_t kPacketIdOffset = 0;
constexpr std::size_t kHeaderOfUdp = 8;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

std::uint64_t mix(std::uint64_t hash, base::ByteView bytes) {
  hash = mix(hash, bytes.size());
  for (std::uint8_t octet : bytes) hash = (hash ^ octet) * 0x100000001b3u;
  return hash;
}

// Contents that follow from the number, so that a change or a mixture is seen.
Bytes payload_of(std::uint64_t number, std::size_t size) {
  Bytes out(size);
  base::store_be64(out.data() + kPacketIdOffset, number);
  std::uint64_t state = number;
  for (std::size_t i = 8; i < size; ++i) {
    state = mix(state, i);
    out[i] = static_cast<std::uint8_t>(state);
  }
  return out;
}

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed)
      : random_(seed * 2 + 1), star_(seed, 2 + static_cast<std::size_t>(seed % 3)) {
    loss_ = static_cast<unsigned>(random_.below(25));
    duplicates_ = static_cast<unsigned>(random_.below(15));
    jitter_ = milliseconds(random_.below(60));
    star_.world.latency = milliseconds(1 + random_.below(30));
    star_.world.network = [this](Datagram& datagram) { return on_the_way(datagram); };
    star_.world.tap = [this](const Datagram& datagram) { arrives(datagram); };
    for (std::size_t i = 0; i < star_.hosts.size(); ++i)
      star_.host(i).on_delivered = [this, i](const Delivered& packet) { delivered(i, packet); };
  }

  Outcome run() {
    faults_ = true;
    const base::TimePoint end = world().now + seconds(20 + random_.below(40));
    while (world().now < end) {
      something_happens();
      world().run_for(milliseconds(1 + random_.below(200)));
    }
    faults_ = false;
    recover();
    world().run_for(seconds(1));
    return std::move(outcome_);
  }

 private:
  World& world() { return star_.world; }
  base::Duration any_up_to(base::Duration limit) {
    return base::Duration(random_.below(static_cast<std::uint64_t>(limit.count()) + 1));
  }
  std::size_t any_host() { return random_.below(star_.hosts.size()); }

  void something_happens() {
    const auto dice = random_.below(1000);
    if (dice < 12) {
      star_.node->restart();
      ++outcome_.counts.restarts;
    } else if (dice < 30) {
      star_.host(any_host()).restart();
      ++outcome_.counts.restarts;
    } else if (dice < 40) {
      cut_off_until_ = world().now + milliseconds(random_.below(12000));
      ++outcome_.counts.partitions;
    } else if (dice < 60) {
      Machine& who = random_.chance(30) ? *star_.node : star_.host(any_host());
      who->rekey(world().now, world().unix_nanos());
      ++outcome_.counts.rekeys;
    } else {
      const std::size_t from = any_host(), to = any_host();
      if (from != to) send(from, to, 1 + random_.below(6));
    }
  }

  void send(std::size_t from, std::size_t to, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t number = ++last_number_;
      InnerPacket packet;
      packet.version = random_.chance(50) ? 4 : 6;
      // A few flows in both directions, so that openers and answers meet.
      const auto port = static_cast<std::uint16_t>(1000 + random_.below(4));
      packet.from_port = port;
      packet.to_port = port;
      packet.payload = payload_of(number, 8 + random_.below(1000));
      expected_[number] = {to, packet.payload.size()};
      ++outcome_.counts.sent;
      star_.host(from).application_no_flush(
          build(packet, star_.host(from).in().addresses, star_.host(to).in().addresses));
    }
    star_.host(from)->flush(world().now, world().unix_nanos());
  }

  // ---- the network

  bool on_the_way(Datagram& datagram) {
    ++outcome_.counts.datagrams;
    if (!faults_) return true;
    if (world().now < cut_off_until_ || random_.chance(loss_)) {
      ++outcome_.counts.losses;
      return false;
    }
    if (random_.chance(duplicates_)) {
      ++outcome_.counts.duplicates;
      Datagram again = datagram;
      again.at += any_up_to(seconds(2));
      world().put(std::move(again));
    }
    datagram.at += any_up_to(jitter_);
    return true;
  }
  void arrives(const Datagram& datagram) {
    auto& newest = newest_[{datagram.from, datagram.to}];
    if (datagram.order < newest) ++outcome_.counts.reorderings;
    newest = std::max(newest, datagram.order);
    outcome_.trace =
        mix(outcome_.trace, static_cast<std::uint64_t>(world().now.time_since_epoch().count()));
    outcome_.trace = mix(outcome_.trace, datagram.to.address[15]);
    outcome_.trace = mix(outcome_.trace, datagram.bytes);
  }

  // ---- what has to hold

  void violated(const std::string& what) {
    if (outcome_.violations.size() < 10) outcome_.violations.push_back(what);
  }
  void delivered(std::size_t host, const Delivered& packet) {
    ++outcome_.counts.delivered;
    outcome_.trace = mix(outcome_.trace, packet.packet);
    layer::inner::IpPacket ip;
    if (layer::inner::parse(packet.packet, ip) != DropReason::none ||
        ip.payload_size() < kHeaderOfUdp + 8)
      return violated("what was delivered is no packet that anybody sent");
    const base::ByteView payload = ip.payload().subspan(kHeaderOfUdp);
    const std::uint64_t number = base::load_be64(payload.data() + kPacketIdOffset);
    const std::string name = "packet " + std::to_string(number);
    const auto found = expected_.find(number);
    if (found == expected_.end()) return violated(name + " was never sent");
    const auto& [to, size] = found->second;
    if (to != host)
      violated(name + " reached host " + std::to_string(host) + " and was for " +
               std::to_string(to));
    const Bytes as_sent = payload_of(number, size);
    if (!std::equal(payload.begin(), payload.end(), as_sent.begin(), as_sent.end()))
      violated(name + " was changed");
    if (!layer::inner::test::checksums_right(packet.packet))
      violated(name + " has a wrong checksum");
    if (!seen_.insert(number).second) violated(name + " came twice");
  }

  // Each pair tries twice a second until something has come through; only what is sent from now on counts.
  void recover() {
    const base::TimePoint ended = world().now;
    const std::uint64_t first = last_number_ + 1;
    std::map<std::pair<std::size_t, std::size_t>, std::vector<std::uint64_t>> tried;
    std::set<std::pair<std::size_t, std::size_t>> reached;
    const std::size_t n = star_.hosts.size();
    while (reached.size() < n * (n - 1) && world().now < ended + seconds(kRecoverySeconds)) {
      for (std::size_t from = 0; from < n; ++from)
        for (std::size_t to = 0; to < n; ++to) {
          if (from == to || reached.contains({from, to})) continue;
          tried[{from, to}].push_back(last_number_ + 1);
          send(from, to, 1);
        }
      world().run_for(milliseconds(500));
      for (const auto& [pair, numbers] : tried)
        for (std::uint64_t number : numbers)
          if (number >= first && seen_.contains(number)) reached.insert(pair);
    }
    outcome_.counts.recovered_after = std::chrono::duration<double>(world().now - ended).count();
    for (const auto& [pair, numbers] : tried)
      if (!reached.contains(pair))
        violated("host " + std::to_string(pair.first) + " does not reach host " +
                 std::to_string(pair.second) + " " + std::to_string(kRecoverySeconds) +
                 " s after the faults have ended");
  }

  security::SeededRandom random_;
  Star star_;
  bool faults_ = false;
  unsigned loss_ = 0, duplicates_ = 0;
  milliseconds jitter_{0};
  base::TimePoint cut_off_until_{};
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, std::pair<std::size_t, std::size_t>> expected_;  // whom for, octets
  std::set<std::uint64_t> seen_;
  std::map<std::pair<base::Endpoint, base::Endpoint>, std::uint64_t> newest_;
  Outcome outcome_;
};

}  // namespace

Outcome run(std::uint64_t seed) {
  return Simulation(seed).run();
}

std::string to_text(std::uint64_t seed, const Outcome& outcome) {
  const Counts& c = outcome.counts;
  char line[320];
  std::snprintf(
      line, sizeof line,
      "seed %llu trace %016llx: %llu datagrams, %llu lost, %llu repeated, %llu overtaken, %llu "
      "partitions, "
      "%llu restarts, %llu rekeys; %llu of %llu packets delivered; recovered after %.1f s\n",
      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(outcome.trace),
      static_cast<unsigned long long>(c.datagrams), static_cast<unsigned long long>(c.losses),
      static_cast<unsigned long long>(c.duplicates), static_cast<unsigned long long>(c.reorderings),
      static_cast<unsigned long long>(c.partitions), static_cast<unsigned long long>(c.restarts),
      static_cast<unsigned long long>(c.rekeys), static_cast<unsigned long long>(c.delivered),
      static_cast<unsigned long long>(c.sent), c.recovered_after);
  std::string text = line;
  for (const std::string& violation : outcome.violations) text += "  violated: " + violation + "\n";
  return text;
}

}  // namespace entresol::sim
