#include "layer/session/sessions.h"

#include <algorithm>

#include "security/lanes.h"

namespace entresol::layer::session {
namespace {

base::Endpoint location(const wire::Name& name) {
  return {name.octets, 0};
}

security::Path path_between(const wire::Name& local, const wire::Name& far) {
  return {location(far), location(local)};
}

security::PeerConfig configure(const membership::Key& key, const wire::Name& local,
                               const wire::Name& far) {
  security::PeerConfig config;
  config.key = key;
  config.path = path_between(local, far);
  config.name = far;
  return config;
}

security::Config configure(const membership::Membership& membership, crypto::AeadSuite suite,
                           const crypto::SecretBytes<32>& reset_secret,
                           const security::Timing& timing) {
  security::Config config;
  config.protocol = security::Protocol::kNative;
  config.purpose = security::Purpose::kSession;
  config.suite = suite;
  config.static_private = membership.identity().native_private;
  config.layer_id = membership.trust().layer();
  config.reset_secret = reset_secret;
  config.timing = timing;
  return config;
}

}  // namespace

Sessions::Sessions(membership::Membership& membership, crypto::AeadSuite suite,
                   const crypto::SecretBytes<32>& reset_secret, const security::Timing& timing,
                   base::RandomSource& random)
    : membership_(membership),
      random_(random),
      indices_(random_),
      machine_(configure(membership, suite, reset_secret, timing), membership.session_verifier(),
               random_, indices_) {}

void Sessions::fill_addresses(Session& session) {
  auto fill = [&](const wire::Name& name, inner::MemberAddresses& out) {
    out.ipv6 = name.octets;
    if (const auto* member = membership_.find(name)) out.ipv4 = member->ipv4;
  };
  fill(session.local, session.local_addresses);
  fill(session.far, session.far_addresses);
}

Session* Sessions::open(const wire::Name& local, const wire::Name& far) {
  auto found = sessions_.find({local, far});
  if (found != sessions_.end()) return found->second.get();
  const auto* member = membership_.find(far);
  if (member == nullptr || member->native_key == membership::Key{}) return nullptr;
  return &create(machine_.add(configure(member->native_key, local, far)), local, far);
}

Session& Sessions::create(security::PeerId peer, const wire::Name& local, const wire::Name& far) {
  auto& session = sessions_[{local, far}];
  session = std::make_unique<Session>();
  session->peer = peer;
  session->local = local;
  session->far = far;
  fill_addresses(*session);
  bind(peer, *session);
  return *session;
}

void Sessions::bind(security::PeerId peer, Session& session) {
  if (by_peer_.insert_or_assign(peer, &session).second) session.peers.push_back(peer);
}

// The peer with the key that the far end has now, as far as it is known: a handshake with another one would fail.
security::PeerId Sessions::present_peer(Session& session) {
  const auto* member = membership_.find(session.far);
  if (member == nullptr || member->native_key == membership::Key{}) return session.peer;
  const auto state = machine_.state(session.peer);
  if (state && state->key == member->native_key) return session.peer;
  const security::PeerId peer =
      machine_.add(configure(member->native_key, session.local, session.far));
  bind(peer, session);
  if (!session.send) session.peer = peer;
  return peer;
}

Session* Sessions::find_names(const wire::Name& local, const wire::Name& far) {
  auto found = sessions_.find({local, far});
  return found == sessions_.end() ? nullptr : found->second.get();
}

void Sessions::connect(Session& session, base::TimePoint now, std::int64_t unix_nanos,
                       std::vector<HandshakeOut>& out) {
  if (!membership_.standing(unix_nanos / 1'000'000'000)) return;
  security::Events events;
  machine_.connect(present_peer(session), now, unix_nanos, events);
  carry_out(events, out);
}

bool Sessions::show(Session& session, std::uint64_t generation, base::TimePoint now,
                    std::int64_t unix_nanos, std::vector<HandshakeOut>& out) {
  const security::PeerId peer = present_peer(session);
  const auto state = machine_.state(peer);
  if (!state || state->shown >= generation) return false;
  if (!session.send && !state->live) return false;  // the next keys are made with it anyhow
  security::Events events;
  machine_.rekey(peer, now, unix_nanos, events);
  carry_out(events, out);
  return true;
}

void Sessions::call(Session& session, base::TimePoint now, std::int64_t unix_nanos,
                    std::vector<HandshakeOut>& out) {
  if (!membership_.standing(unix_nanos / 1'000'000'000)) return;
  security::Events events;
  machine_.rekey(present_peer(session), now, unix_nanos, events);
  carry_out(events, out);
}

void Sessions::end(Session& session) {
  std::vector<HandshakeOut> nothing;
  forget_peers(std::vector<security::PeerId>(session.peers), nothing);
  for (auto* list : {&touched_, &ready_, &failed_, &keepalives_}) std::erase(*list, &session);
  sessions_.erase({session.local, session.far});
}

// Whoever is not dialled from here may come again, and is then known by the machine from its handshake alone.
void Sessions::forget_peers(const std::vector<security::PeerId>& peers,
                            std::vector<HandshakeOut>& out) {
  security::Events events;
  for (security::PeerId peer : peers) machine_.remove(peer, events);
  carry_out(events, out);
  for (security::PeerId peer : peers) {
    auto found = by_peer_.find(peer);
    if (found == by_peer_.end()) continue;
    std::erase(found->second->peers, peer);
    by_peer_.erase(found);
  }
}

void Sessions::rekey_all(base::TimePoint now, std::int64_t unix_nanos,
                         std::vector<HandshakeOut>& out) {
  security::Events events;
  for (auto& [names, session] : sessions_)
    if (session->send) machine_.rekey(session->peer, now, unix_nanos, events);
  carry_out(events, out);
}

base::DropReason Sessions::handle(base::ByteView message, const wire::Name& local,
                                  const wire::Name& far, base::TimePoint now,
                                  std::int64_t unix_nanos, std::vector<HandshakeOut>& out) {
  security::Events events;
  const base::DropReason reason =
      machine_.handle(message, path_between(local, far), now, unix_nanos, events);
  carry_out(events, out);
  return reason;
}

base::Bytes Sessions::reset_for(base::ByteView session_record, base::TimePoint now) {
  // The machine places records by the head that links give them: type and three zeros before wire id and counter.
  base::Bytes record{0x14, 0, 0, 0};
  record.insert(record.end(), session_record.begin(), session_record.end());
  return machine_.reset_for(record, now);
}

void Sessions::report(base::TimePoint now, std::int64_t unix_nanos,
                      std::vector<HandshakeOut>& out) {
  if (touched_.empty()) return;
  security::Events events;
  for (Session* session : touched_) {
    session->touched = false;
    if (session->send) session->traffic.send_counter = session->send->next;
    machine_.report(session->traffic, now, unix_nanos, events);
  }
  touched_.clear();
  carry_out(events, out);
}

void Sessions::on_timer(base::TimePoint now, std::int64_t unix_nanos,
                        std::vector<HandshakeOut>& out) {
  security::Events events;
  machine_.on_timer(now, unix_nanos, events);
  carry_out(events, out);
}

Session* Sessions::find_peer(security::PeerId peer) {
  auto found = by_peer_.find(peer);
  return found == by_peer_.end() ? adopt(peer) : found->second;
}

// A peer that dialled us: the machine knows it, we do not yet.
Session* Sessions::adopt(security::PeerId peer) {
  auto state = machine_.state(peer);
  if (!state || !state->path) return nullptr;
  const wire::Name local{state->path->local.address};
  const wire::Name far{state->path->remote.address};
  auto found = sessions_.find({local, far});
  if (found == sessions_.end()) return &create(peer, local, far);
  bind(peer, *found->second);
  return found->second.get();
}

void Sessions::keys_ready(const security::KeysReady& event) {
  Session* session = find_peer(event.peer);
  if (session == nullptr) return;
  const security::Keys& keys = event.keys;
  // A far member that has changed its key is another peer to the machine: what arrives from now on concerns it.
  session->peer = session->traffic.peer = event.peer;
  if (key_log_) key_log_(security::Purpose::kSession, keys, membership_.trust().layer());
  const std::uint32_t slot = security::index_slot(keys.local_index);
  if (slot >= receive_.size()) receive_.resize(std::size_t{slot} + slot / 2 + 1);
  receive_[slot].index = keys.local_index;
  receive_[slot].session = session;
  receive_[slot].lane = security::receive_lane(keys.protocol, keys.suite, keys.receive, 0);
  keys_[{event.peer, keys.local_index}] = keys;
}

void Sessions::send_with(const security::SendWith& event, std::vector<security::PeerId>& replaced) {
  Session* session = find_peer(event.peer);
  auto keys = keys_.find({event.peer, event.local_index});
  if (session == nullptr || keys == keys_.end()) return;
  session->send = security::send_lane(keys->second, 0);
  session->send_index = event.local_index;
  session->peer = event.peer;
  session->keys_changed = ++key_changes_;
  if (!session->waiting.empty()) ready_.push_back(session);
  for (security::PeerId other : session->peers)
    if (other != event.peer) replaced.push_back(other);
}

void Sessions::keys_gone(const security::KeysGone& event) {
  if (ReceiveSession* entry = find(event.local_index)) *entry = ReceiveSession{};
  keys_.erase({event.peer, event.local_index});
  Session* session = find_peer(event.peer);
  if (session != nullptr && session->send && session->send_index == event.local_index)
    session->send.reset();
}

void Sessions::carry_out(security::Events& events, std::vector<HandshakeOut>& out) {
  std::vector<security::PeerId> replaced;
  for (security::Event& event : events) {
    if (auto* send = std::get_if<security::SendMessage>(&event)) {
      out.push_back({wire::Name{send->path.local.address}, wire::Name{send->path.remote.address},
                     std::move(send->message)});
    } else if (auto* ready = std::get_if<security::KeysReady>(&event)) {
      keys_ready(*ready);
    } else if (auto* with = std::get_if<security::SendWith>(&event)) {
      send_with(*with, replaced);
    } else if (auto* gone = std::get_if<security::KeysGone>(&event)) {
      keys_gone(*gone);
    } else if (auto* alive = std::get_if<security::SendKeepalive>(&event)) {
      if (Session* session = find_peer(alive->peer); session != nullptr && session->send)
        keepalives_.push_back(session);
    } else if (auto* up = std::get_if<security::PeerUp>(&event)) {
      if (Session* session = find_peer(up->peer)) {
        session->speaker = membership::Membership::name_shown(up->shown);
        fill_addresses(*session);
      }
    } else if (auto* down = std::get_if<security::PeerDown>(&event)) {
      if (Session* session = find_peer(down->peer); session != nullptr && !session->waiting.empty())
        failed_.push_back(session);
    }
  }
  events.clear();
  if (!replaced.empty()) forget_peers(replaced, out);
}

}  // namespace entresol::layer::session
