// A plain WireGuard client: inner packets under its keys, nothing else.
#pragma once

#include "layer/member/test_raw_link.h"

namespace entresol::layer::member::test {

class Guest : public RawLink {
 public:
  Guest(World& world, std::uint16_t number, const Machine& node, membership::Ipv4 ipv4,
        const Authority& authority, std::vector<wire::Name> granted_to)
      : Guest(world, number, node, ipv4, authority, std::move(granted_to),
              crypto::x25519_keypair(world.random.bytes<32>())) {}
  // With keys that another one may have too.
  Guest(World& world, std::uint16_t number, const Machine& node, membership::Ipv4 ipv4,
        const Authority& authority, std::vector<wire::Name> granted_to,
        const crypto::X25519KeyPair& keys)
      : RawLink(world, number, node) {
    config_.protocol = security::Protocol::kWireGuard;
    config_.static_private = keys.secret;
    set_up(config_, nullptr, node.in().identity.native_public);
    grant = authority.grant(keys.public_key, "guest", ipv4, std::move(granted_to));
    name = membership::name_of(authority.trust.layer(), membership::kSuiteGuestX25519,
                               keys.public_key);
    addresses.ipv6 = name.octets;
    addresses.ipv4 = ipv4;
  }

  // Its file names another node from now on.
  void move(const Machine& node) {
    turn_to(node.address());
    set_up(config_, nullptr, node.in().identity.native_public);
  }
  void send(const Bytes& packet) {
    if (has_keys()) {
      send_record(packet);
    } else {
      connect();
      waiting_.push_back(packet);
    }
  }
  base::TimePoint next_timer() const override { return machine().next_timer(); }
  void tick() override {
    call([&](auto& events) { machine().on_timer(world_.now, world_.unix_nanos(), events); });
  }

  Bytes grant;
  wire::Name name;
  inner::MemberAddresses addresses;
  std::vector<Bytes> delivered;

 private:
  void take(Bytes packet) override {  // without WireGuard's padding
    const std::size_t size = packet[0] >> 4 == 4 ? base::load_be16(packet.data() + 2)
                                                 : 40u + base::load_be16(packet.data() + 4);
    packet.resize(std::min(size, packet.size()));
    delivered.push_back(std::move(packet));
  }
  void keys_changed() override {
    std::vector<Bytes> waiting;
    waiting.swap(waiting_);
    for (const Bytes& packet : waiting) send(packet);
  }
  void sent(bool data) override {
    security::Traffic traffic;
    traffic.sent_data = data;
    traffic.sent_empty = !data;
    report(traffic);
  }
  void received(std::uint32_t index, bool data) override {
    security::Traffic traffic;
    traffic.local_index = index;
    traffic.received_data = data;
    traffic.received_empty = !data;
    report(traffic);
  }

  security::Config config_;
  std::vector<Bytes> waiting_;
};

}  // namespace entresol::layer::member::test
