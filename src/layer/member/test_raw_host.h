// A member that keeps to no rule: it has keys of its own that are valid for its link and its sessions, and seals under them
// whatever a test wants.
#pragma once

#include "layer/member/test_raw_link.h"
#include "layer/session/sessions.h"

namespace entresol::layer::member::test {

class RawHost : public RawLink {
 public:
  RawHost(World& world, std::uint16_t number, const Machine& node, Joined files)
      : RawLink(world, number, node),
        joined(std::move(files)),
        membership(joined.authority->trust, joined.identity) {
    auto own =
        membership.set_own(joined.certificate, static_cast<std::uint64_t>(world.unix_nanos()),
                           world.unix_seconds() + kDay, {}, world.unix_seconds());
    if (!own) throw std::runtime_error(own.error().message);
    learn(node.in());
    sessions =
        std::make_unique<session::Sessions>(membership, crypto::AeadSuite::kAes256Gcm,
                                            joined.reset_secret, security::Timing{}, world.random);
    security::Config config;
    config.static_private = joined.identity.native_private;
    config.layer_id = joined.authority->trust.layer();
    set_up(config, membership.link_verifier(), node.in().identity.native_public);
    connect();
  }

  void learn(const Joined& other) {
    auto name = membership.learn(other.certificate, other.authority->registration(other.identity),
                                 world_.unix_seconds());
    if (!name) throw std::runtime_error(name.error().message);
  }
  bool attached() const { return has_keys(); }

  // A session of its own, with keys.
  session::Session& session_with(const wire::Name& far) {
    session::Session* session = sessions->open(joined.name, far);
    std::vector<session::HandshakeOut> out;
    sessions->connect(*session, world_.now, world_.unix_nanos(), out);
    send_handshakes(out);
    world_.run_until([&] { return session->send != nullptr; }, seconds(5));
    if (!session->send) throw std::runtime_error("no session");
    world_.run_for(milliseconds(50));
    return *session;
  }

  void send_packet(const Bytes& packet) { send_record(packet); }

  // What an honest agent would say of a UDP packet from `port` 1000 to 2000.
  wire::Header header_to(const wire::Name& far) const {
    wire::Header header;
    header.next_protocol = wire::next_protocol::kSealed;
    header.layer = wire::wire_layer(joined.authority->trust.layer());
    header.service = wire::service::kIpDelivery;
    header.flow_id = 0x777;
    header.inner_protocol = inner::kProtocolUdp;
    header.opener = true;
    header.responder_port = 2000;
    header.source = joined.name;
    header.destination = far;
    return header;
  }
  // The packet that says `header` outside and authenticates just that, with `plaintext` sealed as it is.
  Bytes seal(session::Session& session, const wire::Header& header, const Bytes& plaintext) {
    const wire::SessionHeader on_wire{wire::WireId{session.send->wire_id},
                                      static_cast<std::uint32_t>(session.send->next)};
    Bytes payload(wire::kSessionHeaderSize + plaintext.size() + security::kRecordTag);
    on_wire.emit(payload.data());
    const Bytes blank = wire::emit_packet(header, payload);
    wire::HeaderView view;
    if (wire::HeaderView::parse(blank, view) != DropReason::none)
      throw std::runtime_error("header");
    std::array<std::uint8_t, wire::kCanonicalMaximum> canonical;
    const std::size_t n =
        wire::emit_canonical(joined.authority->trust.layer(), view, on_wire, canonical.data());
    security::seal_session(*session.send, {canonical.data(), n}, plaintext.data(), plaintext.size(),
                           payload.data() + wire::kSessionHeaderSize);
    return wire::emit_packet(header, payload);
  }
  static Bytes plaintext(const wire::SealedPrefix& prefix, const Bytes& inside) {
    Bytes out(prefix.size());
    prefix.emit(out.data());
    out.insert(out.end(), inside.begin(), inside.end());
    return out;
  }

  base::TimePoint next_timer() const override { return base::kNever; }
  void tick() override {}

  Joined joined;
  membership::Membership membership;
  std::unique_ptr<session::Sessions> sessions;
  std::vector<Bytes> packets;  // what came, but for handshakes

 private:
  void take(Bytes packet) override {
    wire::HeaderView view;
    if (wire::HeaderView::parse(packet, view) != DropReason::none) return;
    if (view.next_protocol() == wire::next_protocol::kHandshake) {
      std::vector<session::HandshakeOut> out;
      sessions->handle(view.payload(), view.destination(), view.source(), world_.now,
                       world_.unix_nanos(), out);
      send_handshakes(out);
      confirm_sessions();
      return;
    }
    packets.push_back(std::move(packet));
  }
  // The responder of a session waits for a record: an empty one.
  void confirm_sessions() {
    for (session::Session* session : sessions->keepalives()) {
      wire::Header header = header_to(session->far);
      header.inner_protocol = inner::kProtocolNone;
      header.responder_port = 0;
      header.flow_id = 0;
      send_packet(seal(*session, header, {0, 6}));
    }
    sessions->keepalives().clear();
  }
  void send_handshakes(std::vector<session::HandshakeOut>& out) {
    for (const auto& handshake : out) {
      wire::Header header;
      header.next_protocol = wire::next_protocol::kHandshake;
      header.layer = wire::wire_layer(joined.authority->trust.layer());
      header.service = wire::service::kIpDelivery;
      header.source = handshake.local;
      header.destination = handshake.far;
      send_packet(wire::emit_packet(header, handshake.message));
    }
    out.clear();
  }
};

}  // namespace entresol::layer::member::test
