// The agent's slower half: packets that wait for keys, handshakes, control messages, ICMP for applications, timers.
#include <algorithm>
#include <cstring>

#include "layer/session/agent.h"

namespace entresol::layer::session {
namespace {

using base::DropReason;

constexpr base::Duration kExpiryInterval = std::chrono::seconds(30);

inner::IcmpError icmp_kind(wire::ControlType type) {
  switch (type) {
    case wire::ControlType::ttl_exceeded:
      return inner::IcmpError::kTimeExceeded;
    case wire::ControlType::too_big:
      return inner::IcmpError::kTooBig;
    case wire::ControlType::refused_by_rule:
      return inner::IcmpError::kProhibited;
    case wire::ControlType::no_route:
      return inner::IcmpError::kHostUnreachable;
    default:
      return inner::IcmpError::kNoRoute;
  }
}

}  // namespace

// ---- waiting for a session ---------------------------------------------------------------------------------------

DropReason Agent::wait(Session& session, base::MutableBytes packet, const inner::Offload& offload,
                       base::TimePoint now, std::int64_t unix_nanos) {
  if (carrier_) sessions_.connect(session, now, unix_nanos, handshakes_);
  if (session.waiting.size() >= kMaxWaitingPackets ||
      session.waiting_bytes + packet.size() > kMaxWaiting)
    return DropReason::session_pending;
  session.waiting.push_back({base::Bytes(packet.begin(), packet.end()), offload});
  session.waiting_bytes += packet.size();
  return DropReason::none;
}

void Agent::set_unreachable(bool unreachable) {
  unreachable_ = unreachable;
  if (!unreachable) return;
  for (const auto& [names, session] : sessions_.all())
    answer_waiting(*session, inner::IcmpError::kHostUnreachable);
  refuse_waiting(lookups_.abandon());
}

void Agent::set_carrier(bool carrier, base::TimePoint now, std::int64_t unix_nanos) {
  if (carrier && !carrier_)
    for (const auto& [names, session] : sessions_.all())
      if (!session->waiting.empty() && !session->send)
        sessions_.connect(*session, now, unix_nanos, handshakes_);
  carrier_ = carrier;
}

void Agent::send_waiting(base::TimePoint now) {
  std::vector<Session*> ready;
  ready.swap(sessions_.ready());
  for (Session* session : ready) {
    while (!session->waiting.empty() && session->send && !full()) {
      Session::Waiting waiting = std::move(session->waiting.front());
      session->waiting.pop_front();
      session->waiting_bytes -= waiting.packet.size();
      waiting.packet.insert(waiting.packet.begin(), inner::Segmenter::kHeadroom, 0);
      const base::MutableBytes packet =
          base::MutableBytes(waiting.packet).subspan(inner::Segmenter::kHeadroom);
      inner::IpPacket ip;
      if (inner::parse(packet, ip, inner::HeaderChecksum::kTrust) != DropReason::none) continue;
      if (segmenter_.start(packet, ip, waiting.offload, inner::Segmenter::Checksums::kOctet) !=
          DropReason::none)
        continue;
      seal_all(ip, *session, now);
    }
    // Without keys they wait for the next ones.
    if (!session->waiting.empty() && session->send) sessions_.ready().push_back(session);
  }
}

// The session was given up: whoever waits for it is told.
void Agent::fail_waiting() {
  for (Session* session : sessions_.failed())
    answer_waiting(*session, inner::IcmpError::kHostUnreachable);
  sessions_.failed().clear();
}

std::size_t Agent::end(const std::function<bool(const Session&)>& which) {
  std::vector<Session*> ending;
  for (const auto& [names, session] : sessions_.all())
    if (which(*session)) ending.push_back(session.get());
  std::size_t waited = 0;
  for (Session* session : ending) {
    waited += session->waiting.size();
    answer_waiting(*session, inner::IcmpError::kHostUnreachable);
    std::erase_if(handshakes_, [&](const HandshakeOut& out) {
      return out.local == session->local && out.far == session->far;
    });
    sessions_.end(*session);
  }
  if (!ending.empty()) last_session_ = nullptr;
  return waited;
}

void Agent::answer_waiting(Session& session, inner::IcmpError error) {
  for (Session::Waiting& waiting : session.waiting) {
    inner::IpPacket ip;
    if (inner::parse(waiting.packet, ip, inner::HeaderChecksum::kTrust) != DropReason::none)
      continue;
    answer(error, 0, waiting.packet, session.local, ip.destination);
  }
  session.waiting.clear();
  session.waiting_bytes = 0;
}

// ---- who nobody knows here ---------------------------------------------------------------------------------------

DropReason Agent::look_up(base::ByteView packet, const inner::IpPacket& ip,
                          const inner::Offload& offload, const wire::Name& local,
                          base::TimePoint now) {
  const wire::Name& own = membership_.own().name;
  const bool name = ip.version == 6 &&
                    std::equal(own.octets.begin(), own.octets.begin() + 4, ip.destination.begin());
  Lookups::Asked asked = Lookups::Asked::kUnknown;
  if (ip.version == 4) {
    membership::Ipv4 address;
    std::copy_n(ip.destination.begin() + 12, address.size(), address.begin());
    asked = lookups_.ask(address, {local, {packet.begin(), packet.end()}, offload}, now);
  } else if (name && ip.destination != local.octets) {
    asked = lookups_.ask(wire::Name{ip.destination},
                         {local, {packet.begin(), packet.end()}, offload}, now);
  }
  if (asked == Lookups::Asked::kWaits) return DropReason::none;
  if (asked == Lookups::Asked::kFull) return DropReason::session_pending;
  answer(inner::IcmpError::kNoRoute, 0, packet, local, ip.destination);
  return DropReason::destination_unknown;
}

void Agent::ask_node(base::TimePoint now) {
  if (!resolver_ || !carrier_) return;
  for (const Lookups::Question& question : lookups_.due(now)) {
    base::Bytes message;
    if (const auto* name = std::get_if<wire::Name>(&question.sought)) {
      message = wire::emit_lookup(question.id, wire::LookupKind::name, name->octets);
    } else if (const auto* address = std::get_if<membership::Ipv4>(&question.sought)) {
      message = wire::emit_lookup(question.id, wire::LookupKind::ipv4, *address);
    } else {
      const auto& label = std::get<std::string>(question.sought);
      message =
          wire::emit_lookup(question.id, wire::LookupKind::label,
                            {reinterpret_cast<const std::uint8_t*>(label.data()), label.size()});
    }
    send_control(membership_.own().name, *resolver_, wire::service::kMember, kDefaultTtl, message);
  }
}

namespace {

// Beside headers of all links on its way.
constexpr std::size_t kAnswerRoom = 1150;

// Hosts know no places of guests: their node does.
base::Bytes answer_with(std::uint32_t id, const membership::Objects& objects, bool to_node) {
  if (!objects.grant.empty() && to_node && !objects.registration.empty())
    return wire::emit_answer(id, wire::AnswerKind::placed_guest, objects.grant,
                             objects.registration);
  if (!objects.grant.empty())
    return wire::emit_answer(id, wire::AnswerKind::guest, objects.grant, {});
  if (!objects.certificate.empty())
    return wire::emit_answer(id, wire::AnswerKind::member, objects.certificate,
                             objects.registration);
  if (!objects.name_certificate.empty())
    return wire::emit_answer(id, wire::AnswerKind::name, objects.name_certificate,
                             objects.delegations);
  return wire::emit_answer(id, wire::AnswerKind::unknown, {}, {});
}

}  // namespace

// At a node. The pipeline has held the source to its link already.
void Agent::answer_lookup(const wire::ControlView& message, const wire::HeaderView& view,
                          base::UnixSeconds today) {
  const base::ByteView key = message.lookup_key();
  const membership::Member* member = nullptr;
  switch (message.lookup_kind()) {
    case wire::LookupKind::name:
      member = membership_.find(wire::load_name(key.data()));
      break;
    case wire::LookupKind::ipv4:
      member = membership_.find_ipv4({key[0], key[1], key[2], key[3]});
      break;
    case wire::LookupKind::label:
      member = membership_.find_label({reinterpret_cast<const char*>(key.data()), key.size()});
      break;
  }
  membership::Objects objects =
      member == nullptr ? membership::Objects{} : membership_.objects(member->name);
  if (!objects.name_certificate.empty())
    objects.delegations = membership_.delegations_for(
        member->name, view.source(),
        kAnswerRoom - std::min(kAnswerRoom, objects.name_certificate.size()), today);
  const membership::Member* asker = membership_.find(view.source());
  const base::Bytes told =
      answer_with(message.info(), objects, asker != nullptr && asker->is_node());
  if (!told.empty())
    send_control(membership_.own().name, view.source(), wire::service::kMember, kDefaultTtl, told);
}

// What the node says is believed as far as it proves itself; that it knows nobody is believed as it is.
void Agent::take_answer(const wire::ControlView& message, base::TimePoint now,
                        std::int64_t unix_nanos) {
  const Sought* asked = lookups_.open(message.info());
  if (asked == nullptr) return;
  const base::UnixSeconds today = unix_nanos / 1'000'000'000;
  base::Bytes first(message.answer_first().begin(), message.answer_first().end());
  if (message.answer_kind() == wire::AnswerKind::member) {
    (void)membership_.learn(first, message.answer_second(), today);
  } else if (message.answer_kind() == wire::AnswerKind::guest) {
    (void)membership_.learn_guest(std::move(first), today, *resolver_);
  } else if (message.answer_kind() == wire::AnswerKind::name) {
    (void)membership_.learn_name(first, message.answer_second(), today);
  }
  const bool found = knows(*asked);
  auto waiting = lookups_.answered(message.info(), found, now);
  if (!waiting) return;
  if (!found) return refuse_waiting(*waiting);
  for (Lookups::Waiting& each : *waiting) {
    each.packet.insert(each.packet.begin(), inner::Segmenter::kHeadroom, 0);
    const base::MutableBytes packet =
        base::MutableBytes(each.packet).subspan(inner::Segmenter::kHeadroom);
    inner::IpPacket ip;
    if (inner::parse(packet, ip, inner::HeaderChecksum::kTrust) == DropReason::none)
      (void)outbound(packet, ip, each.offload, each.local, now, unix_nanos);
  }
}

// Somebody else, with whom a session can be opened: else the same question would follow its answer for ever.
bool Agent::knows(const Sought& sought) const {
  const membership::Member* member = nullptr;
  if (const auto* name = std::get_if<wire::Name>(&sought)) {
    member = membership_.find(*name);
  } else if (const auto* address = std::get_if<membership::Ipv4>(&sought)) {
    member = membership_.find_ipv4(*address);
  } else {
    member = membership_.find_label(std::get<std::string>(sought));
  }
  return member != nullptr && member->name != membership_.own().name &&
         member->native_key != membership::Key{};
}

void Agent::refuse_waiting(const std::vector<Lookups::Waiting>& waiting) {
  refused_ += waiting.size();
  for (const Lookups::Waiting& each : waiting) {
    inner::IpPacket ip;
    if (inner::parse(each.packet, ip, inner::HeaderChecksum::kTrust) == DropReason::none)
      answer(inner::IcmpError::kNoRoute, 0, each.packet, each.local, ip.destination);
  }
}

DropReason Agent::handshake(const wire::HeaderView& view, base::TimePoint now,
                            std::int64_t unix_nanos) {
  const DropReason reason = sessions_.handle(view.payload(), view.destination(), view.source(), now,
                                             unix_nanos, handshakes_);
  const bool initiation = !view.payload().empty() && view.payload()[0] == 0x10;
  if (initiation && reason == DropReason::handshake_mac1) note_caller(view);
  after_batch(now, unix_nanos);
  return reason;
}

// A guest of this node is called with another node's key, or spoken to in a session with another node: by who does not know
// that it has moved, or never knew where it is. The handshake that comes from here shows whose key counts.
void Agent::note_caller(const wire::HeaderView& view) {
  if (membership_.speaks_for(view.destination()) && callers_.size() < kMaxCallers)
    callers_.emplace_back(view.destination(), view.source());
}

void Agent::call_back(base::TimePoint now, std::int64_t unix_nanos) {
  for (const auto& [local, far] : callers_)
    if (Session* session = sessions_.open(local, far))
      sessions_.call(*session, now, unix_nanos, handshakes_);
  callers_.clear();
}

void Agent::send_handshakes() {
  for (const HandshakeOut& out : handshakes_) {
    wire::Header header;
    header.ttl = kDefaultTtl;
    header.next_protocol = wire::next_protocol::kHandshake;
    header.layer = wire_layer_;
    header.service = wire::service::kIpDelivery;
    header.source = out.local;
    header.destination = out.far;
    const std::size_t size = header.size() + out.message.size();
    std::uint8_t* at = room(size);
    if (at == nullptr || out.message.size() > wire::kPayloadMaximum) continue;
    header.emit(at, static_cast<std::uint16_t>(out.message.size()));
    std::memcpy(at + header.size(), out.message.data(), out.message.size());
    packets_.emplace_back(at, size);
    arena_used_ += size;
  }
  handshakes_.clear();
}

// A record without an inner packet: inner protocol 59, "no next header".
void Agent::send_keepalive(Session& session) {
  wire::Header header;
  header.ttl = kDefaultTtl;
  header.next_protocol = wire::next_protocol::kSealed;
  header.layer = wire_layer_;
  header.service = wire::service::kIpDelivery;
  header.inner_protocol = inner::kProtocolNone;
  header.opener = true;
  header.source = session.local;
  header.destination = session.far;
  const std::uint8_t plain[2] = {0, 6};
  const wire::SessionHeader on_wire{wire::WireId{session.send->wire_id},
                                    static_cast<std::uint32_t>(session.send->next)};
  wire::CanonicalForm canonical(membership_.trust().layer(), header);
  canonical.set(on_wire);
  constexpr std::size_t kPayload = wire::kSessionHeaderSize + sizeof plain + security::kRecordTag;
  std::uint8_t* at = room(wire::kHeaderSize + kPayload);
  if (at == nullptr) return;
  header.emit(at, kPayload);
  on_wire.emit(at + wire::kHeaderSize);
  if (!security::seal_session(*session.send, canonical.octets(), plain, sizeof plain,
                              at + wire::kHeaderSize + wire::kSessionHeaderSize))
    return;
  packets_.emplace_back(at, wire::kHeaderSize + kPayload);
  arena_used_ += wire::kHeaderSize + kPayload;
  sessions_.touch(session);
  ++session.traffic.sent_empty;
}

// ---- control messages --------------------------------------------------------------------------------------------

void Agent::send_control(const wire::Name& local, const wire::Name& far, std::uint32_t service,
                         std::uint8_t ttl, base::ByteView payload) {
  wire::Header header;
  header.ttl = ttl;
  header.next_protocol = wire::next_protocol::kControl;
  header.layer = wire_layer_;
  header.service = service;
  header.source = local;
  header.destination = far;
  const std::size_t size = header.size() + payload.size();
  std::uint8_t* at = room(size);
  if (at == nullptr || payload.size() > wire::kPayloadMaximum) return;
  header.emit(at, static_cast<std::uint16_t>(payload.size()));
  std::memcpy(at + header.size(), payload.data(), payload.size());
  packets_.emplace_back(at, size);
  arena_used_ += size;
}

void Agent::send_echo(const wire::Name& local, const wire::Name& far, std::uint8_t ttl,
                      std::uint16_t identifier, std::uint16_t sequence) {
  send_control(local, far, wire::service::kMember, ttl,
               wire::emit_echo(wire::ControlType::echo_request, identifier, sequence, {}));
}

DropReason Agent::control(const wire::HeaderView& view, const wire::Name& trusted,
                          base::TimePoint now, std::int64_t unix_nanos) {
  wire::ControlView message;
  if (auto reason = wire::ControlView::parse(view.payload(), message); reason != DropReason::none)
    return reason;
  if (!message.known()) return DropReason::none;
  if (message.type() == wire::ControlType::echo_request) {
    send_control(view.destination(), view.source(), wire::service::kMember, kDefaultTtl,
                 wire::emit_echo_reply(message));
  } else if (message.type() == wire::ControlType::echo_reply) {
    add_echo({message.echo_identifier(), message.echo_sequence(), view.source(), true,
              wire::ControlType::echo_reply, ""});
  } else if (message.type() == wire::ControlType::lookup) {
    if (trusted == membership_.own().name) answer_lookup(message, view, unix_nanos / 1'000'000'000);
  } else if (message.type() == wire::ControlType::answer) {
    if (resolver_ && view.source() == *resolver_) take_answer(message, now, unix_nanos);
  } else {
    control_error(message, view, trusted);
  }
  return DropReason::none;
}

void Agent::add_echo(EchoResult result) {
  if (echoes_.size() < kMaxEchoes) echoes_.push_back(std::move(result));
}

// The nodes at both ends of the way, the flow's other end, and this member's own forwarding: nobody else can send under its
// name.
bool Agent::may_report(const wire::Name& reporter, const wire::Quote& quote,
                       const wire::Name& trusted) const {
  if (reporter == trusted || reporter == quote.destination() || reporter == membership_.own().name)
    return true;
  // A guest's node, whatever its grant names: it is who the session is with.
  const auto session = sessions_.all().find({quote.source(), quote.destination()});
  if (session != sessions_.all().end() && session->second->speaker == reporter) return true;
  const auto* far = membership_.find(quote.destination());
  return far != nullptr && std::find(far->attachments.begin(), far->attachments.end(), reporter) !=
                               far->attachments.end();
}

// Believed only about what this end has sent.
void Agent::control_error(const wire::ControlView& message, const wire::HeaderView& view,
                          const wire::Name& trusted) {
  const wire::Quote quote = message.quote();
  if (quote.source() != view.destination() || !may_report(view.source(), quote, trusted)) return;
  if (quote.next_protocol() == wire::next_protocol::kControl) {
    // Of an echo request the quote reaches just as far as its identifier and sequence.
    if (quote.octets().size() < wire::kHeaderSize + wire::kControlHeaderSize) return;
    const std::uint32_t info = base::load_be32(quote.octets().data() + wire::kHeaderSize + 4);
    add_echo({static_cast<std::uint16_t>(info >> 16), static_cast<std::uint16_t>(info),
              view.source(), false, message.type(), std::string(message.text())});
    return;
  }
  if (quote.next_protocol() == wire::next_protocol::kHandshake) {
    // Who waits for the session learns it now, not when the handshake is given up.
    if (Session* session = sessions_.find_names(quote.source(), quote.destination()))
      answer_waiting(*session, icmp_kind(message.type()));
    return;
  }
  Flow* flow = flows_.find_id(quote.flow_id());
  if (flow == nullptr || flow->key.far != quote.destination() ||
      flow->key.local != quote.source() || flow->key.protocol != quote.inner_protocol())
    return;
  const bool claimed = (quote.inner_flags() & wire::kInnerOpener) != 0;
  if (message.type() == wire::ControlType::opened_from_other_side) {
    if (view.source() != flow->key.far) return;
    if (flow->opened_here != claimed) return;  // has been corrected already
    if (claimed && flow->confirmed) return;    // this end knows better
    flow->believe(!claimed);
    return;
  }
  if (message.type() == wire::ControlType::refused_by_rule && !flow->confirmed) {
    // The far end may not open what it claimed: that was this end, whose next packet says so.
    if (!claimed) return flow->believe(true);
    flow->refused = true;
  }
  icmp_for(*flow, message, view.source());
}

void Agent::icmp_for(const Flow& flow, const wire::ControlView& message,
                     const wire::Name& reporter) {
  const std::uint32_t mtu = message.type() == wire::ControlType::too_big
                                ? std::clamp<std::uint32_t>(message.info(), 1280, 65535)
                                : 0;
  inner::Address from = reporter.octets;
  if (flow.key.version == 4) {
    // Reports come from the reporter's address; a member without one lends the destination's.
    const auto* member = membership_.find(reporter);
    const auto* far = membership_.find(flow.key.far);
    membership::Ipv4 ipv4{};
    if (member != nullptr) ipv4 = member->ipv4;
    if (ipv4 == membership::Ipv4{} && far != nullptr) ipv4 = far->ipv4;
    from = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ipv4[0], ipv4[1], ipv4[2], ipv4[3]};
  }
  answer(icmp_kind(message.type()), mtu, base::ByteView(flow.saved.data(), flow.saved_size),
         flow.key.local, from);
}

void Agent::answer(inner::IcmpError error, std::uint32_t mtu, base::ByteView packet,
                   const wire::Name& local, const inner::Address& from) {
  if (replies_.size() >= kMaxPackets) return;
  base::Bytes reply(inner::kMaxIcmpError);
  const std::size_t size = inner::build_icmp_error(error, mtu, packet, from, reply);
  if (size == 0) return;
  reply.resize(size);
  replies_.push_back({local, std::move(reply)});
}

// ---- time --------------------------------------------------------------------------------------------------------

void Agent::after_batch(base::TimePoint now, std::int64_t unix_nanos) {
  ask_node(now);
  call_back(now, unix_nanos);
  sessions_.report(now, unix_nanos, handshakes_);
  send_handshakes();
  send_waiting(now);
  fail_waiting();
  for (Session* session : sessions_.keepalives()) send_keepalive(*session);
  sessions_.keepalives().clear();
}

void Agent::on_timer(base::TimePoint now, std::int64_t unix_nanos) {
  sessions_.on_timer(now, unix_nanos, handshakes_);
  if (now >= next_expiry_) {
    flows_.expire(now);
    next_expiry_ = now + kExpiryInterval;
  }
  refuse_waiting(lookups_.expired(now));
  after_batch(now, unix_nanos);
}

base::TimePoint Agent::next_timer() const {
  // Nobody can be asked without a carrier: the questions wait for it, and so does their time.
  const base::TimePoint lookups = resolver_ && carrier_ ? lookups_.next_timer() : base::kNever;
  return std::min({sessions_.next_timer(), next_expiry_, lookups});
}

void Agent::rekey_all(base::TimePoint now, std::int64_t unix_nanos) {
  sessions_.rekey_all(now, unix_nanos, handshakes_);
  after_batch(now, unix_nanos);
}

bool Agent::show(const wire::Name& local, const wire::Name& far, std::uint64_t generation,
                 base::TimePoint now, std::int64_t unix_nanos) {
  Session* session = sessions_.find_names(local, far);
  return session != nullptr && sessions_.show(*session, generation, now, unix_nanos, handshakes_);
}

bool Agent::prepare(const wire::Name& local, const wire::Name& far, base::TimePoint now,
                    std::int64_t unix_nanos) {
  Session* session = sessions_.open(local, far);
  if (session == nullptr) return false;
  if (!session->send && carrier_) sessions_.connect(*session, now, unix_nanos, handshakes_);
  after_batch(now, unix_nanos);
  return true;
}

}  // namespace entresol::layer::session
