// The agent between applications and a layer: inner IP packets of a local name become the layer's sealed packets, and
// sealed packets become inner IP packets again. A host's agent speaks for the host itself; a node's for its guests.
//
// What it holds against a hostile peer: a session's packets carry its two names and nothing else (session_names); the
// inside agrees with the outside (inside_differs); a far end may not claim to have answered what was never asked, nor to
// have opened what this end opened (not_opener). What it tells the application: ICMP for what cannot be delivered.
//
// Pure. One thread. Outputs are collected: take them with packets(), replies() after each call, then begin() anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/drop.h"
#include "layer/inner/fragment.h"
#include "layer/inner/icmp.h"
#include "layer/inner/segment.h"
#include "layer/session/flow.h"
#include "layer/session/lookups.h"
#include "layer/session/sessions.h"
#include "wire/control.h"

namespace entresol::layer::session {

// Flows that this member opens are for a service: the first rule that matches says which.
struct ServiceRule {
  std::string to;             // a member's label, or its name's text; empty: anybody
  std::uint8_t protocol = 0;  // IP protocol; 0: every
  std::uint16_t port = 0;     // of the far end; 0: every
  std::uint32_t service = wire::service::kIpDelivery;
};

struct AgentConfig {
  crypto::AeadSuite suite = crypto::AeadSuite::kAes256Gcm;
  crypto::SecretBytes<32> reset_secret;
  security::Timing timing;
  std::vector<ServiceRule> services;
};

// An inner IP packet for a local name: an ICMP error, to be given to the application's side as it is.
struct Reply {
  wire::Name local;
  base::Bytes packet;
};

// What an echo that this member asked for has brought.
struct EchoResult {
  std::uint16_t identifier = 0;
  std::uint16_t sequence = 0;
  wire::Name from;
  bool reply = false;  // else an error: `error` says which
  wire::ControlType error = wire::ControlType::echo_reply;
  std::string text;
};

class Agent {
 public:
  Agent(membership::Membership& membership, const AgentConfig& config, base::RandomSource& random);

  // Asks `node` about whom nobody knows here, instead of refusing at once; nobody is asked without one.
  void set_resolver(const std::optional<wire::Name>& node) { resolver_ = node; }
  // Asks for somebody whom membership does not know, for people; the question leaves with after_batch(). False if the node
  // has said that it knows nobody, or cannot be asked.
  bool seek(const Sought& sought, base::TimePoint now) {
    return resolver_ && lookups_.ask(sought, now) == Lookups::Asked::kWaits;
  }
  // Largest inner packet of the way into the layer (the link's). What is larger is cut where its sender allows it (IPv4
  // without DF, and without offloads), else answered with Packet Too Big.
  void set_mtu(std::uint16_t octets) { mtu_ = octets; }
  // No way into the layer: applications are told at once instead of waiting, and so are those who wait.
  void set_unreachable(bool unreachable);
  // The way into the layer has keys, or has none for the moment: packets wait, and sessions are set up when it is back.
  void set_carrier(bool carrier, base::TimePoint now, std::int64_t unix_nanos);

  void begin();  // forgets packets() and replies(); their memory is used again

  // An inner packet of `local`, and what the device said of it. `packet` has Segmenter::kHeadroom writable octets before
  // it. It is sealed into packets(), or waits for the session, or is answered in replies(). Returns none, or why it was
  // dropped.
  base::DropReason outbound(base::MutableBytes packet, const inner::IpPacket& ip,
                            const inner::Offload& offload, const wire::Name& local,
                            base::TimePoint now, std::int64_t unix_nanos);

  // A sealed packet (next protocol 3) for one of the names that live here; opened in place. On `none`, `out` is the inner
  // packet. May add to packets() (an answer about who opened, a reset).
  base::DropReason inbound(const wire::HeaderView& view, base::TimePoint now,
                           inner::InsidePacket& out);
  // A packet between two guests of this node: no session, the inner packet as it is behind a header (next protocol 4 or
  // 41), so that it is decided about like any other. It never leaves the node. Empty if the batch has no room.
  base::MutableBytes wrap(const inner::IpPacket& ip, const wire::Name& local, const wire::Name& far,
                          base::TimePoint now);
  // A session's handshake message (next protocol 2).
  base::DropReason handshake(const wire::HeaderView& view, base::TimePoint now,
                             std::int64_t unix_nanos);
  // A control message (next protocol 1). `trusted` is the name of the node that this member is attached to; a node's own
  // name at a node, which answers lookups.
  base::DropReason control(const wire::HeaderView& view, const wire::Name& trusted,
                           base::TimePoint now, std::int64_t unix_nanos);
  // Asks for an echo; results come out of echoes().
  void send_echo(const wire::Name& local, const wire::Name& far, std::uint8_t ttl,
                 std::uint16_t identifier, std::uint16_t sequence);

  // A control message of this member itself.
  void send_own(const wire::Name& far, base::ByteView message) {
    send_control(membership_.own().name, far, wire::service::kMember, kDefaultTtl, message);
  }

  void after_batch(base::TimePoint now,
                   std::int64_t unix_nanos);  // reports, timers' work; once a batch
  void on_timer(base::TimePoint now, std::int64_t unix_nanos);
  base::TimePoint next_timer() const;
  void rekey_all(base::TimePoint now, std::int64_t unix_nanos);
  // See Sessions::show; false too if there is no such session.
  bool show(const wire::Name& local, const wire::Name& far, std::uint64_t generation,
            base::TimePoint now, std::int64_t unix_nanos);
  // Ends these sessions: keys are forgotten, and whoever waits is told. Returns how many packets waited.
  std::size_t end(const std::function<bool(const Session&)>& which);
  // Sets up the session before there is a packet for it.
  bool prepare(const wire::Name& local, const wire::Name& far, base::TimePoint now,
               std::int64_t unix_nanos);

  // The layer's packets to be forwarded, in order. Valid until begin().
  std::span<const base::MutableBytes> packets() const { return packets_; }
  // Takes back the newest of them, for a caller that forwards it itself.
  base::MutableBytes take_last() {
    const base::MutableBytes last = packets_.back();
    packets_.pop_back();
    return last;
  }
  bool full() const {
    return packets_.size() + kMostSegments > kMaxPackets || arena_used_ > kArenaFull;
  }
  std::vector<Reply>& replies() { return replies_; }
  // Packets that waited for an answer about their destination in vain, since the last call.
  std::size_t take_refused() { return std::exchange(refused_, 0); }
  std::vector<EchoResult>& echoes() { return echoes_; }
  Sessions& sessions() { return sessions_; }
  const Sessions& sessions() const { return sessions_; }
  const FlowTable& flows() const { return flows_; }

 private:
  static constexpr std::uint8_t kDefaultTtl = 64;
  static constexpr std::size_t kMaxPackets = 256;
  static constexpr std::size_t kMostSegments = 128;
  static constexpr std::size_t kArena = 512 * 1024;
  static constexpr std::size_t kArenaFull = kArena - 160 * 1024;
  static constexpr std::size_t kMaxWaiting = 128 * 1024;  // octets per session
  static constexpr std::size_t kMaxWaitingPackets = 64;
  static constexpr std::size_t kMaxCallers = 64;  // of a batch
  static constexpr std::size_t kMaxEchoes = 256;  // until they are taken: anybody may send more

  Session* session_to(const inner::IpPacket& ip, const wire::Name& local);
  base::DropReason look_up(base::ByteView packet, const inner::IpPacket& ip,
                           const inner::Offload& offload, const wire::Name& local,
                           base::TimePoint now);
  void ask_node(base::TimePoint now);
  void answer_lookup(const wire::ControlView& message, const wire::HeaderView& view,
                     base::UnixSeconds today);
  void take_answer(const wire::ControlView& message, base::TimePoint now, std::int64_t unix_nanos);
  bool knows(const Sought& sought) const;
  void refuse_waiting(const std::vector<Lookups::Waiting>& waiting);
  base::DropReason outbound_fragments(const inner::IpPacket& ip, const wire::Name& local,
                                      base::TimePoint now, std::int64_t unix_nanos);
  Flow& flow_for(const inner::IpPacket& ip, const Session& session, base::TimePoint now);
  // What the segmenter has been started with.
  base::DropReason seal_all(const inner::IpPacket& ip, Session& session, base::TimePoint now);
  bool seal_segment(const inner::Segment& segment, Flow& flow, Session& session,
                    const inner::IpPacket& ip);
  std::uint32_t service_for(const Flow& flow, const wire::Name& far) const;
  void prepare_headers(Flow& flow, const Session& session);
  base::DropReason wait(Session& session, base::MutableBytes packet, const inner::Offload& offload,
                        base::TimePoint now, std::int64_t unix_nanos);
  void send_waiting(base::TimePoint now);
  void fail_waiting();
  void answer_waiting(Session& session, inner::IcmpError error);
  void note_caller(const wire::HeaderView& view);
  void call_back(base::TimePoint now, std::int64_t unix_nanos);
  void send_handshakes();
  void send_keepalive(Session& session);
  bool opener_agrees(bool far_opened, const Session& session, const inner::IpPacket& ip,
                     base::TimePoint now);
  void answer(inner::IcmpError error, std::uint32_t mtu, base::ByteView packet,
              const wire::Name& local, const inner::Address& from);
  void send_control(const wire::Name& local, const wire::Name& far, std::uint32_t service,
                    std::uint8_t ttl, base::ByteView payload);
  bool may_report(const wire::Name& reporter, const wire::Quote& quote,
                  const wire::Name& trusted) const;
  void control_error(const wire::ControlView& message, const wire::HeaderView& view,
                     const wire::Name& trusted);
  void add_echo(EchoResult result);
  void icmp_for(const Flow& flow, const wire::ControlView& message, const wire::Name& reporter);
  std::uint8_t* room(std::size_t octets);

  membership::Membership& membership_;
  base::RandomSource& random_;
  Sessions sessions_;
  FlowTable flows_;
  FragmentTable fragments_;
  Lookups lookups_;
  std::optional<wire::Name> resolver_;
  const std::vector<ServiceRule> services_;
  std::size_t refused_ = 0;
  std::uint32_t wire_layer_;
  std::uint16_t mtu_ = 1280;
  bool unreachable_ = false;
  bool carrier_ = true;
  base::TimePoint next_expiry_{};

  // The last destination, since packets come in runs.
  wire::Name last_local_;
  inner::Address last_destination_{};
  Session* last_session_ = nullptr;
  std::uint64_t last_forgotten_ = 0;  // an address may be another member's since

  std::unique_ptr<std::uint8_t[]> arena_;
  std::size_t arena_used_ = 0;
  std::vector<base::MutableBytes> packets_;
  std::vector<Reply> replies_;
  std::vector<EchoResult> echoes_;
  std::vector<HandshakeOut> handshakes_;
  std::vector<std::pair<wire::Name, wire::Name>>
      callers_;  // a name of here, and who is to be called
  inner::Segmenter segmenter_;
};

}  // namespace entresol::layer::session
