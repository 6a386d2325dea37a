#include "layer/session/lookups.h"

#include <algorithm>

namespace entresol::layer::session {

Lookups::Entry* Lookups::entry_for(const Sought& sought, base::TimePoint now) {
  auto found = entries_.find(sought);
  if (found != entries_.end()) return &found->second;
  if (entries_.size() >= kMaxQuestions) return nullptr;
  Entry& entry = entries_[sought];
  entry.id = random_.u32();  // so that nobody answers who was not asked
  entry.at = now;
  schedule();
  return &entry;
}

Lookups::Asked Lookups::ask(const Sought& sought, base::TimePoint now) {
  const Entry* entry = entry_for(sought, now);
  if (entry == nullptr) return Asked::kFull;
  return entry->unknown ? Asked::kUnknown : Asked::kWaits;
}

Lookups::Asked Lookups::ask(const Sought& sought, Waiting waiting, base::TimePoint now) {
  Entry* entry = entry_for(sought, now);
  if (entry == nullptr) return Asked::kFull;
  if (entry->unknown) return Asked::kUnknown;
  if (entry->waiting.size() >= kMaxPackets || octets_ + waiting.packet.size() > kMaxOctets)
    return Asked::kFull;
  octets_ += waiting.packet.size();
  entry->waiting.push_back(std::move(waiting));
  return Asked::kWaits;
}

std::vector<Lookups::Question> Lookups::due(base::TimePoint now) {
  std::vector<Question> out;
  if (now < next_) return out;
  for (auto& [sought, entry] : entries_) {
    if (entry.unknown || entry.at > now || entry.tries >= kTries) continue;
    out.push_back({entry.id, sought});
    entry.at = now + kFirstRepeat * (1 << entry.tries);
    ++entry.tries;
  }
  schedule();
  return out;
}

const Sought* Lookups::open(std::uint32_t id) const {
  for (const auto& [sought, entry] : entries_)
    if (entry.id == id && !entry.unknown) return &sought;
  return nullptr;
}

std::optional<std::vector<Lookups::Waiting>> Lookups::answered(std::uint32_t id, bool found,
                                                               base::TimePoint now) {
  auto asked = std::find_if(entries_.begin(), entries_.end(), [&](const auto& each) {
    return each.second.id == id && !each.second.unknown;
  });
  if (asked == entries_.end()) return std::nullopt;
  std::vector<Waiting> waiting = std::move(asked->second.waiting);
  release(waiting);
  if (found) {
    entries_.erase(asked);
  } else {
    asked->second.unknown = true;
    asked->second.waiting.clear();
    asked->second.at = now + kUnknownFor;
  }
  schedule();
  return waiting;
}

std::vector<Lookups::Waiting> Lookups::expired(base::TimePoint now) {
  std::vector<Waiting> out;
  if (now < next_) return out;
  for (auto each = entries_.begin(); each != entries_.end();) {
    Entry& entry = each->second;
    if (entry.at > now || (!entry.unknown && entry.tries < kTries)) {
      ++each;
      continue;
    }
    release(entry.waiting);
    std::move(entry.waiting.begin(), entry.waiting.end(), std::back_inserter(out));
    each = entries_.erase(each);
  }
  schedule();
  return out;
}

std::vector<Lookups::Waiting> Lookups::abandon() {
  std::vector<Waiting> out;
  for (auto& [sought, entry] : entries_)
    std::move(entry.waiting.begin(), entry.waiting.end(), std::back_inserter(out));
  entries_.clear();
  octets_ = 0;
  schedule();
  return out;
}

void Lookups::release(const std::vector<Waiting>& waiting) {
  for (const Waiting& each : waiting) octets_ -= each.packet.size();
}

void Lookups::schedule() {
  next_ = base::kNever;
  for (const auto& [sought, entry] : entries_) next_ = std::min(next_, entry.at);
}

}  // namespace entresol::layer::session
