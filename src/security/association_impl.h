// The parts of Associations; for this folder's association*.cc only.
//
// Keys of a peer, newest first:
//   next     made as responder, not yet confirmed by a record of the peer: receive only
//   current  what we send with
//   old      up to two more, receive only, so that records under way while keys change are not lost
// Each is forgotten reject_after_time after it was made. (WireGuard keeps unusable keys for three
// times as long before it wipes them; here they are wiped when they can no longer be used.)
//
// Both ends may dial at once. Each then has made keys as initiator and as responder, and both sets
// work; the end whose static key is the larger one sends with the other's as soon as they are
// confirmed, so that both agree on who replaces them.
#pragma once

#include <map>
#include <memory>
#include <queue>
#include <unordered_map>

#include "security/association.h"
#include "security/cookie/load.h"
#include "security/handshake.h"
#include "security/native/reset.h"

namespace entresol::security {

inline constexpr std::size_t kOldKeys = 2;
// WireGuard's HandshakeInitiationRate: one peer's initiations come at most 50 a second.
inline constexpr base::Duration kInitiationGap = std::chrono::milliseconds(20);
// Between two own initiations that are not retransmissions, however often somebody asks.
inline constexpr base::Duration kDialGap = std::chrono::milliseconds(250);
inline constexpr std::uint32_t kRetryJitterMs = 334;
inline constexpr std::uint32_t kResetsPerSecond = 50;
inline constexpr std::uint64_t kNativeRekeyAfter = std::uint64_t{1} << 27;
inline constexpr std::uint64_t kWireGuardRekeyAfter = std::uint64_t{1} << 60;

struct KeySet {
  std::uint32_t local_index = 0;
  std::uint32_t remote_index = 0;
  bool initiator = false;
  bool crossed = false;     // as responder, while an own initiation was under way
  std::uint64_t shown = 0;  // generation of the credentials in its handshake
  base::TimePoint created{};
  std::optional<ResetToken> reset_token;  // what the peer would show to end them
};

// An own handshake: from the wish for keys to a response, or to giving up.
struct Attempt {
  base::TimePoint started{};
  base::TimePoint next_send{};
  std::uint32_t index = 0;                     // of the newest initiation; 0: none sent yet
  std::uint64_t shown = 0;                     // generation of the credentials in it
  std::optional<noise::HandshakeState> state;  // after that initiation
};

struct PeerKey {
  PublicKey key{};
  std::array<std::uint8_t, 16> local{};  // sessions: the names; links: zero
  std::array<std::uint8_t, 16> remote{};
  friend auto operator<=>(const PeerKey&, const PeerKey&) = default;
};

struct Peer {
  Peer(PeerId peer, const PeerKey& where, const cookie::Labels& labels)
      : id(peer), key(where), jar(where.key, labels) {}

  PeerId id;
  PeerKey key;
  PeerConfig config;
  bool configured = false;
  bool up = false;  // PeerUp was said, PeerDown not yet
  std::optional<wire::Name> name;
  std::optional<Path> path;
  cookie::Jar jar;

  std::optional<Attempt> attempt;
  std::optional<base::TimePoint> initiation_sent;
  std::optional<base::TimePoint> initiation_received;
  Timestamp timestamp_sent{};
  Timestamp timestamp_received{};

  std::optional<KeySet> next, current;
  std::vector<KeySet> old;

  std::optional<base::TimePoint> heard;  // something authenticated
  base::TimePoint keepalive_at = base::kNever;
  base::TimePoint new_handshake_at = base::kNever;
  base::TimePoint persistent_at = base::kNever;
  bool another_keepalive = false;
  bool last_minute_done = false;  // one handshake for data that arrives just before keys expire
  std::uint64_t handshakes = 0;
  std::uint64_t shown = 0;
  std::uint64_t moves = 0;
  base::TimePoint scheduled = base::kNever;  // its earliest entry in the timer queue
};

struct Associations::Impl {
  Impl(Config configuration, Verifier* check, base::RandomSource& source, IndexAllocator& shared);

  // association.cc: peers and keys
  Peer* find(PeerId id) const;
  PeerKey key_of(const PublicKey& key, const std::optional<Path>& path) const;
  Peer* find(const PeerKey& key) const;
  Peer& create(const PeerKey& key);
  bool make_room();
  void erase(Peer& peer);
  bool session() const { return config.purpose == Purpose::kSession; }
  bool native() const { return config.protocol == Protocol::kNative; }
  std::uint64_t rekey_after_messages() const;
  bool expired(const KeySet& keys, base::TimePoint now) const {
    return now - keys.created >= config.timing.reject_after_time;
  }
  void drop(Peer& peer, const KeySet& keys, Events& out);
  void drop_all(Peer& peer, Events& out);
  void retire(Peer& peer, std::optional<KeySet>& keys, Events& out);
  void down(Peer& peer, base::DropReason reason, Events& out);
  void moved(Peer& peer, const Path& path, Events& out);
  KeySet* keys_at(Peer& peer, std::uint32_t local_index);

  // association_handshake.cc: messages
  void start(Peer& peer, base::Duration gap, base::TimePoint now, std::int64_t unix_nanos,
             Events& out);
  void send_initiation(Peer& peer, base::TimePoint now, std::int64_t unix_nanos, Events& out);
  void end_attempt(Peer& peer);
  void give_up(Peer& peer, base::TimePoint now, Events& out);
  void confirm(Peer& peer, Events& out);
  base::DropReason guard(base::ByteView message, const Path& path, base::TimePoint now,
                         Events& out);
  base::DropReason on_initiation(base::ByteView message, const Path& path, base::TimePoint now,
                                 std::int64_t unix_nanos, Events& out);
  base::DropReason check_initiator(const Peer* peer, const HandshakeContent& content,
                                   base::TimePoint now) const;
  base::DropReason admit(const Peer* peer, const PublicKey& key, const Credentials& shown,
                         const Path& path, std::int64_t unix_nanos, wire::Name& name);
  base::DropReason respond(Peer& peer, noise::HandshakeState& state, base::ByteView initiation,
                           HandshakeContent& seen, const Path& path, base::TimePoint now,
                           Events& out);
  base::DropReason on_response(base::ByteView message, const Path& path, base::TimePoint now,
                               std::int64_t unix_nanos, Events& out);
  void complete(Peer& peer, const noise::HandshakeState& state, std::uint32_t remote_index,
                HandshakeContent& seen, const Path& path, base::TimePoint now, Events& out);
  base::DropReason on_cookie(base::ByteView message, base::TimePoint now);
  base::DropReason on_reset(base::ByteView message, base::TimePoint now, std::int64_t unix_nanos,
                            Events& out);
  struct ResetMatch {
    Peer* peer = nullptr;
    std::uint32_t local_index = 0;
  };
  ResetMatch match_reset(base::ByteView message) const;
  HandshakeContent content(const Path& path, std::uint32_t index);
  Keys make_keys(const noise::HandshakeState& state, const KeySet& set) const;
  noise::Psk psk(const Peer& peer) const;

  // association_timers.cc
  void authenticated_sent(Peer& peer, base::TimePoint now);
  void authenticated_received(Peer& peer, base::TimePoint now);
  void keep_fresh(Peer& peer, const Traffic& traffic, base::TimePoint now, std::int64_t unix_nanos,
                  Events& out);
  base::TimePoint deadline(const Peer& peer) const;
  void schedule(Peer& peer);
  void expire(Peer& peer, base::TimePoint now, Events& out);
  void fire(Peer& peer, base::TimePoint now, std::int64_t unix_nanos, Events& out);
  base::Duration jitter();

  Config config;
  Verifier* verifier;
  base::RandomSource& random;
  IndexAllocator& indices;
  crypto::X25519KeyPair own;
  std::unique_ptr<HandshakeProtocol> protocol;
  cookie::Checker checker;
  cookie::LoadMeter load;
  cookie::SourceLimiter sources;
  cookie::Bucket resets;
  bool under_load = false;

  std::uint32_t last_id = 0;
  std::size_t admitted = 0;  // peers that were not configured
  std::unordered_map<PeerId, std::unique_ptr<Peer>> peers;
  std::map<PeerKey, PeerId> by_key;
  std::unordered_map<std::uint32_t, PeerId> by_index;        // own indices
  std::unordered_multimap<std::uint32_t, PeerId> by_remote;  // the peers' indices
  // Earliest first. An entry that is not its peer's `scheduled` is stale.
  using Timer = std::pair<base::TimePoint, PeerId>;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers;
};

}  // namespace entresol::security
