// A worker's side of a crossing: packets are copied into buffers and sent over, verdicts come back in the order of each
// flow. While packets of a flow are away, its later ones queue behind them, and a verdict for the whole flow counts once
// the last of them is back: nothing overtakes.
//
// One thread: the worker's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "service/crossing.h"
#include "service/environment.h"

namespace entresol::service {

// A service at the other side, as the worker knows it.
struct RemoteService {
  std::uint32_t number = 0;
  Manifest manifest;
  std::uint32_t withdrawals = 0;
  std::size_t waiting = 0, held = 0;   // packets
  std::vector<std::uint32_t> of_link;  // of the waiting ones, by ingress link
  std::uint64_t packets = 0, fallbacks = 0, queue_full = 0, over_rate = 0;
  std::size_t copies = Crossing::kMaxNames;  // of one packet, at most
  std::uint64_t amplified = 0;               // packets of which it wanted more
  Rate packet_rate{0}, octet_rate{0};
  // Whether so much fits into what is left of this second; then it is taken.
  bool take(base::TimePoint now, std::size_t packets, std::size_t octets);
  bool paused = false;
  std::vector<std::uint32_t> parked;  // slots that are to go over once it is not
};

class Remote {
 public:
  explicit Remote(Crossing& crossing, std::size_t slots);

  RemoteService& add(Manifest manifest, std::uint32_t number);
  // What it holds ends; what comes back of it later is its fallback.
  void remove(std::uint32_t number, base::TimePoint now);
  // Packets of the service wait here from now on, in their order, as long as there are buffers for them.
  void pause(RemoteService& service);
  // They go over, to the same instance.
  void go_on(RemoteService& service);
  // They go over to an instance with another manifest, which has taken the place of the one with the number `old`; those that
  // that one held go first. All that it has said has been taken.
  RemoteService& replace(std::uint32_t old, Manifest manifest, std::uint32_t number);
  // Jobs so far; all of them can be seen at the other side.
  std::uint64_t pushed() {
    flush();
    return pushed_;
  }
  // Takes what has come back, before somebody replaces who said it.
  void take_all(base::TimePoint now);
  RemoteService* find(std::uint32_t number) {
    return number < services_.size() ? services_[number].get() : nullptr;
  }

  // Takes a copy of the packet, or says why not. What is full is shared: a link may have as many packets waiting at a service
  // as the service still has room for, and a service as many buffers as are still free. So whoever fills either leaves half
  // of it, and each further one leaves as much as it takes.
  void submit(RemoteService& service, layer::forwarding::Miss& miss, const entresol_packet& shown,
              base::TimePoint now);
  // After the last submit() of a batch.
  void flush();
  // What has come back, at most `most` packets, is appended; their bytes are valid until release_given(). Returns how many
  // withdrawals there were.
  std::uint32_t collect(std::vector<layer::forwarding::Returned>& out, std::size_t most,
                        base::TimePoint now);
  void release_given();
  bool ready() const { return next_ready_ < ready_.size() || !crossing_.done.empty(); }
  base::TimePoint next_end() const { return ends_.empty() ? base::kNever : ends_.begin()->first; }
  std::size_t away() const { return slots_.size() - free_.size(); }  // buffers in use

 private:
  using Key = layer::forwarding::DecisionKey;
  struct Slot {
    layer::forwarding::LinkId ingress;
    std::uint32_t ingress_generation = 0;
    std::uint32_t size = 0;
    std::uint32_t flow = 0;  // of counts_
    std::uint32_t service = 0;
    std::uint32_t handle = 0;
    base::TimePoint end{};  // of a held one
    layer::forwarding::Passage passage;
  };
  // Of all flows with one hash.
  struct Count {
    std::uint32_t crossing = 0;  // at the other side
    std::uint32_t away = 0;      // not given back to the pipeline yet
  };
  // A flow of which a service's verdict is known while some of its packets are still away.
  struct Draining {
    Key key;
    std::uint32_t flow = 0;
    std::uint32_t service = 0;
    entresol_verdict verdict{};
    std::vector<std::uint32_t> behind;  // slots
  };
  struct Ready {
    std::uint32_t slot = 0;
    layer::forwarding::Returned answer;
    bool copied = false;  // another one of this slot follows
    bool keep = false;
    bool turn = false;  // no packet: the backlog of the service `slot` has its turn
  };
  // Of a service that replicates: its answers in their order, of which some are many packets. They take turns with what the
  // others have answered.
  struct Pending {
    Ready ready;
    std::size_t next = 0, names = 0;  // of its copies; none: one packet
  };
  static constexpr std::size_t kFlows = 8192;
  static constexpr std::size_t kTurn = 8;  // packets

  Key key_of(std::uint32_t slot);
  Draining* draining(std::uint32_t flow, std::uint32_t service, const Key& key);
  void take(const Done& done, base::TimePoint now);
  void push(std::uint32_t slot, const entresol_packet& shown);
  void push_parked(RemoteService& service);
  std::vector<std::uint32_t> take_held(std::uint32_t number);
  void hold(std::uint32_t slot, const Done& done, RemoteService& service, base::TimePoint now);
  void end_holds(base::TimePoint now);
  void answer(std::uint32_t slot, const entresol_verdict& verdict);
  void answer_drop(std::uint32_t slot, base::DropReason reason);
  void replicate(std::uint32_t slot, RemoteService& service, base::TimePoint now);
  void put(const Ready& ready);
  void take_turn(std::uint32_t number, std::vector<layer::forwarding::Returned>& out,
                 std::size_t most);
  void back_from_crossing(std::uint32_t flow);
  void drop_given();
  void give(const Ready& ready, std::vector<layer::forwarding::Returned>& out);

  Crossing& crossing_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::unique_ptr<RemoteService>> services_;  // by number
  std::array<Count, kFlows> counts_{};
  std::vector<Draining> draining_;
  std::unordered_map<std::uint32_t, std::uint32_t> held_;  // slots by handle
  std::multimap<base::TimePoint, std::uint32_t> ends_;     // handles
  std::vector<Ready> ready_;
  std::size_t next_ready_ = 0;                                       // those before have been given
  std::unordered_map<std::uint32_t, std::deque<Pending>> backlogs_;  // by service; none is empty
  std::vector<std::uint32_t> given_;  // slots whose bytes the pipeline has
  std::deque<base::Bytes> copies_;
  std::uint32_t withdrawals_ = 0;
  std::uint64_t pushed_ = 0;
};

}  // namespace entresol::service
