// Control: layers, links, handshakes, keys, timers. Guests come and go in guests.cc, members' standing is in standing.cc;
// what becomes of packets that live here is in local.cc.
#include "layer/member/member.h"

#include <algorithm>

#include "base/error_codes.h"
#include "crypto/hash.h"
#include "layer/member/layer.h"
#include "security/lanes.h"

namespace entresol::layer::member {
namespace {

using base::DropReason;
using forwarding::kSelf;
using forwarding::Link;
using forwarding::LinkId;
using forwarding::LinkKind;

constexpr std::int64_t kNanos = 1'000'000'000;

security::Config configure(const LayerSetup& setup, security::Protocol protocol,
                           const crypto::SecretBytes<32>& link_reset_secret) {
  security::Config config;
  config.protocol = protocol;
  config.purpose = security::Purpose::kLink;
  config.suite =
      protocol == security::Protocol::kNative ? setup.suite : crypto::AeadSuite::kChaCha20Poly1305;
  config.static_private = setup.identity.native_private;
  config.layer_id = setup.trust.layer();
  config.reset_secret = link_reset_secret;
  config.timing = setup.timing;
  return config;
}

session::AgentConfig agent_config(const LayerSetup& setup) {
  session::AgentConfig config;
  config.suite = setup.suite;
  // Not the links': a token of one kind must not end the other, and their indices are counted apart.
  constexpr std::string_view kSession = "session";
  config.reset_secret = crypto::SecretBytes<32>(crypto::hmac_sha256(
      setup.reset_secret,
      {reinterpret_cast<const std::uint8_t*>(kSession.data()), kSession.size()}));
  config.timing = setup.timing;
  config.services = setup.services;
  return config;
}

forwarding::PipelineConfig pipeline_config(const MemberConfig& config, base::RandomSource& random) {
  forwarding::PipelineConfig out;
  out.node = config.node;
  out.cache_entries = config.cache_entries;
  out.seed = std::uint64_t{random.u32()} << 32 | random.u32();
  return out;
}

}  // namespace

Member::Layer::Layer(LayerSetup setup, bool node, const crypto::SecretBytes<32>& link_reset_secret,
                     base::RandomSource& random, security::IndexAllocator& indices)
    : label(setup.label),
      membership(setup.trust, setup.identity),
      agent(membership, agent_config(setup), random) {
  native.machine = std::make_unique<security::Associations>(
      configure(setup, security::Protocol::kNative, link_reset_secret), membership.link_verifier(),
      random, indices);
  if (node)
    guests.machine = std::make_unique<security::Associations>(
        configure(setup, security::Protocol::kWireGuard, link_reset_secret),
        membership.guest_verifier(), random, indices);
}

Member::Member(const MemberConfig& config, forwarding::Decider& decider, Output& output,
               base::RandomSource& random)
    : config_(config),
      decider_(decider),
      output_(output),
      random_(random),
      indices_(random),
      pipeline_(pipeline_config(config, random), tables_, decider, *this) {}

Member::~Member() = default;

// ---- what an operator sets up ------------------------------------------------------------------------------------

base::Result<LayerIndex> Member::add_layer(LayerSetup setup, base::UnixSeconds now) {
  const std::uint32_t wire_id = wire::wire_layer(setup.trust.layer());
  for (const auto& layer : tables_.layers)
    if (layer.wire_id == wire_id)
      return base::fail(
          base::code::kConfigBadValue,
          "layer '" + setup.label + "' is configured twice, or its id begins like another's");
  base::Bytes chain = setup.certificate_chain;
  const auto sequence = setup.sequence;
  const auto lease_end = setup.lease_end;
  const auto attachments = setup.attachments;
  const auto endpoints = setup.endpoints;
  if (layers_.empty()) link_reset_secret_ = setup.reset_secret;
  auto layer = std::make_unique<Layer>(std::move(setup), config_.node, link_reset_secret_, random_,
                                       indices_);
  if (auto own = layer->membership.set_own(std::move(chain), sequence, lease_end, attachments, now,
                                           endpoints);
      !own)
    return tl::unexpected(own.error());
  layer->attachments = attachments;
  layer->endpoints = endpoints;
  layer->renew_at = now + kRenewInterval;
  if (config_.node) layer->membership.follow_moves();
  unix_nanos_ = std::max(unix_nanos_, now * kNanos);
  if (config_.key_log) layer->agent.sessions().set_key_log(config_.key_log);
  forwarding::LayerTable table;
  table.wire_id = wire_id;
  table.own = layer->membership.own().name;
  table.names.place(table.own, kSelf);
  tables_.layers.push_back(std::move(table));
  layers_.push_back(std::move(layer));
  tables_.links.changed();
  return static_cast<LayerIndex>(layers_.size() - 1);
}

base::Result<wire::Name> Member::learn(LayerIndex layer, base::ByteView certificate,
                                       base::ByteView registration, base::UnixSeconds now) {
  auto& membership = layers_[layer]->membership;
  const std::uint64_t before = membership.key_changes();
  auto name = membership.learn(certificate, registration, now);
  if (name && membership.key_changes() != before) take_new_key(layer, *name);
  follow_moves(layer);
  due_ = true;
  return name;
}

base::Result<LinkId> Member::dial(LayerIndex index, const wire::Name& node,
                                  const base::Endpoint& endpoint, std::uint16_t max_packet) {
  Layer& layer = *layers_[index];
  if (config_.node)
    return base::fail(base::code::kConfigBadValue, "nodes dial one another by themselves");
  const auto* member = layer.membership.find(node);
  if (member == nullptr)
    return base::fail(base::code::kConfigBadValue,
                      "node " + wire::to_string(node) + " is not in the directory");
  security::PeerConfig peer;
  peer.key = member->native_key;
  peer.path = security::Path{endpoint, {}};
  peer.name = node;
  peer.persistent_keepalive = kDialledKeepalive;
  const security::PeerId id = layer.native.machine->add(peer);
  const LinkId link_id = link_for(index, false, id);
  Link& link = tables_.links[link_id];
  link.kind = LinkKind::kNode;
  link.max_packet = max_packet;
  link.path = *peer.path;
  link.name = node;
  link.any_source = true;
  tables_.layers[index].names.default_link = link_id;
  layer.attached_to = node;
  layer.agent.set_resolver(node);
  layer.agent.set_carrier(link.send != nullptr, {}, 0);
  layer.agent.set_unreachable(false);
  layer.agent.set_mtu(forwarding::inner_mtu(max_packet));
  layer.membership.set_link_size(forwarding::inner_mtu(max_packet));
  attach_to(index, node);
  // The node may have called already, as one that was left does: it is shown the new registration.
  layer.shows.emplace(ticked_at_, Show{layer.membership.generation(), id, {}, {}});
  if (link.send && layer.to_report) registered(index);
  tables_.links.changed(link_id);
  due_ = true;
  return link_id;
}

void Member::undial(LinkId id) {
  if (id.value() >= tables_.links.size()) return;
  const Link& link = tables_.links[id];
  if (!link.used || link.kind != LinkKind::kNode || config_.node) return;
  const LayerIndex index = link.layer;
  Layer& layer = *layers_[index];
  auto& names = tables_.layers[index].names;
  if (names.default_link == id) {
    names.default_link = kSelf;
    layer.attached_to = {};
    layer.agent.set_resolver(std::nullopt);
    layer.agent.set_carrier(false, ticked_at_, unix_nanos_);
    layer.agent.set_unreachable(true);
  }
  remove_link(index, id);
  due_ = true;
}

// ---- packets -----------------------------------------------------------------------------------------------------

void Member::receive(std::span<const forwarding::InBurst> bursts, base::TimePoint now,
                     std::int64_t unix_nanos) {
  unix_nanos_ = unix_nanos;
  pipeline_.process(bursts, now, [&](std::span<const forwarding::OutBurst> out) {
    send(out);
    flush_agents(now, unix_nanos);
  });
  report_traffic(now, unix_nanos);
  take_probes(now);
  due_ |= !pipeline_.strays().empty() || !pipeline_.met().empty();
}

base::DropReason Member::from_application(LayerIndex index, base::MutableBytes packet,
                                          base::ByteView virtio_header, base::TimePoint now,
                                          std::int64_t unix_nanos) {
  unix_nanos_ = unix_nanos;
  Layer& layer = *layers_[index];
  if (layer.agent.full()) flush_agent(index, now);
  inner::IpPacket ip;
  DropReason reason = inner::parse(packet, ip, inner::HeaderChecksum::kTrust);
  inner::Offload offload;
  if (reason == DropReason::none) reason = inner::parse(virtio_header, ip, offload);
  if (reason == DropReason::none)
    reason =
        layer.agent.outbound(packet, ip, offload, layer.membership.own().name, now, unix_nanos);
  if (reason != DropReason::none) count_drop(reason);
  return reason;
}

void Member::flush(base::TimePoint now, std::int64_t unix_nanos) {
  unix_nanos_ = unix_nanos;
  flush_agents(now, unix_nanos);
  report_traffic(now, unix_nanos);
}

void Member::send(std::span<const forwarding::OutBurst> bursts) {
  if (bursts.empty()) return;
  for (const auto& burst : bursts) output_.send(burst, tables_.links[burst.link].path);
  output_.flush();
}

void Member::flush_agents(base::TimePoint now, std::int64_t unix_nanos) {
  for (LayerIndex i = 0; i < layer_total(); ++i) {
    auto& agent = layers_[i]->agent;
    do {
      agent.after_batch(now, unix_nanos);
      flush_agent(i, now);
    } while (!agent.sessions().ready().empty());
  }
}

// What the agent has made goes out; its ICMP goes to those it is for.
void Member::flush_agent(LayerIndex index, base::TimePoint now) {
  Layer& layer = *layers_[index];
  for (auto rest = layer.agent.packets(); !rest.empty();) {
    std::size_t n = 0, octets = 0;
    while (n < std::min(forwarding::kBatch, rest.size()) &&
           (n == 0 || octets + rest[n].size() <= forwarding::Pipeline::kBatchBytes))
      octets += rest[n++].size();
    send(pipeline_.originate(rest.first(n), now));
    rest = rest.subspan(n);
  }
  for (session::Reply& reply : layer.agent.replies()) {
    auto guest = layer.guest_links.find(reply.local);
    if (guest == layer.guest_links.end()) {
      // A guest that has gone meanwhile is told nothing.
      if (reply.local == layer.membership.own().name) output_.deliver_reply(index, reply.packet);
    } else {
      const base::MutableBytes bytes(reply.packet);
      send(pipeline_.to_guest(guest->second, std::span(&bytes, 1)));
    }
  }
  count_drop(DropReason::destination_unknown, layer.agent.take_refused());
  layer.agent.begin();
  for (auto& [link, packet] : layer.for_guests) {
    const base::MutableBytes bytes(packet);
    send(pipeline_.to_guest(link, std::span(&bytes, 1)));
  }
  layer.for_guests.clear();
}

// ---- handshakes and keys -----------------------------------------------------------------------------------------

void Member::tick(base::TimePoint now, std::int64_t unix_nanos) {
  unix_nanos_ = ticked_unix_nanos_ = unix_nanos;
  ticked_at_ = now;
  due_ = false;
  auto& queue = pipeline_.control();
  std::size_t handled = 0;
  for (std::size_t costly = 0; handled < queue.size() && costly < config_.handshakes_per_tick;
       ++handled)
    if (handle_control(queue[handled], now, unix_nanos)) ++costly;
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(handled));
  for (std::size_t i = 0; i < config_.handshakes_per_tick && !session_handshakes_.empty(); ++i) {
    const SessionHandshake handshake = std::move(session_handshakes_.front());
    session_handshakes_.pop_front();
    wire::HeaderView view;
    wire::HeaderView::parse(handshake.packet, view);
    const DropReason reason = layers_[handshake.layer]->agent.handshake(view, now, unix_nanos);
    if (reason != DropReason::none) count_drop(reason);
  }
  settle_mentions();
  take_told();
  // What comes back from services. One group at a time: what is delivered of it is used until the next call.
  if (const auto returned = decider_.returned(now, unix_nanos); !returned.empty())
    send(pipeline_.resume(returned, now));
  for (LayerIndex i = 0; i < layer_total(); ++i) {
    Layer& layer = *layers_[i];
    for (bool guests : {false, true}) {
      auto& machine = layer.peers(guests).machine;
      if (!machine || machine->next_timer() > now) continue;
      security::Events events;
      machine->on_timer(now, unix_nanos, events);
      carry_out(i, guests, events, now);
    }
    if (layer.agent.next_timer() <= now) layer.agent.on_timer(now, unix_nanos);
    renew(i, unix_nanos / kNanos);
    end_what_has_ended(i, unix_nanos / kNanos);
    show_due(i, now, unix_nanos);
    connect_dialled(i, now, unix_nanos);
    follow_moves(i);
    neighbours_due(i, now);
    news_due(i, now);
  }
  flush_agents(now, unix_nanos);
  report_traffic(now, unix_nanos);
}

// A host's link that is dialled has keys all the time: applications do not wait for the first packet's handshake.
void Member::connect_dialled(LayerIndex index, base::TimePoint now, std::int64_t unix_nanos) {
  Layer& layer = *layers_[index];
  if (!layer.standing || config_.node) return;
  for (const auto& [peer, id] : layer.native.links) {
    const Link& link = tables_.links[id];
    if (link.kind != LinkKind::kNode || link.send || link.peer != peer ||
        layer.membership.revoked(link.name))
      continue;
    security::Events events;
    layer.native.machine->connect(peer, now, unix_nanos, events);
    carry_out(index, false, events, now);
  }
}

base::TimePoint Member::next_timer() const {
  base::TimePoint next = decider_.next_timer();
  for (const auto& layer : layers_) {
    next = std::min(next, layer->agent.next_timer());
    next = std::min(next, layer->native.machine->next_timer());
    if (layer->guests.machine) next = std::min(next, layer->guests.machine->next_timer());
    if (!layer->shows.empty()) next = std::min(next, layer->shows.begin()->first);
    next = std::min({next, layer->neighbours_at, next_end(*layer)});
    if (!layer->news.empty()) next = std::min(next, layer->news.begin()->first);
  }
  return next;
}

// Returns whether it was worth the operations of a handshake: what anybody can send costs a hash at most.
bool Member::handle_control(const forwarding::ControlDatagram& datagram, base::TimePoint now,
                            std::int64_t unix_nanos) {
  if (datagram.unknown_record) {
    // One port, one range of indices: none of the layers may know it, and all would say the same.
    base::Bytes reset;
    for (auto& layer : layers_) {
      reset = layer->native.machine->reset_for(datagram.bytes, now);
      if (reset.empty()) return false;
    }
    if (!reset.empty()) output_.send_datagram(reset, datagram.path);
    return false;
  }
  const bool guests = datagram.bytes[0] < 0x10;
  DropReason reason = DropReason::handshake_unexpected;
  bool costly = false;
  for (LayerIndex i = 0; i < layer_total(); ++i) {
    auto& machine = layers_[i]->peers(guests).machine;
    if (!machine) continue;
    if (const DropReason unknown = machine->recognise(datagram.bytes);
        unknown != DropReason::none) {
      if (!costly) reason = unknown;
      continue;
    }
    costly = true;
    security::Events events;
    reason = machine->handle(datagram.bytes, datagram.path, now, unix_nanos, events);
    carry_out(i, guests, events, now);
    // One identity in two layers has one mac1 key: what one layer cannot read may be for the next.
    if (reason != DropReason::handshake_forged) break;
  }
  if (reason != DropReason::none) {
    count_drop(reason);
    output_.note({Happening::kHandshakeRefused, 0, kSelf, datagram.path, reason});
  }
  return costly;
}

LinkId Member::link_for(LayerIndex index, bool guests, security::PeerId peer) {
  Layer& layer = *layers_[index];
  auto& links = layer.peers(guests).links;
  auto found = links.find(peer);
  if (found != links.end()) return found->second;
  const LinkId id = tables_.links.add();
  Link& link = tables_.links[id];
  link.kind = guests ? LinkKind::kGuest : LinkKind::kHost;
  link.layer = index;
  link.peer = peer;
  link.max_packet = accepted_over_ipv6_;
  links[peer] = id;
  return id;
}

void Member::keys_ready(LayerIndex index, bool guests, const security::KeysReady& event) {
  const LinkId id = link_for(index, guests, event.peer);
  if (config_.key_log)
    config_.key_log(security::Purpose::kLink, event.keys,
                    layers_[index]->membership.trust().layer());
  tables_.receive.insert(id, event.keys);
  layers_[index]->peers(guests).keys[{event.peer, event.keys.local_index}] = event.keys;
}

void Member::peer_up(LayerIndex index, bool guests, const security::PeerUp& event) {
  Layer& layer = *layers_[index];
  const LinkId id = link_for(index, guests, event.peer);
  Link& link = tables_.links[id];
  if (auto state = layer.peers(guests).machine->state(event.peer); state && state->path)
    link.path = *state->path;
  if (guests) return;
  fit_link(link, event.shown.link_size);
  if (link.kind == LinkKind::kNode && !config_.node) {
    layer.agent.set_unreachable(false);
    return;
  }
  const auto* member = layer.membership.find(event.name);
  if (member == nullptr) return;
  if (link.name != event.name) tables_.links.changed(id);
  link.name = event.name;
  if (!config_.node) return;
  if (member->role == membership::Role::kNode) return neighbour_up(index, event.name, id);
  // It has another key now: what was made with the old one is over.
  if (const auto before = layer.hosts.find(event.name);
      before != layer.hosts.end() && before->second != id)
    drop_link(index, before->second);
  layer.hosts[event.name] = id;
  place(index, event.name);
  tell_interested(layer, *member);
}

// A link that was dialled to us takes what the underlay of its family takes, and no more than the far end has said.
void Member::fit_link(Link& link, std::uint16_t said) {
  constexpr std::size_t kHead = forwarding::kSealedOverhead + 2;
  if (link.kind != LinkKind::kNode || config_.node) {
    const auto& address = link.path.remote.address;
    const bool ipv4 =
        address[10] == 0xff && address[11] == 0xff &&
        std::all_of(address.begin(), address.begin() + 10, [](auto b) { return b == 0; });
    link.max_packet = ipv4 ? accepted_over_ipv4_ : accepted_over_ipv6_;
  }
  if (said >= 1280)
    link.max_packet =
        static_cast<std::uint16_t>(std::min<std::size_t>(link.max_packet, said + kHead));
}

// A host's link to its node; null at a node, which has many.
const Link* Member::way_in(LayerIndex index) const {
  const LinkId id = tables_.layers[index].names.default_link;
  return id == kSelf ? nullptr : &tables_.links[id];
}

void Member::carry_out(LayerIndex index, bool guests, security::Events& events,
                       base::TimePoint now) {
  Layer& layer = *layers_[index];
  auto& peers = layer.peers(guests);
  for (security::Event& event : events) {
    if (auto* message = std::get_if<security::SendMessage>(&event)) {
      output_.send_datagram(message->message, message->path);
    } else if (auto* ready = std::get_if<security::KeysReady>(&event)) {
      keys_ready(index, guests, *ready);
    } else if (auto* with = std::get_if<security::SendWith>(&event)) {
      auto keys = peers.keys.find({with->peer, with->local_index});
      if (keys == peers.keys.end()) continue;
      const LinkId id = link_for(index, guests, with->peer);
      Link& link = tables_.links[id];
      const bool first = link.send == nullptr;
      link.send = security::send_lane(keys->second, 0);
      link.send_index = with->local_index;
      link.protocol = keys->second.protocol;
      ++link.keys_changed;
      if (first) output_.note({Happening::kLinkUp, index, id, link.path});
      tables_.links.changed();
      if (&link == way_in(index)) {
        layer.agent.set_carrier(true, now, unix_nanos_);
        if (layer.to_report) registered(index);
      }
      if (!guests && link.peer == with->peer) drop_superseded(index, id);
      if (!guests && first) neighbour_changed(index, id, now);
      if (guests) guest_shows_itself(index, id, first ? Shown::kFirstKeys : Shown::kKeys);
    } else if (auto* gone = std::get_if<security::KeysGone>(&event)) {
      tables_.receive.erase(gone->local_index);
      peers.keys.erase({gone->peer, gone->local_index});
      const LinkId id = link_for(index, guests, gone->peer);
      Link& link = tables_.links[id];
      if (link.send && link.send_index == gone->local_index) {
        link.send.reset();
        output_.note({Happening::kLinkDown, index, id, link.path});
        tables_.links.changed();
        if (&link == way_in(index)) layer.agent.set_carrier(false, now, unix_nanos_);
        if (!guests) neighbour_changed(index, id, now);
      }
    } else if (auto* alive = std::get_if<security::SendKeepalive>(&event)) {
      const LinkId id = link_for(index, guests, alive->peer);
      if (tables_.links[id].send) send(pipeline_.keepalive(id));
    } else if (auto* up = std::get_if<security::PeerUp>(&event)) {
      peer_up(index, guests, *up);
    } else if (auto* moved = std::get_if<security::PeerMoved>(&event)) {
      const LinkId id = link_for(index, guests, moved->peer);
      Link& link = tables_.links[id];
      if (link.send && link.path.remote != moved->path.remote)
        output_.note({Happening::kLinkMoved, index, id, moved->path});
      link.path = moved->path;
    } else if (auto* down = std::get_if<security::PeerDown>(&event)) {
      // After a reset, or when idle keys have ended, a handshake follows at once.
      const Link& link = tables_.links[link_for(index, guests, down->peer)];
      if (&link == way_in(index) && down->reason == DropReason::link_down)
        layer.agent.set_unreachable(true);
    }
  }
  events.clear();
}

// What the data side has seen of each link since the last time.
void Member::report_traffic(base::TimePoint now, std::int64_t unix_nanos) {
  // A keepalive that is sent meanwhile makes a report of its own.
  for (std::size_t i = 0; i < pipeline_.reports().size(); ++i) {
    forwarding::LinkReport report = pipeline_.take_report(i);
    const Link& link = tables_.links[report.link];
    if (!link.used || report.link == kSelf) continue;
    if (report.traffic.from && report.traffic.from->remote == link.path.remote)
      report.traffic.from.reset();
    const LayerIndex layer = link.layer;
    const bool guests = link.kind == LinkKind::kGuest;
    const bool neighbour = config_.node && link.kind == LinkKind::kNode;
    auto& machine = *layers_[layer]->peers(guests).machine;
    security::Events events;
    machine.report(report.traffic, now, unix_nanos, events);
    if (report.wanted && guests) machine.connect(report.traffic.peer, now, unix_nanos, events);
    carry_out(layer, guests, events, now);
    const bool data = report.traffic.sent_data + report.traffic.received_data > 0;
    if (neighbour && (report.wanted || data)) want(layer, report.link, now);
    if (guests && report.traffic.received_data > 0)
      guest_shows_itself(layer, report.link, Shown::kPacket);
  }
  pipeline_.clear_reports();
}

void Member::rekey(base::TimePoint now, std::int64_t unix_nanos) {
  for (LayerIndex i = 0; i < layer_total(); ++i) {
    Layer& layer = *layers_[i];
    if (!layer.standing) continue;
    security::Events events;
    for (auto& [peer, link] : layer.native.links)
      layer.native.machine->rekey(peer, now, unix_nanos, events);
    carry_out(i, false, events, now);
    layer.agent.rekey_all(now, unix_nanos);
  }
  flush(now, unix_nanos);
}

void Member::send_echo(LayerIndex index, const wire::Name& far, std::uint8_t ttl,
                       std::uint16_t identifier, std::uint16_t sequence, base::TimePoint now,
                       std::int64_t unix_nanos) {
  Layer& layer = *layers_[index];
  layer.agent.send_echo(layer.membership.own().name, far, ttl, identifier, sequence);
  flush(now, unix_nanos);
}

bool Member::seek(LayerIndex index, const session::Sought& sought, base::TimePoint now,
                  std::int64_t unix_nanos) {
  const bool asked = layers_[index]->agent.seek(sought, now);
  flush(now, unix_nanos);
  return asked;
}

std::vector<session::EchoResult>& Member::echoes(LayerIndex layer) {
  return layers_[layer]->agent.echoes();
}

// ---- for people --------------------------------------------------------------------------------------------------

const std::string& Member::label(LayerIndex layer) const {
  return layers_[layer]->label;
}
const membership::Membership& Member::membership(LayerIndex layer) const {
  return layers_[layer]->membership;
}
const session::Agent& Member::agent(LayerIndex layer) const {
  return layers_[layer]->agent;
}

std::optional<security::Associations::PeerState> Member::peer_state(LinkId id) const {
  const Link& link = tables_.links[id];
  if (!link.used || link.kind == LinkKind::kHere) return std::nullopt;
  return layers_[link.layer]->peers(link.kind == LinkKind::kGuest).machine->state(link.peer);
}

std::vector<security::InterfaceReport> Member::interfaces(LinkId id, base::TimePoint now) const {
  const Link& link = tables_.links[id];
  if (!link.used || link.kind == LinkKind::kHere) return {};
  return layers_[link.layer]
      ->peers(link.kind == LinkKind::kGuest)
      .machine->interfaces(link.peer, now);
}

bool Member::attached(LayerIndex layer) const {
  const LinkId link = tables_.layers[layer].names.default_link;
  return link != kSelf && tables_.links[link].send != nullptr;
}

}  // namespace entresol::layer::member
