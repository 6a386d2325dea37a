// The way of a packet through a member, over batches: open, parse, decide, act, queue, seal. pipeline.cc reads top to
// bottom in this order; what the steps need from above (who decides, who lives here) is declared here.
//
// Pure: bursts and `now` in; bursts to send, control messages and reports out. One worker, not thread-safe. Per packet: no
// allocation, no lock, no virtual call (one virtual call per batch where a batch has misses or local packets, and one per
// packet that a rule refuses). The Decider and the Local are called from within process() and originate() and must not call back into the pipeline.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/drop.h"
#include "base/time.h"
#include "layer/forwarding/decision_cache.h"
#include "layer/forwarding/tables.h"
#include "wire/control.h"

namespace entresol::layer::forwarding {

// What was received from one sender in one go: datagrams of `segment` octets, the last may be shorter.
struct InBurst {
  std::uint8_t* data = nullptr;  // writable; opened in place
  std::uint32_t length = 0;
  std::uint32_t segment = 0;
  std::uint8_t traffic_class = 0;
  security::Path path;
};

// What is to be sent to one receiver in one go.
struct OutBurst {
  const std::uint8_t* data = nullptr;
  std::uint32_t length = 0;
  std::uint16_t segment = 0;
  std::uint8_t traffic_class = 0;
  LinkId link;
};

// A packet on its way. `data` is the datagram until it is opened, then the plaintext: the layer's packet, or a guest's
// bare IP packet.
struct Packet {
  std::uint8_t* data = nullptr;
  std::uint32_t length = 0;
  LinkId ingress;
  LinkId egress;
  std::uint32_t next = 0;  // in its egress link's queue
  base::DropReason drop = base::DropReason::none;
  std::uint8_t traffic_class = 0;  // of the outer packet, in and then out
  bool done = false;               // consumed here: dropped, or taken by Local
  std::uint16_t rule = kNoRule;    // of the policy, that refused it
  Decision* decision = nullptr;
  std::uint64_t hash = 0;
};

inline constexpr std::size_t kBatch = 256;

// What a Decider that asks several services about one packet has to remember of it meanwhile. The pipeline looks at `chain`
// alone: what is kept rests on it.
struct Passage {
  // The Decider's number of the services that are asked before the one that is named; 0: none.
  std::uint16_t chain = 0;
  std::uint8_t stage = 0;  // of them, the one to be asked next
  std::uint8_t layer = 0;
  bool keep = true;               // all so far have said so
  bool moved = false;             // one of them delivers elsewhere:
  wire::Name to;                  // there
  std::uint32_t lifetime_ms = 0;  // the shortest so far; 0: no set end
  std::uint32_t asked_at = 0;     // the Decider's generation when the first was asked
};

// Packets that the cache does not know. Provided by service/.
struct Miss {
  wire::HeaderView view;
  std::uint8_t layer = 0;
  LinkId ingress;
  std::uint32_t ingress_generation = 0;            // of its link
  base::DropReason drop = base::DropReason::none;  // out: why not
  std::uint16_t rule = kNoRule;                    // out: of the policy, that refused
  bool keep = false;                               // out
  std::uint32_t lifetime_ms = 0;                   // out: of what is kept; 0: no set end
  wire::Name to;                                   // out: the member to deliver to
  bool taken = false;  // out: the Decider has a copy, which comes back, or not, as Returned
  Passage passage;     // out
};
// A packet that the Decider took, or made of one that it took, and where it goes now.
struct Returned {
  base::MutableBytes packet;
  LinkId ingress;
  std::uint32_t ingress_generation = 0;  // of its link when it was taken
  base::DropReason drop = base::DropReason::none;
  bool keep = false;  // what the Decider has said of this packet holds for its flow
  std::uint32_t lifetime_ms = 0;
  wire::Name to;
  bool last = true;   // no other packet of its flow is away; else `keep` is for the Decider alone
  bool copy = false;  // one of several that were made of one
  Passage passage;
};
class Decider {
 public:
  virtual ~Decider() = default;
  virtual void decide(std::span<Miss> misses, base::TimePoint now) = 0;
  // Moves when decisions made before may hold no longer (a policy, a service's version, a verdict withdrawn).
  virtual std::uint32_t generation() const = 0;
  // Of what concerns packets that name this service, and are shown to those of this chain before.
  virtual std::uint32_t generation_of(std::uint32_t service, std::uint16_t chain) const {
    (void)service, (void)chain;
    return generation();
  }
  // Packets that go on now, at most kBatch of at most kBatchBytes together; again until there are none. Their bytes are valid
  // until the next call. Also gives services their timers.
  virtual std::span<Returned> returned(base::TimePoint now, std::int64_t unix_nanos) {
    (void)now, (void)unix_nanos;
    return {};
  }
  // When returned() is to be called although none waits.
  virtual base::TimePoint next_timer() const { return base::kNever; }
  virtual bool returns_wait() const { return false; }
  // A packet was refused by the rule that a decision has named, whether it was just made or kept.
  virtual void refused(std::uint8_t layer, std::uint16_t rule) { (void)layer, (void)rule; }
  // For the sender of such a packet.
  virtual std::string_view rule_name(std::uint8_t layer, std::uint16_t rule) const {
    (void)layer, (void)rule;
    return {};
  }
};

// What lives at this member. Provided by layer/session and the roles. A packet that is consumed gets done = true, with a
// drop reason if it was not delivered.
class Local {
 public:
  virtual ~Local() = default;
  // Bare IP packets of guests: each becomes the layer's packet (data and length replaced; the bytes stay valid until the
  // batch is through), or is consumed.
  virtual void from_guests(std::span<Packet* const> packets, base::TimePoint now) = 0;
  // The layer's packets for guests: each becomes the bare IP packet, or is consumed.
  virtual void to_guests(std::span<Packet* const> packets, base::TimePoint now) = 0;
  // The layer's packets for this member itself: all are consumed.
  virtual void to_self(std::span<Packet* const> packets, base::TimePoint now) = 0;
};

// A datagram for the handshakes, or one that no live key opens.
struct ControlDatagram {
  base::Bytes bytes;
  security::Path path;
  bool unknown_record = false;  // asks for a reset
};

// What the data side has seen of a link since the last time.
struct LinkReport {
  LinkId link;
  bool wanted = false;        // a guest's, or a node's to another: packets came for it without keys
  security::Traffic traffic;  // `from` is set if anything arrived, moved or not
};

// A name that another node uses: in vain, or for the first time in a while.
struct Mention {
  LinkId link;
  wire::Name name;
  bool source = false;  // it sends for that name; else to it
};

struct PipelineConfig {
  bool node = true;  // lowers the TTL of what it forwards
  std::size_t cache_entries = 32768;
  std::uint64_t seed = 0;                  // random
  std::size_t max_control = 256;           // datagrams kept for the control side per batch
  std::uint32_t errors_per_second = 1000;  // control errors sent, all links together
};

struct PipelineCounters {
  base::DropCounters drops;
  std::uint64_t hits = 0, misses = 0, refreshed = 0;
  std::uint64_t received = 0, forwarded = 0, delivered = 0, errors_sent = 0;
  std::uint64_t control_seen = 0;
};

class Pipeline {
 public:
  // `tables`, `decider` and `local` outlive this.
  Pipeline(const PipelineConfig& config, Tables& tables, Decider& decider, Local& local);
  ~Pipeline();

  // All datagrams of all bursts. What is to be sent is handed to `sink` whenever the arena is full and at the end:
  // sink(span<const OutBurst>); the bursts' bytes are valid during the call.
  template <typename Sink>
  void process(std::span<const InBurst> bursts, base::TimePoint now, Sink&& sink) {
    for (const InBurst& burst : bursts) {
      std::uint32_t at = 0;
      if (burst.length == 0) note_empty();
      while (at < burst.length) {
        at = collect(burst, at);
        if (count_ == kBatch || collected_bytes_ >= kBatchBytes) {
          run(now);
          sink(std::span<const OutBurst>(out_.data(), outs_));
        }
      }
    }
    if (count_ > 0) {
      run(now);
      sink(std::span<const OutBurst>(out_.data(), outs_));
    }
  }

  // The layer's packets that this member makes itself (its agent's, its control's). At most kBatch a call, and of at
  // most kBatchBytes together. The packets are changed in place.
  std::span<const OutBurst> originate(std::span<const base::MutableBytes> packets,
                                      base::TimePoint now);
  // Packets that come back from the Decider. At most kBatch a call.
  std::span<const OutBurst> resume(std::span<Returned> packets, base::TimePoint now);
  // An empty record on a link, to be sent at once.
  std::span<const OutBurst> keepalive(LinkId link);
  // Bare IP packets to a guest's link.
  std::span<const OutBurst> to_guest(LinkId link, std::span<const base::MutableBytes> packets);

  // The packets that have waited for a node's link, which has keys now; or that wait in vain.
  std::span<const OutBurst> release(LinkId link);
  void give_up(LinkId link);
  // What other nodes have sent for names that are not known to be there, and to names that are not here; and names that
  // somebody attached here sends to, and that are nowhere. Bounded.
  std::vector<Mention>& strays() { return strays_; }
  const std::vector<Mention>& strays() const { return strays_; }
  // Names here that other nodes have sent to, once a flow. Bounded.
  std::vector<Mention>& met() { return met_; }
  const std::vector<Mention>& met() const { return met_; }

  // Links with traffic since the last clear_reports(), each once. One that was taken is not added to: traffic that
  // follows makes a report of its own.
  const std::vector<LinkReport>& reports() const { return reports_; }
  LinkReport take_report(std::size_t i) {
    tables_.links[reports_[i].link].report = 0;
    return reports_[i];
  }
  void clear_reports();
  std::vector<ControlDatagram>& control() { return control_; }
  const std::vector<ControlDatagram>& control() const { return control_; }
  // The same for probes and their answers, which are dealt with at once. At most kMaxProbes.
  std::vector<ControlDatagram>& probes() { return probes_; }
  static constexpr std::size_t kMaxProbes = 64;
  const PipelineCounters& counters() const { return counters_; }
  PipelineCounters& counters() { return counters_; }
  DecisionCache& cache() { return cache_; }

  static constexpr std::size_t kBatchBytes = 256 * 1024;

 private:
  void note_empty();
  std::uint32_t collect(const InBurst& burst, std::uint32_t at);
  void run(base::TimePoint now);
  void begin();

  void open();
  ReceiveKeys* keys_for(const Packet& packet);
  void open_one(Packet& packet);
  void set_aside(Packet& packet, wire::DatagramType type);
  void from_guests(base::TimePoint now);
  void parse();
  void decide(base::TimePoint now);
  void hit(Packet& packet, Decision& decision);
  void decide_misses(std::size_t missed, bool first_only, base::TimePoint now);
  static bool same_flow(const Packet& a, const Packet& b);
  void keep_and_follow(Packet& packet, const Miss& miss, base::TimePoint now);
  std::uint8_t layer_of(LinkId ingress, std::uint32_t wire_layer) const;
  bool source_is_here(const Miss& miss) const;
  bool still_holds(Decision& decision, const std::uint8_t* packet, LinkId ingress) const;
  base::DropReason place_miss(const Miss& miss, Decision& decision);
  void act(base::TimePoint now);
  bool understands(const Packet& packet) const;
  // between_nodes.cc
  bool between_nodes(LinkId link) const {
    return config_.node && tables_.links[link].kind == LinkKind::kNode;
  }
  bool lower_ttl(Packet& packet) {
    const std::uint8_t ttl = packet.data[wire::offset::kTtl];
    if (ttl <= 1) [[unlikely]] {
      drop(packet, base::DropReason::ttl_exceeded);
      return false;
    }
    wire::set_ttl(packet.data, static_cast<std::uint8_t>(ttl - 1));
    return true;
  }
  void without_keys(Packet& packet, Link& egress);
  void note_stray(const Packet& packet, base::DropReason reason);
  void note_met(const Miss& miss);
  void hand_over(std::size_t here, std::size_t guests, base::TimePoint now);
  void queue();
  void seal();
  void prefetch_sealing(LinkId id) const;
  void seal_link(LinkId id);

  void drop(Packet& packet, base::DropReason reason);
  void refuse(Packet& packet, const Decision& decision);
  void report_errors(base::TimePoint now);
  bool may_send_error(base::TimePoint now);
  void hand_over(Packet& error, base::TimePoint now);
  LinkReport& report(Link& link, LinkId id);
  void note_received(Packet& packet, Link& link, std::uint32_t index, std::size_t plain);

  PipelineConfig config_;
  Tables& tables_;
  Decider& decider_;
  Local& local_;
  DecisionCache cache_;
  PipelineCounters counters_;

  // The batch.
  std::array<Packet, kBatch + 32> packets_;  // and room for errors that it causes
  std::array<const InBurst*, kBatch + 32> from_;
  std::size_t count_ = 0;
  std::size_t collected_bytes_ = 0;
  bool guests_ = false;  // some of it came from guests
  std::uint32_t batch_number_ = 0;
  std::array<Miss, kBatch + 32> misses_;
  std::array<Packet*, kBatch + 32> miss_packets_;
  std::array<Packet*, kBatch + 32> scratch_;

  // Queues: per egress link a list for each class, in order of first use.
  static constexpr std::uint32_t kEnd = ~0u;
  static constexpr std::size_t kClasses = 2;  // DSCP CS5 and above first
  struct Queue {
    std::array<std::uint32_t, kClasses> head{kEnd, kEnd}, tail{kEnd, kEnd};
    std::uint32_t batch = 0;
  };
  std::vector<Queue> queues_;  // by link
  std::array<LinkId, kBatch + 32> active_;
  std::size_t actives_ = 0;

  std::unique_ptr<std::uint8_t[]> arena_;
  std::size_t arena_used_ = 0;
  std::array<OutBurst, kBatch + 32> out_;
  std::size_t outs_ = 0;

  std::vector<LinkReport> reports_;
  std::vector<ControlDatagram> control_, probes_;
  struct Held {
    LinkId link;
    std::uint32_t generation = 0;
    base::Bytes packet;
  };
  std::vector<Held> held_;
  std::vector<base::Bytes> releasing_;
  std::vector<Mention> strays_, met_;
  std::array<std::array<std::uint8_t, 512>, 32> error_room_;
  std::size_t errors_ = 0;
  double error_tokens_ = 0;
  base::TimePoint error_refill_{};
};

}  // namespace entresol::layer::forwarding
