// One security association with one peer, and the table of them: handshakes, retries, cookies,
// rekeying, keepalive, roaming, expiry. The same machine serves links (peers reached at UDP
// endpoints) and end-to-end sessions (peers reached at names), and every protocol: what differs
// between the native protocol and WireGuard's is the Handshake they plug in. Records are protected
// elsewhere, without calls into here per packet (record.h): the machine hands out keys as events.
//
// Pure: bytes, events and `now` in; events out. Single-threaded. No re-entry: events are delivered
// by return, never by callback; the Verifier's functions are called from handle() and connect() and
// must not call back. Source: WireGuard paper (2017) sections 5 and 6; Noise revision 34;
// docs/wire.md section 8.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/drop.h"
#include "base/endpoint.h"
#include "base/random.h"
#include "base/strong.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "security/credentials.h"
#include "security/index.h"
#include "security/protocol.h"
#include "wire/name.h"

namespace entresol::security {

using PublicKey = std::array<std::uint8_t, 32>;  // X25519
using PeerId = base::StrongInt<struct PeerIdTag, std::uint32_t>;

// Where a message came from or goes to: the peer's location, and the own one that it reached (for
// links the UDP address that answers should leave from; for sessions both are names, port 0).
struct Path {
  base::Endpoint remote;
  base::Endpoint local;
  friend bool operator==(const Path&, const Path&) = default;
};

// The layer's side: who may talk to us, and what we show. Implemented by layer/membership.
class Verifier {
 public:
  virtual ~Verifier() = default;
  // What this end shows to the peer at `path` (for a session: path.local is the name it speaks
  // for).
  virtual Credentials credentials(const Path& path) = 0;
  // Checks the peer's credentials and that they bind `key`. Returns none and the peer's name, or
  // the reason to refuse. For sessions it also checks that the name is path.remote's.
  virtual base::DropReason admit(const PublicKey& key, const Credentials& shown, const Path& path,
                                 base::UnixSeconds now, wire::Name& name) = 0;
  // Why an initiation of a key that nobody has configured is refused, where peers have to be configured (WireGuard).
  virtual base::DropReason stranger(const PublicKey& key) const {
    (void)key;
    return base::DropReason::handshake_unknown_peer;
  }
};

// The outcome of a handshake. Data side: accept records for local_index from KeysReady on, until
// KeysGone.
struct Keys {
  Protocol protocol = Protocol::kNative;
  crypto::AeadSuite suite = crypto::AeadSuite::kAes256Gcm;
  // Native: the secrets that lanes are derived from; WireGuard: the record keys.
  crypto::SecretBytes<32> send;
  crypto::SecretBytes<32> receive;
  std::uint32_t local_index = 0;  // native: 24 bits; WireGuard: 32
  std::uint32_t remote_index = 0;
  bool initiator = false;
};

// Events, in the order they must be carried out.
// a handshake-class message
struct SendMessage {
  base::Bytes message;
  Path path;
};
// The responder's KeysReady and PeerUp come when it answers; its SendWith only when the first
// record under the new keys was reported. Keys are gone reject_after_time after they were made, or
// when they were replaced twice. PeerDown follows the KeysGone of everything that was left.
struct KeysReady {
  PeerId peer;
  Keys keys;
};
// seal with these keys from now on
struct SendWith {
  PeerId peer;
  std::uint32_t local_index;
};
// wipe
struct KeysGone {
  PeerId peer;
  std::uint32_t local_index;
};
// seal and send an empty record
struct SendKeepalive {
  PeerId peer;
};
// after each accepted handshake
struct PeerUp {
  PeerId peer;
  wire::Name name;
  Credentials shown;
};
// authenticated traffic from elsewhere: send there
struct PeerMoved {
  PeerId peer;
  Path path;
};
// gave up, reset or expired; queued packets are lost
struct PeerDown {
  PeerId peer;
  base::DropReason reason;
};
using Event = std::variant<SendMessage, KeysReady, SendWith, KeysGone, SendKeepalive, PeerUp,
                           PeerMoved, PeerDown>;
using Events = std::vector<Event>;

// All times of the machine; the defaults are WireGuard's (paper section 6.1) and are used for both
// protocols.
struct Timing {
  base::Duration rekey_after_time = std::chrono::seconds(120);
  base::Duration reject_after_time = std::chrono::seconds(180);
  base::Duration rekey_attempt_time = std::chrono::seconds(90);
  base::Duration rekey_timeout = std::chrono::seconds(5);
  base::Duration keepalive_timeout = std::chrono::seconds(10);
  std::uint64_t rekey_after_messages = 0;  // 0: the protocol's (native 2^27, WireGuard 2^60)
};

struct Config {
  Protocol protocol = Protocol::kNative;
  Purpose purpose = Purpose::kLink;
  crypto::AeadSuite suite = crypto::AeadSuite::kAes256Gcm;  // WireGuard: ChaCha20-Poly1305 always
  crypto::SecretBytes<32> static_private;
  std::array<std::uint8_t, 32> layer_id{};  // bound in the native prologue
  crypto::SecretBytes<32> reset_secret;     // survives a restart; native links and sessions
  Timing timing;
  std::size_t max_peers = 65536;  // peers that were not configured are refused beyond
  std::uint32_t handshakes_per_second_before_load =
      200;  // beyond: under load, cookies are asked for
};

struct PeerConfig {
  PublicKey key{};
  std::optional<crypto::SecretBytes<32>> preshared_key;  // WireGuard only
  std::optional<Path> path;                              // where to dial; absent: wait for the peer
  std::optional<wire::Name> name;                        // a peer that must be this name
  base::Duration persistent_keepalive{0};                // 0: off
};

// What the data side saw since its last report, for one peer; reported once a burst.
struct Traffic {
  PeerId peer;
  std::uint32_t local_index = 0;     // keys under which records arrived (0 if none arrived)
  std::uint32_t received_data = 0;   // authenticated records with content
  std::uint32_t received_empty = 0;  // keepalives
  std::optional<Path> from;          // where the newest of them came from
  std::uint32_t sent_data = 0;
  std::uint32_t sent_empty = 0;
  std::uint64_t send_counter =
      0;  // next counter of the current sending keys (largest of the lanes)
};

class Associations {
 public:
  // `verifier`, `random` and `indices` outlive this. Several tables on one UDP port share one
  // IndexAllocator.
  Associations(Config config, Verifier* verifier, base::RandomSource& random,
               IndexAllocator& indices);
  ~Associations();

  PublicKey static_public() const;

  // For sessions a peer is a static key and the two names of its path: one node may speak for
  // several names, at either end. Peers that were not configured keep their id until max_peers
  // needs their place.
  //
  // A known peer: one that we dial, or (WireGuard) one that may dial us. Adding a key again returns
  // the same id with the configuration replaced. Native peers that dial us need no configuration:
  // the Verifier decides.
  PeerId add(const PeerConfig& peer);
  void remove(PeerId peer, Events& out);
  std::optional<PeerId> find(const PublicKey& key,
                             const std::optional<base::Endpoint>& local_name = {}) const;

  // Wants keys with the peer: starts a handshake unless one is under way or usable keys exist.
  // Idempotent; call it when there is something to send and no keys.
  void connect(PeerId peer, base::TimePoint now, std::int64_t unix_nanos, Events& out);
  // Starts a new handshake although keys exist (a rotation asked for by a person, or new
  // credentials).
  void rekey(PeerId peer, base::TimePoint now, std::int64_t unix_nanos, Events& out);
  // Forgets the peer's keys at both ends as far as possible, keeps its configuration.
  void disconnect(PeerId peer, Events& out);

  // Cheap test, so that a port that serves several tables finds the one that a message is meant for:
  // none, or handshake_malformed, handshake_mac1 (an initiation), handshake_unexpected (a response,
  // cookie reply or reset for no handshake or keys of this table).
  base::DropReason recognise(base::ByteView message) const;
  // A handshake-class message (docs/wire.md types 0x10-0x13; WireGuard 1-3). Costs up to four
  // X25519 operations: call it from a bounded queue. Returns none or why it was dropped; `out` may
  // hold events in either case (a cookie reply).
  base::DropReason handle(base::ByteView message, const Path& path, base::TimePoint now,
                          std::int64_t unix_nanos, Events& out);
  // The answer to a native record whose index nobody knows, or empty: too short to answer, or over
  // the limit.
  base::Bytes reset_for(base::ByteView record, base::TimePoint now);

  void report(const Traffic& traffic, base::TimePoint now, std::int64_t unix_nanos, Events& out);
  base::TimePoint next_timer() const;  // kNever if none
  void on_timer(base::TimePoint now, std::int64_t unix_nanos, Events& out);

  struct PeerState {
    PublicKey key;
    std::optional<wire::Name> name;
    std::optional<Path> path;
    bool has_keys = false;
    std::uint32_t local_index = 0;  // of the keys we send with
    base::TimePoint keys_since{};
    std::uint64_t handshakes = 0;  // completed
    bool under_cookie = false;     // the peer asked us for cookies
    bool live = false;             // has keys, or such as its first record is awaited for
    std::uint64_t shown =
        0;  // newest generation of our credentials that the peer has answered or used
  };
  std::optional<PeerState> state(PeerId peer) const;
  std::vector<PeerId> peers() const;

  // RFC 8922 section 5: which of the thirteen interfaces this live association supports, and their
  // present values, by calling them. Order and codes as in the RFC's table 1.
  std::vector<InterfaceReport> interfaces(PeerId peer, base::TimePoint now) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entresol::security
