// Runs services for packets that the decision cache does not know and that the layer's policy allows: shows each service
// the fields that its manifest lists, and nothing else, and carries out its verdicts. Trusted services run inline here, the
// others on a service thread behind a Remote.
//
// What is delivered to several names, or held, or goes to a service thread, is copied and comes back to the pipeline by
// returned(). Before the service that a packet names, those are asked that are bound to its flow (bindings.h); what each may
// do, rights.h says.
//
// One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "service/bindings.h"
#include "service/instance.h"
#include "service/remote.h"
#include "service/rights.h"
#include "service/rules.h"

namespace entresol::service {

class Dispatcher final : public layer::forwarding::Decider {
 public:
  static constexpr std::size_t kMaxReturning = 4096;  // packets; beyond, they are dropped

  // A second instance with a service's id takes the place of the first, and packets that the first holds are dropped; kept
  // decisions of all services become void.
  void add(std::unique_ptr<Instance> instance, Rights rights = rights_of_operator());
  // The same for one that runs at the other side of the remote, under this number there. `remote` outlives this.
  void add(Manifest manifest, Remote& remote, std::uint32_t number,
           Rights rights = rights_of_operator());
  // A host's: services that are not here are its node's, and their packets pass.
  void leave_unknown_to_node() { unknown_passes_ = true; }
  // False if there is none. What a remote one has held so far is dropped.
  bool remove(ServiceId id, base::TimePoint now);
  // While another instance of a remote service starts: its packets wait, and then go to that one, with its manifest and its
  // number there, or on to the old one. None is lost, and of the verdicts that were kept none holds after a change.
  void pause(ServiceId id);
  void replace(Manifest manifest, std::uint32_t number, base::TimePoint now);
  void go_on(ServiceId id);
  // Kept verdicts of all services are void: what one of them rests on has changed.
  void forget_verdicts() { ++generation_; }
  // Inline ones.
  Instance* find(ServiceId id);
  RemoteService* find_remote(ServiceId id);

  void decide(std::span<layer::forwarding::Miss> misses, base::TimePoint now) override;
  std::uint32_t generation() const override {
    return generation_ + withdrawals_ + rules_.generation() + bindings_.generation();
  }
  std::uint32_t generation_of(std::uint32_t service, std::uint16_t chain) const override;
  std::span<layer::forwarding::Returned> returned(base::TimePoint now,
                                                  std::int64_t unix_nanos) override;
  base::TimePoint next_timer() const override;
  bool returns_wait() const override;
  void refused(std::uint8_t layer, std::uint16_t rule) override { rules_.count(layer, rule); }
  std::string_view rule_name(std::uint8_t layer, std::uint16_t rule) const override {
    return rules_.name(layer, rule);
  }
  Rules& rules() { return rules_; }
  const Rules& rules() const { return rules_; }
  Bindings& bindings() { return bindings_; }
  const Bindings& bindings() const { return bindings_; }
  // Packets that a service was not entitled to send, by Violation. Zeros if it is not there.
  std::array<std::uint64_t, kViolationNames.size()> violations(ServiceId id) const;

  // In order of their ids.
  std::vector<const Instance*> instances() const;

 private:
  struct Held {
    base::Bytes packet;
    layer::forwarding::LinkId ingress;
    std::uint32_t ingress_generation = 0;
    base::TimePoint end{};
    layer::forwarding::Passage passage;
  };
  struct Entry {
    std::unique_ptr<Instance> instance;  // null: at the remote
    RemoteService* remote = nullptr;
    Rights rights;
    std::array<std::uint64_t, kViolationNames.size()> violations{};
    std::uint32_t withdrawals = 0;
    std::map<std::uint32_t, Held> held;  // by handle
    std::vector<std::size_t> misses;     // of the present batch
    std::vector<entresol_packet> packets;
    std::vector<entresol_verdict> verdicts;
    base::Bytes payload;
  };
  struct Returning {
    base::Bytes packet;
    layer::forwarding::Returned answer;
    bool goes_on = false;  // to the next service
  };

  void prepare(Entry& entry, Rights rights);
  // chain.cc
  std::uint32_t withdrawals_of(ServiceId id) const;
  ServiceId service_at(const layer::forwarding::Passage& passage,
                       const wire::HeaderView& view) const;
  void take_turn(std::span<layer::forwarding::Miss> misses, std::size_t i);
  void run(std::span<layer::forwarding::Miss> misses, base::TimePoint now);
  bool entitled(const layer::forwarding::Passage& passage, const wire::HeaderView& view,
                const wire::Name& to, bool copy);
  // Joins what the service whose turn it was has said with what those before it have. True: the next one is asked.
  template <typename Answer>
  bool settle(Answer& answer, const wire::HeaderView& view, bool copy);
  void settle_given();
  void go_on(base::TimePoint now);

  void collect_returning();
  void ask(Entry& entry, std::span<layer::forwarding::Miss> misses, base::TimePoint now);
  void ask_some(Entry& entry, std::span<const std::size_t> which,
                std::span<layer::forwarding::Miss> misses, base::TimePoint now);
  void act_on(Entry& entry, const entresol_verdict& verdict, std::uint32_t handle,
              layer::forwarding::Miss& miss, base::TimePoint now);
  void replicate(Entry& entry, const entresol_verdict& verdict, layer::forwarding::Miss& miss);
  void hold(Entry& entry, const entresol_verdict& verdict, std::uint32_t handle,
            layer::forwarding::Miss& miss, base::TimePoint now);
  void after_call(Entry& entry);
  void end_holds(Entry& entry, base::TimePoint now);
  void give_back(Held held, const entresol_verdict& verdict);
  std::uint32_t next_handle() {
    if (++last_handle_ == 0) ++last_handle_;
    return last_handle_;
  }
  bool come_back(base::Bytes packet, const layer::forwarding::Returned& answer,
                 bool goes_on = false);

  std::unordered_map<ServiceId, Entry> entries_;
  Remote* remote_ = nullptr;
  Rules rules_;
  Bindings bindings_;
  bool unknown_passes_ = false;
  std::uint32_t generation_ = 1;
  std::uint32_t withdrawals_ = 0;
  std::uint32_t last_handle_ = 0;
  std::int64_t unix_offset_ = 0;  // of the calendar, from the monotonic clock
  base::Bytes out_;
  std::deque<Returning> returning_;
  std::vector<base::Bytes> handed_;  // what `given_` points into
  std::vector<layer::forwarding::Returned> given_;
  // Of a round: positions of misses that go on to the next service, and those that have just done so.
  std::vector<std::size_t> next_, turns_;
  std::vector<bool> going_;  // of given_
  std::vector<layer::forwarding::Miss> again_;
  std::vector<std::size_t> again_of_;  // their positions in given_
};

}  // namespace entresol::service
