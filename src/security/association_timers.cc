// What the data side saw, and what is done when nothing happens.
#include <algorithm>

#include "security/association_impl.h"

namespace entresol::security {

base::Duration Associations::Impl::jitter() {
  return std::chrono::milliseconds(random.u32() % kRetryJitterMs);
}

void Associations::Impl::authenticated_sent(Peer& peer, base::TimePoint now) {
  peer.keepalive_at = base::kNever;
  peer.another_keepalive = false;
  if (peer.config.persistent_keepalive.count() > 0) {
    peer.persistent_at = now + peer.config.persistent_keepalive;
  }
}

void Associations::Impl::authenticated_received(Peer& peer, base::TimePoint now) {
  peer.heard = now;
  peer.new_handshake_at = base::kNever;
  if (peer.config.persistent_keepalive.count() > 0) {
    peer.persistent_at = now + peer.config.persistent_keepalive;
  }
}

// Within one burst the order of sending and receiving is not known. Each timer is armed as if the
// order had been the one that needs it; at worst a keepalive too many is sent.
void Associations::report(const Traffic& traffic, base::TimePoint now, std::int64_t unix_nanos,
                          Events& out) {
  Peer* peer = impl_->find(traffic.peer);
  if (peer == nullptr) return;
  const bool received = traffic.received_data + traffic.received_empty > 0;
  const bool sent = traffic.sent_data + traffic.sent_empty > 0;
  const Timing& timing = impl_->config.timing;
  if (received && impl_->keys_at(*peer, traffic.local_index) != nullptr) {
    impl_->authenticated_received(*peer, now);
    if (peer->next && peer->next->local_index == traffic.local_index) impl_->confirm(*peer, out);
    if (traffic.from && !impl_->session()) impl_->moved(*peer, *traffic.from, out);
  }
  if (sent) impl_->authenticated_sent(*peer, now);
  if (traffic.received_data > 0) {
    if (peer->keepalive_at == base::kNever) {
      peer->keepalive_at = now + timing.keepalive_timeout;
    } else {
      peer->another_keepalive = true;
    }
  }
  if (traffic.sent_data > 0 && peer->new_handshake_at == base::kNever) {
    peer->new_handshake_at =
        now + timing.keepalive_timeout + timing.rekey_timeout + impl_->jitter();
  }
  impl_->keep_fresh(*peer, traffic, now, unix_nanos, out);
  impl_->schedule(*peer);
}

// Only the initiator of the present keys replaces them for their age; whoever has used up their
// counters replaces them in any case.
void Associations::Impl::keep_fresh(Peer& peer, const Traffic& traffic, base::TimePoint now,
                                    std::int64_t unix_nanos, Events& out) {
  if (!peer.current) return;
  const Timing& timing = config.timing;
  const base::Duration age = now - peer.current->created;
  const bool sent = traffic.sent_data + traffic.sent_empty > 0;
  const bool old = peer.current->initiator && age >= timing.rekey_after_time;
  if (sent && (old || traffic.send_counter >= rekey_after_messages())) {
    start(peer, timing.rekey_timeout, now, unix_nanos, out);
  }
  const bool received = traffic.received_data + traffic.received_empty > 0;
  const base::Duration last_minute =
      timing.reject_after_time - timing.keepalive_timeout - timing.rekey_timeout;
  if (received && peer.current->initiator && !peer.last_minute_done && age >= last_minute) {
    peer.last_minute_done = true;
    start(peer, timing.rekey_timeout, now, unix_nanos, out);
  }
}

// ---- timers

base::TimePoint Associations::Impl::deadline(const Peer& peer) const {
  base::TimePoint at = std::min({peer.keepalive_at, peer.new_handshake_at, peer.persistent_at});
  if (peer.attempt) at = std::min(at, peer.attempt->next_send);
  const auto expiry = [&](const KeySet& keys) {
    at = std::min(at, keys.created + config.timing.reject_after_time);
  };
  if (peer.next) expiry(*peer.next);
  if (peer.current) expiry(*peer.current);
  for (const KeySet& keys : peer.old) expiry(keys);
  return at;
}

// A deadline that moved away is left in the queue: when it comes, nothing is due.
void Associations::Impl::schedule(Peer& peer) {
  const base::TimePoint at = deadline(peer);
  if (at >= peer.scheduled) return;
  peer.scheduled = at;
  timers.emplace(at, peer.id);
}

void Associations::Impl::expire(Peer& peer, base::TimePoint now, Events& out) {
  const bool had = peer.next || peer.current || !peer.old.empty();
  for (std::size_t i = peer.old.size(); i-- > 0;) {
    if (!expired(peer.old[i], now)) continue;
    drop(peer, peer.old[i], out);
    peer.old.erase(peer.old.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (std::optional<KeySet>* keys : {&peer.next, &peer.current}) {
    if (!*keys || !expired(**keys, now)) continue;
    drop(peer, **keys, out);
    keys->reset();
  }
  const bool has = peer.next || peer.current || !peer.old.empty();
  if (!had || has) return;
  peer.keepalive_at = peer.new_handshake_at = base::kNever;
  peer.another_keepalive = false;
  if (!peer.attempt && peer.up) down(peer, base::DropReason::record_expired, out);
}

void Associations::Impl::fire(Peer& peer, base::TimePoint now, std::int64_t unix_nanos,
                              Events& out) {
  expire(peer, now, out);
  if (peer.attempt && peer.attempt->next_send <= now) {
    if (now - peer.attempt->started >= config.timing.rekey_attempt_time) {
      give_up(peer, now, out);
    } else {
      send_initiation(peer, now, unix_nanos, out);
    }
  }
  if (peer.keepalive_at <= now) {
    peer.keepalive_at =
        peer.another_keepalive ? now + config.timing.keepalive_timeout : base::kNever;
    peer.another_keepalive = false;
    if (peer.current) out.push_back(SendKeepalive{peer.id});
  }
  if (peer.new_handshake_at <= now) {
    peer.new_handshake_at = base::kNever;
    start(peer, config.timing.rekey_timeout, now, unix_nanos, out);
  }
  if (peer.persistent_at <= now) {
    peer.persistent_at = now + peer.config.persistent_keepalive;
    if (peer.current) {
      out.push_back(SendKeepalive{peer.id});
    } else {
      start(peer, kDialGap, now, unix_nanos, out);
    }
  }
}

base::TimePoint Associations::next_timer() const {
  return impl_->timers.empty() ? base::kNever : impl_->timers.top().first;
}

void Associations::on_timer(base::TimePoint now, std::int64_t unix_nanos, Events& out) {
  while (!impl_->timers.empty() && impl_->timers.top().first <= now) {
    const auto [at, id] = impl_->timers.top();
    impl_->timers.pop();
    Peer* peer = impl_->find(id);
    if (peer == nullptr || peer->scheduled != at) continue;
    peer->scheduled = base::kNever;
    impl_->fire(*peer, now, unix_nanos, out);
    impl_->schedule(*peer);
  }
}

}  // namespace entresol::security
