// What was decided for a flow, so that the next packet runs no service. A decision matches ingress link and everything of
// the header that a service can have seen; it rests on generations, checked on a hit. Any entry may vanish at any time.
//
// Owned by one worker. Memory is fixed at construction. The hash is seeded: whoever aims at one set only evicts entries.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/drop.h"
#include "layer/forwarding/tables.h"
#include "wire/header.h"

namespace entresol::layer::forwarding {

// The header without TTL, traffic class and payload length, and the ingress link: 64 octets, compared whole.
struct alignas(64) DecisionKey {
  std::array<std::uint64_t, 8> words;

  // `packet` is a checked one.
  static DecisionKey of(const std::uint8_t* packet, LinkId ingress) {
    static constexpr std::uint64_t kFirstMask =
        0x0000ffffff0000ffu;  // little-endian octets 0, 3, 4, 5
    DecisionKey key;
    std::memcpy(key.words.data(), packet, wire::kHeaderSize);
    key.words[0] &= kFirstMask;
    key.words[7] = ingress.value();
    return key;
  }
  bool operator==(const DecisionKey& other) const {
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < words.size(); ++i) difference |= words[i] ^ other.words[i];
    return difference == 0;
  }
};

struct alignas(64) Decision {
  std::uint32_t epoch = 0;   // of the tables when it was last found to hold; 0: empty entry
  std::uint32_t policy = 0;  // generation of the layer's policy and services
  LinkId egress;
  std::uint32_t ingress_generation = 0;
  std::uint32_t egress_generation = 0;
  std::uint32_t source_generation = 0;
  std::uint32_t destination_generation = 0;
  base::DropReason drop = base::DropReason::none;
  std::uint32_t last_used = 0;  // batch number
  std::uint64_t packets = 0;
  wire::Name to;  // the member that `egress` leads to
};

class DecisionCache {
 public:
  // `entries` is a power of two, at least 8; 128 octets each.
  DecisionCache(std::size_t entries, std::uint64_t seed);

  std::uint64_t hash(const DecisionKey& key) const {
    std::uint64_t h = seed_;
    // Words 2 to 6: flow id, inner fields and names; 7: ingress. Words 0 and 1 hardly differ among flows.
    for (std::size_t i = 2; i < 8; ++i) h = (h ^ key.words[i]) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
  }
  void prefetch(std::uint64_t hash) const {
    const Entry* set = &entries_[hash & set_mask_];
    __builtin_prefetch(&set->key);
    __builtin_prefetch(&set->decision);
  }
  // Null on a miss.
  Decision* find(const DecisionKey& key, std::uint64_t hash) {
    Entry* set = &entries_[hash & set_mask_];
    for (std::size_t way = 0; way < kWays; ++way)
      if (set[way].decision.epoch != 0 && set[way].key == key) return &set[way].decision;
    return nullptr;
  }
  // Takes a free way of the set, or that of the least recently used.
  Decision* insert(const DecisionKey& key, std::uint64_t hash);
  void clear();
  std::size_t capacity() const { return entries_.size(); }
  std::uint64_t evictions() const { return evictions_; }

 private:
  static constexpr std::size_t kWays = 4;
  struct Entry {
    DecisionKey key;
    Decision decision;
  };
  std::uint64_t seed_;
  std::uint64_t set_mask_;
  std::vector<Entry> entries_;
  std::uint64_t evictions_ = 0;
};

}  // namespace entresol::layer::forwarding
