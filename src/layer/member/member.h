// A member: the process that takes part in one or more layers on one machine. It wires a layer's parts together: link
// security, forwarding, sessions, membership. Nodes, hosts and the simulation all run this; they differ in what they feed
// it and in what lies behind Output.
//
// Pure: bursts, inner packets, and `now` in; what is to be sent and delivered goes to Output, which must not call back.
// One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "layer/membership/membership.h"
#include "layer/session/agent.h"
#include "security/cookie/load.h"

namespace entresol::layer::member {

using LayerIndex = std::uint8_t;

// What an operator may want to know when it happens. For a log: nothing rests on it.
enum class Happening : std::uint8_t {
  kLinkUp,            // has keys to send with
  kLinkDown,          // has none any more; `reason` if it was given up
  kLinkMoved,         // the far end is at `path` now
  kHandshakeRefused,  // a message from `path`, and why
  kGuestEnded,        // its grant has
  kMemberEnded,       // what it had shown has ended, and so have its link and sessions
  kMemberRevoked,     // and its link and sessions, if it had any, ended
  kRegistered,  // the own registration, and perhaps the certificate, is another one: own_objects()
  kOwnEnded,  // the own certificate has: the layer's links and sessions are gone until it is renewed
};
struct Note {
  Happening what;
  LayerIndex layer = 0;
  forwarding::LinkId link;  // kSelf: none
  security::Path path;
  base::DropReason reason = base::DropReason::none;
  // Of kGuestEnded and what follows: whom it concerns. The directory may have forgotten it.
  wire::Name name{};
  std::string label{};
};

// Where things go. Called from within the member's functions.
class Output {
 public:
  virtual ~Output() = default;
  // Records: each burst goes to `link`'s path. Bytes are valid during the call.
  virtual void send(const forwarding::OutBurst& burst, const security::Path& path) = 0;
  virtual void flush() = 0;  // after a group of send()
  virtual void send_datagram(base::ByteView datagram, const security::Path& path) = 0;
  // An inner packet for this host's applications. Its bytes are valid until the member is called again.
  virtual void deliver(LayerIndex layer, const inner::InsidePacket& packet) = 0;
  // An inner packet made here (ICMP) for this host's applications.
  virtual void deliver_reply(LayerIndex layer, base::ByteView packet) = 0;
  // A guest's UDP packet for the resolver of its layer; see Member::set_resolver. Valid during the call.
  virtual void to_resolver(LayerIndex layer, const wire::Name& guest, base::ByteView packet) {
    (void)layer, (void)guest, (void)packet;
  }
  virtual void note(const Note& note) { (void)note; }
};

// A node has answered a probe.
struct ProbeAnswer {
  std::uint64_t nonce = 0;
  base::TimePoint at{};
};

struct LayerSetup {
  std::string label;  // the operator's word for it
  membership::Trust trust;
  membership::Identity identity;
  base::Bytes certificate_chain;
  std::uint64_t sequence = 1;  // of the own registration
  base::UnixSeconds lease_end = 0;
  std::vector<wire::Name> attachments;
  std::vector<base::Endpoint> endpoints =
      {};  // a node's: where its registration says it is dialled
  crypto::AeadSuite suite = crypto::AeadSuite::kAes256Gcm;
  crypto::SecretBytes<32>
      reset_secret;  // of sessions; the first layer's also of links, which share one range of indices
  security::Timing timing;
  std::vector<session::ServiceRule> services = {};  // of the flows that this member opens
};

struct MemberConfig {
  bool node = false;
  std::size_t cache_entries = 32768;
  std::size_t handshakes_per_tick = 8;  // so that a flood cannot hold up packets
  session::KeyLog key_log;
};

class Member : private forwarding::Local {
 public:
  // `decider`, `output`, `random` outlive this.
  Member(const MemberConfig& config, forwarding::Decider& decider, Output& output,
         base::RandomSource& random);
  ~Member() override;

  // Errors as Trust's; kConfigBadValue for a second layer with the same first bits.
  base::Result<LayerIndex> add_layer(LayerSetup setup, base::UnixSeconds now);
  // Another member, from files or the controller: certificate chain and registration; see Membership::learn. A node knows
  // hosts without this. Links and sessions go over to a native key that has changed with their next handshake, which comes
  // at once.
  base::Result<wire::Name> learn(LayerIndex layer, base::ByteView certificate,
                                 base::ByteView registration, base::UnixSeconds now);
  // A guest of some node, from its grant. That of a guest which is attached here extends it, or ends it if it is for other
  // nodes now.
  base::Result<wire::Name> learn_guest(LayerIndex layer, base::Bytes grant_chain,
                                       base::UnixSeconds now);
  // A name that members share; see Membership::learn_name.
  base::Result<wire::Name> learn_name(LayerIndex layer, base::ByteView certificate_chain,
                                      base::ByteView delegations, base::UnixSeconds now);
  // A host's way into the layer, which its registration names from now on. `max_packet`: forwarding::Link. Nodes dial one
  // another by themselves, at their registered endpoints: kConfigBadValue there.
  base::Result<forwarding::LinkId> dial(LayerIndex layer, const wire::Name& node,
                                        const base::Endpoint& endpoint, std::uint16_t max_packet);
  // Ends the link and forgets where it led. kSelf, and links that were not dialled, are left alone.
  void undial(forwarding::LinkId link);
  // A plain WireGuard client that may attach here. One that is here already keeps its link, and its preshared key unless
  // another is given.
  base::Result<forwarding::LinkId> add_guest(LayerIndex layer, base::Bytes grant_chain,
                                             std::optional<crypto::SecretBytes<32>> preshared_key,
                                             std::uint16_t mtu, base::UnixSeconds now);
  // False if it was not here.
  bool remove_guest(LayerIndex layer, const wire::Name& guest);

  // What guests send to UDP port 53 of these addresses goes to Output::to_resolver and no further; all else that is
  // addressed to them is for nobody.
  void set_resolver(LayerIndex layer, const inner::MemberAddresses& addresses);
  // An inner packet made here for a guest of this node; false if it is not here, or the packet too large for it.
  bool send_to_guest(LayerIndex layer, const wire::Name& guest, base::Bytes packet,
                     base::TimePoint now);

  // What this member shows, to be handed to a controller. Note kRegistered says that it has changed: renew_certificate(),
  // and every hour.
  membership::Objects own_objects(LayerIndex layer) const;
  // The own certificate anew; the own registration is made anew with it. Peers are shown them by new handshakes, spread over
  // the next seconds. Errors as Trust's; kConfigBadValue for another role or address, or an older one: nothing changes.
  base::Result<void> renew_certificate(LayerIndex layer, base::Bytes chain, base::TimePoint now,
                                       std::int64_t unix_nanos);
  // Ends links and sessions with the name at once, and refuses it (name_revoked) until `until` or readmit().
  void revoke(LayerIndex layer, const wire::Name& name, base::UnixSeconds until,
              base::TimePoint now, std::int64_t unix_nanos);
  void readmit(LayerIndex layer, const wire::Name& name);

  // Size of links that hosts dial to this node.
  void set_accepted_max_packet(std::uint16_t over_ipv4, std::uint16_t over_ipv6) {
    accepted_over_ipv4_ = over_ipv4;
    accepted_over_ipv6_ = over_ipv6;
  }

  // Received datagrams. Opened in place; what is delivered points into them.
  void receive(std::span<const forwarding::InBurst> bursts, base::TimePoint now,
               std::int64_t unix_nanos);
  // One inner packet (or train of segments) of this host's applications; see Agent::outbound. Call flush() after the last.
  base::DropReason from_application(LayerIndex layer, base::MutableBytes packet,
                                    base::ByteView virtio_header, base::TimePoint now,
                                    std::int64_t unix_nanos);
  void flush(base::TimePoint now, std::int64_t unix_nanos);
  // Handshakes that wait, and timers. Call it when next_timer() has come or work_waits(), and after receive().
  void tick(base::TimePoint now, std::int64_t unix_nanos);
  base::TimePoint next_timer() const;
  bool work_waits() const {
    return due_ || decider_.returns_wait() || !pipeline_.control().empty() ||
           !session_handshakes_.empty() || !told_.empty();
  }

  void rekey(base::TimePoint now, std::int64_t unix_nanos);  // all links and sessions, now
  void send_echo(LayerIndex layer, const wire::Name& far, std::uint8_t ttl,
                 std::uint16_t identifier, std::uint16_t sequence, base::TimePoint now,
                 std::int64_t unix_nanos);
  std::vector<session::EchoResult>& echoes(LayerIndex layer);
  // Asks a known node for an answer, without a handshake. `nonce`: random, or others can answer. Answers come to
  // probe_answers(), each once; the newest 256 questions are remembered.
  void probe(LayerIndex layer, const wire::Name& node, const base::Endpoint& endpoint,
             std::uint64_t nonce);
  std::vector<ProbeAnswer>& probe_answers(LayerIndex layer);
  // Asks the node for somebody whom membership does not know; see Agent::seek.
  bool seek(LayerIndex layer, const session::Sought& sought, base::TimePoint now,
            std::int64_t unix_nanos);

  // For people and metrics.
  struct Layer;
  std::size_t layer_count() const { return layers_.size(); }
  const std::string& label(LayerIndex layer) const;
  const membership::Membership& membership(LayerIndex layer) const;
  const session::Agent& agent(LayerIndex layer) const;
  const forwarding::Tables& tables() const { return tables_; }
  const forwarding::PipelineCounters& counters() const { return pipeline_.counters(); }
  forwarding::Pipeline& pipeline() { return pipeline_; }
  std::optional<security::Associations::PeerState> peer_state(forwarding::LinkId link) const;
  std::vector<security::InterfaceReport> interfaces(forwarding::LinkId link,
                                                    base::TimePoint now) const;
  // Whether packets can go into the layer: its default link has keys.
  bool attached(LayerIndex layer) const;
  void count_drop(base::DropReason reason, std::uint64_t n = 1) {
    pipeline_.counters().drops.add(reason, n);
  }

 private:
  void from_guests(std::span<forwarding::Packet* const> packets, base::TimePoint now) override;
  void to_guests(std::span<forwarding::Packet* const> packets, base::TimePoint now) override;
  void to_self(std::span<forwarding::Packet* const> packets, base::TimePoint now) override;
  bool fits_or_cut(forwarding::Packet& packet, LayerIndex layer);
  void consume(forwarding::Packet& packet, LayerIndex layer, base::TimePoint now);
  LayerIndex layer_of(const wire::HeaderView& view) const;
  LayerIndex layer_total() const { return static_cast<LayerIndex>(layers_.size()); }
  static const wire::Name* guest_here(const Layer& layer, const inner::IpPacket& ip);

  void send(std::span<const forwarding::OutBurst> bursts);
  void flush_agents(base::TimePoint now, std::int64_t unix_nanos);
  void flush_agent(LayerIndex layer, base::TimePoint now);
  void report_traffic(base::TimePoint now, std::int64_t unix_nanos);
  bool handle_control(const forwarding::ControlDatagram& datagram, base::TimePoint now,
                      std::int64_t unix_nanos);
  void carry_out(LayerIndex layer, bool guests, security::Events& events, base::TimePoint now);
  const forwarding::Link* way_in(LayerIndex layer) const;
  forwarding::LinkId link_for(LayerIndex layer, bool guests, security::PeerId peer);
  void fit_link(forwarding::Link& link, std::uint16_t said);
  void connect_dialled(LayerIndex layer, base::TimePoint now, std::int64_t unix_nanos);
  // probes.cc
  void take_probes(base::TimePoint now);
  base::DropReason answer_probe(const forwarding::ControlDatagram& datagram, base::TimePoint now);
  base::DropReason take_probe_answer(const forwarding::ControlDatagram& datagram,
                                     base::TimePoint now);
  // standing.cc
  struct Show;
  using Names = std::map<wire::Name, std::string>;  // and labels
  std::uint64_t next_sequence(const Layer& layer) const;
  void renew(LayerIndex layer, base::UnixSeconds now);
  void registered(LayerIndex layer);
  void attach_to(LayerIndex layer, const wire::Name& node);
  void show_all(LayerIndex layer, base::UnixSeconds left, base::TimePoint now);
  void show_sessions_of(LayerIndex layer, const wire::Name& local, base::UnixSeconds left);
  void show_due(LayerIndex layer, base::TimePoint now, std::int64_t unix_nanos);
  bool show(LayerIndex layer, const Show& show, base::TimePoint now, std::int64_t unix_nanos);
  void take_new_key(LayerIndex layer, const wire::Name& name);
  void redial(LayerIndex layer, forwarding::LinkId link, const membership::Key& key);
  void drop_superseded(LayerIndex layer, forwarding::LinkId link);
  base::TimePoint next_end(const Layer& layer) const;
  void end_what_has_ended(LayerIndex layer, base::UnixSeconds now);
  void check_standing(LayerIndex layer, base::UnixSeconds now);
  void end(LayerIndex layer, const Names& names, Happening what, base::DropReason reason);
  void end_link(LayerIndex layer, forwarding::LinkId link);
  void drop_link(LayerIndex layer, forwarding::LinkId link);
  // nodes.cc
  struct Neighbour;
  static forwarding::LinkId way_to(const Layer& layer, const membership::Member& member);
  void place(LayerIndex layer, const wire::Name& name);
  void place_all_at(LayerIndex layer, const wire::Name& node);
  void follow_moves(LayerIndex layer);
  void meet(LayerIndex layer, const membership::Member& node);
  void take_neighbours_key(LayerIndex layer, Neighbour& neighbour, const membership::Member& node);
  void adopt(LayerIndex layer, const wire::Name& node, forwarding::LinkId link);
  void part_from(LayerIndex layer, const wire::Name& node);
  void remove_link(LayerIndex layer, forwarding::LinkId link);
  void neighbour_up(LayerIndex layer, const wire::Name& node, forwarding::LinkId link);
  Neighbour* neighbour_at(LayerIndex layer, forwarding::LinkId link);
  void want(LayerIndex layer, forwarding::LinkId link, base::TimePoint now);
  void try_endpoint(LayerIndex layer, Neighbour& neighbour, base::TimePoint now);
  void let_go(LayerIndex layer, Neighbour& neighbour, base::TimePoint now, bool silent);
  static void set_turn(Layer& layer, Neighbour& neighbour, base::TimePoint at);
  void neighbours_due(LayerIndex layer, base::TimePoint now);
  void neighbour_changed(LayerIndex layer, forwarding::LinkId link, base::TimePoint now);
  // news.cc
  struct News;
  bool may_say(Layer& layer, const wire::Name& node, const wire::Name& about, bool ask);
  static void say(Layer& layer, const News& news);
  void tell(Layer& layer, const wire::Name& node, const wire::Name& about);
  void news_due(LayerIndex layer, base::TimePoint now);
  void tell_former(LayerIndex layer, const membership::Moved& moved);
  void tell_interested(Layer& layer, const membership::Member& member);
  static void note_interest(Layer& layer, const wire::Name& node, const wire::Name& name);
  void settle_mentions();
  bool from_neighbour(LayerIndex layer, const forwarding::Packet& packet,
                      const wire::HeaderView& view);
  void take_told();
  // guests.cc
  void drop_guest(LayerIndex layer, forwarding::LinkId link);
  // How a guest of this node has shown itself.
  enum class Shown : std::uint8_t { kFirstKeys, kKeys, kPacket };
  void guest_shows_itself(LayerIndex layer, forwarding::LinkId link, Shown shown);
  void learn_place(LayerIndex layer, base::ByteView place);
  void guest_moved(LayerIndex layer, const wire::Name& guest);
  void seek_guest(Layer& layer, const wire::Name& guest);
  void took_grant(LayerIndex layer, const wire::Name& guest, base::UnixSeconds left);
  void keys_ready(LayerIndex layer, bool guests, const security::KeysReady& event);
  void peer_up(LayerIndex layer, bool guests, const security::PeerUp& event);

  MemberConfig config_;
  forwarding::Decider& decider_;
  Output& output_;
  base::RandomSource& random_;
  security::IndexAllocator indices_;
  forwarding::Tables tables_;
  forwarding::Pipeline pipeline_;
  std::vector<std::unique_ptr<Layer>> layers_;
  crypto::SecretBytes<32> link_reset_secret_;
  // Messages of sessions' handshakes, which cost too much to be dealt with among packets.
  struct SessionHandshake {
    LayerIndex layer;
    base::Bytes packet;
  };
  static constexpr std::size_t kMaxSessionHandshakes = 256;
  std::deque<SessionHandshake> session_handshakes_;
  // What other nodes have told, which costs signatures.
  struct Told {
    LayerIndex layer;
    base::Bytes message;
  };
  std::deque<Told> told_;
  // Of probes that are answered; made for the first.
  std::unique_ptr<security::cookie::SourceLimiter> probe_sources_;
  security::cookie::Bucket probe_budget_;
  std::uint16_t accepted_over_ipv4_ = 1444;
  std::uint16_t accepted_over_ipv6_ = 1424;
  std::int64_t unix_nanos_ = 0;  // of the call that is being served
  // Both clocks at the last tick: what ends at a time of the calendar is waited for by them.
  base::TimePoint ticked_at_{};
  std::int64_t ticked_unix_nanos_ = 0;
  bool due_ = false;  // something was set up or changed that tick() has to see to
};

}  // namespace entresol::layer::member
