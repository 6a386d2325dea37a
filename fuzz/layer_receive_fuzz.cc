// A node and a host with live links, and datagrams of anybody: octets as they are, live datagrams with octets XORed into
// them, and packets of the layer under the valid link keys of a hostile host. Input: kind (1), then octets. The world stays
// from input to input, so that each starts from live keys; a crash seldom depends on the ones before.
// fuzzes: layer/forwarding/pipeline.h
#include "hostile_scene.h"
#include "layer/forwarding/pipeline.h"

namespace {

using namespace entresol;
using namespace entresol::layer::member::test;
using base::Bytes;
using fuzz::require;

struct Scene : fuzz::HostileScene {
  Scene() : HostileScene(1, 2) {
    star.world.tap = [this](const Datagram& datagram) {
      if (datagram.to == star.node->address()) last = datagram.bytes;
    };
    talk();
  }
  bool talk() {
    const std::size_t before = victim().delivered.size();
    star.host(0).application(build({}, star.host(0).in().addresses, victim().in().addresses));
    star.world.run_for(milliseconds(100));
    return victim().delivered.size() == before + 1;
  }
  Bytes last;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Scene scene;
  static std::size_t runs = 0;
  if (size < 2 || size > 4000) return 0;
  World& world = scene.star.world;
  Bytes octets(data + 1, data + size);
  const std::size_t delivered = scene.victim().delivered.size();
  switch (data[0] % 4) {
    case 0:
      world.send(endpoint(77), scene.star.node->address(), octets, 0);
      break;
    case 1: {
      Bytes changed = scene.last;
      for (std::size_t i = 0; i < std::min(changed.size(), octets.size()); ++i)
        changed[i] ^= octets[i];
      world.send(endpoint(77), scene.star.node->address(), changed, 0);
      break;
    }
    case 2:
      scene.mallory.send_packet(octets);
      break;
    default: {
      Bytes packet =
          wire::emit_packet(scene.mallory.header_to(scene.victim().in().name), Bytes(40));
      for (std::size_t i = 0; i < std::min(packet.size(), octets.size()); ++i)
        packet[i] ^= octets[i];
      scene.mallory.send_packet(packet);
    }
  }
  world.run_for(milliseconds(30));
  // Whoever has no session with the victim gets nothing to it.
  require(scene.victim().delivered.size() == delivered);
  scene.forget();
  if (++runs % 256 == 0) {
    require(scene.talk());
    scene.victim().delivered.clear();
  }
  return 0;
}
