// A pipeline with neighbours that hold the other ends of its links' keys: packets in, opened packets out. No handshakes:
// keys are put into the tables by hand.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "security/lanes.h"
#include "security/test_random.h"

namespace entresol::layer::forwarding::test {

using base::Bytes;
using base::DropReason;

// Delivers to the destination, and counts how often it is asked.
class CountingDecider final : public Decider {
 public:
  void decide(std::span<Miss> misses, base::TimePoint) override {
    ++calls;
    asked += misses.size();
    for (Miss& miss : misses) {
      miss.keep = keep;
      miss.drop = refuse;
      miss.to = miss.view.destination();
    }
  }
  std::uint32_t generation() const override { return version; }

  std::size_t calls = 0, asked = 0;
  std::uint32_t version = 1;
  bool keep = true;
  DropReason refuse = DropReason::none;
};

// Takes what is for this member, and packs a guest's packets into the layer's: the inner packet is the payload.
class RecordingLocal final : public Local {
 public:
  void from_guests(std::span<Packet* const> packets, base::TimePoint) override {
    for (Packet* packet : packets) {
      made.push_back(
          wire::emit_packet(guest_header, Bytes(packet->data, packet->data + packet->length)));
      packet->data = made.back().data();
      packet->length = static_cast<std::uint32_t>(made.back().size());
    }
  }
  void to_guests(std::span<Packet* const> packets, base::TimePoint) override {
    for (Packet* packet : packets) {
      wire::HeaderView view;
      wire::HeaderView::parse({packet->data, packet->length}, view);
      packet->data += view.header_size();
      packet->length -= static_cast<std::uint32_t>(view.header_size());
    }
  }
  void to_self(std::span<Packet* const> packets, base::TimePoint) override {
    for (Packet* packet : packets) {
      taken += 1;
      if (record) self.emplace_back(packet->data, packet->data + packet->length);
      packet->drop = answer;
    }
  }

  wire::Header guest_header;
  std::vector<Bytes> made, self;
  std::size_t taken = 0;
  bool record = true;
  DropReason answer = DropReason::none;
};

struct Neighbour {
  LinkId link;
  wire::Name name;
  std::unique_ptr<security::SendLane> send;
  std::unique_ptr<security::ReceiveLane> receive;
  security::Path path;
};

// What came out of the pipeline.
struct Sent {
  LinkId link;
  Bytes packet;           // opened
  std::size_t burst = 0;  // which burst it was part of
  std::uint8_t traffic_class = 0;
};

inline wire::Name name_of(std::uint8_t number) {
  wire::Name name;
  name.octets = {0xfd, 0x35, 0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number};
  return name;
}

class Bench {
 public:
  static constexpr std::uint32_t kLayer = 0xabcdef01;
  static constexpr std::uint16_t kMaxPacket = 1444;

  Bench() : Bench(1024) {}
  explicit Bench(std::size_t entries, bool node = true)
      : pipeline(configure(entries, node), tables, decider, local) {
    add_layer(kLayer, name_of(1));
  }
  static PipelineConfig configure(std::size_t entries, bool node) {
    PipelineConfig config;
    config.node = node;
    config.cache_entries = entries;
    config.seed = 42;
    return config;
  }

  void add_layer(std::uint32_t wire_id, const wire::Name& own) {
    LayerTable table;
    table.wire_id = wire_id;
    table.own = own;
    table.names.place(own, kSelf);
    tables.layers.push_back(std::move(table));
  }

  std::size_t add_neighbour(std::uint8_t number, std::uint8_t layer = 0,
                            LinkKind kind = LinkKind::kHost,
                            security::Protocol protocol = security::Protocol::kNative) {
    Neighbour far;
    far.link = tables.links.add();
    far.name = name_of(number);
    far.path.remote.port = number;
    Link& link = tables.links[far.link];
    link.kind = kind;
    link.layer = layer;
    link.protocol = protocol;
    link.max_packet = kMaxPacket;
    link.name = far.name;
    link.path = far.path;
    link.peer = security::PeerId(number);
    neighbours.push_back(std::move(far));
    give_keys(neighbours.size() - 1);
    tables.layers[layer].names.place(name_of(number), neighbours.back().link);
    tables.links.changed();
    return neighbours.size() - 1;
  }

  // New keys for both ends; the old ones stay valid for receiving.
  void give_keys(std::size_t who) {
    Neighbour& far = neighbours[who];
    Link& link = tables.links[far.link];
    security::Keys keys;
    keys.protocol = link.protocol;
    keys.suite = link.protocol == security::Protocol::kNative
                     ? crypto::AeadSuite::kAes256Gcm
                     : crypto::AeadSuite::kChaCha20Poly1305;
    keys.send = crypto::SecretBytes<32>(random.bytes<32>());
    keys.receive = crypto::SecretBytes<32>(random.bytes<32>());
    keys.local_index = ++last_index;
    keys.remote_index = 0x500000 + last_index;
    tables.receive.insert(far.link, keys);
    link.send = security::send_lane(keys, 0);
    link.send_index = keys.local_index;
    far.receive = security::receive_lane(keys.protocol, keys.suite, keys.send, 0);
    std::swap(keys.send, keys.receive);
    std::swap(keys.local_index, keys.remote_index);
    far.send = security::send_lane(keys, 0);
  }

  // A sealed packet's outside; its inside is of no interest here.
  wire::Header header(std::uint8_t from, std::uint8_t to, std::uint32_t flow = 1) const {
    wire::Header out;
    out.next_protocol = wire::next_protocol::kSealed;
    out.layer = kLayer;
    out.service = wire::service::kIpDelivery;
    out.flow_id = flow;
    out.inner_protocol = 6;
    out.opener = true;
    out.responder_port = 443;
    out.source = name_of(from);
    out.destination = name_of(to);
    return out;
  }
  Bytes packet(std::uint8_t from, std::uint8_t to, std::uint32_t flow = 1,
               std::size_t payload = 100) const {
    return wire::emit_packet(header(from, to, flow), Bytes(payload, 0x5a));
  }

  Bytes seal(std::size_t who, const Bytes& packet) {
    Bytes out(packet.size() + 64);
    out.resize(
        security::seal_record(*neighbours[who].send, packet.data(), packet.size(), out.data()));
    return out;
  }
  // All at once, as one batch of datagrams.
  std::vector<Sent> feed(std::vector<Bytes> datagrams, std::vector<std::size_t> from) {
    std::vector<InBurst> bursts;
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
      InBurst burst;
      burst.data = datagrams[i].data();
      burst.length = static_cast<std::uint32_t>(datagrams[i].size());
      burst.segment = burst.length;
      burst.traffic_class = outer_class;
      burst.path = neighbours[from[i]].path;
      bursts.push_back(burst);
    }
    std::vector<Sent> sent;
    pipeline.process(bursts, now, [&](std::span<const OutBurst> out) { collect(out, sent); });
    return sent;
  }
  std::vector<Sent> send(std::size_t who, const std::vector<Bytes>& packets) {
    std::vector<Bytes> datagrams;
    for (const Bytes& packet : packets) datagrams.push_back(seal(who, packet));
    return feed(std::move(datagrams), std::vector<std::size_t>(packets.size(), who));
  }
  std::vector<Sent> send(std::size_t who, const Bytes& packet) {
    return send(who, std::vector<Bytes>{packet});
  }
  std::vector<Sent> originate(std::vector<Bytes> packets) {
    std::vector<base::MutableBytes> spans(packets.begin(), packets.end());
    std::vector<Sent> sent;
    collect(pipeline.originate(spans, now), sent);
    return sent;
  }

  void collect(std::span<const OutBurst> bursts, std::vector<Sent>& sent) {
    for (const OutBurst& burst : bursts) {
      ++bursts_seen;
      for (std::uint32_t at = 0; at < burst.length; at += burst.segment) {
        const std::uint32_t n = std::min<std::uint32_t>(burst.segment, burst.length - at);
        Sent out{burst.link, open(burst.link, Bytes(burst.data + at, burst.data + at + n)),
                 bursts_seen, burst.traffic_class};
        sent.push_back(std::move(out));
      }
    }
  }
  Bytes open(LinkId link, Bytes datagram) {
    for (Neighbour& far : neighbours) {
      if (far.link != link) continue;
      std::size_t plain = 0;
      const bool native = datagram[0] == 0x14;
      const auto reason = native ? security::open_native_record(*far.receive, datagram.data(),
                                                                datagram.size(), plain)
                                 : security::open_wireguard_record(*far.receive, datagram.data(),
                                                                   datagram.size(), plain);
      EXPECT_EQ(reason, DropReason::none) << base::to_string(reason);
      const auto start = datagram.begin() + (native ? 12 : 16);
      return Bytes(start, start + static_cast<std::ptrdiff_t>(plain));
    }
    ADD_FAILURE() << "sent on a link without a neighbour";
    return {};
  }

  std::uint64_t drops(DropReason reason) const { return pipeline.counters().drops[reason]; }

  security::SeededRandom random{7};
  Tables tables;
  CountingDecider decider;
  RecordingLocal local;
  Pipeline pipeline;
  std::vector<Neighbour> neighbours;
  base::TimePoint now{std::chrono::seconds(1)};
  std::uint8_t outer_class = 0;
  std::uint32_t last_index = 0x100;
  std::size_t bursts_seen = 0;
};

class PipelineTest : public testing::Test {
 protected:
  Bench bench;
  std::size_t a = bench.add_neighbour(10);
  std::size_t b = bench.add_neighbour(11);
  std::size_t c = bench.add_neighbour(12);
};

inline wire::Header header_of(const Bytes& packet) {
  wire::Header header;
  base::ByteView payload;
  EXPECT_EQ(wire::Header::parse(packet, header, payload), DropReason::none);
  return header;
}
inline wire::ControlView message_of(const Bytes& packet) {
  wire::HeaderView view;
  EXPECT_EQ(wire::HeaderView::parse(packet, view), DropReason::none);
  EXPECT_EQ(view.next_protocol(), wire::next_protocol::kControl);
  wire::ControlView message;
  EXPECT_EQ(wire::ControlView::parse(view.payload(), message), DropReason::none);
  return message;
}

}  // namespace entresol::layer::forwarding::test
