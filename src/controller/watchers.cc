#include "controller/watchers.h"

#include <algorithm>

#include "controller/json.h"

namespace entresol::controller {

void Watchers::add(Watch watch, base::UnixSeconds now) {
  if (watch.member) heard_.insert_or_assign(*watch.member, Heard{now, watch.policy_revision});
  watches_.push_back(std::move(watch));
  ++fresh_;
}

void Watchers::tell(const directory::Authority& authority, base::UnixSeconds now) {
  const bool moved = !told_ || *told_ != authority.revision();
  const std::size_t old = watches_.size() - std::exchange(fresh_, 0);
  std::vector<Watch> still;
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    Watch& watch = watches_[i];
    if (!watch.responder->waiting()) continue;
    if (!moved && i < old && now < watch.until) {
      still.push_back(std::move(watch));
      continue;
    }
    const directory::Changes changes = authority.changes_since(watch.since, watch.limit, now);
    if (changes.items.empty() && !changes.whole && now < watch.until) {
      still.push_back(std::move(watch));
    } else {
      watch.responder->answer({200, changes_json(changes).dump(), "application/json"});
    }
  }
  watches_ = std::move(still);
  told_ = authority.revision();
}

void Watchers::prune(const directory::Authority& authority) {
  std::erase_if(heard_, [&](const auto& each) {
    const auto member = authority.members().find(each.first);
    return member == authority.members().end() || member->second.revoked_at != 0;
  });
}

std::optional<base::UnixSeconds> Watchers::next_timer() const {
  std::optional<base::UnixSeconds> next;
  for (const Watch& watch : watches_)
    if (!next || watch.until < *next) next = watch.until;
  return next;
}

const Heard* Watchers::heard(const wire::Name& member) const {
  const auto at = heard_.find(member);
  return at == heard_.end() ? nullptr : &at->second;
}

bool Watchers::watching(const wire::Name& member) const {
  return std::ranges::any_of(watches_, [&](const Watch& watch) {
    return watch.member == member && watch.responder->waiting();
  });
}

}  // namespace entresol::controller
