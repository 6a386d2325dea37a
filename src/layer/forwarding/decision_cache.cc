#include "layer/forwarding/decision_cache.h"

#include <algorithm>

namespace entresol::layer::forwarding {

DecisionCache::DecisionCache(std::size_t entries, std::uint64_t seed)
    : seed_(seed | 1), set_mask_((entries - 1) & ~(kWays - 1)), entries_(entries) {}

Decision* DecisionCache::insert(const DecisionKey& key, std::uint64_t hash) {
  Entry* set = &entries_[hash & set_mask_];
  Entry* victim = std::min_element(set, set + kWays, [](const Entry& a, const Entry& b) {
    if ((a.decision.epoch == 0) != (b.decision.epoch == 0)) return a.decision.epoch == 0;
    return a.decision.last_used < b.decision.last_used;
  });
  if (victim->decision.epoch != 0) ++evictions_;
  victim->key = key;
  victim->decision = Decision{};
  return &victim->decision;
}

void DecisionCache::clear() {
  for (Entry& entry : entries_) entry.decision = Decision{};
}

}  // namespace entresol::layer::forwarding
