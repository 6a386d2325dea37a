// A burst of packets, most of them made alike so that they nearly join: nothing is lost or
// repeated, no write is larger than an IP packet, and every write is a packet that parses. Input:
// records of 8 octets that say how each packet differs.

// fuzzes: layer/inner/coalesce.h
#include "layer/inner/coalesce.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <vector>

#include "layer/inner/checksum.h"

namespace {

using namespace entresol;
using namespace entresol::layer::inner;

struct Maker {
  std::uint32_t sequence = 1;

  // The packet that eight octets of input stand for.
  std::vector<std::uint8_t> make(const std::uint8_t* in, bool& unfinished) {
    const bool v6 = (in[0] & 1) != 0;
    const bool udp = (in[0] & 2) != 0;
    unfinished = (in[0] & 4) != 0;
    const std::size_t header = v6 ? 40 : 20;
    const std::size_t l4 = udp ? 8 : 20 + 4u * ((in[0] >> 4) & 3u);
    const std::size_t payload = (in[1] & 0x80) != 0 ? in[1] * 64u : in[1] & 3u;
    std::vector<std::uint8_t> p(header + l4 + payload);
    std::uint8_t* t = p.data() + header;
    base::store_be16(t + 2, in[2] & 1);
    if (udp) {
      base::store_be16(t + 4, static_cast<std::uint16_t>(l4 + payload));
    } else {
      if ((in[0] & 8) != 0) sequence += in[3];
      base::store_be32(t + 4, sequence);
      sequence += static_cast<std::uint32_t>(payload);
      t[12] = static_cast<std::uint8_t>(l4 << 2);
      t[13] = 0x10 ^ in[4];
      t[15] = in[5] & 1;
    }
    std::uint8_t* h = p.data();
    if (v6) {
      h[0] = 0x60;
      h[1] = static_cast<std::uint8_t>(in[6] & 0x10);
      base::store_be16(h + 4, static_cast<std::uint16_t>(l4 + payload));
      h[6] = udp ? 17 : 6;
      h[39] = in[2] & 2;
    } else {
      h[0] = 0x45;
      h[1] = in[6] & 3;
      base::store_be16(h + 2, static_cast<std::uint16_t>(p.size()));
      base::store_be16(h + 6, static_cast<std::uint16_t>((in[6] & 0xe0) << 8));
      h[9] = udp ? 17 : 6;
      h[19] = in[2] & 2;
      write_ipv4_checksum(h, 20);
    }
    OnesSum sum = pseudo_header(h, v6 ? 6 : 4, udp ? 17 : 6);
    sum.add32(static_cast<std::uint32_t>(l4 + payload));
    base::store_be16(t + (udp ? 6 : 16), sum.folded());
    if (!unfinished && (in[7] & 1) == 0) finish_checksum(p, header, udp ? 6 : 16);
    return p;
  }
};

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto coalescer =
      std::make_unique<Coalescer>(CoalesceRules{.tcp = true, .udp = true});
  std::deque<std::vector<std::uint8_t>> buffers;
  Maker maker;
  std::size_t sent = 0;
  std::size_t written = 0;
  std::size_t payload_sent = 0;
  std::size_t payload_written = 0;
  const auto write = [&](const TunWrite& w) {
    written += w.packets();
    std::vector<std::uint8_t> whole;
    for (const Span& s : w.pieces) whole.insert(whole.end(), s.data, s.data + s.size);
    IpPacket ip;
    require(parse(whole, ip) == base::DropReason::none);
    require(whole.size() <= 65535);
    Offload offload;
    require(parse(base::ByteView(w.with_header[0].data, w.with_header[0].size), ip, offload) ==
            base::DropReason::none);
    require((w.packets() > 1) == (offload.gso != Gso::kNone));
    const std::size_t payload = ip.payload_size() - ip.l4_header_length;
    if (w.packets() > 1) {
      require((payload + offload.gso_size - 1) / offload.gso_size == w.packets());
    }
    payload_written += payload;
  };
  for (; size >= 8; data += 8, size -= 8) {
    bool unfinished = false;
    buffers.push_back(maker.make(data, unfinished));
    InsidePacket packet;
    packet.bytes = buffers.back();
    if (parse(packet.bytes, packet.ip) != base::DropReason::none) continue;
    packet.unfinished = unfinished && !packet.ip.is_fragment;
    ++sent;
    payload_sent += packet.ip.payload_size() - packet.ip.l4_header_length;
    if (!coalescer->add(packet)) {
      coalescer->flush(write);
      require(coalescer->add(packet));
    }
  }
  coalescer->flush(write);
  require(sent == written && payload_sent == payload_written);
  return 0;
}
