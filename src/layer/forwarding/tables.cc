#include "layer/forwarding/tables.h"

#include "security/lanes.h"

namespace entresol::layer::forwarding {

LinkTable::LinkTable() {
  Link self;
  self.used = true;
  self.kind = LinkKind::kHere;
  self.any_source = true;
  self.max_packet = 0xffff;
  links_.push_back(std::move(self));
}

LinkId LinkTable::add() {
  LinkId id;
  if (free_.empty()) {
    id = LinkId(static_cast<std::uint32_t>(links_.size()));
    links_.emplace_back();
  } else {
    id = LinkId(free_.back());
    free_.pop_back();
  }
  links_[id.value()].used = true;
  changed(id);
  return id;
}

void LinkTable::remove(LinkId id) {
  std::uint32_t generation = links_[id.value()].generation;
  links_[id.value()] = Link{};
  links_[id.value()].generation = generation;
  free_.push_back(id.value());
  changed(id);
}

void ReceiveTable::insert(LinkId link, const security::Keys& keys) {
  std::uint32_t slot = security::index_slot(keys.local_index);
  if (slot >= slots_.size()) slots_.resize(std::size_t{slot} + slot / 2 + 1);
  ReceiveKeys& entry = slots_[slot];
  entry = ReceiveKeys{};
  entry.index = keys.local_index;
  entry.link = link;
  entry.protocol = keys.protocol;
  entry.suite = keys.suite;
  entry.secret = keys.receive;
  entry.first = security::receive_lane(keys.protocol, keys.suite, keys.receive, 0);
}

void ReceiveTable::erase(std::uint32_t index) {
  if (ReceiveKeys* entry = find(index)) *entry = ReceiveKeys{};
}

security::ReceiveLane* ReceiveTable::other_lane(ReceiveKeys& keys, std::uint8_t lane) {
  if (keys.protocol != security::Protocol::kNative) return nullptr;
  if (!keys.others)
    keys.others = std::make_unique<std::array<std::unique_ptr<security::ReceiveLane>, 256>>();
  auto& slot = (*keys.others)[lane];
  if (!slot) slot = security::receive_lane(keys.protocol, keys.suite, keys.secret, lane);
  return slot.get();
}

void NameTable::place(const wire::Name& name, LinkId link) {
  Place& place = places_[name];
  if (place.here && place.link == link) return;
  place.link = link;
  place.here = true;
  ++place.generation;
}

void NameTable::remove(const wire::Name& name) {
  auto found = places_.find(name);
  if (found == places_.end()) return;
  found->second.here = false;
  ++found->second.generation;
}

void NameTable::remove_all(LinkId link) {
  for (auto& [name, place] : places_) {
    if (!place.here || place.link != link) continue;
    place.here = false;
    ++place.generation;
  }
}

}  // namespace entresol::layer::forwarding
