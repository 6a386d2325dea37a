// What was decided for a flow, so that the next packet runs no service. A decision matches ingress link and everything of
// the header that a service can have seen; it rests on generations, checked on a hit. Any entry may vanish at any time.
//
// Owned by one worker. Address space is fixed at construction, memory is taken as entries are used. The hash is seeded:
// whoever aims at one set only evicts entries.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
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

// A refusal that is none of a policy's rules.
inline constexpr std::uint16_t kNoRule = 0xffff;

// Epoch zero: an empty entry.
struct alignas(64) Decision {
  std::uint32_t epoch = 0;   // of the tables when it was last found to hold; 0: empty entry
  std::uint32_t policy = 0;  // generation of policies and services, likewise
  LinkId egress;
  std::uint32_t ingress_generation = 0;
  std::uint32_t egress_generation = 0;
  std::uint32_t source_generation = 0;
  std::uint32_t destination_generation = 0;
  base::DropReason drop = base::DropReason::none;
  std::uint16_t rule = kNoRule;          // of the policy, that refused
  std::uint32_t last_used = 0;           // batch number
  std::uint32_t decider_generation = 0;  // of the layer's policy and this service
  std::uint32_t ends = 0;                // milliseconds of the pipeline's clock; 0: at no set time
  std::uint16_t chain = 0;               // of services, that it rests on as well
  std::uint16_t reserved = 0;
  wire::Name to;  // the member that `egress` leads to
};
static_assert(sizeof(Decision) == 64);

class DecisionCache {
 public:
  // `entries` is a power of two, at least 8; 130 octets each.
  DecisionCache(std::size_t entries, std::uint64_t seed);

  std::uint64_t hash(const DecisionKey& key) const {
    // Words 2 to 6: flow id, inner fields and names; 7: ingress. Words 0 and 1 hardly differ among flows.
    const std::uint64_t h = fold(key.words[2] ^ seeds_[0], key.words[3] ^ seeds_[1]) ^
                            fold(key.words[4] ^ seeds_[2], key.words[5] ^ seeds_[3]) ^
                            fold(key.words[6] ^ seeds_[4], key.words[7] ^ seeds_[5]);
    return fold(h, kMultiplier);
  }
  // The entries whose tags agree: one as a rule, if the flow is known.
  void prefetch(std::uint64_t hash) const {
    const std::size_t set = hash & set_mask_;
    for (std::size_t way = set; way < set + kWays; ++way) {
      if (tags_[way] != tag(hash)) continue;
      __builtin_prefetch(&entries_[way].key);
      __builtin_prefetch(&entries_[way].decision);
    }
  }
  // Null on a miss.
  Decision* find(const DecisionKey& key, std::uint64_t hash) {
    const std::size_t set = hash & set_mask_;
    for (std::size_t way = set; way < set + kWays; ++way) {
      Entry& entry = entries_[way];
      if (tags_[way] == tag(hash) && entry.key == key && entry.decision.epoch != 0)
        return &entry.decision;
    }
    return nullptr;
  }
  // Takes a free way of the set, or that of the least recently used.
  Decision* insert(const DecisionKey& key, std::uint64_t hash);
  void clear();
  std::size_t capacity() const { return tags_.size(); }
  std::uint64_t evictions() const { return evictions_; }

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15u;
  struct Entry {
    DecisionKey key;
    Decision decision;
  };
  struct Release {
    void operator()(void* memory) const;
  };

  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  static std::uint16_t tag(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 48); }

  std::array<std::uint64_t, 6> seeds_;
  std::uint64_t set_mask_;
  std::vector<std::uint16_t> tags_;  // of the entries' hashes: these stay in the nearest caches
  std::unique_ptr<void, Release> memory_;
  Entry* entries_ = nullptr;  // in memory_
  std::uint64_t evictions_ = 0;
};

}  // namespace entresol::layer::forwarding
