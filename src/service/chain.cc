// How a packet goes from service to service: those that are bound to its flow, then the one that it names. A drop ends it;
// what is kept rests on all of them.
#include <algorithm>

#include "service/dispatcher.h"
#include "service/parties.h"

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;
using layer::forwarding::Passage;
using layer::forwarding::Returned;

std::uint32_t shorter(std::uint32_t a, std::uint32_t b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

}  // namespace

std::uint32_t Dispatcher::withdrawals_of(ServiceId id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return 0;
  return found->second.remote != nullptr ? found->second.remote->withdrawals
                                         : found->second.withdrawals;
}

std::uint32_t Dispatcher::generation_of(std::uint32_t service, std::uint16_t chain) const {
  std::uint32_t sum = generation_ + rules_.generation() + bindings_.generation();
  // Each once: a number that only grows moves the sum.
  for (const ServiceId bound : bindings_.services(chain)) sum += withdrawals_of(bound);
  return sum + withdrawals_of(service);
}

ServiceId Dispatcher::service_at(const Passage& passage, const wire::HeaderView& view) const {
  const auto& bound = bindings_.services(passage.chain);
  return passage.stage < bound.size() ? bound[passage.stage] : view.service();
}

// The service whose turn it is gets the packet, or what becomes of it is plain.
void Dispatcher::take_turn(std::span<Miss> misses, std::size_t i) {
  Miss& miss = misses[i];
  miss.keep = false;
  miss.lifetime_ms = 0;
  const auto& bound = bindings_.services(miss.passage.chain);
  const bool is_bound = miss.passage.stage < bound.size();
  const ServiceId id = service_at(miss.passage, miss.view);
  const bool asked_before = !is_bound && std::ranges::find(bound, id) != bound.end();
  const auto found = entries_.find(id);
  if (!is_bound && (id == wire::service::kMember || asked_before)) {
    // Control and session set-up go to the member that they name; no service is asked.
    miss.to = miss.view.destination();
  } else if (found != entries_.end()) {
    found->second.misses.push_back(i);
    return;
  } else if (is_bound) {
    miss.drop = DropReason::service_unavailable;
  } else if (unknown_passes_) {
    miss.to = miss.view.destination();
  } else {
    miss.drop = DropReason::service_unknown;
  }
  miss.keep = true;
  settle(miss, miss.view, false);
}

void Dispatcher::run(std::span<Miss> misses, base::TimePoint now) {
  for (;;) {
    for (auto& [id, entry] : entries_)
      if (!entry.misses.empty()) ask(entry, misses, now);
    if (next_.empty()) break;
    turns_.swap(next_);
    next_.clear();
    for (const std::size_t i : turns_) take_turn(misses, i);
  }
  if (remote_ != nullptr) remote_->flush();
}

// ---- what one has said, with what those before it have -----------------------------------------------------------------

bool Dispatcher::entitled(const Passage& passage, const wire::HeaderView& view,
                          const wire::Name& to, bool copy) {
  const auto found = entries_.find(service_at(passage, view));
  if (found == entries_.end()) return true;  // it has left; its last words are its host's
  Entry& entry = found->second;
  const layer::membership::Membership* const members = bindings_.members(passage.layer);
  const Violation broken = may_send(
      entry.rights, view.source(), view.destination(), to, copy, [&](const wire::Name& name) {
        return members == nullptr ? layer::policy::Party{name, {}, {}} : party_of(*members, name);
      });
  if (broken == Violation::kNone) return true;
  ++entry.violations[static_cast<std::size_t>(broken)];
  return false;
}

template <typename Answer>
bool Dispatcher::settle(Answer& answer, const wire::HeaderView& view, bool copy) {
  Passage& passage = answer.passage;
  const wire::Name destination = view.destination();
  const bool elsewhere = answer.drop == DropReason::none && answer.to != destination;
  if (elsewhere && !entitled(passage, view, answer.to, copy))
    answer.drop = DropReason::service_not_entitled;
  passage.keep = passage.keep && answer.keep;
  passage.lifetime_ms = shorter(passage.lifetime_ms, answer.lifetime_ms);
  if (elsewhere) {
    passage.moved = true;
    passage.to = answer.to;
  }
  // Who delivers to the packet's destination leaves it where those before have sent it.
  if (passage.moved) answer.to = passage.to;
  answer.keep = passage.keep;
  answer.lifetime_ms = passage.lifetime_ms;
  if (answer.drop != DropReason::none) return false;
  if (passage.stage >= bindings_.services(passage.chain).size()) return false;
  ++passage.stage;
  return true;
}
template bool Dispatcher::settle(Miss&, const wire::HeaderView&, bool);
template bool Dispatcher::settle(Returned&, const wire::HeaderView&, bool);

// ---- what has come back, and has services before it -------------------------------------------------------------------

void Dispatcher::settle_given() {
  going_.assign(given_.size(), false);
  for (std::size_t i = 0; i < given_.size(); ++i) {
    // As a rule nothing is to be settled.
    const Returned& each = given_[i];
    if (each.passage.chain == 0 &&
        (each.drop != DropReason::none ||
         each.to == wire::load_name(each.packet.data() + wire::offset::kDestination)))
      continue;
    wire::HeaderView view;
    if (wire::HeaderView::parse(given_[i].packet, view) != DropReason::none) continue;
    going_[i] = settle(given_[i], view, given_[i].copy);
  }
}

void Dispatcher::go_on(base::TimePoint now) {
  if (std::ranges::find(going_, true) != going_.end()) {
    again_.clear();
    again_of_.clear();
    for (std::size_t i = 0; i < given_.size(); ++i) {
      if (!going_[i]) continue;
      const Returned& from = given_[i];
      Miss miss;
      if (wire::HeaderView::parse(from.packet, miss.view) != DropReason::none) continue;
      miss.layer = from.passage.layer;
      miss.ingress = from.ingress;
      miss.ingress_generation = from.ingress_generation;
      miss.passage = from.passage;
      again_.push_back(miss);
      again_of_.push_back(i);
    }
    for (std::size_t k = 0; k < again_.size(); ++k) take_turn(again_, k);
    run(again_, now);
    for (std::size_t k = 0; k < again_.size(); ++k) {
      const Miss& miss = again_[k];
      Returned& to = given_[again_of_[k]];
      to.drop = miss.drop;
      to.keep = miss.keep;
      to.lifetime_ms = miss.lifetime_ms;
      to.to = miss.to;
      to.passage = miss.passage;
      if (miss.taken) to.packet = {};  // it comes back
    }
    std::erase_if(given_, [](const Returned& each) { return each.packet.empty(); });
  }
  // What one of them has said may have been withdrawn while the packet was at the next.
  const std::uint32_t now_at = generation();
  for (Returned& each : given_)
    each.keep = each.keep && each.last && each.passage.asked_at == now_at;
}

}  // namespace entresol::service
