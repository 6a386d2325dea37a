// At a node: where names are placed, and links to other nodes. A name goes to its own link if it is attached here, and
// else to the link of the node that its newest registration names; that link gets keys when there are packets for it.
#include <algorithm>

#include "layer/member/layer.h"
#include "layer/member/member.h"

namespace entresol::layer::member {
namespace {

using base::DropReason;
using forwarding::kSelf;
using forwarding::Link;
using forwarding::LinkId;
using forwarding::LinkKind;

constexpr base::Duration kTurn = std::chrono::seconds(2);  // of an endpoint
constexpr std::size_t kLeastTurns = 3;
constexpr base::Duration kPause = std::chrono::seconds(2);  // with a node that has not answered
constexpr base::Duration kIdle = std::chrono::minutes(10);

}  // namespace

// ---- places --------------------------------------------------------------------------------------------------------

// kSelf: nowhere.
LinkId Member::way_to(const Layer& layer, const membership::Member& member) {
  const auto at = [&](const auto& links) {
    const auto found = links.find(member.name);
    return found == links.end() ? kSelf : found->second;
  };
  const auto through = [&](const wire::Name& node) {
    const auto found = layer.neighbours.find(node);
    return found == layer.neighbours.end() ? kSelf : found->second.link;
  };
  if (member.is_node()) return through(member.name);
  if (member.guest) {
    const LinkId here = at(layer.guest_links);
    if (member.placed() && member.place != layer.membership.own().name)
      return through(member.place);
    // Not registered yet, or by this node: a node may have it, or the only one that may.
    return here != kSelf || member.attachments.size() != 1 ? here
                                                           : through(member.attachments.front());
  }
  if (member.attachments.empty() || member.attached_to(layer.membership.own().name))
    return at(layer.hosts);
  for (const wire::Name& node : member.attachments)
    if (const LinkId link = through(node); link != kSelf) return link;
  return kSelf;
}

void Member::place(LayerIndex index, const wire::Name& name) {
  Layer& layer = *layers_[index];
  if (name == layer.membership.own().name) return;
  auto& names = tables_.layers[index].names;
  const auto* member = layer.membership.find(name);
  const LinkId link = member == nullptr ? kSelf : way_to(layer, *member);
  if (link != kSelf) {
    names.place(name, link);
  } else if (names.find(name) != nullptr) {
    names.remove(name);
  }
  tables_.links.changed();
}

void Member::place_all_at(LayerIndex index, const wire::Name& node) {
  place(index, node);
  for (const auto& [name, member] : layers_[index]->membership.all())
    if (member.attached_to(node) || member.place == node) place(index, name);
}

// What has become of names since the last time.
void Member::follow_moves(LayerIndex index) {
  Layer& layer = *layers_[index];
  for (auto moved = layer.membership.take_moved(); !moved.empty();
       moved = layer.membership.take_moved())
    for (const membership::Moved& each : moved) {
      const auto* member = layer.membership.find(each.name);
      if (member != nullptr && member->is_node()) {
        meet(index, *member);
      } else {
        part_from(index, each.name);
      }
      if (member != nullptr && member->guest) guest_moved(index, each.name);
      place(index, each.name);
      tell_former(index, each);
    }
}

// ---- nodes come and go ---------------------------------------------------------------------------------------------

void Member::meet(LayerIndex index, const membership::Member& node) {
  Layer& layer = *layers_[index];
  auto found = layer.neighbours.find(node.name);
  if (found == layer.neighbours.end()) {
    security::PeerConfig config;
    config.key = node.native_key;
    config.name = node.name;
    const LinkId id = link_for(index, false, layer.native.machine->add(config));
    adopt(index, node.name, id);
    found = layer.neighbours.find(node.name);
  }
  Neighbour& neighbour = found->second;
  const auto state = layer.native.machine->state(tables_.links[neighbour.link].peer);
  if (!state || state->key != node.native_key) take_neighbours_key(index, neighbour, node);
  neighbour.not_before = {};
  Link& link = tables_.links[neighbour.link];
  if (!link.send) link.path.remote = node.endpoints.empty() ? base::Endpoint{} : node.endpoints[0];
}

// It has another key now. A link that was made with the old one goes on until there are keys with the new one.
void Member::take_neighbours_key(LayerIndex index, Neighbour& neighbour,
                                 const membership::Member& node) {
  Layer& layer = *layers_[index];
  const LinkId id = neighbour.link;
  if (tables_.links[id].send) return redial(index, id, node.native_key);
  security::PeerConfig config;
  config.key = node.native_key;
  config.name = node.name;
  const security::PeerId peer = layer.native.machine->add(config);
  const auto dialled_us = layer.native.links.find(peer);
  if (dialled_us != layer.native.links.end()) return adopt(index, node.name, dialled_us->second);
  security::Events events;
  layer.native.machine->remove(tables_.links[id].peer, events);
  carry_out(index, false, events, ticked_at_);
  std::erase_if(layer.native.links, [&](const auto& each) { return each.second == id; });
  layer.native.links[peer] = id;
  tables_.links[id].peer = peer;
  if (std::exchange(neighbour.wanted, false)) want(index, id, ticked_at_);
}

// The link is the one to this node from now on.
void Member::adopt(LayerIndex index, const wire::Name& node, LinkId id) {
  Layer& layer = *layers_[index];
  Link& link = tables_.links[id];
  link.kind = LinkKind::kNode;
  link.name = node;
  Neighbour& neighbour = layer.neighbours[node];
  const LinkId before = std::exchange(neighbour.link, id);
  if (before == id) return;
  if (before != kSelf) {
    neighbour.wanted = false;
    remove_link(index, before);
  }
  tables_.links.changed(id);
  place_all_at(index, node);
}

void Member::part_from(LayerIndex index, const wire::Name& node) {
  Layer& layer = *layers_[index];
  const auto gone = layer.neighbours.extract(node);
  if (!gone) return;
  remove_link(index, gone.mapped().link);
  std::erase_if(layer.news, [&](const auto& each) { return each.second.node == node; });
  for (auto& [name, nodes] : layer.interest) nodes.erase(node);
  std::erase_if(layer.interest, [](const auto& each) { return each.second.empty(); });
}

// Forgets the peer, and who was placed there.
void Member::remove_link(LayerIndex index, LinkId id) {
  Layer& layer = *layers_[index];
  security::Events events;
  layer.native.machine->remove(tables_.links[id].peer, events);
  carry_out(index, false, events, ticked_at_);
  drop_superseded(index, id);
  std::erase_if(layer.native.links, [&](const auto& peer) { return peer.second == id; });
  pipeline_.give_up(id);
  tables_.layers[index].names.remove_all(id);
  tables_.links.remove(id);
}

void Member::neighbour_up(LayerIndex index, const wire::Name& node, LinkId id) {
  adopt(index, node, id);
  if (tables_.links[id].send) return;  // new keys for old ones are no use of it
  layers_[index]->neighbours.at(node).used = ticked_at_;
}

// ---- dialling ------------------------------------------------------------------------------------------------------

Member::Neighbour* Member::neighbour_at(LayerIndex index, LinkId id) {
  auto& neighbours = layers_[index]->neighbours;
  const auto found = neighbours.find(tables_.links[id].name);
  return found == neighbours.end() || found->second.link != id ? nullptr : &found->second;
}

void Member::want(LayerIndex index, LinkId id, base::TimePoint now) {
  Neighbour* neighbour = neighbour_at(index, id);
  if (neighbour == nullptr) return;
  neighbour->used = now;
  if (neighbour->wanted || tables_.links[id].send || now < neighbour->not_before ||
      !layers_[index]->standing)
    return;
  neighbour->wanted = true;
  neighbour->turns = 0;
  try_endpoint(index, *neighbour, now);
}

// Its registered endpoints have their turns until one answers, or the node itself dials.
void Member::try_endpoint(LayerIndex index, Neighbour& neighbour, base::TimePoint now) {
  Layer& layer = *layers_[index];
  const Link& link = tables_.links[neighbour.link];
  const auto* node = layer.membership.find(link.name);
  if (node == nullptr || node->endpoints.empty() ||
      neighbour.turns >= std::max(kLeastTurns, node->endpoints.size()))
    return let_go(index, neighbour, now, true);
  set_turn(layer, neighbour, now + kTurn);
  const auto state = layer.native.machine->state(link.peer);
  if (state && state->live) return;
  security::PeerConfig config;
  config.key = node->native_key;
  config.name = node->name;
  config.persistent_keepalive = kDialledKeepalive;
  security::Events events;
  layer.native.machine->disconnect(link.peer, events);
  layer.native.machine->add(config);  // without a path first, so that it may be the same again
  config.path = security::Path{node->endpoints[neighbour.turns++ % node->endpoints.size()], {}};
  layer.native.machine->add(config);
  layer.native.machine->connect(link.peer, now, unix_nanos_, events);
  carry_out(index, false, events, now);
}

// Nobody uses it, or it does not answer: then those who send there are told, until it does.
void Member::let_go(LayerIndex index, Neighbour& neighbour, base::TimePoint now, bool silent) {
  Layer& layer = *layers_[index];
  Link& link = tables_.links[neighbour.link];
  neighbour.wanted = false;
  neighbour.not_before = silent ? now + kPause : now;
  neighbour.next = base::kNever;
  security::Events events;
  layer.native.machine->disconnect(link.peer, events);
  if (const auto state = layer.native.machine->state(link.peer)) {
    security::PeerConfig config;
    config.key = state->key;
    config.name = link.name;
    layer.native.machine->add(config);
  }
  carry_out(index, false, events, now);
  if (!silent) return;
  link.path.remote = {};
  pipeline_.give_up(neighbour.link);
}

void Member::set_turn(Layer& layer, Neighbour& neighbour, base::TimePoint at) {
  neighbour.next = at;
  layer.neighbours_at = std::min(layer.neighbours_at, at);
}

void Member::neighbours_due(LayerIndex index, base::TimePoint now) {
  Layer& layer = *layers_[index];
  if (now < layer.neighbours_at) return;
  for (auto& [name, neighbour] : layer.neighbours) {
    if (neighbour.next > now) continue;
    if (!neighbour.wanted || !layer.standing) {
      neighbour.wanted = false;
      neighbour.next = base::kNever;
    } else if (!tables_.links[neighbour.link].send) {
      try_endpoint(index, neighbour, now);
    } else if (now - neighbour.used >= kIdle) {
      let_go(index, neighbour, now, false);
    } else {
      neighbour.next = neighbour.used + kIdle;
    }
  }
  layer.neighbours_at = base::kNever;
  for (const auto& [name, neighbour] : layer.neighbours)
    layer.neighbours_at = std::min(layer.neighbours_at, neighbour.next);
}

// Its link has keys, or has none any more.
void Member::neighbour_changed(LayerIndex index, LinkId id, base::TimePoint now) {
  Neighbour* neighbour = neighbour_at(index, id);
  if (neighbour == nullptr) return;
  if (tables_.links[id].send) send(pipeline_.release(id));
  // The machine dials by itself first, as after a reset.
  if (neighbour->wanted) {
    neighbour->turns = 0;
    set_turn(*layers_[index], *neighbour, now + kTurn);
  }
}

}  // namespace entresol::layer::member
