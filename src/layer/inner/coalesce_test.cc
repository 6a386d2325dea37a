#include "layer/inner/coalesce.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <vector>

#include "layer/inner/checksum.h"
#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using test::Buffer;
using test::Bytes;
using test::Recipe;

struct Written {
  Bytes bytes;  // without the virtio header
  Offload offload;
  std::size_t packets = 0;
};

// A burst: packets in, writes out.
class Burst {
 public:
  explicit Burst(CoalesceRules rules = {.tcp = true, .udp = true}) : coalescer_(rules) {}

  void add(const Bytes& packet, bool unfinished) {
    buffers_.emplace_back(packet);
    InsidePacket inside;
    inside.bytes = buffers_.back().bytes();
    inside.unfinished = unfinished;
    ASSERT_EQ(parse(inside.bytes, inside.ip), base::DropReason::none);
    ASSERT_TRUE(coalescer_.add(inside));
  }
  void add(const Recipe& r) { add(test::build(r), r.unfinished); }

  std::vector<Written> flush() {
    std::vector<Written> out;
    coalescer_.flush([&](const TunWrite& write) {
      Written w;
      for (const Span& piece : write.pieces) {
        w.bytes.insert(w.bytes.end(), piece.data, piece.data + piece.size);
      }
      const Span& header = write.with_header.front();
      EXPECT_EQ(header.size, kVnetHeader);
      EXPECT_EQ(write.with_header.size(), write.pieces.size() + 1);
      IpPacket ip;
      EXPECT_EQ(parse(w.bytes, ip), base::DropReason::none) << "the kernel must like it";
      EXPECT_EQ(parse(base::ByteView(header.data, header.size), ip, w.offload),
                base::DropReason::none);
      EXPECT_EQ(header.data[2] | header.data[3] << 8, ip.header_length + ip.l4_header_length);
      w.packets = write.packets();
      out.push_back(std::move(w));
    });
    EXPECT_TRUE(coalescer_.empty());
    return out;
  }

 private:
  Coalescer coalescer_;
  std::deque<Buffer> buffers_;
};

Recipe tcp(int version = 4) {
  Recipe r;
  r.version = version;
  r.tcp_options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  r.payload = Bytes(100, 0x33);
  r.unfinished = true;
  return r;
}

Recipe udp(int version = 4) {
  Recipe r = tcp(version);
  r.protocol = kProtocolUdp;
  return r;
}

Recipe after(const Recipe& r) {
  Recipe next = r;
  next.sequence += static_cast<std::uint32_t>(r.payload.size());
  if ((r.fragment & 0x4000) == 0) ++next.identification;
  return next;
}

// How many writes come of `first` and its successor, changed.
std::size_t writes_of(const Recipe& first, const std::function<void(Recipe&)>& change,
                      CoalesceRules rules = {.tcp = true, .udp = true}) {
  Burst burst(rules);
  Recipe second = after(first);
  change(second);
  burst.add(first);
  burst.add(second);
  const auto writes = burst.flush();
  std::size_t packets = 0;
  for (const Written& w : writes) packets += w.packets;
  EXPECT_EQ(packets, 2u);
  if (writes.size() == 2) {
    EXPECT_EQ(writes[0].bytes, test::build(first)) << "what goes alone goes unchanged";
    EXPECT_EQ(writes[1].bytes, test::build(second));
    EXPECT_EQ(writes[0].offload.gso, Gso::kNone);
    EXPECT_EQ(writes[0].offload.needs_checksum, first.unfinished);
  }
  return writes.size();
}

void nothing(Recipe&) {}

TEST(Coalescer, JoinsConsecutiveSegments) {
  for (const int version : {4, 6}) {
    Burst burst;
    Recipe r = tcp(version);
    Bytes stream;
    for (int i = 0; i < 5; ++i) {
      r.payload = Bytes(i < 4 ? 100 : 37, static_cast<std::uint8_t>(i));
      r.flags = i < 4 ? 0x10 : 0x19;
      stream.insert(stream.end(), r.payload.begin(), r.payload.end());
      burst.add(r);
      r = after(r);
    }
    const auto writes = burst.flush();
    ASSERT_EQ(writes.size(), 1u);
    EXPECT_EQ(writes[0].packets, 5u);
    EXPECT_EQ(writes[0].offload.gso, version == 4 ? Gso::kTcp4 : Gso::kTcp6);
    EXPECT_EQ(writes[0].offload.gso_size, 100);
    EXPECT_TRUE(writes[0].offload.needs_checksum);
    EXPECT_FALSE(writes[0].offload.ecn);
    Recipe whole = tcp(version);
    whole.payload = stream;
    whole.flags = 0x19;
    EXPECT_EQ(writes[0].bytes, test::build(whole));
  }
}

TEST(Coalescer, JoinsDatagramsOfOneSize) {
  for (const int version : {4, 6}) {
    Burst burst;
    Recipe r = udp(version);
    r.unfinished = false;
    for (int i = 0; i < 4; ++i) {
      if (i == 3) r.payload.resize(99);
      burst.add(r);
    }
    const auto writes = burst.flush();
    ASSERT_EQ(writes.size(), 1u);
    EXPECT_EQ(writes[0].offload.gso, Gso::kUdp);
    Recipe whole = udp(version);
    whole.payload = Bytes(399, 0x33);
    EXPECT_EQ(writes[0].bytes, test::build(whole));
  }
}

TEST(Coalescer, UdpOnlyWhereTheKernelSplitsIt) {
  EXPECT_EQ(writes_of(udp(), nothing), 1u);
  EXPECT_EQ(writes_of(udp(), nothing, {.tcp = true, .udp = false}), 2u);
  EXPECT_EQ(writes_of(tcp(), nothing, {.tcp = false, .udp = true}), 2u);
}

TEST(Coalescer, NetworkHeadersMustAgree) {
  for (const int version : {4, 6}) {
    for (const Recipe& r : {tcp(version), udp(version)}) {
      EXPECT_EQ(writes_of(r, nothing), 1u);
      EXPECT_EQ(writes_of(r, [](Recipe& s) { s.source = 9; }), 2u);
      EXPECT_EQ(writes_of(r, [](Recipe& s) { s.destination = 9; }), 2u);
      EXPECT_EQ(writes_of(r, [](Recipe& s) { s.source_port = 9; }), 2u);
      EXPECT_EQ(writes_of(r, [](Recipe& s) { s.destination_port = 9; }), 2u);
      EXPECT_EQ(writes_of(r, [](Recipe& s) { s.ttl = 63; }), 2u);
      EXPECT_EQ(writes_of(r, [](Recipe& s) { s.traffic_class = 0x20; }), 2u);
      EXPECT_EQ(writes_of(r, [](Recipe& s) { s.traffic_class = 3; }), 2u) << "CE";
    }
    EXPECT_EQ(writes_of(tcp(version), [](Recipe& s) { s.protocol = kProtocolUdp; }), 2u);
  }
  EXPECT_EQ(writes_of(tcp(6), [](Recipe& s) { s.flow_label = 1; }), 2u);
  EXPECT_EQ(writes_of(tcp(4), [](Recipe& s) { s.fragment = 0; }), 2u);
  EXPECT_EQ(writes_of(tcp(4), [](Recipe& s) { s.version = 6; }), 2u);
}

TEST(Coalescer, IdentificationsCountUpWithoutDontFragment) {
  Recipe r = tcp();
  r.identification = 0xffff;
  EXPECT_EQ(writes_of(r, [](Recipe& s) { s.identification = 7; }), 1u);
  r.fragment = 0;
  EXPECT_EQ(writes_of(r, nothing), 1u) << "over 0xffff";
  EXPECT_EQ(writes_of(r, [](Recipe& s) { --s.identification; }), 2u);
  EXPECT_EQ(writes_of(r, [](Recipe& s) { ++s.identification; }), 2u);
  r.fragment = 0x8000;
  EXPECT_EQ(writes_of(r, nothing), 2u);
}

TEST(Coalescer, TcpHeadersMustAgree) {
  const Recipe r = tcp();
  EXPECT_EQ(writes_of(r, [](Recipe& s) { ++s.sequence; }), 2u) << "gap";
  EXPECT_EQ(writes_of(r, [](Recipe& s) { s.sequence -= 100; }), 2u) << "repeated";
  EXPECT_EQ(writes_of(r, [](Recipe& s) { ++s.acknowledgment; }), 2u);
  EXPECT_EQ(writes_of(r, [](Recipe& s) { ++s.window; }), 2u);
  EXPECT_EQ(writes_of(r, [](Recipe& s) { s.tcp_options[7] = 9; }), 2u);
  EXPECT_EQ(writes_of(r, [](Recipe& s) { s.tcp_options.resize(8); }), 2u);
  EXPECT_EQ(writes_of(r, [](Recipe& s) { s.tcp_options.clear(); }), 2u);
}

TEST(Coalescer, FlagsOfTheSecondSegment) {
  for (int flags = 0; flags < 256; ++flags) {
    const bool joins = (flags & 0x10) != 0 && (flags & ~0x19) == 0;  // ACK, and PSH or FIN
    const auto set = [flags](Recipe& s) { s.flags = static_cast<std::uint8_t>(flags); };
    EXPECT_EQ(writes_of(tcp(), set), joins ? 1u : 2u) << flags;
  }
}

TEST(Coalescer, FlagsOfTheFirstSegment) {
  for (int flags = 0; flags < 256; ++flags) {
    Recipe r = tcp();
    r.flags = static_cast<std::uint8_t>(flags);
    const auto set = [flags](Recipe& s) { s.flags = static_cast<std::uint8_t>(flags & ~0x80); };
    const bool joins = flags == 0x10 || flags == 0x90 || flags == 0x50 || flags == 0xd0;
    EXPECT_EQ(writes_of(r, set), joins ? 1u : 2u) << flags;
  }
}

TEST(Coalescer, CongestionWindowReducedOnTheFirstIsToldToTheKernel) {
  Burst burst;
  Recipe r = tcp();
  r.flags = 0x90;
  burst.add(r);
  r = after(r);
  r.flags = 0x10;
  burst.add(r);
  const auto writes = burst.flush();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_TRUE(writes[0].offload.ecn);
}

TEST(Coalescer, SizesAreEqualButForAShorterLast) {
  for (const Recipe& r : {tcp(), udp()}) {
    EXPECT_EQ(writes_of(r, [](Recipe& s) { s.payload.resize(99); }), 1u);
    EXPECT_EQ(writes_of(r, [](Recipe& s) { s.payload.resize(101); }), 2u);
    EXPECT_EQ(writes_of(r, [](Recipe& s) { s.payload.clear(); }), 2u) << "pure acknowledgment";
    Recipe empty = r;
    empty.payload.clear();
    EXPECT_EQ(writes_of(empty, nothing), 2u);
    Burst burst;
    Recipe s = r;
    burst.add(s);
    s = after(s);
    s.payload.resize(50);
    burst.add(s);
    s = after(s);
    burst.add(s);
    EXPECT_EQ(burst.flush().size(), 2u) << "nothing after a shorter one";
  }
}

TEST(Coalescer, OptionsAndFragmentsGoAlone) {
  Recipe r = tcp(4);
  r.ip_options = {1, 1, 1, 1};
  EXPECT_EQ(writes_of(r, nothing), 2u);
  r = tcp(6);
  r.extension = {6, 0, 1, 4, 0, 0, 0, 0};
  r.extension_first = 60;
  EXPECT_EQ(writes_of(r, nothing), 2u);
  r = udp(4);
  r.unfinished = false;
  r.payload = Bytes(96, 1);
  r.fragment = 0x2000;
  EXPECT_EQ(writes_of(r, nothing), 2u);
}

TEST(Coalescer, NoFlowIsJoinedAcrossAFragmentOfItsAddresses) {
  for (const std::uint8_t other : {std::uint8_t{1}, std::uint8_t{9}}) {
    Burst burst;
    Recipe r = tcp();
    burst.add(r);
    Recipe fragment = udp();
    fragment.unfinished = false;
    fragment.fragment = 0x0003;
    fragment.source = other;
    burst.add(fragment);
    burst.add(after(r));
    EXPECT_EQ(burst.flush().size(), other == 1 ? 3u : 2u);
  }
}

TEST(Coalescer, FinishedChecksumsAreVerified) {
  for (Recipe r : {tcp(), tcp(6), udp(), udp(6)}) {
    for (const int wrong : {-1, 0, 1}) {
      r.unfinished = false;
      Bytes first = test::build(r);
      Bytes second = test::build(after(r));
      if (wrong == 0) first.back() ^= 1;
      if (wrong == 1) second.back() ^= 1;
      Burst burst;
      burst.add(first, false);
      burst.add(second, false);
      const auto writes = burst.flush();
      ASSERT_EQ(writes.size(), wrong == -1 ? 1u : 2u);
      if (wrong == -1) continue;
      EXPECT_EQ(writes[0].bytes, first);
      EXPECT_EQ(writes[1].bytes, second);
      EXPECT_FALSE(writes[0].offload.needs_checksum);
      EXPECT_FALSE(writes[1].offload.needs_checksum);
    }
  }
}

TEST(Coalescer, FinishedAndUnfinishedJoin) {
  Burst burst;
  Recipe r = tcp();
  Bytes stream;
  for (int i = 0; i < 6; ++i) {
    r.unfinished = i % 2 != 0;
    burst.add(r);
    stream.insert(stream.end(), r.payload.begin(), r.payload.end());
    r = after(r);
  }
  Recipe whole = tcp();
  whole.payload = stream;
  const auto writes = burst.flush();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].bytes, test::build(whole));
}

TEST(Coalescer, UdpWithoutChecksumGoesAlone) {
  Recipe r = udp();
  r.unfinished = false;
  Bytes packet = test::build(r);
  base::store_be16(packet.data() + 26, 0);
  Burst burst;
  burst.add(packet, false);
  burst.add(packet, false);
  const auto writes = burst.flush();
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_EQ(writes[0].bytes, packet);
}

TEST(Coalescer, ThePacketThatDoesNotFitClosesItsFlowOnly) {
  Burst burst;
  Recipe a = tcp(), b = tcp();
  b.source_port = 2000;
  burst.add(a);
  burst.add(b);
  Recipe pure = after(a);
  pure.payload.clear();
  burst.add(pure);      // closes a
  burst.add(after(b));  // joins b
  burst.add(after(a));  // a begins anew
  burst.add(after(after(a)));
  const auto writes = burst.flush();
  ASSERT_EQ(writes.size(), 4u);
  EXPECT_EQ(writes[0].packets, 1u);
  EXPECT_EQ(writes[1].packets, 2u);
  EXPECT_EQ(writes[2].bytes, test::build(pure));
  EXPECT_EQ(writes[3].packets, 2u);
}

TEST(Coalescer, OtherProtocolsPassUnchanged) {
  Recipe r;
  r.protocol = kProtocolIcmp;
  r.payload = {8, 0, 0, 0, 0, 1, 0, 1};
  Burst burst;
  burst.add(r);
  burst.add(r);
  r.protocol = kProtocolUdpLite;
  burst.add(r);
  burst.add(r);
  const auto writes = burst.flush();
  ASSERT_EQ(writes.size(), 4u);
  for (const Written& w : writes) {
    EXPECT_FALSE(w.offload.needs_checksum);
    EXPECT_EQ(w.offload.gso, Gso::kNone);
  }
  EXPECT_EQ(writes[3].bytes, test::build(r));
}

TEST(Coalescer, UnfinishedPacketAloneNeedsItsChecksum) {
  for (const Recipe& r : {tcp(4), tcp(6), udp(4), udp(6)}) {
    Burst burst;
    burst.add(r);
    const auto writes = burst.flush();
    ASSERT_EQ(writes.size(), 1u);
    EXPECT_TRUE(writes[0].offload.needs_checksum);
    Bytes finished = writes[0].bytes;
    finish_checksum(finished, writes[0].offload.checksum_start, writes[0].offload.checksum_offset);
    EXPECT_TRUE(test::checksums_right(finished));
  }
}

TEST(Coalescer, SegmentsOfOneWriteAreLimited) {
  for (const int limit : {1, 2, 64, 200}) {
    Burst burst({.tcp = true, .udp = true, .max_segments = static_cast<std::uint16_t>(limit)});
    Recipe r = tcp();
    for (int i = 0; i < 200; ++i) {
      burst.add(r);
      r = after(r);
    }
    const std::size_t most = std::min(static_cast<std::size_t>(limit), Coalescer::kMaxSegments);
    const auto writes = burst.flush();
    ASSERT_EQ(writes.size(), (200 + most - 1) / most);
    EXPECT_EQ(writes[0].packets, most);
  }
}

TEST(Coalescer, OctetsOfOneWriteAreLimited) {
  for (const int version : {4, 6}) {
    Burst burst;
    Recipe r = tcp(version);
    r.payload = Bytes(9000, 1);
    for (int i = 0; i < 8; ++i) {
      burst.add(r);
      r = after(r);
    }
    const auto writes = burst.flush();
    ASSERT_EQ(writes.size(), 2u);
    EXPECT_EQ(writes[0].packets, 7u);
    EXPECT_LE(writes[0].bytes.size(), 65535u);
  }
}

TEST(Coalescer, AFullBurstTakesNothing) {
  Coalescer coalescer;
  Bytes packet = test::build(tcp());
  InsidePacket inside;
  inside.bytes = packet;
  ASSERT_EQ(parse(packet, inside.ip), base::DropReason::none);
  for (std::size_t i = 0; i < Coalescer::kMaxPackets; ++i) ASSERT_TRUE(coalescer.add(inside));
  EXPECT_FALSE(coalescer.add(inside));
  std::size_t packets = 0;
  coalescer.flush([&](const TunWrite& write) { packets += write.packets(); });
  EXPECT_EQ(packets, Coalescer::kMaxPackets);
  EXPECT_TRUE(coalescer.add(inside));
}

}  // namespace
}  // namespace entresol::layer::inner
