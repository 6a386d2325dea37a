// The inner flows of an agent: who opened each, the id it travels under, and the headers last sent, from which an ICMP
// error for the application can be made. Bounded; idle flows go first.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <list>
#include <optional>
#include <unordered_map>

#include "base/random.h"
#include "base/time.h"
#include "layer/inner/ip.h"
#include "wire/name.h"
#include "wire/session.h"

namespace entresol::layer::session {

// As this end sees it: local and far, not source and destination.
struct FlowKey {
  wire::Name local;
  wire::Name far;
  std::uint16_t local_port = 0;  // ICMP echo: its identifier, in both; other ICMP: kNoEcho in one
  std::uint16_t far_port = 0;
  std::uint8_t protocol = 0;
  std::uint8_t version = 6;
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// No echo has it in one of its two ports alone.
inline constexpr std::uint16_t kNoEcho = 0xffff;

struct FlowKeyHash {
  std::size_t operator()(const FlowKey& key) const noexcept;
};

inline constexpr std::size_t kSavedHeaders = 128;

// More than a round trip: a far end that is going to give way has done so by then.
inline constexpr base::Duration kInsists = std::chrono::seconds(1);

struct Flow {
  FlowKey key;
  bool opened_here = false;
  bool confirmed = false;  // a packet of the far end has agreed with opened_here
  bool refused = false;    // by a rule, when this end opened it: the far end may
  bool tracked = true;     // false: no state of who opened it (ICMP errors and the like)
  std::uint32_t id = 0;    // flow id of what this end sends
  // Since when the far end claims to have opened it too, without an agreement.
  std::optional<base::TimePoint> contested;
  base::TimePoint last_used{};
  std::uint64_t session_keys = 0;  // keys that `header` and `canonical` were made for
  std::array<std::uint8_t, wire::kHeaderSize + wire::kSessionHeaderSize> header{};
  wire::CanonicalForm canonical;
  std::array<std::uint8_t, kSavedHeaders> saved{};
  std::uint16_t saved_size = 0;

  // Keeps the headers of the packet that is sent now. Not of later fragments: there is no ICMP about them.
  void save(const inner::IpPacket& ip) {
    if (ip.is_fragment && !ip.is_first_fragment) return;
    saved_size = static_cast<std::uint16_t>(std::min(ip.bytes.size(), kSavedHeaders));
    std::memcpy(saved.data(), ip.bytes.data(), saved_size);
  }

  // A new belief, with which the far end has not agreed yet.
  void believe(bool here) {
    opened_here = here;
    confirmed = refused = false;
    contested.reset();
    session_keys = 0;  // the header is made anew
  }
  // This end claims to have opened the flow, and now a packet of the far end does: whether it is this end that gives way.
  bool gives_way(bool lower_name, base::TimePoint now);
};

class FlowTable {
 public:
  explicit FlowTable(base::RandomSource& random, std::size_t capacity = 16384)
      : random_(random), capacity_(capacity) {}

  Flow* find(const FlowKey& key);  // null if unknown; the flow becomes the most recently used
  // The flow whose packets this end sends under `id`.
  Flow* find_id(std::uint32_t id);
  // Makes room by forgetting the flow unused for longest. `flow_label` (20 bits, of the application's packet) gives the
  // low bits of the id; 0 takes random ones.
  Flow& add(const FlowKey& key, bool opened_here, std::uint32_t flow_label, base::TimePoint now);
  // Gives a flow a new id with these low bits: the application has changed its flow label.
  void relabel(Flow& flow, std::uint32_t flow_label);
  void expire(base::TimePoint now);
  std::size_t size() const { return flows_.size(); }

 private:
  using List = std::list<Flow>;
  void erase(List::iterator flow);
  std::uint32_t fresh_id(std::uint32_t flow_label);

  base::RandomSource& random_;
  std::size_t capacity_;
  List flows_;  // most recently used first
  std::unordered_map<FlowKey, List::iterator, FlowKeyHash> by_key_;
  std::unordered_map<std::uint32_t, List::iterator> by_id_;
};

// Fragments after the first have no ports: this remembers, for a short run of fragments, whose they are.
class FragmentTable {
 public:
  void remember(const inner::IpPacket& first, const FlowKey& key);
  const FlowKey* find(const inner::IpPacket& fragment) const;

 private:
  struct Entry {
    inner::Address source{};
    inner::Address destination{};
    std::uint32_t identification = 0;
    std::uint8_t protocol = 0;
    bool used = false;
    FlowKey key;
  };
  static constexpr std::size_t kEntries = 64;
  std::array<Entry, kEntries> entries_;
  std::size_t next_ = 0;
};

}  // namespace entresol::layer::session
