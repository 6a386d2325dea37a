// The end-to-end sessions of an agent: between one of the names it speaks for and a far name. Holds their keys for the
// data path, the packets that wait for keys, and drives the handshakes (security/association.h, purpose: session), whose
// messages travel as the layer's own packets.
//
// A far end that has another key now is another peer to the machine: the session goes over to it with the first keys that
// are made with it, and what was made with the old one is forgotten then.
//
// Pure. Owned by the agent. References to a Session hold until end().
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "layer/inner/offload.h"
#include "layer/inner/rebuild.h"
#include "layer/membership/membership.h"
#include "security/association.h"
#include "security/record.h"

namespace entresol::layer::session {

struct Session {
  security::PeerId peer;
  wire::Name local;
  wire::Name far;
  wire::Name speaker;                   // who has proved to speak for `far`: itself, or its node
  std::vector<security::PeerId> peers;  // all that the machine knows for it, `peer` among them
  inner::MemberAddresses local_addresses;
  inner::MemberAddresses far_addresses;
  std::unique_ptr<security::SendLane> send;  // null: no keys yet
  std::uint32_t send_index = 0;
  std::uint64_t keys_changed = 0;  // another value for each `send` of any session
  std::uint64_t packets_sent = 0, packets_received = 0;
  security::Traffic traffic;
  bool touched = false;

  // Inner packets that wait for keys: virtio header's meaning and bytes, as the application gave them.
  struct Waiting {
    base::Bytes packet;
    inner::Offload offload;
  };
  std::deque<Waiting> waiting;
  std::size_t waiting_bytes = 0;
};

struct ReceiveSession {
  std::uint32_t index = 0;  // 0: free slot
  Session* session = nullptr;
  std::unique_ptr<security::ReceiveLane> lane;
};

// A message of a handshake, to travel from `local` to `far` as next protocol 2.
struct HandshakeOut {
  wire::Name local;
  wire::Name far;
  base::Bytes message;
};

// Every key that a handshake gives, for the operator's key log; off by default.
using KeyLog =
    std::function<void(security::Purpose, const security::Keys&, const membership::LayerId&)>;

class Sessions {
 public:
  Sessions(membership::Membership& membership, crypto::AeadSuite suite,
           const crypto::SecretBytes<32>& reset_secret, const security::Timing& timing,
           base::RandomSource& random);

  // The session from `local` to `far`, made if it is not there; null if nobody has that name.
  Session* open(const wire::Name& local, const wire::Name& far);
  Session* find_names(const wire::Name& local, const wire::Name& far);  // null if there is none
  // Wants keys; handshake messages go to `out`.
  void connect(Session& session, base::TimePoint now, std::int64_t unix_nanos,
               std::vector<HandshakeOut>& out);
  // A handshake message from `far` to `local`. Sessions that got keys for the first time are in ready().
  base::DropReason handle(base::ByteView message, const wire::Name& local, const wire::Name& far,
                          base::TimePoint now, std::int64_t unix_nanos,
                          std::vector<HandshakeOut>& out);
  // Makes sure that the far end of a session with keys has seen what this end shows now, of `generation` or newer, under
  // the key that the far end has now. False if it has, or there are no keys: else ask again after a while.
  bool show(Session& session, std::uint64_t generation, base::TimePoint now,
            std::int64_t unix_nanos, std::vector<HandshakeOut>& out);
  // New keys, with the far end's present key, though there may be some: the far end has lost its own, or never had any.
  void call(Session& session, base::TimePoint now, std::int64_t unix_nanos,
            std::vector<HandshakeOut>& out);
  // Forgets the session and its keys.
  void end(Session& session);
  // The answer to a record for which there are no keys; empty: none.
  base::Bytes reset_for(base::ByteView session_record, base::TimePoint now);

  ReceiveSession* find(std::uint32_t index) {
    const std::uint32_t slot = security::index_slot(index);
    if (slot >= receive_.size() || receive_[slot].index != index || index == 0) return nullptr;
    return &receive_[slot];
  }
  void touch(Session& session) {
    if (session.touched) return;
    session.touched = true;
    session.traffic = security::Traffic{};
    session.traffic.peer = session.peer;
    touched_.push_back(&session);
  }
  // Tells the machine what the data side saw since the last call.
  void report(base::TimePoint now, std::int64_t unix_nanos, std::vector<HandshakeOut>& out);

  void on_timer(base::TimePoint now, std::int64_t unix_nanos, std::vector<HandshakeOut>& out);
  base::TimePoint next_timer() const { return machine_.next_timer(); }
  void rekey_all(base::TimePoint now, std::int64_t unix_nanos, std::vector<HandshakeOut>& out);

  // Sessions with keys and waiting packets, and sessions that were given up: to be emptied by the agent.
  std::vector<Session*>& ready() { return ready_; }
  std::vector<Session*>& failed() { return failed_; }
  // Empty records that keep a session alive, to be sealed by the agent.
  std::vector<Session*>& keepalives() { return keepalives_; }

  const std::map<std::pair<wire::Name, wire::Name>, std::unique_ptr<Session>>& all() const {
    return sessions_;
  }
  const security::Associations& machine() const { return machine_; }
  void set_key_log(KeyLog log) { key_log_ = std::move(log); }

 private:
  void carry_out(security::Events& events, std::vector<HandshakeOut>& out);
  Session* find_peer(security::PeerId peer);
  Session* adopt(security::PeerId peer);
  void fill_addresses(Session& session);
  Session& create(security::PeerId peer, const wire::Name& local, const wire::Name& far);
  void bind(security::PeerId peer, Session& session);
  security::PeerId present_peer(Session& session);
  void keys_ready(const security::KeysReady& event);
  void send_with(const security::SendWith& event, std::vector<security::PeerId>& replaced);
  void keys_gone(const security::KeysGone& event);
  void forget_peers(const std::vector<security::PeerId>& peers, std::vector<HandshakeOut>& out);

  membership::Membership& membership_;
  base::RandomSource& random_;
  security::IndexAllocator indices_;
  security::Associations machine_;
  std::map<std::pair<wire::Name, wire::Name>, std::unique_ptr<Session>> sessions_;
  std::map<security::PeerId, Session*> by_peer_;
  std::map<std::pair<security::PeerId, std::uint32_t>, security::Keys>
      keys_;  // that may be sent with
  std::vector<ReceiveSession> receive_;
  std::uint64_t key_changes_ = 0;
  std::vector<Session*> touched_, ready_, failed_, keepalives_;
  KeyLog key_log_;
};

}  // namespace entresol::layer::session
