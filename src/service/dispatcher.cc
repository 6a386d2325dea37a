// Top to bottom: packets in, what a service is shown, its verdicts, what comes back.
#include "service/dispatcher.h"

#include <algorithm>
#include <cstring>

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;
using layer::forwarding::Returned;

constexpr base::Duration kUsualHold = std::chrono::seconds(1);

entresol_name name_of(const wire::Name& name) {
  entresol_name out;
  std::copy(name.octets.begin(), name.octets.end(), out.octets);
  return out;
}
wire::Name name_of(const entresol_name& name) {
  wire::Name out;
  std::copy(std::begin(name.octets), std::end(name.octets), out.octets.begin());
  return out;
}

entresol_packet show(const wire::HeaderView& view, const Manifest& manifest) {
  entresol_packet packet{};
  if (manifest.asks_for(Field::kSource)) packet.source = name_of(view.source());
  if (manifest.asks_for(Field::kDestination)) packet.destination = name_of(view.destination());
  if (manifest.asks_for(Field::kFlow)) packet.flow = view.flow_id();
  if (manifest.asks_for(Field::kInnerProtocol)) packet.inner_protocol = view.inner_protocol();
  if (manifest.asks_for(Field::kInnerFlags)) packet.inner_flags = view.inner_flags();
  if (manifest.asks_for(Field::kPort)) packet.port = view.responder_port();
  if (manifest.asks_for(Field::kNextProtocol)) packet.next_protocol = view.next_protocol();
  if (manifest.asks_for(Field::kTrafficClass)) packet.traffic_class = view.traffic_class();
  if (manifest.asks_for(Field::kLength))
    packet.length = static_cast<std::uint16_t>(view.payload_size());
  return packet;
}

// What a verdict says, for a packet in the pipeline and for one that comes back.
template <typename Answer>
void take(const entresol_verdict& verdict, Answer& answer) {
  answer.keep = verdict.keep != 0;
  answer.lifetime_ms = verdict.lifetime_ms;
  switch (verdict.action) {
    case ENTRESOL_DELIVER:
      answer.to = name_of(verdict.to);
      return;
    case ENTRESOL_REFUSE:
      answer.drop = DropReason::refused_by_rule;
      return;
    default:
      answer.drop = DropReason::refused_by_service;
      return;
  }
}

}  // namespace

// ---- services come and go ----------------------------------------------------------------------------------------

void Dispatcher::add(std::unique_ptr<Instance> instance) {
  const ServiceId id = instance->manifest().id;
  remove(id);
  Entry& entry = entries_[id];
  entry.instance = std::move(instance);
  // So that no batch allocates.
  entry.misses.reserve(layer::forwarding::kBatch);
  entry.packets.reserve(ENTRESOL_BATCH);
  entry.verdicts.reserve(ENTRESOL_BATCH);
  out_.resize(ENTRESOL_OUT_SIZE);
  ++generation_;
}

bool Dispatcher::remove(ServiceId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  // What it has withdrawn stays withdrawn under the next one with this id.
  generation_ += found->second.withdrawals + 1;
  withdrawals_ -= found->second.withdrawals;
  end_holds(found->second, base::kNever);
  entries_.erase(found);
  return true;
}

Instance* Dispatcher::find(ServiceId id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.instance.get();
}

std::vector<const Instance*> Dispatcher::instances() const {
  std::map<ServiceId, const Instance*> sorted;
  for (const auto& [id, entry] : entries_) sorted.emplace(id, entry.instance.get());
  std::vector<const Instance*> out;
  for (const auto& [id, instance] : sorted) out.push_back(instance);
  return out;
}

// ---- packets in --------------------------------------------------------------------------------------------------

void Dispatcher::decide(std::span<Miss> misses, base::TimePoint now) {
  for (std::size_t i = 0; i < misses.size(); ++i) {
    Miss& miss = misses[i];
    if (!rules_.allow(miss)) continue;
    if (miss.view.service() == wire::service::kMember) {
      // Control and session set-up go to the member that they name; no service is asked.
      miss.to = miss.view.destination();
      miss.keep = true;
      continue;
    }
    auto found = entries_.find(miss.view.service());
    if (found == entries_.end()) {
      miss.drop = DropReason::service_unknown;
      miss.keep = true;
      continue;
    }
    found->second.misses.push_back(i);
  }
  for (auto& [id, entry] : entries_)
    if (!entry.misses.empty()) ask(entry, misses, now);
}

void Dispatcher::ask(Entry& entry, std::span<Miss> misses, base::TimePoint now) {
  for (std::size_t at = 0; at < entry.misses.size(); at += ENTRESOL_BATCH) {
    const std::size_t n = std::min<std::size_t>(ENTRESOL_BATCH, entry.misses.size() - at);
    ask_some(entry, std::span(entry.misses).subspan(at, n), misses, now);
  }
  entry.misses.clear();
}

void Dispatcher::ask_some(Entry& entry, std::span<const std::size_t> which, std::span<Miss> misses,
                          base::TimePoint now) {
  const Manifest& manifest = entry.instance->manifest();
  entry.packets.clear();
  for (const std::size_t i : which) {
    entry.packets.push_back(show(misses[i].view, manifest));
    if (++last_handle_ == 0) ++last_handle_;
    entry.packets.back().handle = last_handle_;
  }
  entry.verdicts.assign(which.size(), entresol_verdict{});
  const entresol_batch batch{.count = static_cast<std::uint32_t>(which.size()),
                             .payload_size = 0,
                             .packets = entry.packets.data(),
                             .verdicts = entry.verdicts.data(),
                             .payload = nullptr,
                             .out = out_.data()};
  if (!entry.instance->packets(batch, now, now.time_since_epoch().count() + unix_offset_)) {
    for (const std::size_t i : which) {
      misses[i].to = misses[i].view.destination();
      if (manifest.fallback == Fallback::kDrop) misses[i].drop = DropReason::service_unavailable;
    }
    return after_call(entry);
  }
  for (std::size_t k = 0; k < which.size(); ++k)
    carry_out(entry, entry.verdicts[k], entry.packets[k].handle, misses[which[k]], now);
  after_call(entry);
}

// ---- verdicts ----------------------------------------------------------------------------------------------------

void Dispatcher::carry_out(Entry& entry, const entresol_verdict& verdict, std::uint32_t handle,
                           Miss& miss, base::TimePoint now) {
  switch (verdict.action) {
    case ENTRESOL_REPLICATE:
      return replicate(verdict, miss);
    case ENTRESOL_HOLD:
      return hold(entry, verdict, handle, miss, now);
    default:
      return take(verdict, miss);
  }
}

// Each name gets a copy.
void Dispatcher::replicate(const entresol_verdict& verdict, Miss& miss) {
  const base::ByteView packet = miss.view.packet();
  Returned answer;
  answer.ingress = miss.ingress;
  answer.ingress_generation = miss.ingress_generation;
  for (std::uint32_t i = 0; i < verdict.count; ++i) {
    entresol_name to;
    std::memcpy(&to, out_.data() + verdict.data + i * sizeof to, sizeof to);
    answer.to = name_of(to);
    if (!come_back(base::Bytes(packet.begin(), packet.end()), answer)) {
      miss.drop = DropReason::service_queue_full;
      return;
    }
  }
  miss.taken = true;
}

void Dispatcher::hold(Entry& entry, const entresol_verdict& verdict, std::uint32_t handle,
                      Miss& miss, base::TimePoint now) {
  if (entry.held.size() >= entry.instance->manifest().limits.held) {
    miss.drop = DropReason::service_queue_full;
    return;
  }
  const base::ByteView packet = miss.view.packet();
  const base::Duration asked = std::chrono::milliseconds(verdict.lifetime_ms);
  entry.held[handle] = {
      base::Bytes(packet.begin(), packet.end()), miss.ingress, miss.ingress_generation,
      now + (verdict.lifetime_ms == 0 ? kUsualHold : std::min(asked, kLongestHold))};
  entry.instance->environment().held(handle);
  miss.taken = true;
}

// What the instance has asked for meanwhile.
void Dispatcher::after_call(Entry& entry) {
  Environment& environment = entry.instance->environment();
  for (Environment::Release& release : environment.take_releases()) {
    const auto found = entry.held.find(release.handle);
    if (found == entry.held.end()) continue;
    entry.instance->check(release.verdict);
    give_back(std::move(found->second), release.verdict);
    entry.held.erase(found);
  }
  if (environment.take_withdrawal()) {
    ++entry.withdrawals;
    ++withdrawals_;
  }
}

// ---- what comes back ---------------------------------------------------------------------------------------------

void Dispatcher::end_holds(Entry& entry, base::TimePoint now) {
  for (auto each = entry.held.begin(); each != entry.held.end();) {
    if (each->second.end > now) {
      ++each;
      continue;
    }
    entry.instance->environment().held_no_more(each->first);
    Returned answer;
    answer.ingress = each->second.ingress;
    answer.ingress_generation = each->second.ingress_generation;
    answer.drop = DropReason::service_hold_ended;
    come_back(std::move(each->second.packet), answer);
    each = entry.held.erase(each);
  }
}

void Dispatcher::give_back(Held held, const entresol_verdict& verdict) {
  Returned answer;
  answer.ingress = held.ingress;
  answer.ingress_generation = held.ingress_generation;
  take(verdict, answer);
  come_back(std::move(held.packet), answer);
}

bool Dispatcher::come_back(base::Bytes packet, const Returned& answer) {
  if (returning_.size() >= kMaxReturning) return false;
  returning_.push_back({std::move(packet), answer});
  return true;
}

std::span<Returned> Dispatcher::returned(base::TimePoint now, std::int64_t unix_nanos) {
  unix_offset_ = unix_nanos - now.time_since_epoch().count();
  for (auto& [id, entry] : entries_) {
    if (entry.instance->next_timer() <= now) {
      entry.instance->run_due(now, unix_nanos);
      after_call(entry);
    }
    end_holds(entry, now);
  }
  handed_.clear();
  given_.clear();
  for (std::size_t octets = 0; !returning_.empty() && given_.size() < layer::forwarding::kBatch;) {
    octets += returning_.front().packet.size();
    if (!given_.empty() && octets > layer::forwarding::Pipeline::kBatchBytes) break;
    handed_.push_back(std::move(returning_.front().packet));
    given_.push_back(returning_.front().answer);
    returning_.pop_front();
  }
  for (std::size_t i = 0; i < given_.size(); ++i) given_[i].packet = handed_[i];
  return given_;
}

base::TimePoint Dispatcher::next_timer() const {
  base::TimePoint next = base::kNever;
  for (const auto& [id, entry] : entries_) {
    next = std::min(next, entry.instance->next_timer());
    for (const auto& [handle, held] : entry.held) next = std::min(next, held.end);
  }
  return next;
}

}  // namespace entresol::service
