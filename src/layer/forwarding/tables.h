// What the pipeline looks things up in: links, the keys that records arrive under, and where names are registered. The
// control side changes them between batches; every change that a kept decision may rest on moves the epoch, and the
// generation of what it concerns.
//
// Owned by one worker. Not thread-safe. References to a Link hold until the next add(), those to ReceiveKeys until the next
// insert().
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/endpoint.h"
#include "base/strong.h"
#include "security/association.h"
#include "security/index.h"
#include "security/record.h"
#include "wire/header.h"

namespace entresol::layer::forwarding {

using LinkId = base::StrongInt<struct LinkIdTag, std::uint32_t>;
inline constexpr LinkId kSelf{0};  // the member itself: its agent, its control

// What a far link's packets are: the layer's own, or a guest's bare IP packets.
enum class LinkKind : std::uint8_t { kHere, kHost, kNode, kGuest };

// With thousands of links each cache line counts: what a packet needs lies in the first.
struct alignas(64) Link {
  std::unique_ptr<security::SendLane> send;  // null: no keys
  std::uint32_t generation = 1;              // moves when the slot changes its meaning
  std::uint32_t report = 0;      // position + 1 among Pipeline::reports(); 0: no traffic since
  std::uint16_t max_packet = 0;  // largest plaintext of a record on this link, octets
  bool used = false;
  LinkKind kind = LinkKind::kHost;
  std::uint8_t layer = 0;   // index of the layer on this machine
  bool any_source = false;  // a host's link to its node: names are proved end to end
  security::Protocol protocol = security::Protocol::kNative;
  security::PeerId peer;
  std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;

  security::Path path;
  wire::Name name;                 // who is at the other end; zero until proved
  std::uint32_t send_index = 0;    // local index of the keys that `send` belongs to
  std::uint64_t keys_changed = 0;  // times that `send` was replaced
};
static_assert(sizeof(Link) == 128);

// Inner IP packets of this size fit a record of `max_packet`, whatever form they travel in.
inline constexpr std::size_t kSealedOverhead = 56 + 8 + 2 + 16;
inline std::uint16_t inner_mtu(std::uint16_t max_packet) {
  return static_cast<std::uint16_t>(max_packet - kSealedOverhead - 2);
}

class LinkTable {
 public:
  LinkTable();  // holds kSelf
  LinkId add();
  void remove(LinkId id);
  Link& operator[](LinkId id) { return links_[id.value()]; }
  const Link& operator[](LinkId id) const { return links_[id.value()]; }
  std::size_t size() const { return links_.size(); }  // slots, used or not
  // Moves whenever anything that decisions rest on has changed.
  std::uint32_t epoch() const { return epoch_; }
  void changed() { ++epoch_; }
  void changed(LinkId id) {
    ++links_[id.value()].generation;
    ++epoch_;
  }

 private:
  std::vector<Link> links_;
  std::vector<std::uint32_t> free_;
  std::uint32_t epoch_ = 1;
};

// Keys that records may arrive under, by the slot of their receiver index. One cache line.
struct alignas(64) ReceiveKeys {
  std::uint32_t index = 0;  // whole index; 0: free slot
  LinkId link;
  std::unique_ptr<security::ReceiveLane> first;  // lane 0
  security::Protocol protocol = security::Protocol::kNative;
  crypto::AeadSuite suite = crypto::AeadSuite::kAes256Gcm;
  std::unique_ptr<std::array<std::unique_ptr<security::ReceiveLane>, 256>> others;
  crypto::SecretBytes<32> secret;
};

class ReceiveTable {
 public:
  void insert(LinkId link, const security::Keys& keys);
  void erase(std::uint32_t index);
  void prefetch(std::uint32_t index) const {
    const std::uint32_t slot = security::index_slot(index);
    if (slot < slots_.size()) __builtin_prefetch(&slots_[slot]);
  }
  // Null if the index is not live. 0 is nobody's: it marks free slots.
  ReceiveKeys* find(std::uint32_t index) {
    std::uint32_t slot = security::index_slot(index);
    if (slot >= slots_.size() || slots_[slot].index != index || index == 0) return nullptr;
    return &slots_[slot];
  }
  // The lane's keys, derived at first use; null for lanes that WireGuard does not have.
  static security::ReceiveLane* lane(ReceiveKeys& keys, std::uint8_t lane) {
    if (lane == 0) [[likely]]
      return keys.first.get();
    return other_lane(keys, lane);
  }

 private:
  static security::ReceiveLane* other_lane(ReceiveKeys& keys, std::uint8_t lane);
  std::vector<ReceiveKeys> slots_;
};

// Where a layer's names are, as far as this member forwards to them.
struct Place {
  LinkId link;
  std::uint32_t generation = 1;  // moves with every change; names keep their Place for good
  bool here = false;             // registered; false: once was
};

class NameTable {
 public:
  // Registered on a link (or kSelf). Two links never hold one name: the last registration counts.
  void place(const wire::Name& name, LinkId link);
  void remove(const wire::Name& name);
  void remove_all(LinkId link);
  const Place* find(const wire::Name& name) const {
    auto found = places_.find(name);
    return found == places_.end() || !found->second.here ? nullptr : &found->second;
  }
  std::uint32_t generation(const wire::Name& name) const {
    auto found = places_.find(name);
    return found == places_.end() ? 0 : found->second.generation;
  }
  // Everything that is not placed goes this way; kSelf: nowhere.
  LinkId default_link = kSelf;

 private:
  std::unordered_map<wire::Name, Place> places_;
};

// One layer, as the data side needs it.
struct LayerTable {
  std::uint32_t wire_id = 0;  // first 32 bits of the layer's id
  wire::Name own;             // this member
  NameTable names;
};

struct Tables {
  LinkTable links;
  ReceiveTable receive;
  std::vector<LayerTable> layers;
};

}  // namespace entresol::layer::forwarding
