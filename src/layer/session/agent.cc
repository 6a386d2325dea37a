// outbound: session, size, flow, segments, seal. inbound: keys, names, open, rebuild, opener. What concerns control
// messages and waiting packets is in agent_control.cc.
#include "layer/session/agent.h"

#include <algorithm>
#include <cstring>

namespace entresol::layer::session {
namespace {

using base::DropReason;

constexpr std::size_t kSegmentRoom = 160;  // header, session header, prefix, tag, and some
constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_ipv4(const inner::Address& address) {
  return std::memcmp(address.data(), kMappedPrefix, sizeof kMappedPrefix) == 0;
}

membership::Ipv4 ipv4_of(const inner::Address& address) {
  membership::Ipv4 out;
  std::copy_n(address.begin() + 12, 4, out.begin());
  return out;
}

// Echo requests and replies make flows by their identifier; other ICMP is about flows and is none itself.
bool is_echo(const inner::IpPacket& ip) {
  return ip.is_icmp && (ip.version == 4 ? ip.icmp_type == 8 || ip.icmp_type == 0
                                        : ip.icmp_type == 128 || ip.icmp_type == 129);
}

FlowKey outbound_key(const inner::IpPacket& ip, const wire::Name& local, const wire::Name& far) {
  FlowKey key;
  key.local = local;
  key.far = far;
  key.protocol = ip.protocol;
  key.version = ip.version;
  if (ip.is_icmp && is_echo(ip)) {
    key.local_port = key.far_port = ip.icmp_identifier;
  } else if (ip.is_icmp) {
    key.far_port = kNoEcho;
  } else {
    key.local_port = ip.source_port;
    key.far_port = ip.destination_port;
  }
  return key;
}

FlowKey inbound_key(const inner::IpPacket& ip, const wire::Name& local, const wire::Name& far) {
  FlowKey key = outbound_key(ip, local, far);
  std::swap(key.local_port, key.far_port);
  return key;
}

}  // namespace

Agent::Agent(membership::Membership& membership, const AgentConfig& config,
             base::RandomSource& random)
    : membership_(membership),
      random_(random),
      sessions_(membership, config.suite, config.reset_secret, config.timing, random_),
      flows_(random_),
      lookups_(random_),
      services_(config.services),
      wire_layer_(wire::wire_layer(membership.trust().layer())),
      arena_(new std::uint8_t[kArena]) {
  packets_.reserve(kMaxPackets + 64);
}

void Agent::begin() {
  arena_used_ = 0;
  packets_.clear();
  replies_.clear();
}

// Null if there is no room left in this batch.
std::uint8_t* Agent::room(std::size_t octets) {
  if (arena_used_ + octets > kArena) return nullptr;
  return arena_.get() + arena_used_;
}

// ---- outbound ----------------------------------------------------------------------------------------------------

DropReason Agent::outbound(base::MutableBytes packet, const inner::IpPacket& ip,
                           const inner::Offload& offload, const wire::Name& local,
                           base::TimePoint now, std::int64_t unix_nanos) {
  Session* session = session_to(ip, local);
  if (session == nullptr && resolver_ && !unreachable_)
    return look_up(packet, ip, offload, local, now);
  if (session == nullptr || unreachable_) {
    answer(inner::IcmpError::kNoRoute, 0, packet, local, ip.destination);
    return session == nullptr ? DropReason::destination_unknown : DropReason::link_down;
  }
  if (ip.version == 4 ? ipv4_of(ip.source) != session->local_addresses.ipv4
                      : ip.source != session->local.octets)
    return DropReason::inside_not_ours;
  if (auto reason = segmenter_.start(packet, ip, offload, inner::Segmenter::Checksums::kOctet);
      reason != DropReason::none)
    return reason;
  if (segmenter_.largest() > mtu_) {
    if (inner::may_fragment(ip) && segmenter_.count() == 1 && !offload.needs_checksum)
      return outbound_fragments(ip, local, now, unix_nanos);
    // From the destination: the sender's system does not believe packets that come from itself.
    answer(inner::IcmpError::kTooBig, mtu_, packet, local, ip.destination);
    return DropReason::too_big;
  }
  if (!session->send) return wait(*session, packet, offload, now, unix_nanos);
  return seal_all(ip, *session, now);
}

// What its sender lets routers cut, and a host's own kernel would have.
DropReason Agent::outbound_fragments(const inner::IpPacket& ip, const wire::Name& local,
                                     base::TimePoint now, std::int64_t unix_nanos) {
  std::array<std::uint8_t, inner::Segmenter::kHeadroom + 0xffff> room;  // NOLINT: written by next()
  std::uint8_t* const at = room.data() + inner::Segmenter::kHeadroom;
  inner::Fragmenter fragments(ip, mtu_);
  while (const std::size_t size = fragments.next(at)) {
    inner::IpPacket fragment;
    DropReason reason = inner::parse({at, size}, fragment);
    if (reason == DropReason::none)
      reason = outbound({at, size}, fragment, inner::Offload{}, local, now, unix_nanos);
    if (reason != DropReason::none) return reason;
  }
  return DropReason::none;
}

Session* Agent::session_to(const inner::IpPacket& ip, const wire::Name& local) {
  if (last_session_ != nullptr && last_destination_ == ip.destination && last_local_ == local &&
      last_forgotten_ == membership_.forgotten())
    return last_session_;
  wire::Name far{ip.destination};
  if (is_ipv4(ip.destination)) {
    const auto* member = membership_.find_ipv4(ipv4_of(ip.destination));
    if (member == nullptr) return nullptr;
    far = member->name;
  }
  if (far == local) return nullptr;
  Session* session = sessions_.open(local, far);
  if (session == nullptr) return nullptr;
  last_session_ = session;
  last_forgotten_ = membership_.forgotten();
  last_destination_ = ip.destination;
  last_local_ = local;
  return session;
}

// A flow that is new here is one that this end opens. Of fragments only the first has ports: the others go under the
// first's flow, which is found by what fragments have in common.
Flow& Agent::flow_for(const inner::IpPacket& ip, const Session& session, base::TimePoint now) {
  FlowKey key = outbound_key(ip, session.local, session.far);
  if (ip.is_fragment && !ip.is_first_fragment) {
    if (const FlowKey* first = fragments_.find(ip)) key = *first;
  }
  Flow* flow = flows_.find(key);
  if (flow == nullptr || (ip.flow_label != 0 && (flow->id & 0xfffffu) != ip.flow_label)) {
    const bool opened_here = flow == nullptr || flow->opened_here;
    if (flow != nullptr) {
      flows_.relabel(*flow, ip.flow_label);
    } else {
      flow = &flows_.add(key, opened_here, ip.flow_label, now);
    }
    flow->tracked = !ip.is_icmp || is_echo(ip);
    flow->session_keys = 0;
  }
  if (ip.is_fragment && ip.is_first_fragment) fragments_.remember(ip, key);
  flow->last_used = now;
  return *flow;
}

std::uint32_t Agent::service_for(const Flow& flow, const wire::Name& far) const {
  if (!flow.opened_here || services_.empty()) return wire::service::kIpDelivery;
  const auto* member = membership_.find(far);
  for (const ServiceRule& rule : services_) {
    const bool is_far = rule.to.empty() || (member != nullptr && rule.to == member->label) ||
                        rule.to == wire::to_string(far);
    const bool ports_match = rule.port == 0 || rule.port == flow.key.far_port;
    if (is_far && ports_match && (rule.protocol == 0 || rule.protocol == flow.key.protocol))
      return rule.service;
  }
  return wire::service::kIpDelivery;
}

// Header and canonical form of the flow's packets, made anew when session keys or the flow have changed.
void Agent::prepare_headers(Flow& flow, const Session& session) {
  const FlowKey& key = flow.key;
  wire::Header header;
  header.next_protocol = wire::next_protocol::kSealed;
  header.layer = wire_layer_;
  header.service = service_for(flow, session.far);
  header.flow_id = flow.id;
  // Of the key, not of the packet, which may be a later fragment.
  header.inner_protocol = key.protocol;
  header.opener = flow.opened_here;
  if (inner::protocol_has_ports(key.protocol))
    header.responder_port = flow.opened_here ? key.far_port : key.local_port;
  header.source = session.local;
  header.destination = session.far;
  header.emit(flow.header.data(), 0);
  flow.canonical = wire::CanonicalForm(membership_.trust().layer(), header);
  wire::SessionHeader on_wire{wire::WireId{session.send->wire_id}, 0};
  on_wire.emit(flow.header.data() + wire::kHeaderSize);
  flow.canonical.set(on_wire);
  flow.session_keys = session.keys_changed;
}

DropReason Agent::seal_all(const inner::IpPacket& ip, Session& session, base::TimePoint now) {
  Flow& flow = flow_for(ip, session, now);
  if (flow.session_keys != session.keys_changed) prepare_headers(flow, session);
  flow.save(ip);
  sessions_.touch(session);
  inner::Segment segment;
  while (segmenter_.next(segment))
    if (!seal_segment(segment, flow, session, ip)) return DropReason::record_counter_exhausted;
  return DropReason::none;
}

bool Agent::seal_segment(const inner::Segment& segment, Flow& flow, Session& session,
                         const inner::IpPacket& ip) {
  constexpr std::size_t kHead = wire::kHeaderSize + wire::kSessionHeaderSize;
  const std::size_t plain = segment.plaintext.size();
  std::uint8_t* out = room(plain + kSegmentRoom);
  if (out == nullptr) return false;
  const std::uint32_t sequence = static_cast<std::uint32_t>(session.send->next);
  // A fragment's flag is the packet's, not the flow's.
  wire::CanonicalForm fragment_form;
  wire::CanonicalForm* canonical = &flow.canonical;
  std::memcpy(out, flow.header.data(), kHead);
  if (ip.is_fragment) [[unlikely]] {
    out[wire::offset::kInnerFlags] |= wire::kInnerFragment;
    wire::HeaderView view;
    wire::set_payload_length(out, static_cast<std::uint16_t>(8 + plain + security::kRecordTag));
    wire::HeaderView::parse(base::ByteView(out, kHead + plain + security::kRecordTag), view);
    fragment_form = wire::CanonicalForm(membership_.trust().layer(), view);
    fragment_form.set_id(wire::WireId{session.send->wire_id});
    canonical = &fragment_form;
  }
  canonical->set_sequence(sequence);
  if (!security::seal_session(*session.send, canonical->octets(), segment.plaintext.data(), plain,
                              out + kHead))
    return false;
  wire::set_ttl(out, ip.ttl);
  wire::set_traffic_class(out, ip.traffic_class);
  wire::set_payload_length(out, static_cast<std::uint16_t>(8 + plain + security::kRecordTag));
  base::store_be32(out + wire::kHeaderSize + 4, sequence);
  const std::size_t size = kHead + plain + security::kRecordTag;
  packets_.emplace_back(out, size);
  arena_used_ += size;
  ++session.packets_sent;
  ++session.traffic.sent_data;
  return true;
}

// ---- between guests of one node ------------------------------------------------------------------------------------

base::MutableBytes Agent::wrap(const inner::IpPacket& ip, const wire::Name& local,
                               const wire::Name& far, base::TimePoint now) {
  FlowKey key = outbound_key(ip, local, far);
  if (ip.is_fragment && !ip.is_first_fragment) {
    if (const FlowKey* first = fragments_.find(ip)) key = *first;
  }
  if (ip.is_fragment && ip.is_first_fragment) fragments_.remember(ip, key);
  Flow* flow = flows_.find(key);
  if (flow == nullptr || flow->refused) {
    FlowKey reverse = key;
    std::swap(reverse.local, reverse.far);
    std::swap(reverse.local_port, reverse.far_port);
    const Flow* other = flows_.find(reverse);
    const bool opens = other == nullptr || !other->opened_here || other->refused;
    if (flow == nullptr) flow = &flows_.add(key, opens, ip.flow_label, now);
    flow->opened_here = opens;
    flow->refused = false;  // it is asked about again
  }
  flow->last_used = now;
  flow->save(ip);
  wire::Header header;
  header.ttl = ip.ttl;
  header.traffic_class = ip.traffic_class;
  header.next_protocol =
      ip.version == 4 ? wire::next_protocol::kInnerIpv4 : wire::next_protocol::kInnerIpv6;
  header.layer = wire_layer_;
  header.service = wire::service::kIpDelivery;
  header.flow_id = flow->id;
  header.inner_protocol = ip.protocol;
  header.opener = flow->opened_here;
  header.fragment = ip.is_fragment;
  if (inner::protocol_has_ports(ip.protocol))
    header.responder_port = flow->opened_here ? key.far_port : key.local_port;
  header.source = local;
  header.destination = far;
  const std::size_t size = wire::kHeaderSize + ip.bytes.size();
  std::uint8_t* at = room(size);
  if (at == nullptr) return {};
  header.emit(at, static_cast<std::uint16_t>(ip.bytes.size()));
  std::memcpy(at + wire::kHeaderSize, ip.bytes.data(), ip.bytes.size());
  arena_used_ += size;
  return {at, size};
}

// ---- inbound -----------------------------------------------------------------------------------------------------

DropReason Agent::inbound(const wire::HeaderView& view, base::TimePoint now,
                          inner::InsidePacket& out) {
  wire::SessionView sealed;
  if (auto reason = wire::SessionView::parse(view.payload(), sealed); reason != DropReason::none)
    return reason;
  ReceiveSession* keys = sealed.id().lane() == 0 ? sessions_.find(sealed.id().index()) : nullptr;
  if (keys == nullptr) {
    const base::Bytes reset = sessions_.reset_for(view.payload(), now);
    if (!reset.empty()) handshakes_.push_back({view.destination(), view.source(), reset});
    note_caller(view);
    return DropReason::session_unknown;
  }
  Session& session = *keys->session;
  if (view.source() != session.far || view.destination() != session.local)
    return DropReason::session_names;

  std::uint8_t canonical[wire::kCanonicalMaximum];
  const std::size_t canonical_size =
      wire::emit_canonical(membership_.trust().layer(), view, sealed.header(), canonical);
  // The packet's bytes are the receiver's own buffer: opening in place is what it is there for.
  auto* bytes = const_cast<std::uint8_t*>(sealed.sealed().data());
  const std::size_t size = sealed.sealed().size();
  if (auto reason = security::open_session(*keys->lane, sealed.sequence(),
                                           base::ByteView(canonical, canonical_size), bytes, size);
      reason != DropReason::none)
    return reason;
  sessions_.touch(session);
  session.traffic.local_index = keys->index;
  ++session.packets_received;
  if (view.inner_protocol() == inner::kProtocolNone) {  // a keepalive
    ++session.traffic.received_empty;
    out.bytes = {};
    return DropReason::none;
  }
  ++session.traffic.received_data;

  inner::Outside outside;
  outside.source = &session.far_addresses;
  outside.destination = &session.local_addresses;
  outside.flow_id = view.flow_id();
  outside.responder_port = view.responder_port();
  outside.protocol = view.inner_protocol();
  outside.ttl = view.ttl();
  outside.traffic_class = view.traffic_class();
  outside.opener = view.opener();
  outside.fragment = view.fragment();
  // The inner header is written back over the end of the outer one, which an answer has to quote.
  std::array<std::uint8_t, wire::kHeaderMaximum + wire::kSessionHeaderSize> head;
  const std::size_t head_size = view.header_size() + wire::kSessionHeaderSize;
  std::uint8_t* const start = bytes - head_size;
  std::memcpy(head.data(), start, head_size);
  const base::MutableBytes plaintext(bytes, size - security::kRecordTag);
  const auto identification = static_cast<std::uint16_t>(sealed.sequence());
  if (auto reason = inner::rebuild(plaintext, outside, identification, out);
      reason != DropReason::none)
    return reason;
  if (opener_agrees(view.opener(), session, out.ip, now)) return DropReason::none;
  std::memcpy(start, head.data(), head_size);
  if (wire::may_report(view))
    send_control(session.local, session.far, view.service(), 64,
                 wire::emit_error(wire::ControlType::opened_from_other_side, 0, "", view));
  return DropReason::not_opener;
}

// The state of who opened a flow is here, at its ends. A far end that says otherwise is told so, and may correct itself.
bool Agent::opener_agrees(bool far_opened, const Session& session, const inner::IpPacket& ip,
                          base::TimePoint now) {
  if (ip.is_fragment && !ip.is_first_fragment) return true;  // its first decides
  if (ip.is_icmp && !is_echo(ip)) return far_opened;         // is no answer: who sends it opens
  const FlowKey key = inbound_key(ip, session.local, session.far);
  Flow* flow = flows_.find(key);
  if (flow == nullptr && far_opened) flow = &flows_.add(key, false, 0, now);
  if (flow == nullptr) return false;
  if (flow->opened_here && far_opened && flow->gives_way(session.local < session.far, now))
    flow->believe(false);
  if (flow->opened_here == far_opened) return false;
  flow->confirmed = true;
  flow->refused = false;
  flow->contested.reset();
  flow->last_used = now;
  return true;
}

}  // namespace entresol::layer::session
