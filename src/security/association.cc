#include <algorithm>

#include "security/association_impl.h"
#include "security/native/handshake.h"
#include "security/wireguard/handshake.h"

namespace entresol::security {
namespace {

std::unique_ptr<HandshakeProtocol> make_protocol(const Config& config,
                                                 const crypto::X25519KeyPair& own) {
  if (config.protocol == Protocol::kWireGuard) return std::make_unique<wireguard::Handshake>(own);
  return std::make_unique<native::Handshake>(
      own, native::Parameters{config.suite, config.purpose, config.layer_id});
}

}  // namespace

Associations::Impl::Impl(Config configuration, Verifier* check, base::RandomSource& source,
                         IndexAllocator& shared)
    : config(std::move(configuration)),
      verifier(check),
      random(source),
      indices(shared),
      own(crypto::x25519_keypair(std::span<const std::uint8_t, 32>(config.static_private))),
      protocol(make_protocol(config, own)),
      checker(own.public_key, protocol->labels()),
      load(config.handshakes_per_second_before_load),
      sources(random) {
  if (!native()) config.suite = crypto::AeadSuite::kChaCha20Poly1305;
}

// ---- peers

Peer* Associations::Impl::find(PeerId id) const {
  const auto it = peers.find(id);
  return it == peers.end() ? nullptr : it->second.get();
}

PeerKey Associations::Impl::key_of(const PublicKey& key, const std::optional<Path>& path) const {
  if (!session() || !path) return {key, {}, {}};
  return {key, path->local.address, path->remote.address};
}

Peer* Associations::Impl::find(const PeerKey& key) const {
  const auto it = by_key.find(key);
  return it == by_key.end() ? nullptr : find(it->second);
}

Peer& Associations::Impl::create(const PeerKey& key) {
  const PeerId id(++last_id);
  auto& slot = peers[id];
  slot = std::make_unique<Peer>(id, key, protocol->labels());
  by_key[key] = id;
  return *slot;
}

// Peers that were not configured stay, so that ids and replay protection last, until their place is
// needed: the one without keys that was heard longest ago goes. False if all have keys.
bool Associations::Impl::make_room() {
  if (admitted < config.max_peers) return true;
  Peer* victim = nullptr;
  for (const auto& [id, peer] : peers) {
    if (peer->configured || peer->attempt || peer->next || peer->current || !peer->old.empty()) {
      continue;
    }
    const auto age = [](const Peer& p) { return std::pair(p.initiation_received, p.id); };
    if (victim == nullptr || age(*peer) < age(*victim)) victim = peer.get();
  }
  if (victim == nullptr) return false;
  erase(*victim);
  return true;
}

void Associations::Impl::erase(Peer& peer) {
  if (!peer.configured) --admitted;
  const PeerId id = peer.id;
  by_key.erase(peer.key);
  peers.erase(id);
}

// ---- keys

std::uint64_t Associations::Impl::rekey_after_messages() const {
  if (config.timing.rekey_after_messages != 0) return config.timing.rekey_after_messages;
  return native() ? kNativeRekeyAfter : kWireGuardRekeyAfter;
}

void Associations::Impl::drop(Peer& peer, const KeySet& keys, Events& out) {
  out.push_back(KeysGone{peer.id, keys.local_index});
  by_index.erase(keys.local_index);
  indices.release(keys.local_index);
  const auto range = by_remote.equal_range(keys.remote_index);
  for (auto it = range.first; it != range.second; ++it) {
    if (it->second == peer.id) {
      by_remote.erase(it);
      break;
    }
  }
}

void Associations::Impl::drop_all(Peer& peer, Events& out) {
  if (peer.next) drop(peer, *peer.next, out);
  if (peer.current) drop(peer, *peer.current, out);
  for (const KeySet& keys : peer.old) drop(peer, keys, out);
  peer.next.reset();
  peer.current.reset();
  peer.old.clear();
  peer.keepalive_at = peer.new_handshake_at = base::kNever;
  peer.another_keepalive = false;
}

void Associations::Impl::retire(Peer& peer, std::optional<KeySet>& keys, Events& out) {
  if (!keys) return;
  peer.old.insert(peer.old.begin(), *keys);
  keys.reset();
  while (peer.old.size() > kOldKeys) {
    drop(peer, peer.old.back(), out);
    peer.old.pop_back();
  }
}

void Associations::Impl::down(Peer& peer, base::DropReason reason, Events& out) {
  peer.up = false;
  out.push_back(PeerDown{peer.id, reason});
}

void Associations::Impl::moved(Peer& peer, const Path& path, Events& out) {
  if (peer.path == path) return;
  if (peer.path && session()) return;  // names do not move
  if (peer.path) ++peer.moves;
  peer.path = path;
  out.push_back(PeerMoved{peer.id, path});
}

KeySet* Associations::Impl::keys_at(Peer& peer, std::uint32_t local_index) {
  if (peer.current && peer.current->local_index == local_index) return &*peer.current;
  if (peer.next && peer.next->local_index == local_index) return &*peer.next;
  for (KeySet& keys : peer.old) {
    if (keys.local_index == local_index) return &keys;
  }
  return nullptr;
}

// ---- the public side

Associations::Associations(Config config, Verifier* verifier, base::RandomSource& random,
                           IndexAllocator& indices)
    : impl_(std::make_unique<Impl>(std::move(config), verifier, random, indices)) {}

Associations::~Associations() {
  for (const auto& [index, peer] : impl_->by_index) impl_->indices.release(index);
}

PublicKey Associations::static_public() const {
  return impl_->own.public_key;
}

PeerId Associations::add(const PeerConfig& config) {
  const PeerKey key = impl_->key_of(config.key, config.path);
  Peer* peer = impl_->find(key);
  if (peer == nullptr) {
    peer = &impl_->create(key);
    peer->configured = true;
  } else if (!peer->configured) {
    peer->configured = true;
    --impl_->admitted;
  }
  // A path that is configured again does not undo a move.
  if (config.path && config.path != peer->config.path) peer->path = config.path;
  if (config.name) peer->name = config.name;
  peer->config = config;
  return peer->id;
}

void Associations::remove(PeerId id, Events& out) {
  disconnect(id, out);
  if (Peer* peer = impl_->find(id)) impl_->erase(*peer);
}

std::optional<PeerId> Associations::find(const PublicKey& key,
                                         const std::optional<base::Endpoint>& local_name) const {
  const PeerKey from{key, local_name ? local_name->address : std::array<std::uint8_t, 16>{}, {}};
  const auto it = impl_->by_key.lower_bound(from);
  if (it == impl_->by_key.end() || it->first.key != key) return std::nullopt;
  if (local_name && impl_->session() && it->first.local != from.local) return std::nullopt;
  return it->second;
}

void Associations::connect(PeerId id, base::TimePoint now, std::int64_t unix_nanos, Events& out) {
  Peer* peer = impl_->find(id);
  if (peer == nullptr || (peer->current && !impl_->expired(*peer->current, now))) return;
  impl_->start(*peer, kDialGap, now, unix_nanos, out);
}

void Associations::rekey(PeerId id, base::TimePoint now, std::int64_t unix_nanos, Events& out) {
  if (Peer* peer = impl_->find(id)) impl_->start(*peer, kDialGap, now, unix_nanos, out);
}

void Associations::disconnect(PeerId id, Events& out) {
  Peer* peer = impl_->find(id);
  if (peer == nullptr) return;
  impl_->end_attempt(*peer);
  impl_->drop_all(*peer, out);
  peer->persistent_at = base::kNever;
  peer->up = false;
}

std::optional<Associations::PeerState> Associations::state(PeerId id) const {
  const Peer* peer = impl_->find(id);
  if (peer == nullptr) return std::nullopt;
  PeerState state;
  state.key = peer->key.key;
  state.name = peer->name;
  state.path = peer->path;
  state.has_keys = peer->current.has_value();
  if (peer->current) {
    state.local_index = peer->current->local_index;
    state.keys_since = peer->current->created;
  }
  state.handshakes = peer->handshakes;
  state.under_cookie = peer->jar.holds_cookie();
  state.live = peer->current || peer->next;
  state.shown = peer->shown;
  return state;
}

std::vector<PeerId> Associations::peers() const {
  std::vector<PeerId> ids;
  ids.reserve(impl_->peers.size());
  for (const auto& [id, peer] : impl_->peers) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace entresol::security
