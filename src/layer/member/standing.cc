// Standing: what this member and the others have shown ends, is renewed, or is taken back. Links and sessions with whom it
// concerned end with it, and those who stay are shown what is new.
#include <algorithm>
#include <set>

#include "layer/member/layer.h"
#include "layer/member/member.h"

namespace entresol::layer::member {
namespace {

using base::DropReason;
using forwarding::kSelf;
using forwarding::Link;
using forwarding::LinkId;
using forwarding::LinkKind;

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr base::Duration kShowSpread = std::chrono::seconds(10);
constexpr base::Duration kShowAgain = std::chrono::seconds(1);
constexpr std::size_t kEndingsPerTick = 64;
constexpr base::UnixSeconds kLookAgain = 3600;

// Each peer has its own part of the first quarter of what is left, so that all are shown it in time and not all at once.
base::Duration share(const wire::Name& peer, base::UnixSeconds left) {
  const std::chrono::seconds bounded(std::clamp<base::UnixSeconds>(left, 0, 3600));
  const base::Duration spread = std::min<base::Duration>(base::Duration(bounded) / 4, kShowSpread);
  return base::Duration(static_cast<std::int64_t>(
      std::hash<wire::Name>{}(peer) % (static_cast<std::uint64_t>(spread.count()) + 1)));
}

}  // namespace

// ---- what this member shows ----------------------------------------------------------------------------------------

membership::Objects Member::own_objects(LayerIndex index) const {
  const auto& membership = layers_[index]->membership;
  return membership.objects(membership.own().name);
}

// Of the clock, so that it rises over restarts too.
std::uint64_t Member::next_sequence(const Layer& layer) const {
  return std::max(layer.membership.own().sequence + 1, static_cast<std::uint64_t>(unix_nanos_));
}

// The own registration is signed anew long before its lease ends; later handshakes show the new one.
void Member::renew(LayerIndex index, base::UnixSeconds now) {
  Layer& layer = *layers_[index];
  if (now < layer.renew_at) return;
  layer.renew_at = now + kRenewInterval;
  // Fails only when the certificate itself has ended.
  if (layer.membership.set_own(base::Bytes(layer.membership.own_certificate()),
                               next_sequence(layer), now + kLease, layer.attachments, now,
                               layer.endpoints))
    registered(index);
}

void Member::registered(LayerIndex index) {
  layers_[index]->to_report = false;
  const auto& own = layers_[index]->membership.own();
  output_.note({Happening::kRegistered, index, kSelf, {}, DropReason::none, own.name, own.label});
}

// The own registration names the node before it is dialled, so that the handshake shows it; the controller is told when
// the link is up.
void Member::attach_to(LayerIndex index, const wire::Name& node) {
  Layer& layer = *layers_[index];
  if (layer.attachments == std::vector<wire::Name>{node}) return;
  layer.attachments = {node};
  layer.to_report = true;
  const base::UnixSeconds now = unix_nanos_ / kNanos;
  // Fails only when the certificate has ended: the next one is registered there.
  if (layer.membership.set_own(base::Bytes(layer.membership.own_certificate()),
                               next_sequence(layer), now + kLease, layer.attachments, now,
                               layer.endpoints))
    layer.renew_at = now + kRenewInterval;
}

base::Result<void> Member::renew_certificate(LayerIndex index, base::Bytes chain,
                                             base::TimePoint now, std::int64_t unix_nanos) {
  Layer& layer = *layers_[index];
  const base::UnixSeconds today = unix_nanos / kNanos;
  if (chain == layer.membership.own_certificate()) return {};
  if (auto fits = layer.membership.check_renewal(chain, today); !fits) return fits;
  unix_nanos_ = unix_nanos;
  const base::UnixSeconds left = layer.membership.own_end() - today;
  if (auto own = layer.membership.set_own(std::move(chain), next_sequence(layer), today + kLease,
                                          layer.attachments, today, layer.endpoints);
      !own)
    return own;
  layer.renew_at = today + kRenewInterval;
  check_standing(index, today);
  show_all(index, left, now);
  due_ = true;
  registered(index);
  return {};
}

void Member::show_all(LayerIndex index, base::UnixSeconds left, base::TimePoint now) {
  Layer& layer = *layers_[index];
  const std::uint64_t generation = layer.membership.generation();
  layer.shows.clear();
  for (const auto& [peer, id] : layer.native.links)
    if (tables_.links[id].peer == peer)
      layer.shows.emplace(now + share(tables_.links[id].name, left),
                          Show{generation, peer, {}, {}});
  for (const auto& [names, session] : layer.agent.sessions().all())
    layer.shows.emplace(now + share(session->far, left),
                        Show{generation, std::nullopt, session->local, session->far});
}

void Member::show_sessions_of(LayerIndex index, const wire::Name& local, base::UnixSeconds left) {
  Layer& layer = *layers_[index];
  for (const auto& [names, session] : layer.agent.sessions().all())
    if (session->local == local)
      layer.shows.emplace(ticked_at_ + share(session->far, left),
                          Show{layer.membership.generation(), std::nullopt, local, session->far});
}

// Again and again until it is seen: a handshake that was under way already shows the old.
void Member::show_due(LayerIndex index, base::TimePoint now, std::int64_t unix_nanos) {
  auto& shows = layers_[index]->shows;
  for (std::size_t n = 0; n < config_.handshakes_per_tick && !shows.empty(); ++n) {
    if (shows.begin()->first > now) return;
    const Show next = shows.begin()->second;
    shows.erase(shows.begin());
    if (show(index, next, now, unix_nanos)) shows.emplace(now + kShowAgain, next);
  }
}

bool Member::show(LayerIndex index, const Show& show, base::TimePoint now,
                  std::int64_t unix_nanos) {
  Layer& layer = *layers_[index];
  if (!layer.standing) return false;
  if (!show.peer) return layer.agent.show(show.local, show.far, show.generation, now, unix_nanos);
  const auto link = layer.native.links.find(*show.peer);
  const auto state = layer.native.machine->state(*show.peer);
  if (link == layer.native.links.end() || !state || state->shown >= show.generation) return false;
  if (!state->live && !layer.superseded.contains(link->second)) return false;
  security::Events events;
  layer.native.machine->rekey(*show.peer, now, unix_nanos, events);
  carry_out(index, false, events, now);
  return true;
}

// ---- others' new keys ----------------------------------------------------------------------------------------------

// What was made with the old key goes on until there are keys with the new one.
void Member::take_new_key(LayerIndex index, const wire::Name& name) {
  Layer& layer = *layers_[index];
  const auto* member = layer.membership.find(name);
  std::vector<LinkId> dialled;
  for (const auto& [peer, id] : layer.native.links) {
    const Link& link = tables_.links[id];
    const auto state = layer.native.machine->state(peer);
    if (!config_.node && link.kind == LinkKind::kNode && link.name == name && link.peer == peer &&
        state && state->key != member->native_key)
      dialled.push_back(id);
  }
  for (LinkId id : dialled) redial(index, id, member->native_key);
  for (const auto& [names, session] : layer.agent.sessions().all())
    if (session->far == name || session->speaker == name)
      layer.shows.emplace(ticked_at_, Show{layer.membership.generation(), std::nullopt,
                                           session->local, session->far});
}

void Member::redial(LayerIndex index, LinkId id, const membership::Key& key) {
  Layer& layer = *layers_[index];
  Link& link = tables_.links[id];
  security::PeerConfig config;
  config.key = key;
  config.path = link.path;
  config.name = link.name;
  config.persistent_keepalive = kDialledKeepalive;
  const security::PeerId peer = layer.native.machine->add(config);
  auto& superseded = layer.superseded[id];
  superseded.push_back(link.peer);
  std::erase(superseded, peer);
  layer.native.links[peer] = id;
  link.peer = peer;
  layer.shows.emplace(ticked_at_, Show{layer.membership.generation(), peer, {}, {}});
}

void Member::drop_superseded(LayerIndex index, LinkId id) {
  Layer& layer = *layers_[index];
  const auto node = layer.superseded.extract(id);
  if (!node) return;
  security::Events events;
  for (security::PeerId peer : node.mapped()) layer.native.machine->remove(peer, events);
  carry_out(index, false, events, ticked_at_);
  for (security::PeerId peer : node.mapped()) layer.native.links.erase(peer);
}

// ---- ends ----------------------------------------------------------------------------------------------------------

base::TimePoint Member::next_end(const Layer& layer) const {
  base::UnixSeconds end = layer.membership.next_end();
  if (layer.standing) end = std::min(end, layer.membership.own_end());
  const base::UnixSeconds today = ticked_unix_nanos_ / kNanos;
  end = std::clamp(end, today, today + kLookAgain);
  return ticked_at_ + base::Duration(end * kNanos - ticked_unix_nanos_);
}

void Member::end_what_has_ended(LayerIndex index, base::UnixSeconds now) {
  Names names;
  for (auto& member : layers_[index]->membership.expire(now, kEndingsPerTick))
    names.emplace(member.name, std::move(member.label));
  if (!names.empty()) end(index, names, Happening::kMemberEnded, DropReason::handshake_certificate);
  check_standing(index, now);
}

// Without a certificate that holds nothing is sent and no handshake answered: nobody would believe it. Guests' links stay;
// they prove themselves by their grants.
void Member::check_standing(LayerIndex index, base::UnixSeconds now) {
  Layer& layer = *layers_[index];
  const auto& own = layer.membership.own();
  const bool standing = layer.membership.standing(now);
  if (standing == layer.standing) return;
  layer.standing = standing;
  due_ = true;
  if (standing) {
    if (config_.node) layer.agent.set_unreachable(false);  // a host's link says so when it is up
    return;
  }
  const DropReason reason = layer.membership.revoked(own.name) ? DropReason::name_revoked
                                                               : DropReason::handshake_certificate;
  output_.note({Happening::kOwnEnded, index, kSelf, {}, reason, own.name, own.label});
  layer.shows.clear();
  count_drop(reason, layer.agent.end([](const session::Session&) { return true; }));
  for (std::uint32_t i = 1; i < tables_.links.size(); ++i) {
    const Link& link = tables_.links[LinkId(i)];
    if (link.used && link.layer == index && link.kind != LinkKind::kGuest)
      end_link(index, LinkId(i));
  }
  layer.agent.set_unreachable(true);
}

void Member::end(LayerIndex index, const Names& names, Happening what, DropReason reason) {
  std::set<wire::Name> with_sessions;
  const std::size_t waited = layers_[index]->agent.end([&](const session::Session& session) {
    for (const wire::Name* name : {&session.local, &session.far, &session.speaker})
      if (names.contains(*name)) return with_sessions.insert(*name), true;
    return false;
  });
  count_drop(reason, waited);
  for (std::uint32_t i = 1; i < tables_.links.size(); ++i) {
    const LinkId id(i);
    const Link& link = tables_.links[id];
    const auto named = names.find(link.name);
    if (!link.used || link.layer != index || named == names.end()) continue;
    const bool guest = link.kind == LinkKind::kGuest && what == Happening::kMemberEnded;
    output_.note({guest ? Happening::kGuestEnded : what, index, id, link.path, reason, named->first,
                  named->second});
    with_sessions.erase(named->first);
    end_link(index, id);
  }
  for (const auto& [name, label] : names) {
    tables_.layers[index].names.remove(name);
    if (with_sessions.contains(name)) output_.note({what, index, kSelf, {}, reason, name, label});
  }
  tables_.links.changed();
}

// What was dialled stays, without keys, and is dialled again as long as its far end is not revoked.
void Member::end_link(LayerIndex index, LinkId id) {
  Layer& layer = *layers_[index];
  const Link& link = tables_.links[id];
  if (link.kind == LinkKind::kGuest) return drop_guest(index, id);
  if (link.kind == LinkKind::kHost) return drop_link(index, id);
  security::Events events;
  layer.native.machine->disconnect(link.peer, events);
  carry_out(index, false, events, ticked_at_);
  drop_superseded(index, id);
  if (tables_.layers[index].names.default_link == id) layer.agent.set_unreachable(true);
}

// The machine keeps the peer, and with it what protects from replays of its handshakes.
void Member::drop_link(LayerIndex index, LinkId id) {
  Layer& layer = *layers_[index];
  const Link& link = tables_.links[id];
  const security::PeerId peer = link.peer;
  security::Events events;
  layer.native.machine->disconnect(peer, events);
  carry_out(index, false, events, ticked_at_);
  auto& names = tables_.layers[index].names;
  if (const auto* place = names.find(link.name); place != nullptr && place->link == id)
    names.remove(link.name);
  if (const auto host = layer.hosts.find(link.name);
      host != layer.hosts.end() && host->second == id)
    layer.hosts.erase(host);
  layer.native.links.erase(peer);
  tables_.links.remove(id);
}

// ---- revocation ----------------------------------------------------------------------------------------------------

void Member::revoke(LayerIndex index, const wire::Name& name, base::UnixSeconds until,
                    base::TimePoint now, std::int64_t unix_nanos) {
  auto& membership = layers_[index]->membership;
  const auto* member = membership.find(name);
  const Names names{{name, member != nullptr ? member->label : ""}};
  membership.revoke(name, until);
  if (name != membership.own().name)
    end(index, names, Happening::kMemberRevoked, DropReason::name_revoked);
  follow_moves(index);
  check_standing(index, unix_nanos / kNanos);
  flush(now, unix_nanos);
}

void Member::readmit(LayerIndex index, const wire::Name& name) {
  layers_[index]->membership.readmit(name);
  due_ = true;
}

}  // namespace entresol::layer::member
