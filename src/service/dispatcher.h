// Runs services for packets that the decision cache does not know and that the layer's policy allows: shows each service
// the fields that its manifest lists, and nothing else, and carries out its verdicts. Trusted services run inline here, the
// others on a service thread behind a Remote.
//
// What is delivered to several names, or held, or goes to a service thread, is copied and comes back to the pipeline by
// returned().
//
// One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "service/instance.h"
#include "service/remote.h"
#include "service/rules.h"

namespace entresol::service {

class Dispatcher final : public layer::forwarding::Decider {
 public:
  static constexpr std::size_t kMaxReturning = 4096;  // packets; beyond, they are dropped

  // A second instance with a service's id takes the place of the first, and packets that the first holds are dropped; kept
  // decisions of all services become void.
  void add(std::unique_ptr<Instance> instance);
  // The same for one that runs at the other side of the remote, under this number there. `remote` outlives this.
  void add(Manifest manifest, Remote& remote, std::uint32_t number);
  // A host's: services that are not here are its node's, and their packets pass.
  void leave_unknown_to_node() { unknown_passes_ = true; }
  // False if there is none. What a remote one has held so far is dropped.
  bool remove(ServiceId id, base::TimePoint now);
  // Inline ones.
  Instance* find(ServiceId id);
  RemoteService* find_remote(ServiceId id);

  void decide(std::span<layer::forwarding::Miss> misses, base::TimePoint now) override;
  std::uint32_t generation() const override {
    return generation_ + withdrawals_ + rules_.generation();
  }
  std::uint32_t generation_of(std::uint32_t service) const override {
    const auto found = entries_.find(service);
    return generation_ + rules_.generation() +
           (found == entries_.end()           ? 0
            : found->second.remote != nullptr ? found->second.remote->withdrawals
                                              : found->second.withdrawals);
  }
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

  // In order of their ids.
  std::vector<const Instance*> instances() const;

 private:
  struct Held {
    base::Bytes packet;
    layer::forwarding::LinkId ingress;
    std::uint32_t ingress_generation = 0;
    base::TimePoint end{};
  };
  struct Entry {
    std::unique_ptr<Instance> instance;  // null: at the remote
    RemoteService* remote = nullptr;
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
  };

  void prepare(Entry& entry);
  void ask(Entry& entry, std::span<layer::forwarding::Miss> misses, base::TimePoint now);
  void ask_some(Entry& entry, std::span<const std::size_t> which,
                std::span<layer::forwarding::Miss> misses, base::TimePoint now);
  void act_on(Entry& entry, const entresol_verdict& verdict, std::uint32_t handle,
              layer::forwarding::Miss& miss, base::TimePoint now);
  void replicate(const entresol_verdict& verdict, layer::forwarding::Miss& miss);
  void hold(Entry& entry, const entresol_verdict& verdict, std::uint32_t handle,
            layer::forwarding::Miss& miss, base::TimePoint now);
  void after_call(Entry& entry);
  void end_holds(Entry& entry, base::TimePoint now);
  void give_back(Held held, const entresol_verdict& verdict);
  std::uint32_t next_handle() {
    if (++last_handle_ == 0) ++last_handle_;
    return last_handle_;
  }
  bool come_back(base::Bytes packet, const layer::forwarding::Returned& answer);

  std::unordered_map<ServiceId, Entry> entries_;
  Remote* remote_ = nullptr;
  Rules rules_;
  bool unknown_passes_ = false;
  std::uint32_t generation_ = 1;
  std::uint32_t withdrawals_ = 0;
  std::uint32_t last_handle_ = 0;
  std::int64_t unix_offset_ = 0;  // of the calendar, from the monotonic clock
  base::Bytes out_;
  std::deque<Returning> returning_;
  std::vector<base::Bytes> handed_;  // what `given_` points into
  std::vector<layer::forwarding::Returned> given_;
};

}  // namespace entresol::service
