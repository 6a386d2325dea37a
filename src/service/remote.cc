// Top to bottom: packets out, what comes back, the order of flows, packets that are held.
#include "service/remote.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "service/verdict.h"

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;
using layer::forwarding::Returned;

std::uint32_t hash_of(const layer::forwarding::DecisionKey& key) {
  std::uint64_t hash = 0;
  for (const std::uint64_t word : key.words) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return static_cast<std::uint32_t>(hash);
}

}  // namespace

Remote::Remote(Crossing& crossing, std::size_t slots) : crossing_(crossing), slots_(slots) {
  free_.reserve(slots);
  for (std::size_t i = slots; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
}

RemoteService& Remote::add(Manifest manifest, std::uint32_t number) {
  if (services_.size() <= number) services_.resize(number + 1);
  auto& service = services_[number];
  service = std::make_unique<RemoteService>();
  service->number = number;
  service->manifest = std::move(manifest);
  service->packet_rate = Rate(service->manifest.limits.packets);
  service->octet_rate = Rate(static_cast<double>(service->manifest.limits.octets));
  return *service;
}

void Remote::remove(std::uint32_t number, base::TimePoint now) {
  for (auto& [handle, slot] : held_)
    if (slots_[slot].service == number) {
      const auto same = ends_.equal_range(slots_[slot].end);
      for (auto each = same.first; each != same.second; ++each)
        if (each->second == handle) {
          ends_.erase(each);
          break;
        }
      slots_[slot].end = now;
      ends_.emplace(now, handle);
    }
  end_holds(now);
  if (number < services_.size()) services_[number].reset();
}

// ---- one instance after another ----------------------------------------------------------------------------------

void Remote::pause(RemoteService& service) {
  service.paused = true;
}

void Remote::go_on(RemoteService& service) {
  service.paused = false;
  push_parked(service);
}

void Remote::push_parked(RemoteService& service) {
  for (const std::uint32_t slot : std::exchange(service.parked, {})) {
    wire::HeaderView view;
    // It parsed when it was put there.
    (void)wire::HeaderView::parse({crossing_.buffer(slot), slots_[slot].size}, view);
    entresol_packet shown = show(view, service.manifest);
    shown.handle = slots_[slot].handle;
    push(slot, shown);
  }
  flush();
}

// In the order in which they came: handles are given in it.
std::vector<std::uint32_t> Remote::take_held(std::uint32_t number) {
  std::vector<std::uint32_t> out;
  std::erase_if(held_, [&](const auto& each) {
    if (slots_[each.second].service != number) return false;
    out.push_back(each.second);
    return true;
  });
  std::erase_if(ends_, [&](const auto& each) { return !held_.contains(each.second); });
  std::sort(out.begin(), out.end(),
            [&](std::uint32_t a, std::uint32_t b) { return slots_[a].handle < slots_[b].handle; });
  return out;
}

RemoteService& Remote::replace(std::uint32_t old, Manifest manifest, std::uint32_t number) {
  std::vector<std::uint32_t> parked = take_held(old);
  for (const std::uint32_t slot : parked) ++counts_[slots_[slot].flow].crossing;
  RemoteService& before = *find(old);
  parked.insert(parked.end(), before.parked.begin(), before.parked.end());
  // What the old one has said of a flow binds no packet of it that it was not asked about.
  std::erase_if(draining_, [&](const Draining& each) {
    if (each.service != old) return false;
    parked.insert(parked.end(), each.behind.begin(), each.behind.end());
    counts_[each.flow].crossing += static_cast<std::uint32_t>(each.behind.size());
    return true;
  });
  const std::unique_ptr<RemoteService> gone = std::move(services_[old]);
  RemoteService& service = add(std::move(manifest), number);
  // What is counted is the service's, not the instance's.
  service.waiting = gone->waiting;
  service.of_link = std::move(gone->of_link);
  service.packets = gone->packets;
  service.fallbacks = gone->fallbacks;
  service.queue_full = gone->queue_full;
  service.over_rate = gone->over_rate;
  service.amplified = gone->amplified;
  service.copies = gone->copies;
  service.parked = std::move(parked);
  for (Slot& slot : slots_)
    if (slot.service == old) slot.service = number;
  // Copies that it has not had its turn for.
  if (auto backlog = backlogs_.extract(old); !backlog.empty()) {
    backlog.key() = number;
    backlogs_.insert(std::move(backlog));
    for (Ready& each : ready_)
      if (each.turn && each.slot == old) each.slot = number;
  }
  push_parked(service);
  return service;
}

// ---- packets out -------------------------------------------------------------------------------------------------

bool RemoteService::take(base::TimePoint now, std::size_t count, std::size_t octets) {
  if (!packet_rate.take(now, static_cast<double>(count))) return false;
  if (octet_rate.take(now, static_cast<double>(octets))) return true;
  packet_rate.charge(now, -static_cast<double>(count));
  return false;
}

void Remote::submit(RemoteService& service, Miss& miss, const entresol_packet& shown,
                    base::TimePoint now) {
  const base::ByteView packet = miss.view.packet();
  const std::size_t link = miss.ingress.value();
  if (service.of_link.size() <= link) service.of_link.resize(link + 1);
  const bool full = service.waiting >= free_.size() ||
                    (!service.paused &&
                     service.waiting + service.of_link[link] >= service.manifest.limits.waiting);
  if (full || packet.size() > crossing_.slot_size()) {
    ++service.queue_full;
    miss.drop = DropReason::service_queue_full;
    return;
  }
  if (!service.take(now, 1, packet.size())) {
    ++service.over_rate;
    miss.drop = DropReason::service_over_rate;
    return;
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  std::memcpy(crossing_.buffer(slot), packet.data(), packet.size());
  const Key key = Key::of(packet.data(), miss.ingress);
  const std::uint32_t flow = hash_of(key) % kFlows;
  slots_[slot] = {miss.ingress,
                  miss.ingress_generation,
                  static_cast<std::uint32_t>(packet.size()),
                  flow,
                  service.number,
                  shown.handle,
                  base::TimePoint{},
                  miss.passage};
  miss.taken = true;
  ++service.waiting;
  ++service.of_link[link];
  ++service.packets;
  Count& count = counts_[flow];
  ++count.away;
  if (count.away > 1)
    if (Draining* known = draining(flow, service.number, key)) {
      if (count.crossing > 0) {
        known->behind.push_back(slot);
      } else {
        answer(slot, known->verdict);
      }
      return;
    }
  ++count.crossing;
  if (service.paused) {
    service.parked.push_back(slot);
  } else {
    push(slot, shown);
  }
}

// There are as many places as slots.
void Remote::push(std::uint32_t slot, const entresol_packet& shown) {
  *crossing_.jobs.room() = {slot, slots_[slot].service, shown};
  crossing_.jobs.push();
  ++pushed_;
}

void Remote::flush() {
  if (crossing_.jobs.publish() && Crossing::to_wake(crossing_.thread_sleeps))
    crossing_.wake_thread();
}

// ---- what comes back ---------------------------------------------------------------------------------------------

void Remote::take_all(base::TimePoint now) {
  end_holds(now);
  const std::size_t n = crossing_.done.available();
  for (std::size_t i = 0; i < n; ++i) take(crossing_.done[i], now);
  if (n > 0) crossing_.done.pop(n);
}

std::uint32_t Remote::collect(std::vector<Returned>& out, std::size_t most, base::TimePoint now) {
  take_all(now);
  for (; next_ready_ < ready_.size() && out.size() < most; ++next_ready_) {
    const Ready next = ready_[next_ready_];
    if (next.turn) [[unlikely]] {
      take_turn(next.slot, out, most);
    } else {
      give(next, out);
    }
  }
  drop_given();
  return std::exchange(withdrawals_, 0);
}

void Remote::take(const Done& done, base::TimePoint now) {
  RemoteService* const service = find(done.instance);
  switch (done.kind) {
    case DoneKind::kWithdrawal:
      if (service == nullptr) return;
      ++service->withdrawals;
      ++withdrawals_;
      return;
    case DoneKind::kRelease: {
      const auto found = held_.find(done.handle);
      if (found == held_.end() || slots_[found->second].service != done.instance) return;
      const std::uint32_t slot = found->second;
      const auto same = ends_.equal_range(slots_[slot].end);
      ends_.erase(std::find_if(same.first, same.second,
                               [&](const auto& each) { return each.second == done.handle; }));
      held_.erase(found);
      if (service != nullptr) --service->held;
      answer(slot, done.verdict);
      return;
    }
    case DoneKind::kFallback:
    case DoneKind::kVerdict:
      break;
  }
  const std::uint32_t flow = slots_[done.slot].flow;
  if (done.kind == DoneKind::kFallback || service == nullptr) {
    if (service != nullptr) ++service->fallbacks;
    if (service != nullptr && service->manifest.fallback == Fallback::kDeliver) {
      entresol_verdict deliver{};
      deliver.action = ENTRESOL_DELIVER;
      deliver.to =
          to_author(wire::load_name(crossing_.buffer(done.slot) + wire::offset::kDestination));
      answer(done.slot, deliver);
    } else {
      answer_drop(done.slot, DropReason::service_unavailable);
    }
  } else if (done.verdict.action == ENTRESOL_HOLD) {
    hold(done.slot, done, *service, now);
  } else if (done.verdict.action == ENTRESOL_REPLICATE) {
    replicate(done.slot, *service, now);
  } else {
    answer(done.slot, done.verdict);
  }
  back_from_crossing(flow);
}

void Remote::answer(std::uint32_t slot, const entresol_verdict& verdict) {
  Ready ready{slot, {}, false, verdict.keep != 0};
  carry_out(verdict, ready.answer);
  if (ready.keep && counts_[slots_[slot].flow].away > 1) {
    const Key key = key_of(slot);
    if (Draining* known = draining(slots_[slot].flow, slots_[slot].service, key)) {
      known->verdict = verdict;
    } else {
      draining_.push_back({key, slots_[slot].flow, slots_[slot].service, verdict, {}});
    }
  }
  put(ready);
}

void Remote::answer_drop(std::uint32_t slot, DropReason reason) {
  Ready ready{slot, {}, false, false};
  ready.answer.drop = reason;
  put(ready);
}

void Remote::put(const Ready& ready) {
  if (!backlogs_.empty()) [[unlikely]]
    if (const auto found = backlogs_.find(slots_[ready.slot].service); found != backlogs_.end()) {
      found->second.push_back({ready, 0, 0});
      return;
    }
  ready_.push_back(ready);
}

// Each copy beyond the first is a packet of the service's rate: all of them, or none.
void Remote::replicate(std::uint32_t slot, RemoteService& service, base::TimePoint now) {
  const std::size_t names = crossing_.names(slot).size();
  if (names == 0) return answer(slot, {});
  if (names > service.copies) {
    ++service.amplified;
    return answer_drop(slot, DropReason::service_not_entitled);
  }
  if (!service.take(now, names - 1, (names - 1) * slots_[slot].size)) {
    ++service.over_rate;
    return answer_drop(slot, DropReason::service_over_rate);
  }
  auto& backlog = backlogs_[service.number];
  if (backlog.empty()) ready_.push_back({service.number, {}, false, false, true});
  backlog.push_back({{slot, {}, false, false}, 0, names});
}

void Remote::take_turn(std::uint32_t number, std::vector<Returned>& out, std::size_t most) {
  std::deque<Pending>& backlog = backlogs_.at(number);
  for (std::size_t i = 0; i < kTurn && out.size() < most && !backlog.empty(); ++i) {
    Pending& first = backlog.front();
    Ready one = first.ready;
    if (first.names > 0) {
      one.answer.to = from_author(crossing_.names(one.slot)[first.next++]);
      one.answer.copy = true;
      one.copied = first.next < first.names;
    }
    if (!one.copied) backlog.pop_front();
    give(one, out);
  }
  if (backlog.empty()) {
    backlogs_.erase(number);
  } else {
    ready_.push_back({number, {}, false, false, true});
  }
}

// ---- the order of flows ------------------------------------------------------------------------------------------

Remote::Key Remote::key_of(std::uint32_t slot) {
  return Key::of(crossing_.buffer(slot), slots_[slot].ingress);
}

Remote::Draining* Remote::draining(std::uint32_t flow, std::uint32_t service, const Key& key) {
  for (Draining& each : draining_)
    if (each.flow == flow && each.service == service && each.key == key) return &each;
  return nullptr;
}

// What has queued behind the flow's last packet at the other side follows it.
void Remote::back_from_crossing(std::uint32_t flow) {
  if (--counts_[flow].crossing > 0) return;
  for (std::size_t i = 0; i < draining_.size(); ++i) {
    if (draining_[i].flow != flow) continue;
    const auto behind = std::exchange(draining_[i].behind, {});
    const entresol_verdict verdict = draining_[i].verdict;
    for (const std::uint32_t slot : behind) answer(slot, verdict);
  }
}

void Remote::give(const Ready& ready, std::vector<Returned>& out) {
  const Slot& slot = slots_[ready.slot];
  Returned& answer = out.emplace_back(ready.answer);
  answer.passage = slot.passage;
  answer.ingress = slot.ingress;
  answer.ingress_generation = slot.ingress_generation;
  answer.packet = {crossing_.buffer(ready.slot), slot.size};
  if (ready.copied) {
    // The pipeline changes what it gets.
    answer.packet = copies_.emplace_back(answer.packet.begin(), answer.packet.end());
    return;
  }
  given_.push_back(ready.slot);
  if (RemoteService* service = find(slot.service)) {
    --service->waiting;
    --service->of_link[slot.ingress.value()];
  }
  const bool last = --counts_[slot.flow].away == 0;
  answer.keep = ready.keep;
  answer.last = last;
  if (last) std::erase_if(draining_, [&](const Draining& each) { return each.flow == slot.flow; });
}

// Room is kept: nothing allocates while as many packets wait as before.
void Remote::drop_given() {
  if (next_ready_ == ready_.size()) {
    ready_.clear();
  } else if (next_ready_ >= slots_.size()) {
    ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(next_ready_));
  } else {
    return;
  }
  next_ready_ = 0;
}

void Remote::release_given() {
  free_.insert(free_.end(), given_.begin(), given_.end());
  given_.clear();
  copies_.clear();
}

// ---- packets that are held ---------------------------------------------------------------------------------------

void Remote::hold(std::uint32_t slot, const Done& done, RemoteService& service,
                  base::TimePoint now) {
  if (service.held >= service.manifest.limits.held)
    return answer_drop(slot, DropReason::service_queue_full);
  ++service.held;
  slots_[slot].handle = done.handle;
  slots_[slot].end = hold_ends(done.verdict, now);
  held_[done.handle] = slot;
  ends_.emplace(slots_[slot].end, done.handle);
}

void Remote::end_holds(base::TimePoint now) {
  while (!ends_.empty() && ends_.begin()->first <= now) {
    const auto found = held_.find(ends_.begin()->second);
    ends_.erase(ends_.begin());
    if (found == held_.end()) continue;
    if (RemoteService* service = find(slots_[found->second].service)) --service->held;
    answer_drop(found->second, DropReason::service_hold_ended);
    held_.erase(found);
  }
}

}  // namespace entresol::service
