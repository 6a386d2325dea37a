// Where a packet goes, top to bottom:
//
//   collect      bursts become packets of a batch
//   open         link security: keys by receiver index, replay window, decryption in place
//   from_guests  a guest's bare IP packet becomes the layer's packet (Local)
//   parse        extension header, layer, ECN of the outer packet
//   decide       decision cache; what it does not know goes to the Decider, once a batch
//   act          TTL, size, delivery here (Local) or an egress link
//   errors       what the senders of refused packets are told (report.cc)
//   queue        by egress link and class, before any counter is taken
//   seal         one run of records per egress link, equal sizes side by side for segmentation offload
//
// What this member makes itself, and what comes back from services, joins on its way: own.cc.
#include "layer/forwarding/pipeline.h"

#include <algorithm>
#include <cstring>

namespace entresol::layer::forwarding {
namespace {

using base::DropReason;

constexpr std::uint8_t kEcnMask = 3;
constexpr std::uint8_t kCongestionExperienced = 3;
constexpr std::uint8_t kFirstPriorityDscp = 40;  // CS5
constexpr std::size_t kWireGuardIndexOffset = 4;
constexpr std::uint32_t kWireGuardTransport = 4;  // type and three octets of zero
constexpr std::size_t kMaxSegments = 64;          // of one GSO call
constexpr std::size_t kMaxBurst = 65000;          // octets of one GSO call
constexpr std::size_t kSealRoom = 64;  // what a record may be longer than the datagram it came in
constexpr std::uint32_t kLongestKept = 86'400'000;  // milliseconds
constexpr std::size_t kAhead =
    6;  // keys are asked for this many packets, or links, before their turn

// Milliseconds, of 32 bits: lifetimes are short beside the time after which it begins anew.
std::uint32_t clock_of(base::TimePoint now) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
}
bool ended(const Decision& decision, std::uint32_t clock) {
  return decision.ends != 0 && static_cast<std::int32_t>(clock - decision.ends) >= 0;
}

}  // namespace

Pipeline::Pipeline(const PipelineConfig& config, Tables& tables, Decider& decider, Local& local)
    : config_(config),
      tables_(tables),
      decider_(decider),
      local_(local),
      cache_(config.cache_entries, config.seed),
      arena_(new std::uint8_t[kBatchBytes + 65536 + (kBatch + 32) * kSealRoom]) {
  reports_.reserve(2 * kBatch);
}

Pipeline::~Pipeline() = default;

// ---- collect -----------------------------------------------------------------------------------------------------

std::uint32_t Pipeline::collect(const InBurst& burst, std::uint32_t at) {
  if (count_ == 0 && collected_bytes_ == 0) begin();
  const std::uint32_t segment = burst.segment == 0 ? burst.length : burst.segment;
  while (at < burst.length && count_ < kBatch && collected_bytes_ < kBatchBytes) {
    Packet& packet = packets_[count_];
    packet = Packet{};
    packet.data = burst.data + at;
    packet.length = std::min(segment, burst.length - at);
    packet.traffic_class = burst.traffic_class;
    from_[count_] = &burst;
    ++count_;
    collected_bytes_ += packet.length;
    at += packet.length;
  }
  return at;
}

// A datagram without a first octet has no type.
void Pipeline::note_empty() {
  ++counters_.received;
  counters_.drops.add(DropReason::record_type_unknown);
}

void Pipeline::begin() {
  ++batch_number_;
  arena_used_ = 0;
  outs_ = 0;
  actives_ = 0;
  errors_ = 0;
  guests_ = false;
}

void Pipeline::run(base::TimePoint now) {
  counters_.received += count_;
  open();
  from_guests(now);
  parse();
  decide(now);
  act(now);
  report_errors(now);
  queue();
  seal();
  count_ = 0;
  collected_bytes_ = 0;
}

// ---- open --------------------------------------------------------------------------------------------------------

void Pipeline::open() {
  // With many links each line is a cache miss: the table's are asked for at once, the keys' a few packets ahead.
  for (std::size_t i = 0; i < count_; ++i) {
    const Packet& packet = packets_[i];
    if (packet.length >= wire::kRecordMinimum)
      tables_.receive.prefetch(
          wire::WireId{base::load_be32(packet.data + wire::kRecordWireIdOffset)}.index());
  }
  const ReceiveKeys* asked = nullptr;
  for (std::size_t ahead = 0; ahead < count_ + kAhead; ++ahead) {
    if (ahead >= kAhead) open_one(packets_[ahead - kAhead]);
    if (ahead >= count_) continue;
    const ReceiveKeys* keys = keys_for(packets_[ahead]);
    if (keys == nullptr || keys == asked) continue;
    asked = keys;
    keys->first->window.prefetch(
        base::load_be32(packets_[ahead].data + wire::kRecordCounterOffset));
    security::prefetch(keys->first->key, packets_[ahead].length);
    __builtin_prefetch(&tables_.links[keys->link]);
  }
}

// Of a native record; null for all else.
ReceiveKeys* Pipeline::keys_for(const Packet& packet) {
  if (packet.length < wire::kRecordMinimum ||
      packet.data[0] != static_cast<std::uint8_t>(wire::DatagramType::native_record))
    return nullptr;
  const wire::WireId id{base::load_be32(packet.data + wire::kRecordWireIdOffset)};
  return tables_.receive.find(id.index());
}

void Pipeline::open_one(Packet& packet) {
  const base::ByteView datagram(packet.data, packet.length);
  const auto type = wire::datagram_type(datagram);
  if (!type) return drop(packet, DropReason::record_type_unknown);
  const InBurst& burst = *from_[static_cast<std::size_t>(&packet - packets_.data())];
  const bool native = *type == wire::DatagramType::native_record;
  if (!native && *type != wire::DatagramType::wireguard_transport) return set_aside(packet, *type);
  std::uint32_t index = 0;
  std::uint8_t lane_number = 0;
  if (native) {
    wire::RecordView record;
    if (DropReason reason = wire::RecordView::parse(datagram, record); reason != DropReason::none)
      return drop(packet, reason);
    index = record.id().index();
    lane_number = record.id().lane();
  } else {
    if (packet.length < security::kWireGuardRecordHeader + security::kRecordTag)
      return drop(packet, DropReason::record_truncated);
    if (base::load_le32(packet.data) != kWireGuardTransport)
      return drop(packet, DropReason::header_reserved);
    index = base::load_le32(packet.data + kWireGuardIndexOffset);
  }
  ReceiveKeys* keys = tables_.receive.find(index);
  if (keys == nullptr || (keys->protocol == security::Protocol::kNative) != native) {
    // Anybody can send such: they leave room for handshakes.
    if (native && control_.size() < config_.max_control / 4)
      control_.push_back({base::Bytes(datagram.begin(), datagram.end()), burst.path, true});
    return drop(packet, DropReason::record_index_unknown);
  }
  security::ReceiveLane* lane = ReceiveTable::lane(*keys, lane_number);
  std::size_t plain = 0;
  const DropReason reason =
      native ? security::open_native_record(*lane, packet.data, packet.length, plain)
             : security::open_wireguard_record(*lane, packet.data, packet.length, plain);
  if (reason != DropReason::none) [[unlikely]]
    return drop(packet, reason);

  packet.data += native ? security::kNativeRecordHeader : security::kWireGuardRecordHeader;
  packet.length = static_cast<std::uint32_t>(plain);
  packet.ingress = keys->link;
  guests_ |= !native;
  note_received(packet, tables_.links[keys->link], index, plain);
}

// Probes are apart from handshakes: they cannot take their room, and do not wait behind them.
void Pipeline::set_aside(Packet& packet, wire::DatagramType type) {
  ++counters_.control_seen;
  packet.done = true;
  const bool probe =
      type == wire::DatagramType::native_probe || type == wire::DatagramType::native_probe_answer;
  auto& queue = probe ? probes_ : control_;
  if (queue.size() >= (probe ? kMaxProbes : config_.max_control))
    return drop(packet, probe ? DropReason::probe_flood : DropReason::handshake_queue_full);
  const InBurst& burst = *from_[static_cast<std::size_t>(&packet - packets_.data())];
  queue.push_back({base::Bytes(packet.data, packet.data + packet.length), burst.path, false});
}

void Pipeline::note_received(Packet& packet, Link& link, std::uint32_t index, std::size_t plain) {
  const InBurst& burst = *from_[static_cast<std::size_t>(&packet - packets_.data())];
  security::Traffic& traffic = report(link, packet.ingress).traffic;
  traffic.local_index = index;
  if (!traffic.from || traffic.from->remote != burst.path.remote) traffic.from = burst.path;
  ++link.rx_packets;
  link.rx_bytes += plain;
  if (plain == 0) {
    ++traffic.received_empty;
    packet.done = true;
  } else {
    ++traffic.received_data;
  }
}

LinkReport& Pipeline::report(Link& link, LinkId id) {
  if (link.report == 0) {
    LinkReport& fresh = reports_.emplace_back();
    fresh.link = id;
    fresh.traffic.peer = link.peer;
    link.report = static_cast<std::uint32_t>(reports_.size());
  }
  return reports_[link.report - 1];
}

void Pipeline::clear_reports() {
  for (const LinkReport& report : reports_) tables_.links[report.link].report = 0;
  reports_.clear();
}

// ---- guests ------------------------------------------------------------------------------------------------------

void Pipeline::from_guests(base::TimePoint now) {
  if (!guests_) return;
  std::size_t n = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    Packet& packet = packets_[i];
    if (!packet.done && tables_.links[packet.ingress].kind == LinkKind::kGuest)
      scratch_[n++] = &packet;
  }
  local_.from_guests(std::span<Packet* const>(scratch_.data(), n), now);
  for (std::size_t i = 0; i < n; ++i)
    if (scratch_[i]->done && scratch_[i]->drop != DropReason::none)
      counters_.drops.add(scratch_[i]->drop);
}

// ---- parse -------------------------------------------------------------------------------------------------------

void Pipeline::parse() {
  for (std::size_t i = 0; i < count_; ++i) {
    Packet& packet = packets_[i];
    if (packet.done) continue;
    wire::HeaderView view;
    const DropReason reason =
        wire::HeaderView::parse(base::ByteView(packet.data, packet.length), view);
    if (reason != DropReason::none) [[unlikely]] {
      drop(packet, reason);
      continue;
    }
    // RFC 6040 section 4.2: a mark on the outer packet goes to the inner one, which must be able to carry it.
    if ((packet.traffic_class & kEcnMask) == kCongestionExperienced) [[unlikely]] {
      std::uint8_t inner = view.traffic_class();
      if ((inner & kEcnMask) == 0) {
        drop(packet, DropReason::queue_full);
        continue;
      }
      wire::set_traffic_class(packet.data, inner | kCongestionExperienced);
    }
    const Link& link = tables_.links[packet.ingress];
    if (packet.ingress != kSelf && view.layer() != tables_.layers[link.layer].wire_id)
        [[unlikely]] {
      drop(packet, DropReason::layer_unknown);
      continue;
    }
    packet.hash = cache_.hash(DecisionKey::of(packet.data, packet.ingress));
    cache_.prefetch(packet.hash);
  }
}

// ---- decide ------------------------------------------------------------------------------------------------------

void Pipeline::decide(base::TimePoint now) {
  std::size_t missed = 0;
  const std::uint32_t epoch = tables_.links.epoch();
  const std::uint32_t policy = decider_.generation();
  const std::uint32_t clock = clock_of(now);
  for (std::size_t i = 0; i < count_; ++i) {
    Packet& packet = packets_[i];
    if (packet.done) continue;
    const DecisionKey key = DecisionKey::of(packet.data, packet.ingress);
    Decision* decision = cache_.find(key, packet.hash);
    const bool moved =
        decision != nullptr && (decision->epoch != epoch || decision->policy != policy);
    if (moved || (decision != nullptr && ended(*decision, clock))) [[unlikely]] {
      if (ended(*decision, clock) || !still_holds(*decision, packet.data, packet.ingress)) {
        decision->epoch = 0;
        decision = nullptr;
      } else {
        decision->epoch = epoch;
        decision->policy = policy;
        ++counters_.refreshed;
      }
    }
    if (decision == nullptr) {
      miss_packets_[missed++] = &packet;
      continue;
    }
    hit(packet, *decision);
  }
  counters_.misses += missed;
  if (missed > 0) decide_misses(missed, true, now);
}

void Pipeline::hit(Packet& packet, Decision& decision) {
  ++counters_.hits;
  decision.last_used = batch_number_;
  packet.egress = decision.egress;
  __builtin_prefetch(&tables_.links[decision.egress]);
  if (decision.egress.value() < queues_.size())
    __builtin_prefetch(&queues_[decision.egress.value()]);
  if (decision.drop != DropReason::none) [[unlikely]]
    refuse(packet, decision);
}

// Of several packets of one flow the service is asked about the first; the others then find what was kept. With
// `first_only` unset it is asked about all, for verdicts that are not kept.
void Pipeline::decide_misses(std::size_t missed, bool first_only, base::TimePoint now) {
  std::array<std::uint16_t, 512> asked;  // position + 1 in misses_, by hash
  asked.fill(0);
  std::size_t n = 0, following = 0;
  for (std::size_t i = 0; i < missed; ++i) {
    Packet& packet = *miss_packets_[i];
    std::uint16_t& same = asked[packet.hash % asked.size()];
    if (first_only && same != 0 && same_flow(packet, *miss_packets_[same - 1u])) {
      scratch_[following++] = &packet;
      continue;
    }
    Miss& miss = misses_[n];
    miss = Miss{};
    wire::HeaderView::parse(base::ByteView(packet.data, packet.length), miss.view);
    miss.ingress = packet.ingress;
    miss.ingress_generation = tables_.links[packet.ingress].generation;
    miss.layer = layer_of(packet.ingress, miss.view.layer());
    if (!source_is_here(miss)) {
      drop(packet, DropReason::source_not_here);
      continue;
    }
    miss_packets_[n++] = &packet;
    same = static_cast<std::uint16_t>(n);
  }
  if (n == 0) return;
  decider_.decide(std::span(misses_.data(), n), now);
  for (std::size_t i = 0; i < n; ++i) {
    if (misses_[i].taken) {
      miss_packets_[i]->done = true;
    } else {
      keep_and_follow(*miss_packets_[i], misses_[i], now);
    }
  }
  std::size_t again = 0;
  for (std::size_t i = 0; i < following; ++i) {
    Packet& packet = *scratch_[i];
    Decision* decision = cache_.find(DecisionKey::of(packet.data, packet.ingress), packet.hash);
    if (decision == nullptr) {
      miss_packets_[again++] = &packet;
      continue;
    }
    --counters_.misses;
    hit(packet, *decision);
  }
  if (again > 0) decide_misses(again, false, now);
}

bool Pipeline::same_flow(const Packet& a, const Packet& b) {
  return a.hash == b.hash &&
         DecisionKey::of(a.data, a.ingress) == DecisionKey::of(b.data, b.ingress);
}

void Pipeline::keep_and_follow(Packet& packet, const Miss& miss, base::TimePoint now) {
  Decision decision;
  decision.drop = place_miss(miss, decision);
  packet.egress = decision.egress;
  if (miss.keep) {
    const DecisionKey key = DecisionKey::of(packet.data, packet.ingress);
    Decision* kept = cache_.find(key, packet.hash);  // asked twice in one batch
    if (kept == nullptr) kept = cache_.insert(key, packet.hash);
    decision.last_used = batch_number_;
    if (miss.lifetime_ms != 0) {
      const std::uint32_t lifetime = std::min(miss.lifetime_ms, kLongestKept);
      decision.ends = std::max(1u, clock_of(now) + lifetime);
    }
    *kept = decision;
  }
  if (decision.drop == DropReason::none) return note_met(miss);
  refuse(packet, decision);
}

// What this member sends itself may be of any of its layers; a link is of one.
std::uint8_t Pipeline::layer_of(LinkId ingress, std::uint32_t wire_layer) const {
  if (ingress != kSelf) return tables_.links[ingress].layer;
  for (std::size_t k = 0; k < tables_.layers.size(); ++k)
    if (tables_.layers[k].wire_id == wire_layer) return static_cast<std::uint8_t>(k);
  return 0;
}

// A source name is accepted on the link where it is registered. A host takes what its node forwards: there the session
// proves the name; its own it takes from nobody.
bool Pipeline::source_is_here(const Miss& miss) const {
  const LayerTable& layer = tables_.layers[miss.layer];
  const wire::Name source = miss.view.source();
  if (tables_.links[miss.ingress].any_source) return miss.ingress == kSelf || source != layer.own;
  const Place* place = layer.names.find(source);
  return place != nullptr && place->link == miss.ingress;
}

// Fills in where the miss's answer leads and what that rests on.
DropReason Pipeline::place_miss(const Miss& miss, Decision& decision) {
  const LayerTable& layer = tables_.layers[miss.layer];
  decision.epoch = tables_.links.epoch();
  decision.policy = decider_.generation();
  decision.decider_generation = decider_.generation_of(miss.view.service(), miss.passage.chain);
  decision.chain = miss.passage.chain;
  decision.rule = miss.rule;
  decision.ingress_generation = tables_.links[miss.ingress].generation;
  decision.source_generation = layer.names.generation(miss.view.source());
  decision.to = miss.to;
  decision.destination_generation = layer.names.generation(miss.to);
  if (miss.drop != DropReason::none) return miss.drop;
  const Place* place = layer.names.find(miss.to);
  if (place != nullptr) {
    decision.egress = place->link;
  } else if (layer.names.default_link != kSelf && miss.ingress != layer.names.default_link) {
    decision.egress = layer.names.default_link;
  } else {
    return DropReason::no_route;
  }
  const Link& egress = tables_.links[decision.egress];
  decision.egress_generation = egress.generation;
  if (decision.egress != kSelf && egress.layer != miss.layer) return DropReason::no_route;
  // Whoever is not attached here is nobody's way to a third node: two that disagree would send packets to and fro.
  if (between_nodes(miss.ingress) && between_nodes(decision.egress)) return DropReason::no_route;
  return DropReason::none;
}

// The epoch or the deciders' generation has moved since this was decided: look at each thing that it rests on.
bool Pipeline::still_holds(Decision& decision, const std::uint8_t* packet, LinkId ingress) const {
  const std::uint32_t service = base::load_be32(packet + wire::offset::kService);
  if (decider_.generation_of(service, decision.chain) != decision.decider_generation) return false;
  const Link& from = tables_.links[ingress];
  if (from.generation != decision.ingress_generation) return false;
  if (tables_.links[decision.egress].generation != decision.egress_generation) return false;
  if (decision.drop != DropReason::none) return false;  // what was missing may have come
  const std::uint32_t wire_layer = base::load_be32(packet + wire::offset::kLayer);
  for (const LayerTable& layer : tables_.layers) {
    if (layer.wire_id != wire_layer) continue;
    // What is placed nowhere went the default way, which may be another one now.
    if (layer.names.find(decision.to) == nullptr && decision.egress != layer.names.default_link)
      return false;
    return layer.names.generation(wire::load_name(packet + wire::offset::kSource)) ==
               decision.source_generation &&
           layer.names.generation(decision.to) == decision.destination_generation;
  }
  return false;
}

// ---- act ---------------------------------------------------------------------------------------------------------

void Pipeline::act(base::TimePoint now) {
  std::size_t here = 0, guests = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    Packet& packet = packets_[i];
    if (packet.done) continue;
    if (packet.data[wire::offset::kSummary] != 0 && !understands(packet)) [[unlikely]] {
      drop(packet, DropReason::option_critical_unknown);
      continue;
    }
    if (packet.egress == kSelf) {
      scratch_[here++] = &packet;
      continue;
    }
    Link& egress = tables_.links[packet.egress];
    if (!egress.send) [[unlikely]] {
      without_keys(packet, egress);
      continue;
    }
    if (config_.node && packet.ingress != kSelf && !lower_ttl(packet)) continue;
    if (egress.kind == LinkKind::kGuest) {
      miss_packets_[guests++] = &packet;
      continue;
    }
    if (packet.length > egress.max_packet) [[unlikely]] {
      drop(packet, DropReason::too_big);
      continue;
    }
    packet.traffic_class = packet.data[wire::offset::kTrafficClass];
  }
  hand_over(here, guests, now);
}

// No option is known here yet. A critical one concerns whoever forwards the packet, unless it is end to end, and whoever
// it ends at.
bool Pipeline::understands(const Packet& packet) const {
  const bool ends_here =
      packet.egress == kSelf || tables_.links[packet.egress].kind == LinkKind::kGuest;
  wire::HeaderView view;
  wire::HeaderView::parse(base::ByteView(packet.data, packet.length), view);
  for (wire::OptionView option : view.options())
    if (option.critical() && (ends_here || !option.end_to_end())) return false;
  return true;
}

void Pipeline::hand_over(std::size_t here, std::size_t guests, base::TimePoint now) {
  if (here > 0) {
    counters_.delivered += here;
    local_.to_self(std::span<Packet* const>(scratch_.data(), here), now);
    for (std::size_t i = 0; i < here; ++i) {
      scratch_[i]->done = true;
      if (scratch_[i]->drop != DropReason::none) counters_.drops.add(scratch_[i]->drop);
    }
  }
  if (guests > 0) {
    local_.to_guests(std::span<Packet* const>(miss_packets_.data(), guests), now);
    for (std::size_t i = 0; i < guests; ++i) {
      Packet& packet = *miss_packets_[i];
      if (packet.done && packet.drop != DropReason::none) counters_.drops.add(packet.drop);
    }
  }
}

void Pipeline::drop(Packet& packet, DropReason reason) {
  packet.done = true;
  packet.drop = reason;
  counters_.drops.add(reason);
  if (reason == DropReason::source_not_here || reason == DropReason::no_route)
    note_stray(packet, reason);
}

// ---- queue -------------------------------------------------------------------------------------------------------

// By egress link and class. Bounded by the batch; what has no keys is dropped here, before any counter is taken.
void Pipeline::queue() {
  if (queues_.size() < tables_.links.size()) queues_.resize(tables_.links.size());
  for (std::uint32_t i = 0; i < count_; ++i) {
    Packet& packet = packets_[i];
    if (packet.done) continue;
    const Link& link = tables_.links[packet.egress];
    if (!link.send) [[unlikely]] {
      drop(packet, DropReason::link_down);
      continue;
    }
    Queue& queue = queues_[packet.egress.value()];
    if (queue.batch != batch_number_) {
      queue.batch = batch_number_;
      queue.head.fill(kEnd);
      queue.tail.fill(kEnd);
      active_[actives_++] = packet.egress;
    }
    const std::size_t which = packet.traffic_class >> 2 >= kFirstPriorityDscp ? 0 : 1;
    packet.next = kEnd;
    if (queue.head[which] == kEnd) {
      queue.head[which] = i;
    } else {
      packets_[queue.tail[which]].next = i;
    }
    queue.tail[which] = i;
  }
}

// ---- seal --------------------------------------------------------------------------------------------------------

void Pipeline::seal() {
  for (std::size_t ahead = 0; ahead < actives_ + kAhead; ++ahead) {
    if (ahead < actives_) prefetch_sealing(active_[ahead]);
    if (ahead >= kAhead) seal_link(active_[ahead - kAhead]);
  }
}

void Pipeline::prefetch_sealing(LinkId id) const {
  const Queue& queue = queues_[id.value()];
  const std::uint32_t first = queue.head[0] != kEnd ? queue.head[0] : queue.head[1];
  security::prefetch(tables_.links[id].send->key, packets_[first].length);
}

void Pipeline::seal_link(LinkId id) {
  Link& link = tables_.links[id];
  security::Traffic& traffic = report(link, id).traffic;
  const Queue& queue = queues_[id.value()];
  OutBurst* burst = nullptr;
  for (std::size_t which = 0; which < kClasses; ++which) {
    for (std::uint32_t i = queue.head[which]; i != kEnd; i = packets_[i].next) {
      Packet& packet = packets_[i];
      std::uint8_t* out = arena_.get() + arena_used_;
      const std::size_t size = security::seal_record(*link.send, packet.data, packet.length, out);
      if (size == 0) [[unlikely]] {
        drop(packet, DropReason::record_counter_exhausted);
        continue;
      }
      arena_used_ += size;
      ++link.tx_packets;
      link.tx_bytes += packet.length;
      ++counters_.forwarded;
      if (packet.length == 0) {
        ++traffic.sent_empty;
      } else {
        ++traffic.sent_data;
      }
      // One burst takes records of one size; a shorter one may be its last.
      const bool joins = burst != nullptr && burst->traffic_class == packet.traffic_class &&
                         size <= burst->segment && burst->length % burst->segment == 0 &&
                         burst->length / burst->segment < kMaxSegments &&
                         burst->length + size <= kMaxBurst;
      if (!joins) {
        burst = &out_[outs_++];
        *burst = OutBurst{out, 0, static_cast<std::uint16_t>(size), packet.traffic_class, id};
      }
      burst->length += static_cast<std::uint32_t>(size);
    }
  }
  traffic.send_counter = link.send->next;
}

}  // namespace entresol::layer::forwarding
