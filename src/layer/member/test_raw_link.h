// One end of a link without a member behind it: handshakes and keys as the association says, records as the test wants them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "layer/member/test_world.h"
#include "security/lanes.h"

namespace entresol::layer::member::test {

class RawLink : public Station {
 public:
  RawLink(World& world, std::uint16_t number, const Machine& node)
      : Station(world, endpoint(number)), node_(node.address()), indices_(world.random) {}

  void connect() {
    call([&](auto& events) { machine_->connect(peer_, world_.now, world_.unix_nanos(), events); });
  }
  void rekey() {
    call([&](auto& events) { machine_->rekey(peer_, world_.now, world_.unix_nanos(), events); });
  }
  // Retransmissions and the like, which only some of these do by themselves.
  void run_timers() {
    call([&](auto& events) { machine_->on_timer(world_.now, world_.unix_nanos(), events); });
  }
  bool has_keys() const { return send_ != nullptr; }

  // A record that seals `packet`, whatever it is; empty for a keepalive. Nothing without keys.
  void send_record(const Bytes& packet) {
    if (!send_) return;
    Bytes record(packet.size() + 64);
    record.resize(security::seal_record(*send_, packet.data(), packet.size(), record.data()));
    world_.send(address_, node_, record, 0);
    sent(!packet.empty());
  }

  void receive(std::vector<Datagram>& datagrams) override {
    for (Datagram& datagram : datagrams) {
      if (!is_record(datagram.bytes)) {
        call([&](auto& events) {
          machine_->handle(datagram.bytes, {datagram.from, datagram.to}, world_.now,
                           world_.unix_nanos(), events);
        });
      } else if (auto plain = open(datagram.bytes)) {
        take(std::move(*plain));
      }
    }
  }

 protected:
  // Before anything else. `config` has the protocol and the own key; `far` is the node's key.
  void set_up(const security::Config& config, security::Verifier* verifier,
              const std::array<std::uint8_t, 32>& far) {
    native_ = config.protocol == security::Protocol::kNative;
    machine_ = std::make_unique<security::Associations>(config, verifier, world_.random, indices_);
    security::PeerConfig peer;
    peer.key = far;
    peer.path = security::Path{node_, address_};
    peer_ = machine_->add(peer);
  }
  security::Associations& machine() const { return *machine_; }
  // Before set_up() for another node: what was made with the one before is gone.
  void turn_to(const base::Endpoint& node) {
    node_ = node;
    keys_.clear();
    receive_.clear();
    send_.reset();
  }

  virtual void take(Bytes packet) = 0;  // what a record held; not of keepalives
  virtual void keys_changed() {}        // there are new keys to send with
  // For the association's timers, of protocols that have some.
  virtual void sent(bool data) { (void)data; }
  virtual void received(std::uint32_t index, bool data) { (void)index, (void)data; }

  template <typename Call>
  void call(Call what) {
    security::Events events;
    what(events);
    carry_out(events);
  }
  void report(security::Traffic traffic) {
    traffic.peer = peer_;
    traffic.send_counter = send_ ? send_->next : 0;
    call([&](auto& events) { machine_->report(traffic, world_.now, world_.unix_nanos(), events); });
  }

 private:
  bool is_record(const Bytes& datagram) const {
    return datagram.size() >= 16 && datagram[0] == (native_ ? 0x14 : 4);
  }
  std::optional<Bytes> open(Bytes& record) {
    const std::uint32_t index =
        native_ ? base::load_be32(record.data() + 4) >> 8 : base::load_le32(record.data() + 4);
    const std::ptrdiff_t head = native_ ? 12 : 16;
    auto lane = receive_.find(index);
    std::size_t plain = 0;
    if (lane == receive_.end()) return std::nullopt;
    const DropReason reason =
        native_
            ? security::open_native_record(*lane->second, record.data(), record.size(), plain)
            : security::open_wireguard_record(*lane->second, record.data(), record.size(), plain);
    if (reason != DropReason::none) return std::nullopt;
    received(index, plain > 0);
    if (plain == 0) return std::nullopt;
    return Bytes(record.begin() + head, record.begin() + head + static_cast<std::ptrdiff_t>(plain));
  }
  void carry_out(security::Events& events) {
    for (security::Event& event : events) {
      if (auto* message = std::get_if<security::SendMessage>(&event)) {
        world_.send(address_, node_, message->message, 0);
      } else if (auto* ready = std::get_if<security::KeysReady>(&event)) {
        keys_[ready->keys.local_index] = ready->keys;
        receive_[ready->keys.local_index] =
            security::receive_lane(ready->keys.protocol, ready->keys.suite, ready->keys.receive, 0);
      } else if (auto* with = std::get_if<security::SendWith>(&event)) {
        send_ = security::send_lane(keys_.at(with->local_index), 0);
        keys_changed();
      } else if (auto* gone = std::get_if<security::KeysGone>(&event)) {
        keys_.erase(gone->local_index);
        receive_.erase(gone->local_index);
        if (keys_.empty()) send_.reset();
      } else if (std::get_if<security::SendKeepalive>(&event) != nullptr && send_) {
        send_record({});
      }
    }
  }

  base::Endpoint node_;
  security::IndexAllocator indices_;
  std::unique_ptr<security::Associations> machine_;
  security::PeerId peer_;
  bool native_ = true;
  std::map<std::uint32_t, security::Keys> keys_;
  std::map<std::uint32_t, std::unique_ptr<security::ReceiveLane>> receive_;
  std::unique_ptr<security::SendLane> send_;
};

}  // namespace entresol::layer::member::test
