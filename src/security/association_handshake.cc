// The messages of a handshake, in the order in which they travel.
#include <algorithm>

#include "crypto/secret.h"
#include "security/association_impl.h"

namespace entresol::security {
namespace {

using base::DropReason;

HandshakeNames names_of(const Path& path, bool initiator) {
  return initiator ? HandshakeNames{path.local.address, path.remote.address}
                   : HandshakeNames{path.remote.address, path.local.address};
}

}  // namespace

HandshakeContent Associations::Impl::content(const Path& path, std::uint32_t index) {
  HandshakeContent out;
  if (!native()) return out;
  if (verifier != nullptr) out.shown = verifier->credentials(path);
  out.reset_token = native::reset_token(config.reset_secret, index);
  return out;
}

noise::Psk Associations::Impl::psk(const Peer& peer) const {
  return peer.config.preshared_key.value_or(noise::Psk());
}

Keys Associations::Impl::make_keys(const noise::HandshakeState& state, const KeySet& set) const {
  auto [first, second] = state.split();
  Keys keys;
  keys.protocol = config.protocol;
  keys.suite = config.suite;
  keys.send = set.initiator ? first : second;
  keys.receive = set.initiator ? second : first;
  keys.local_index = set.local_index;
  keys.remote_index = set.remote_index;
  keys.initiator = set.initiator;
  return keys;
}

// ---- initiation, sent

void Associations::Impl::start(Peer& peer, base::Duration gap, base::TimePoint now,
                               std::int64_t unix_nanos, Events& out) {
  if (peer.attempt || !peer.path) return;
  peer.attempt.emplace();
  peer.attempt->started = now;
  peer.attempt->next_send = peer.initiation_sent ? std::max(now, *peer.initiation_sent + gap) : now;
  if (peer.attempt->next_send <= now) send_initiation(peer, now, unix_nanos, out);
  schedule(peer);
}

// Replaces the attempt's last initiation, whose answer would now come too late.
void Associations::Impl::send_initiation(Peer& peer, base::TimePoint now, std::int64_t unix_nanos,
                                         Events& out) {
  Attempt& attempt = *peer.attempt;
  if (attempt.index != 0) {
    by_index.erase(attempt.index);
    indices.release(attempt.index);
    attempt.index = 0;
  }
  attempt.next_send = now + config.timing.rekey_timeout + jitter();
  const auto index = indices.allocate(protocol->index_bits());
  if (!index) return;
  HandshakeContent said = content(*peer.path, *index);
  said.timestamp = protocol->timestamp(unix_nanos, peer.timestamp_sent);
  attempt.state = protocol->initiator(peer.key.key, names_of(*peer.path, true));
  const auto ephemeral = crypto::x25519_keypair(random.bytes<32>());
  base::Bytes message = protocol->write_initiation(*attempt.state, *index, ephemeral, said);
  if (message.empty()) {  // a key of small order: nobody has its secret
    indices.release(*index);
    peer.attempt.reset();
    drop_all(peer, out);
    down(peer, DropReason::handshake_forged, out);
    return;
  }
  attempt.index = *index;
  attempt.shown = said.shown.generation;
  by_index[*index] = peer.id;
  peer.timestamp_sent = said.timestamp;
  peer.initiation_sent = now;
  peer.jar.sign(message, now);
  authenticated_sent(peer, now);
  out.push_back(SendMessage{std::move(message), *peer.path});
}

void Associations::Impl::end_attempt(Peer& peer) {
  if (peer.attempt && peer.attempt->index != 0) {
    by_index.erase(peer.attempt->index);
    indices.release(peer.attempt->index);
  }
  peer.attempt.reset();
}

// Keys under which the peer was heard meanwhile are left to their expiry.
void Associations::Impl::give_up(Peer& peer, base::TimePoint now, Events& out) {
  const bool heard = peer.heard && *peer.heard >= peer.attempt->started;
  end_attempt(peer);
  if (heard && peer.current && !expired(*peer.current, now)) return;
  drop_all(peer, out);
  down(peer, DropReason::link_down, out);
}

// ---- any message, received

DropReason Associations::recognise(base::ByteView message) const {
  MessageKind kind{};
  if (const DropReason reason = impl_->protocol->classify(message, kind);
      reason != DropReason::none)
    return reason;
  if (kind == MessageKind::kInitiation)
    return impl_->checker.mac1_ok(message) ? DropReason::none : DropReason::handshake_mac1;
  const bool known = kind == MessageKind::kReset
                         ? impl_->match_reset(message).peer != nullptr
                         : impl_->by_index.contains(impl_->protocol->receiver_index(kind, message));
  return known ? DropReason::none : DropReason::handshake_unexpected;
}

DropReason Associations::handle(base::ByteView message, const Path& path, base::TimePoint now,
                                std::int64_t unix_nanos, Events& out) {
  MessageKind kind{};
  DropReason reason = impl_->protocol->classify(message, kind);
  if (reason != DropReason::none) return reason;
  if (kind == MessageKind::kCookieReply) return impl_->on_cookie(message, now);
  if (kind == MessageKind::kReset) return impl_->on_reset(message, now, unix_nanos, out);
  if (!impl_->checker.mac1_ok(message)) return DropReason::handshake_mac1;
  reason = impl_->protocol->check_header(kind, message);
  if (reason != DropReason::none) return reason;
  reason = impl_->guard(message, path, now, out);
  if (reason != DropReason::none) return reason;
  return kind == MessageKind::kInitiation
             ? impl_->on_initiation(message, path, now, unix_nanos, out)
             : impl_->on_response(message, path, now, unix_nanos, out);
}

// Under load only who can be reached at its source costs more than a hash.
DropReason Associations::Impl::guard(base::ByteView message, const Path& path, base::TimePoint now,
                                     Events& out) {
  under_load = load.count(now);
  if (!under_load) return DropReason::none;
  if (!checker.mac2_ok(message, path.remote, now)) {
    const auto prefix = protocol->cookie_prefix(protocol->sender_index(message));
    out.push_back(SendMessage{checker.reply(message, prefix, path.remote, now, random), path});
    return DropReason::handshake_cookie;
  }
  return sources.allow(path.remote, now) ? DropReason::none : DropReason::handshake_flood;
}

// ---- initiation, received

DropReason Associations::Impl::on_initiation(base::ByteView message, const Path& path,
                                             base::TimePoint now, std::int64_t unix_nanos,
                                             Events& out) {
  noise::HandshakeState state = protocol->responder(names_of(path, false));
  DropReason reason = protocol->read_static(state, message);
  if (reason != DropReason::none) return reason;
  const PeerKey key = key_of(state.remote_static(), path);
  Peer* peer = find(key);
  if (key.key == own.public_key) return DropReason::handshake_unknown_peer;
  if (peer == nullptr && !native())
    return verifier != nullptr ? verifier->stranger(key.key) : DropReason::handshake_unknown_peer;
  HandshakeContent seen;
  reason = protocol->read_content(state, message, seen);
  if (reason == DropReason::none) reason = check_initiator(peer, seen, now);
  if (reason != DropReason::none) return reason;
  wire::Name name{};
  reason = admit(peer, key.key, seen.shown, path, unix_nanos, name);
  if (reason != DropReason::none) return reason;
  if (peer == nullptr) {
    if (!make_room()) return DropReason::handshake_queue_full;
    peer = &create(key);
    ++admitted;
  }
  if (native()) peer->name = name;
  peer->timestamp_received = seen.timestamp;
  peer->initiation_received = now;
  authenticated_received(*peer, now);
  return respond(*peer, state, message, seen, path, now, out);
}

DropReason Associations::Impl::check_initiator(const Peer* peer, const HandshakeContent& content,
                                               base::TimePoint now) const {
  if (peer == nullptr) return DropReason::none;
  if (content.timestamp <= peer->timestamp_received) return DropReason::handshake_replayed;
  const bool flood = peer->initiation_received && now - *peer->initiation_received < kInitiationGap;
  return flood ? DropReason::handshake_flood : DropReason::none;
}

DropReason Associations::Impl::admit(const Peer* peer, const PublicKey& key,
                                     const Credentials& shown, const Path& path,
                                     std::int64_t unix_nanos, wire::Name& name) {
  if (!native()) return DropReason::none;  // a guest is who was configured
  if (verifier == nullptr) return DropReason::handshake_certificate;
  const base::UnixSeconds seconds = unix_nanos / 1'000'000'000;
  const DropReason reason = verifier->admit(key, shown, path, seconds, name);
  if (reason != DropReason::none) return reason;
  const bool other = peer != nullptr && peer->config.name && *peer->config.name != name;
  return other ? DropReason::handshake_certificate : DropReason::none;
}

DropReason Associations::Impl::respond(Peer& peer, noise::HandshakeState& state,
                                       base::ByteView initiation, HandshakeContent& seen,
                                       const Path& path, base::TimePoint now, Events& out) {
  const auto index = indices.allocate(protocol->index_bits());
  if (!index) return DropReason::handshake_queue_full;
  KeySet set;
  set.local_index = *index;
  set.remote_index = protocol->sender_index(initiation);
  set.crossed = peer.attempt && peer.attempt->index != 0;
  set.created = now;
  set.reset_token = seen.reset_token;
  const auto ephemeral = crypto::x25519_keypair(random.bytes<32>());
  const HandshakeContent said = content(path, *index);
  set.shown = said.shown.generation;
  base::Bytes message =
      protocol->write_response(state, *index, set.remote_index, ephemeral, psk(peer), said);
  if (message.empty()) {
    indices.release(*index);
    return DropReason::handshake_forged;
  }
  by_index[*index] = peer.id;
  by_remote.emplace(set.remote_index, peer.id);
  const bool known_path = peer.path.has_value();
  if (!known_path) peer.path = path;  // before the first event: its receiver may ask for it
  retire(peer, peer.next, out);
  peer.next = set;
  peer.up = true;
  out.push_back(KeysReady{peer.id, make_keys(state, set)});
  out.push_back(PeerUp{peer.id, peer.name.value_or(wire::Name{}), std::move(seen.shown)});
  if (known_path) {
    moved(peer, path, out);
  } else {
    out.push_back(PeerMoved{peer.id, path});
  }
  peer.jar.sign(message, now);
  authenticated_sent(peer, now);
  schedule(peer);
  out.push_back(SendMessage{std::move(message), path});
  return DropReason::none;
}

// The peer has used the keys that it got as initiator: now they are ours to send with.
void Associations::Impl::confirm(Peer& peer, Events& out) {
  retire(peer, peer.current, out);
  peer.current = peer.next;
  peer.next.reset();
  end_attempt(peer);
  peer.last_minute_done = false;
  ++peer.handshakes;
  peer.shown = std::max(peer.shown, peer.current->shown);
  out.push_back(SendWith{peer.id, peer.current->local_index});
}

// ---- response, received

DropReason Associations::Impl::on_response(base::ByteView message, const Path& path,
                                           base::TimePoint now, std::int64_t unix_nanos,
                                           Events& out) {
  const std::uint32_t index = protocol->receiver_index(MessageKind::kResponse, message);
  const auto owner = by_index.find(index);
  Peer* peer = owner == by_index.end() ? nullptr : find(owner->second);
  if (peer == nullptr || !peer->attempt || peer->attempt->index != index) {
    return DropReason::handshake_unexpected;
  }
  noise::HandshakeState state = *peer->attempt->state;  // a forged response must not spoil it
  HandshakeContent seen;
  DropReason reason = protocol->read_response(state, message, psk(*peer), seen);
  if (reason != DropReason::none) return reason;
  wire::Name name{};
  const Path& where = session() ? *peer->path : path;
  reason = admit(peer, peer->key.key, seen.shown, where, unix_nanos, name);
  if (reason != DropReason::none) return reason;
  if (native()) peer->name = name;
  complete(*peer, state, protocol->sender_index(message), seen, path, now, out);
  return DropReason::none;
}

void Associations::Impl::complete(Peer& peer, const noise::HandshakeState& state,
                                  std::uint32_t remote_index, HandshakeContent& seen,
                                  const Path& path, base::TimePoint now, Events& out) {
  KeySet set;
  set.local_index = peer.attempt->index;  // it stays in by_index
  set.remote_index = remote_index;
  set.initiator = true;
  set.created = now;
  set.reset_token = seen.reset_token;
  peer.shown = std::max(peer.shown, peer.attempt->shown);
  peer.attempt.reset();
  by_remote.emplace(remote_index, peer.id);
  // Keys that crossed ours and come from the end with the smaller key are going to replace them.
  const bool peers_win = peer.next && peer.next->crossed && peer.key.key < own.public_key;
  if (!peers_win) retire(peer, peer.next, out);
  retire(peer, peer.current, out);
  peer.current = set;
  peer.up = true;
  peer.last_minute_done = false;
  ++peer.handshakes;
  authenticated_received(peer, now);
  out.push_back(KeysReady{peer.id, make_keys(state, set)});
  out.push_back(PeerUp{peer.id, peer.name.value_or(wire::Name{}), std::move(seen.shown)});
  moved(peer, path, out);
  out.push_back(SendWith{peer.id, set.local_index});
  out.push_back(SendKeepalive{peer.id});  // the responder waits for a record
  schedule(peer);
}

// ---- cookie reply and reset, received

DropReason Associations::Impl::on_cookie(base::ByteView message, base::TimePoint now) {
  const auto owner = by_index.find(protocol->receiver_index(MessageKind::kCookieReply, message));
  Peer* peer = owner == by_index.end() ? nullptr : find(owner->second);
  if (peer == nullptr) return DropReason::handshake_unexpected;
  // Used by the next retransmission: an answer at once would make a flood out of a flood.
  return peer->jar.accept(message, now) ? DropReason::none : DropReason::handshake_forged;
}

Associations::Impl::ResetMatch Associations::Impl::match_reset(base::ByteView message) const {
  native::Reset reset;
  if (native::parse(message, reset) != DropReason::none) return {};
  const auto range = by_remote.equal_range(reset.id.index());
  for (auto it = range.first; it != range.second; ++it) {
    Peer* peer = find(it->second);
    const auto ends = [&](const KeySet& keys) {
      return keys.remote_index == reset.id.index() && keys.reset_token &&
             crypto::constant_time_equal(*keys.reset_token, reset.token);
    };
    if (peer->current && ends(*peer->current)) return {peer, peer->current->local_index};
    for (const KeySet& keys : peer->old) {
      if (ends(keys)) return {peer, keys.local_index};
    }
  }
  return {};
}

DropReason Associations::Impl::on_reset(base::ByteView message, base::TimePoint now,
                                        std::int64_t unix_nanos, Events& out) {
  const ResetMatch match = match_reset(message);
  if (match.peer == nullptr) return DropReason::handshake_unexpected;
  Peer& peer = *match.peer;
  const auto at = std::find_if(peer.old.begin(), peer.old.end(), [&](const KeySet& keys) {
    return keys.local_index == match.local_index;
  });
  if (at != peer.old.end()) {  // a late record under keys that the peer has replaced
    drop(peer, *at, out);
    peer.old.erase(at);
    return DropReason::none;
  }
  const auto next = peer.next;  // made since: the peer is already starting over
  peer.next.reset();
  drop_all(peer, out);
  peer.next = next;
  if (next) return DropReason::none;
  end_attempt(peer);
  if (peer.up) down(peer, DropReason::record_index_unknown, out);
  start(peer, kDialGap, now, unix_nanos, out);
  return DropReason::none;
}

base::Bytes Associations::reset_for(base::ByteView record, base::TimePoint now) {
  wire::RecordView view;
  if (!impl_->native() || wire::RecordView::parse(record, view) != DropReason::none) return {};
  if (impl_->by_index.contains(view.id().index())) return {};
  if (!impl_->resets.take(now, kResetsPerSecond, kResetsPerSecond)) return {};
  return native::emit(
      {view.id(), native::reset_token(impl_->config.reset_secret, view.id().index())});
}

}  // namespace entresol::security
