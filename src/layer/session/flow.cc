#include "layer/session/flow.h"

#include "base/bytes.h"

namespace entresol::layer::session {
namespace {

// RFC 5382 and RFC 4787 ask NATs for 2 h 4 min and 5 min; an agent that forgets only has to agree anew on who opened.
constexpr base::Duration kTcpIdle = std::chrono::minutes(124);
constexpr base::Duration kOtherIdle = std::chrono::minutes(5);

}  // namespace

std::size_t FlowKeyHash::operator()(const FlowKey& key) const noexcept {
  std::uint64_t ports = static_cast<std::uint64_t>(key.local_port) << 32 |
                        static_cast<std::uint64_t>(key.far_port) << 16 |
                        static_cast<std::uint64_t>(key.protocol) << 8 | key.version;
  std::uint64_t mixed = (std::hash<wire::Name>{}(key.far) ^ ports) * 0x9e3779b97f4a7c15u;
  mixed ^= base::load_le64(key.local.octets.data() + 8);
  mixed *= 0xff51afd7ed558ccdu;
  return static_cast<std::size_t>(mixed ^ mixed >> 32);
}

// A rule has refused it: it has opened nothing. Where both have just begun and neither has heard of the other, it is the
// lower name. But nobody insists for ever, or a far end that knows better, or believes to, and hears no claim of this end,
// would be refused for as long as it sends.
bool Flow::gives_way(bool lower_name, base::TimePoint now) {
  if (refused) return true;
  if (!contested) contested = now;
  if (now - *contested >= kInsists) {
    if (!confirmed) return true;
    confirmed = false;
    contested = now;
  }
  return lower_name && !confirmed;
}

Flow* FlowTable::find(const FlowKey& key) {
  if (!flows_.empty() && flows_.front().key == key) return &flows_.front();
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  flows_.splice(flows_.begin(), flows_, found->second);
  return &*found->second;
}

Flow* FlowTable::find_id(std::uint32_t id) {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &*found->second;
}

Flow& FlowTable::add(const FlowKey& key, bool opened_here, std::uint32_t flow_label,
                     base::TimePoint now) {
  if (flows_.size() >= capacity_) erase(std::prev(flows_.end()));
  Flow flow;
  flow.key = key;
  flow.opened_here = opened_here;
  flow.last_used = now;
  flow.id = fresh_id(flow_label);
  flows_.push_front(flow);
  by_key_[key] = flows_.begin();
  by_id_[flow.id] = flows_.begin();
  return flows_.front();
}

std::uint32_t FlowTable::fresh_id(std::uint32_t flow_label) {
  for (;;) {
    const std::uint32_t random = random_.u32();
    const std::uint32_t id =
        flow_label != 0 ? (random & 0xfff00000u) | (flow_label & 0xfffffu) : random;
    if (!by_id_.contains(id)) return id;
  }
}

void FlowTable::relabel(Flow& flow, std::uint32_t flow_label) {
  auto node = by_id_.extract(flow.id);
  flow.id = fresh_id(flow_label);
  node.key() = flow.id;
  by_id_.insert(std::move(node));
}

void FlowTable::expire(base::TimePoint now) {
  for (auto flow = flows_.begin(); flow != flows_.end();) {
    const base::Duration idle = flow->key.protocol == inner::kProtocolTcp ? kTcpIdle : kOtherIdle;
    auto next = std::next(flow);
    if (now - flow->last_used > idle) erase(flow);
    flow = next;
  }
}

void FlowTable::erase(List::iterator flow) {
  by_key_.erase(flow->key);
  by_id_.erase(flow->id);
  flows_.erase(flow);
}

void FragmentTable::remember(const inner::IpPacket& first, const FlowKey& key) {
  // Identifications come again: the newest first fragment counts.
  for (Entry& entry : entries_)
    if (entry.used && entry.identification == first.identification &&
        entry.protocol == first.protocol && entry.source == first.source &&
        entry.destination == first.destination) {
      entry.key = key;
      return;
    }
  entries_[next_] = {first.source, first.destination, first.identification, first.protocol, true,
                     key};
  next_ = (next_ + 1) % kEntries;
}

const FlowKey* FragmentTable::find(const inner::IpPacket& fragment) const {
  for (const Entry& entry : entries_)
    if (entry.used && entry.identification == fragment.identification &&
        entry.protocol == fragment.protocol && entry.source == fragment.source &&
        entry.destination == fragment.destination)
      return &entry.key;
  return nullptr;
}

}  // namespace entresol::layer::session
