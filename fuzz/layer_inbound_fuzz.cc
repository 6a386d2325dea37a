// A hostile host with a live session: any header fields, any sealed plaintext, all of it rightly authenticated. What comes
// out of the victim's agent is an IP packet between the two members' addresses, whose inside is what its outside says.
// Input: inner protocol, inner flags, port (2), TTL, traffic class, then the plaintext.
#include "hostile_scene.h"

namespace {

using namespace entresol;
using namespace entresol::layer::member::test;
using base::Bytes;
using fuzz::require;

struct Scene : fuzz::HostileScene {
  Scene() : HostileScene(2, 1) { renew(); }
  void renew() { session = &mallory.session_with(victim().in().name); }
  layer::session::Session* session = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Scene scene;
  if (size < 6 || size > 1300) return 0;
  wire::Header header = scene.mallory.header_to(scene.victim().in().name);
  header.inner_protocol = data[0];
  header.opener = (data[1] & 1) != 0;
  header.fragment = (data[1] & 2) != 0;
  header.responder_port = base::load_be16(data + 2);
  header.ttl = std::max<std::uint8_t>(data[4], 2);
  header.traffic_class = data[5];
  const Bytes plaintext(data + 6, data + size);
  if (plaintext.size() < 2) return 0;
  scene.mallory.send_packet(scene.mallory.seal(*scene.session, header, plaintext));
  scene.star.world.run_for(milliseconds(15));
  for (const Delivered& delivered : scene.victim().delivered) {
    layer::inner::IpPacket ip;
    require(layer::inner::parse(delivered.packet, ip) == base::DropReason::none);
    if (ip.version == 6) {
      require(ip.source == scene.mallory.joined.addresses.ipv6);
      require(ip.destination == scene.victim().in().addresses.ipv6);
    } else {
      require(std::equal(ip.source.begin() + 12, ip.source.end(),
                         scene.mallory.joined.addresses.ipv4.begin()));
      require(std::equal(ip.destination.begin() + 12, ip.destination.end(),
                         scene.victim().in().addresses.ipv4.begin()));
    }
    require(ip.ttl == header.ttl - 1 && ip.traffic_class == header.traffic_class);
    require(ip.is_fragment == header.fragment);
    if (ip.has_ports && ip.is_first_fragment)
      require((header.opener ? ip.destination_port : ip.source_port) == header.responder_port);
  }
  scene.forget();
  if (!scene.session->send) scene.renew();  // keys age
  return 0;
}
