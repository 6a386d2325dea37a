// For this room's tests: members with a small data side of their own, on a seeded network under
// virtual time. What the network may do to a datagram: lose, delay (and so reorder), duplicate.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <stdexcept>
#include <string>

#include "security/association.h"
#include "security/lanes.h"
#include "security/test_random.h"

namespace entresol::security::sim {

using base::DropReason;
using base::TimePoint;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr TimePoint kEpoch{std::chrono::hours(1)};
inline constexpr std::int64_t kUnixEpoch = 1'800'000'000'000'000'000;
inline constexpr std::size_t kContent = 8;  // a record's content is its number

inline std::int64_t unix_at(TimePoint now) {
  return kUnixEpoch + (now - kEpoch).count();
}
inline base::Endpoint address(unsigned n) {
  base::Endpoint e;
  e.address[10] = e.address[11] = 0xff;
  e.address[12] = 10;
  e.address[15] = static_cast<std::uint8_t>(n);
  e.port = 51820;
  return e;
}

// Admits whoever shows the certificate "ok", under the name that follows from its key.
class KeyVerifier final : public Verifier {
 public:
  Credentials credentials(const Path&) override {
    Credentials out;
    out.certificate = shown;
    out.link_size = 1400;
    return out;
  }
  DropReason admit(const PublicKey& key, const Credentials& seen, const Path&, base::UnixSeconds,
                   wire::Name& name) override {
    ++asked;
    if (seen.certificate != base::Bytes{'o', 'k'}) return DropReason::handshake_certificate;
    std::copy_n(key.begin(), name.octets.size(), name.octets.begin());
    return DropReason::none;
  }
  base::Bytes shown = {'o', 'k'};
  int asked = 0;
};

struct Datagram {
  base::Endpoint from, to;
  base::Bytes bytes;
};

// One member: a table of associations and as much of a data side as the contract asks for.
class Node {
 public:
  Node(Config config, const base::Endpoint& own, std::uint64_t seed)
      : here(own), config_(std::move(config)), random_(seed) {
    restart();
  }

  // Everything is lost but configuration, keys and reset secret.
  void restart() {
    table.reset();
    indices = std::make_unique<IndexAllocator>(random_);
    table = std::make_unique<Associations>(config_, &verifier, random_, *indices);
    receive_.clear();
    send_.clear();
    ready_.clear();
    ups = downs = 0;
  }

  void act(Events& events) {
    for (Event& event : events) std::visit([&](auto& e) { on(e); }, event);
    events.clear();
  }

  // False if there are no keys; then a handshake is wanted.
  bool send_data(PeerId peer, std::uint64_t number, TimePoint now) {
    std::array<std::uint8_t, kContent> content;
    base::store_be64(content.data(), number);
    const bool sent = seal(peer, content, now);
    if (!sent) connect(peer, now);
    return sent;
  }

  void connect(PeerId peer, TimePoint now) {
    now_ = now;
    Events events;
    table->connect(peer, now, unix_at(now), events);
    act(events);
  }

  void timer(TimePoint now) {
    now_ = now;
    Events events;
    table->on_timer(now, unix_at(now), events);
    act(events);
  }

  // The numbers of the records that this datagram brought: none or one.
  std::vector<std::uint64_t> receive(Datagram datagram, TimePoint now) {
    now_ = now;
    const std::uint8_t type = datagram.bytes.empty() ? 0 : datagram.bytes[0];
    const bool native = config_.protocol == Protocol::kNative;
    if (type != (native ? 0x14 : 4)) {
      Events events;
      last_reason = table->handle(datagram.bytes, {datagram.from, here}, now, unix_at(now), events);
      act(events);
      return {};
    }
    return receive_record(datagram, now);
  }

  bool can_send(PeerId peer) const { return send_.contains(peer); }

  base::Endpoint here;
  KeyVerifier verifier;
  std::unique_ptr<IndexAllocator> indices;
  std::unique_ptr<Associations> table;
  std::vector<Datagram> out;
  std::map<PeerId, Path> paths;
  std::map<PeerId, DropReason> down_reason;
  DropReason last_reason = DropReason::none;
  int ups = 0, downs = 0, keepalives = 0, moves = 0;
  PeerId last_up{};

 private:
  struct Receiving {
    PeerId peer;
    std::unique_ptr<ReceiveLane> lane;
  };

  bool seal(PeerId peer, base::ByteView content, TimePoint now) {
    const auto lane = send_.find(peer);
    if (lane == send_.end()) return false;
    base::Bytes record(record_size(config_.protocol, content.size()));
    if (seal_record(*lane->second.second, content.data(), content.size(), record.data()) == 0) {
      return false;
    }
    const auto path = paths.contains(peer) ? paths[peer] : *table->state(peer)->path;
    out.push_back({here, path.remote, std::move(record)});
    Traffic traffic;
    traffic.peer = peer;
    (content.empty() ? traffic.sent_empty : traffic.sent_data) = 1;
    traffic.send_counter = lane->second.second->next;
    report(traffic, now);
    return true;
  }

  std::vector<std::uint64_t> receive_record(Datagram& datagram, TimePoint now) {
    base::Bytes& bytes = datagram.bytes;
    const bool native = config_.protocol == Protocol::kNative;
    last_reason = record_header_ok(config_.protocol, bytes.data(), bytes.size());
    if (last_reason != DropReason::none) return {};
    const std::uint32_t index =
        native ? base::load_be32(bytes.data() + 4) >> 8 : base::load_le32(bytes.data() + 4);
    const auto at = receive_.find(index);
    if (at == receive_.end()) {
      last_reason = DropReason::record_index_unknown;
      if (auto reset = table->reset_for(bytes, now); !reset.empty()) {
        out.push_back({here, datagram.from, std::move(reset)});
      }
      return {};
    }
    std::size_t n = 0;
    last_reason = native ? open_native_record(*at->second.lane, bytes.data(), bytes.size(), n)
                         : open_wireguard_record(*at->second.lane, bytes.data(), bytes.size(), n);
    if (last_reason != DropReason::none) return {};
    Traffic traffic;
    traffic.peer = at->second.peer;
    traffic.local_index = index;
    (n == 0 ? traffic.received_empty : traffic.received_data) = 1;
    traffic.from = Path{datagram.from, here};
    std::vector<std::uint64_t> numbers;
    if (n >= kContent) {
      numbers.push_back(base::load_be64(bytes.data() + record_header(config_.protocol)));
    }
    report(traffic, now);
    return numbers;
  }

  void report(const Traffic& traffic, TimePoint now) {
    now_ = now;
    Events events;
    table->report(traffic, now, unix_at(now), events);
    act(events);
  }

  void on(SendMessage& e) { out.push_back({here, e.path.remote, std::move(e.message)}); }
  void on(KeysReady& e) {
    if (receive_.contains(e.keys.local_index)) throw std::logic_error("index is taken");
    receive_[e.keys.local_index] = {e.peer,
                                    receive_lane(e.keys.protocol, e.keys.suite, e.keys.receive, 0)};
    ready_.emplace(e.keys.local_index, e.keys);
  }
  void on(SendWith& e) {
    const auto keys = ready_.find(e.local_index);
    if (keys == ready_.end()) throw std::logic_error("keys to send with are not ready");
    send_[e.peer] = {e.local_index, send_lane(keys->second, 0)};
  }
  void on(KeysGone& e) {
    if (receive_.erase(e.local_index) != 1) throw std::logic_error("unknown keys are gone");
    ready_.erase(e.local_index);
    const auto at = send_.find(e.peer);
    if (at != send_.end() && at->second.first == e.local_index) send_.erase(at);
  }
  void on(SendKeepalive& e) {
    ++keepalives;
    seal(e.peer, {}, now_);
  }
  void on(PeerUp& e) {
    ++ups;
    last_up = e.peer;
  }
  void on(PeerMoved& e) {
    ++moves;
    paths[e.peer] = e.path;
  }
  void on(PeerDown& e) {
    ++downs;
    down_reason[e.peer] = e.reason;
  }

  Config config_;
  SeededRandom random_;
  std::map<std::uint32_t, Receiving> receive_;
  std::map<std::uint32_t, Keys> ready_;
  std::map<PeerId, std::pair<std::uint32_t, std::unique_ptr<SendLane>>> send_;
  TimePoint now_{};
};

struct Faults {
  unsigned loss = 0, duplicate = 0;  // percent
  base::Duration delay = milliseconds(20);
  base::Duration jitter{0};
};

// Moves datagrams and time.
class Network {
 public:
  explicit Network(std::uint64_t seed) : random(seed) {}

  void add(Node& node) { nodes_.push_back(&node); }

  // Runs until `end`; `tick` is called each `period`, and may send.
  void run(base::Duration time, base::Duration period, const std::function<void()>& tick) {
    const TimePoint end = now + time;
    TimePoint next_tick = now;
    collect();
    for (;;) {
      TimePoint at = std::min(end, next_tick);
      if (!flying_.empty()) at = std::min(at, flying_.begin()->first.first);
      for (Node* node : nodes_) at = std::min(at, std::max(now, node->table->next_timer()));
      now = at;
      if (now >= end) return;
      for (Node* node : nodes_) {
        if (node->table->next_timer() <= now) node->timer(now);
      }
      collect();
      while (!flying_.empty() && flying_.begin()->first.first <= now) deliver();
      if (next_tick <= now) {
        if (tick) tick();
        next_tick = now + period;
        collect();
      }
    }
  }

  SeededRandom random;
  Faults faults;
  TimePoint now = kEpoch;
  std::function<void(Node&, std::uint64_t)> accepted;
  std::function<bool(Datagram&)> tap;  // false: lost
  std::uint64_t lost = 0, duplicated = 0, delivered = 0;

 private:
  void collect() {
    for (Node* node : nodes_) {
      for (Datagram& datagram : node->out) launch(datagram);
      node->out.clear();
    }
  }
  void launch(Datagram& datagram) {
    if (random.chance(faults.loss) || (tap && !tap(datagram))) {
      ++lost;
      return;
    }
    const int copies = random.chance(faults.duplicate) ? 2 : 1;
    duplicated += copies == 2;
    for (int i = 0; i < copies; ++i) {
      base::Duration delay = faults.delay;
      if (faults.jitter.count() > 0) {
        delay += base::Duration(static_cast<std::int64_t>(
            random.below(static_cast<std::uint64_t>(faults.jitter.count()))));
      }
      flying_.emplace(std::pair(now + delay, ++launched_), datagram);
    }
  }
  void deliver() {
    Datagram datagram = std::move(flying_.begin()->second);
    flying_.erase(flying_.begin());
    for (Node* node : nodes_) {
      if (node->here != datagram.to) continue;
      ++delivered;
      for (std::uint64_t number : node->receive(std::move(datagram), now)) {
        if (accepted) accepted(*node, number);
      }
      break;
    }
    collect();
  }

  std::vector<Node*> nodes_;
  std::map<std::pair<TimePoint, std::uint64_t>, Datagram> flying_;
  std::uint64_t launched_ = 0;
};

inline Config make_config(Protocol protocol, SeededRandom& random) {
  Config config;
  config.protocol = protocol;
  config.static_private = crypto::SecretBytes<32>(random.bytes<32>());
  config.reset_secret = crypto::SecretBytes<32>(random.bytes<32>());
  config.layer_id.fill(7);
  return config;
}

}  // namespace entresol::security::sim
