// A node and a host with live links, and datagrams of anybody: octets as they are, live datagrams with octets XORed into
// them, and packets of the layer under the valid link keys of a hostile host. Input: kind (1), then octets. The world stays
// from input to input, so that each starts from live keys; a crash seldom depends on the ones before.
// fuzzes: layer/forwarding/pipeline.h
#include <cstdlib>

#include "layer/forwarding/pipeline.h"
#include "layer/member/test_inner.h"
#include "layer/member/test_raw_host.h"

namespace {

using namespace entresol;
using namespace entresol::layer::member::test;
using base::Bytes;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Scene {
  Scene() {
    star.host(1).learn(mallory.joined);
    mallory.learn(star.host(1).in());
    require(star.attach());
    require(star.world.run_until([&] { return mallory.attached(); }, seconds(5)));
    star.world.tap = [this](const Datagram& datagram) {
      if (datagram.to == star.node->address()) last = datagram.bytes;
    };
    talk();
  }
  bool talk() {
    const std::size_t before = star.host(1).delivered.size();
    star.host(0).application(build({}, star.host(0).in().addresses, star.host(1).in().addresses));
    star.world.run_for(milliseconds(100));
    return star.host(1).delivered.size() == before + 1;
  }
  Star star{1};
  RawHost mallory{
      star.world, 66, *star.node,
      join(star.authority, layer::membership::Role::kHost, "mallory", {100, 64, 0, 66})};
  Bytes last;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Scene scene;
  static std::size_t runs = 0;
  if (size < 2 || size > 4000) return 0;
  World& world = scene.star.world;
  Bytes octets(data + 1, data + size);
  const std::size_t delivered = scene.star.host(1).delivered.size();
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
          wire::emit_packet(scene.mallory.header_to(scene.star.host(1).in().name), Bytes(40));
      for (std::size_t i = 0; i < std::min(packet.size(), octets.size()); ++i)
        packet[i] ^= octets[i];
      scene.mallory.send_packet(packet);
    }
  }
  world.run_for(milliseconds(30));
  // Whoever has no session with host 1 gets nothing to it.
  require(scene.star.host(1).delivered.size() == delivered);
  scene.mallory.packets.clear();
  for (auto& host : scene.star.hosts) host->delivered.clear(), host->replies.clear();
  if (++runs % 256 == 0) {
    require(scene.talk());
    scene.star.host(1).delivered.clear();
  }
  return 0;
}
