// A node's member from each of its named states (node_scene.h), and a sequence of what may happen to it: anybody's
// datagrams, recorded ones again and changed, packets and news under the valid link keys of a hostile host or node, honest
// traffic, losses, time, moves, restarts, revocations. At the end the honest reach one another, nothing that was not said
// has arrived, and nothing has grown. Input: state (1, high bit: mallory is a node), then operations, an octet each and what
// it wants.
// fuzzes: layer/member/member.h
#include <algorithm>

#include "layer/member/member.h"
#include "node_scene.h"

namespace {

using namespace entresol;
using base::Bytes;
using fuzz::milliseconds;
using fuzz::NodeScene;
using fuzz::seconds;
using fuzz::State;
namespace membership = fuzz::membership;
namespace test = fuzz::test;
namespace wire = entresol::wire;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t u8() {
    if (rest_.empty()) return 0;
    const std::uint8_t octet = rest_[0];
    rest_ = rest_.subspan(1);
    return octet;
  }
  std::uint16_t u16() {
    const auto high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  Bytes octets() {
    const std::size_t asked = u8();  // before what is left is looked at
    const std::size_t n = std::min(asked, rest_.size());
    Bytes out(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(n));
    rest_ = rest_.subspan(n);
    return out;
  }

 private:
  base::ByteView rest_;
};

class Play {
 public:
  Play(State state, bool node, Input input) : scene_(state, node), input_(input) {
    for (std::size_t i = 0; i < NodeScene::kHosts; ++i) remember(scene_.host(i));
    remember(scene_.node());
  }

  void run() {
    for (int i = 0; i < kOperations && !input_.empty(); ++i) step();
    scene_.settle();
  }

 private:
  static constexpr int kOperations = 48;
  static constexpr auto kLongest = seconds(600);  // of all time steps

  void step() {
    switch (input_.u8() % 18) {
      case 0: {
        const Bytes bytes = input_.octets();
        return send(bytes, input_.u8());
      }
      case 1:
        return replay(false);
      case 2:
        return replay(true);
      case 3:
        return scene_.mallory.send_packet(input_.octets());
      case 4:
        return packet_of_mallory();
      case 5:
        return news_of_mallory();
      case 6: {
        const std::size_t from = input_.u8();
        return scene_.talk(from, input_.u8());
      }
      case 7:
        return pass(milliseconds(input_.u8()));
      case 8:
        return pass(milliseconds(input_.u8()) * 100);
      case 9:
        return pass(seconds(input_.u8()));
      case 10:
        return lose(input_.u8());
      case 11: {
        test::Machine& host = scene_.host(input_.u8());
        return host.restart();
      }
      case 12:
        return scene_.node().restart();
      case 13:
        return move();
      case 14:
        return rekey(input_.u8());
      case 15:
        return scene_.revoke(input_.u8());
      case 16:
        return scene_.flood(input_.u8());
      default:
        return scene_.guest.send_record(input_.octets());
    }
  }

  test::World& world() { return scene_.world(); }
  void pass(base::Duration time) {
    time = std::min<base::Duration>(time, kLongest - passed_);
    passed_ += time;
    world().run_for(time);
    scene_.check();
  }
  // 0: a stranger; else one of those who are there, whose address anybody can write as his own.
  base::Endpoint address(std::uint8_t who) {
    switch (who % 7) {
      case 1:
        return scene_.node().address();
      case 2:
        return scene_.other().address();
      case 3:
        return scene_.mallory.address();
      case 4:
      case 5:
      case 6:
        return scene_.host(who % 7 - 4u).address();
      default:
        return test::endpoint(77);
    }
  }
  void flip(Bytes& bytes) {
    const std::size_t at = input_.u16() % bytes.size();
    bytes[at] ^= input_.u8();
  }
  void send(const Bytes& bytes, std::uint8_t path) {
    const auto to = static_cast<std::uint8_t>(path >> 4);
    world().send(address(path & 15), address(to == 0 ? 1 : to), bytes, 0);
  }
  void replay(bool change) {
    if (scene_.recorded.empty()) return;
    const std::size_t back = input_.u8() % scene_.recorded.size();
    test::Datagram again = scene_.recorded[scene_.recorded.size() - 1 - back];
    if (const std::uint8_t from = input_.u8(); from % 8 != 7) again.from = address(from);
    for (int n = change ? input_.u8() % 4 + 1 : 0; n > 0 && !again.bytes.empty(); --n)
      flip(again.bytes);
    if (change && input_.u8() % 4 == 0)
      again.bytes.resize(std::min<std::size_t>(again.bytes.size(), input_.u8()));
    world().send(again.from, again.to, again.bytes, 0);
  }

  wire::Name name(std::uint8_t who) {
    switch (who % 8) {
      case 0:
        return scene_.mallory.joined.name;
      case 1:
        return scene_.node().in().name;
      case 2:
        return scene_.other().in().name;
      case 3:
        return scene_.guest.name;
      case 7:
        return {};
      default:
        return scene_.host(who % 8 - 4u).in().name;
    }
  }
  wire::Header header() {
    wire::Header out = scene_.mallory.header_to(name(input_.u8()));
    out.source = name(input_.u8());
    out.next_protocol = input_.u8() % 6;
    if (out.next_protocol < wire::next_protocol::kSealed) {
      out.inner_protocol = 0;
      out.opener = false;
      out.responder_port = 0;
    }
    out.flow_id = input_.u8();
    out.ttl = std::max<std::uint8_t>(input_.u8() % 4, 1);
    return out;
  }
  void packet_of_mallory() {
    const wire::Header on_wire = header();
    scene_.mallory.send_packet(wire::emit_packet(on_wire, input_.octets()));
  }
  // A control message of the right form: what others have signed, perhaps long ago, and perhaps changed.
  void news_of_mallory() {
    remember(scene_.host(input_.u8()));
    membership::Objects told = signed_[input_.u8() % signed_.size()];
    for (int n = input_.u8() % 4; n > 0; --n) {
      Bytes& part = (n & 1) != 0 ? told.registration : told.certificate;
      if (!part.empty()) flip(part);
    }
    wire::Header on_wire;
    on_wire.next_protocol = wire::next_protocol::kControl;
    on_wire.layer = scene_.mallory.header_to({}).layer;
    on_wire.source = scene_.mallory.joined.name;
    on_wire.destination = name(input_.u8());
    const std::uint8_t kind = input_.u8() % 5;
    Bytes message;
    if (kind == 0) {
      message = wire::emit_lookup(0, wire::LookupKind::name, name(input_.u8()).octets);
    } else if (kind == 1) {
      message = wire::emit_answer(0, wire::AnswerKind::guest, scene_.guest.grant, {});
    } else if (kind == 2) {
      message = wire::emit_answer(0, wire::AnswerKind::placed_guest, scene_.guest.grant,
                                  place_of_guest());
    } else {
      message = wire::emit_answer(0, wire::AnswerKind::member, told.certificate, told.registration);
    }
    scene_.mallory.send_packet(wire::emit_packet(on_wire, message));
  }
  // As a node may say that has the guest.
  Bytes place_of_guest() {
    const auto now = static_cast<std::uint64_t>(world().unix_nanos());
    const membership::GuestPlace body{
        scene_.sites.authority.trust.layer(), scene_.guest.name, scene_.mallory.joined.name,
        now + input_.u8() * 1'000'000'000u, world().unix_seconds() + 60};
    Bytes octets = membership::sign(body, scene_.mallory.joined.identity.identity)->octets();
    if (const std::uint8_t change = input_.u8(); change != 0)
      octets[change % octets.size()] ^= change;
    return octets;
  }
  void remember(test::Machine& machine) { signed_.push_back(machine->own_objects(0)); }

  void lose(std::uint8_t how) {
    left_ = how % 16;
    const bool twice = (how & 0x80) != 0;
    world().network = [this, twice](test::Datagram& datagram) {
      if (left_ == 0) return true;
      --left_;
      if (twice) {
        test::Datagram copy = datagram;
        copy.at += milliseconds(3);
        world().put(std::move(copy));
      }
      return twice;
    };
  }
  void move() {
    const std::size_t who = input_.u8() % NodeScene::kHosts;
    scene_.sites.move(who, 1 - scene_.sites.home[who]);
  }
  void rekey(std::uint8_t who) {
    if (who % 5 == 0) return scene_.mallory.rekey();
    test::Machine& machine = who % 5 == 1 ? scene_.node() : scene_.host(who % 5 - 2u);
    machine->rekey(world().now, world().unix_nanos());
  }

  NodeScene scene_;
  Input input_;
  base::Duration passed_{};
  std::vector<membership::Objects> signed_;
  std::uint8_t left_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 2048) return 0;
  const auto state = static_cast<State>((data[0] & 0x7f) % static_cast<unsigned>(State::kCount));
  Play(state, (data[0] & 0x80) != 0, Input(data + 1, size - 1)).run();
  return 0;
}
