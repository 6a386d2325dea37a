#include "layer/forwarding/decision_cache.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace entresol::layer::forwarding {

void DecisionCache::Release::operator()(void* memory) const {
  std::free(memory);
}

// calloc takes large pieces from the system, which gives them pages of zero at first use: a host with ten flows does not
// pay for thirty thousand.
DecisionCache::DecisionCache(std::size_t entries, std::uint64_t seed)
    : set_mask_((entries - 1) & ~(kWays - 1)),
      tags_(entries),
      memory_(std::calloc(entries + 1, sizeof(Entry))) {
  if (!memory_) throw std::bad_alloc();
  void* start = memory_.get();
  std::size_t room = (entries + 1) * sizeof(Entry);
  entries_ = static_cast<Entry*>(std::align(alignof(Entry), entries * sizeof(Entry), start, room));
  for (std::uint64_t& word : seeds_) {
    seed += kMultiplier;
    word = fold(seed, seed ^ kMultiplier) | 1;
  }
}

Decision* DecisionCache::insert(const DecisionKey& key, std::uint64_t hash) {
  Entry* set = &entries_[hash & set_mask_];
  Entry* victim = std::min_element(set, set + kWays, [](const Entry& a, const Entry& b) {
    if ((a.decision.epoch == 0) != (b.decision.epoch == 0)) return a.decision.epoch == 0;
    return a.decision.last_used < b.decision.last_used;
  });
  if (victim->decision.epoch != 0) ++evictions_;
  tags_[static_cast<std::size_t>(victim - entries_)] = tag(hash);
  victim->key = key;
  victim->decision = Decision{};
  return &victim->decision;
}

void DecisionCache::clear() {
  for (std::size_t i = 0; i < capacity(); ++i)
    if (entries_[i].decision.epoch != 0) entries_[i].decision = Decision{};
}

}  // namespace entresol::layer::forwarding
