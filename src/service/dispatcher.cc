// Top to bottom: packets in, what a service is shown, its verdicts, what comes back.
#include "service/dispatcher.h"

#include <algorithm>
#include <cstring>

#include "service/verdict.h"

namespace entresol::service {
namespace {

// So that they fit a batch of the pipeline whatever their sizes.
constexpr std::size_t kRemoteGroup = 128;

using base::DropReason;
using layer::forwarding::Miss;
using layer::forwarding::Returned;

}  // namespace

// ---- services come and go ----------------------------------------------------------------------------------------

void Dispatcher::add(std::unique_ptr<Instance> instance, Rights rights) {
  const ServiceId id = instance->manifest().id;
  remove(id, {});
  Entry& entry = entries_[id];
  entry.instance = std::move(instance);
  prepare(entry, std::move(rights));
}

void Dispatcher::add(Manifest manifest, Remote& remote, std::uint32_t number, Rights rights) {
  const ServiceId id = manifest.id;
  remove(id, {});
  remote_ = &remote;
  Entry& entry = entries_[id];
  entry.remote = &remote.add(std::move(manifest), number);
  if (rights.tenant != Tenant::kOperator) entry.remote->copies = rights.copies;
  prepare(entry, std::move(rights));
}

void Dispatcher::prepare(Entry& entry, Rights rights) {
  entry.rights = std::move(rights);
  // So that no batch allocates.
  entry.misses.reserve(layer::forwarding::kBatch);
  entry.packets.reserve(ENTRESOL_BATCH);
  entry.verdicts.reserve(ENTRESOL_BATCH);
  out_.resize(ENTRESOL_OUT_SIZE);
  ++generation_;
}

bool Dispatcher::remove(ServiceId id, base::TimePoint now) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  // What it has withdrawn stays withdrawn under the next one with this id.
  const std::uint32_t withdrawn =
      entry.remote != nullptr ? entry.remote->withdrawals : entry.withdrawals;
  generation_ += withdrawn + 1;
  withdrawals_ -= withdrawn;
  if (entry.remote != nullptr) remote_->remove(entry.remote->number, now);
  if (entry.instance != nullptr) end_holds(entry, base::kNever);
  entries_.erase(found);
  return true;
}

void Dispatcher::pause(ServiceId id) {
  if (RemoteService* service = find_remote(id)) remote_->pause(*service);
}

void Dispatcher::go_on(ServiceId id) {
  if (RemoteService* service = find_remote(id)) remote_->go_on(*service);
}

void Dispatcher::replace(Manifest manifest, std::uint32_t number, base::TimePoint now) {
  Entry& entry = entries_.at(manifest.id);
  remote_->take_all(now);
  const std::uint32_t withdrawn = entry.remote->withdrawals;
  generation_ += withdrawn + 1;
  withdrawals_ -= withdrawn;
  // Its rights are the service's, and stay.
  entry.remote = &remote_->replace(entry.remote->number, std::move(manifest), number);
}

RemoteService* Dispatcher::find_remote(ServiceId id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.remote;
}

std::array<std::uint64_t, kViolationNames.size()> Dispatcher::violations(ServiceId id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return {};
  auto out = found->second.violations;
  if (found->second.remote != nullptr)
    out[static_cast<std::size_t>(Violation::kAmplification)] += found->second.remote->amplified;
  return out;
}

Instance* Dispatcher::find(ServiceId id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.instance.get();
}

std::vector<const Instance*> Dispatcher::instances() const {
  std::map<ServiceId, const Instance*> sorted;
  for (const auto& [id, entry] : entries_)
    if (entry.instance != nullptr) sorted.emplace(id, entry.instance.get());
  std::vector<const Instance*> out;
  out.reserve(sorted.size());
  for (const auto& [id, instance] : sorted) out.push_back(instance);
  return out;
}

// ---- packets in --------------------------------------------------------------------------------------------------

void Dispatcher::decide(std::span<Miss> misses, base::TimePoint now) {
  const std::uint32_t asked_at = generation();
  for (std::size_t i = 0; i < misses.size(); ++i) {
    Miss& miss = misses[i];
    if (!rules_.allow(miss)) continue;
    miss.passage.layer = miss.layer;
    miss.passage.asked_at = asked_at;
    const std::uint16_t chain = bindings_.chain_of(miss);
    if (chain == Bindings::kTooMany) {
      miss.drop = DropReason::service_queue_full;
      continue;
    }
    miss.passage.chain = chain;
    take_turn(misses, i);
  }
  run(misses, now);
}

void Dispatcher::ask(Entry& entry, std::span<Miss> misses, base::TimePoint now) {
  if (entry.remote != nullptr) {
    for (const std::size_t i : entry.misses) {
      entresol_packet shown = show(misses[i].view, entry.remote->manifest);
      shown.handle = next_handle();
      remote_->submit(*entry.remote, misses[i], shown, now);
    }
    entry.misses.clear();
    return;
  }
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
    entry.packets.back().handle = next_handle();
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
      if (settle(misses[i], misses[i].view, false)) next_.push_back(i);
    }
    return after_call(entry);
  }
  for (std::size_t k = 0; k < which.size(); ++k)
    act_on(entry, entry.verdicts[k], entry.packets[k].handle, misses[which[k]], now);
  for (const std::size_t i : which)
    if (!misses[i].taken && settle(misses[i], misses[i].view, false)) next_.push_back(i);
  after_call(entry);
}

// ---- verdicts ----------------------------------------------------------------------------------------------------

void Dispatcher::act_on(Entry& entry, const entresol_verdict& verdict, std::uint32_t handle,
                        Miss& miss, base::TimePoint now) {
  switch (verdict.action) {
    case ENTRESOL_REPLICATE:
      return replicate(entry, verdict, miss);
    case ENTRESOL_HOLD:
      return hold(entry, verdict, handle, miss, now);
    default:
      return service::carry_out(verdict, miss);
  }
}

// Each name gets a copy.
void Dispatcher::replicate(Entry& entry, const entresol_verdict& verdict, Miss& miss) {
  if (!may_replicate(entry.rights, verdict.count)) {
    ++entry.violations[static_cast<std::size_t>(Violation::kAmplification)];
    miss.drop = DropReason::service_not_entitled;
    return;
  }
  const base::ByteView packet = miss.view.packet();
  for (std::uint32_t i = 0; i < verdict.count; ++i) {
    entresol_name to;
    std::memcpy(&to, out_.data() + verdict.data + i * sizeof to, sizeof to);
    Returned answer;
    answer.ingress = miss.ingress;
    answer.ingress_generation = miss.ingress_generation;
    answer.passage = miss.passage;
    answer.to = from_author(to);
    const bool goes_on = settle(answer, miss.view, true);
    if (!come_back(base::Bytes(packet.begin(), packet.end()), answer, goes_on)) {
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
  entry.held[handle] = {base::Bytes(packet.begin(), packet.end()), miss.ingress,
                        miss.ingress_generation, hold_ends(verdict, now), miss.passage};
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
  answer.passage = held.passage;
  carry_out(verdict, answer);
  wire::HeaderView view;
  wire::HeaderView::parse(held.packet, view);  // as it did before it was held
  const bool goes_on = settle(answer, view, false);
  come_back(std::move(held.packet), answer, goes_on);
}

bool Dispatcher::come_back(base::Bytes packet, const Returned& answer, bool goes_on) {
  if (returning_.size() >= kMaxReturning) return false;
  returning_.push_back({std::move(packet), answer, goes_on});
  return true;
}

std::span<Returned> Dispatcher::returned(base::TimePoint now, std::int64_t unix_nanos) {
  unix_offset_ = unix_nanos - now.time_since_epoch().count();
  for (auto& [id, entry] : entries_) {
    if (entry.instance == nullptr) continue;
    if (entry.instance->next_timer() <= now) {
      entry.instance->run_due(now, unix_nanos);
      after_call(entry);
    }
    end_holds(entry, now);
  }
  // What all goes on to the next service is nothing that is given back.
  do {
    handed_.clear();
    given_.clear();
    if (remote_ != nullptr) {
      remote_->release_given();
      withdrawals_ += remote_->collect(given_, kRemoteGroup, now);
    }
    if (given_.empty()) {
      collect_returning();
    } else {
      settle_given();
    }
    go_on(now);
  } while (given_.empty() && returns_wait());
  return given_;
}

void Dispatcher::collect_returning() {
  going_.clear();
  for (std::size_t octets = 0; !returning_.empty() && given_.size() < layer::forwarding::kBatch;) {
    octets += returning_.front().packet.size();
    if (!given_.empty() && octets > layer::forwarding::Pipeline::kBatchBytes) break;
    handed_.push_back(std::move(returning_.front().packet));
    given_.push_back(returning_.front().answer);
    going_.push_back(returning_.front().goes_on);
    returning_.pop_front();
  }
  for (std::size_t i = 0; i < given_.size(); ++i) given_[i].packet = handed_[i];
}

bool Dispatcher::returns_wait() const {
  return !returning_.empty() || (remote_ != nullptr && remote_->ready());
}

base::TimePoint Dispatcher::next_timer() const {
  base::TimePoint next = remote_ == nullptr ? base::kNever : remote_->next_end();
  for (const auto& [id, entry] : entries_) {
    if (entry.instance == nullptr) continue;
    next = std::min(next, entry.instance->next_timer());
    for (const auto& [handle, held] : entry.held) next = std::min(next, held.end);
  }
  return next;
}

}  // namespace entresol::service
