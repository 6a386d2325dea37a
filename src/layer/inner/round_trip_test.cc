// From TUN to TUN without a network: super-packets are split, rebuilt at the far end, joined again;
// what the far host gets, split once more as its kernel would, must be every flow's octets in
// order, with right checksums.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <vector>

#include "layer/inner/coalesce.h"
#include "layer/inner/segment.h"
#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;
using test::Buffer;
using test::Bytes;
using test::Recipe;

struct Flow {
  Recipe next;     // the next super-packet
  Bytes sent;      // what the application wrote
  Bytes received;  // what the far application reads
  std::vector<std::size_t> datagrams_sent, datagrams_received;
};

class RoundTrip : public ::testing::TestWithParam<int> {
 protected:
  RoundTrip() : random_(static_cast<std::uint64_t>(GetParam())) {
    for (std::uint16_t i = 0; i < 6; ++i) {
      Flow flow;
      Recipe& r = flow.next;
      r.version = i % 2 ? 6 : 4;
      r.protocol = i < 4 ? kProtocolTcp : kProtocolUdp;
      r.source_port = static_cast<std::uint16_t>(5000 + i);
      r.sequence = static_cast<std::uint32_t>(random_());
      r.fragment = i == 2 ? 0 : 0x4000;
      r.flow_label = i;
      r.unfinished = true;
      r.tcp_options = Bytes(4 * test::below(random_, 4), 1);
      flows_[r.source_port] = flow;
    }
  }

  Offload offload_for(const Recipe& r, std::uint16_t size) {
    Offload o;
    o.needs_checksum = true;
    o.gso = r.protocol == kProtocolUdp ? Gso::kUdp : r.version == 4 ? Gso::kTcp4 : Gso::kTcp6;
    o.gso_size = size;
    return o;
  }

  // One super-packet of `flow`, sealed and opened: its segments, in buffers of their own.
  std::deque<Buffer> send(Flow& flow) {
    Recipe& r = flow.next;
    const std::size_t segments = 1 + test::below(random_, 20);
    const auto size = static_cast<std::uint16_t>(1 + test::below(random_, 1400));
    r.payload = test::random_bytes(random_, (segments - 1) * size + 1 + test::below(random_, size));
    r.flags = test::below(random_, 3) == 0 ? 0x18 : 0x10;
    if (test::below(random_, 8) == 0) ++r.acknowledgment;
    flow.sent.insert(flow.sent.end(), r.payload.begin(), r.payload.end());
    Buffer buffer(test::build(r));
    IpPacket ip;
    EXPECT_EQ(parse(buffer.bytes(), ip), DropReason::none);
    Segmenter segmenter;
    const auto checksums =
        test::below(random_, 2) ? Segmenter::Checksums::kOctet : Segmenter::Checksums::kFinish;
    EXPECT_EQ(segmenter.start(buffer.bytes(), ip, offload_for(r, size), checksums),
              DropReason::none);
    std::deque<Buffer> out;
    Segment segment;
    while (segmenter.next(segment)) {
      out.emplace_back(segment.plaintext);
      const std::size_t left = r.payload.size() - (out.size() - 1) * size;
      flow.datagrams_sent.push_back(std::min<std::size_t>(size, left));
    }
    r.sequence += static_cast<std::uint32_t>(r.payload.size());
    r.identification = static_cast<std::uint16_t>(r.identification + out.size());
    return out;
  }

  void receive(Buffer& buffer, const Flow& flow) {
    Outside o;
    o.source = &from_;
    o.destination = &to_;
    o.flow_id = flow.next.flow_label;
    o.protocol = flow.next.protocol;
    o.ttl = 61;
    o.opener = true;
    o.responder_port = 443;
    InsidePacket packet;
    ASSERT_EQ(rebuild(buffer.bytes(), o, 0, packet), DropReason::none);
    if (!coalescer_.add(packet)) {
      deliver();
      ASSERT_TRUE(coalescer_.add(packet));
    }
  }

  // What the far kernel does with a write: split it again, verify, give the octets to the flow's
  // reader.
  void deliver() {
    coalescer_.flush([&](const TunWrite& write) {
      ++writes_;
      Bytes whole;
      for (const Span& s : write.pieces) whole.insert(whole.end(), s.data, s.data + s.size);
      Buffer buffer(whole);
      IpPacket ip;
      ASSERT_EQ(parse(buffer.bytes(), ip), DropReason::none);
      Offload offload;
      ASSERT_EQ(parse(base::ByteView(write.with_header[0].data, kVnetHeader), ip, offload),
                DropReason::none);
      Flow& flow = flows_.at(ip.source_port);
      Segmenter segmenter;
      ASSERT_EQ(segmenter.start(buffer.bytes(), ip, offload, Segmenter::Checksums::kFinish),
                DropReason::none);
      Segment segment;
      while (segmenter.next(segment)) take(segment, flow);
    });
  }

  void take(const Segment& segment, Flow& flow) {
    ++segments_;
    Outside o;
    o.source = &from_;
    o.destination = &to_;
    o.protocol = flow.next.protocol;
    o.opener = true;
    o.responder_port = 443;
    Buffer buffer(segment.plaintext);
    InsidePacket packet;
    ASSERT_EQ(rebuild(buffer.bytes(), o, 0, packet), DropReason::none);
    const Bytes bytes(packet.bytes.begin(), packet.bytes.end());
    ASSERT_TRUE(test::checksums_right(bytes));
    const base::ByteView payload = packet.ip.payload().subspan(packet.ip.l4_header_length);
    flow.received.insert(flow.received.end(), payload.begin(), payload.end());
    flow.datagrams_received.push_back(payload.size());
  }

  test::Random random_;
  std::map<std::uint16_t, Flow> flows_;
  MemberAddresses from_ = test::member(1);
  MemberAddresses to_ = test::member(2);
  Coalescer coalescer_{{.tcp = true, .udp = true}};
  std::size_t writes_ = 0;
  std::size_t segments_ = 0;
};

TEST_P(RoundTrip, EveryFlowGetsItsOctetsInOrder) {
  for (int burst = 0; burst < 20; ++burst) {
    std::vector<std::pair<Flow*, std::deque<Buffer>>> sending;
    for (auto& [port, flow] : flows_) {
      if (test::below(random_, 3) != 0) sending.emplace_back(&flow, send(flow));
    }
    std::vector<std::size_t> at(sending.size());
    std::size_t left = 0;
    for (const auto& [flow, segments] : sending) left += segments.size();
    while (left > 0) {  // flows interleave in short trains
      const std::size_t k = test::below(random_, sending.size());
      for (std::size_t n = 1 + test::below(random_, 4); n > 0; --n) {
        if (at[k] == sending[k].second.size()) break;
        receive(sending[k].second[at[k]++], *sending[k].first);
        --left;
      }
    }
    deliver();
    if (HasFatalFailure()) return;
  }
  for (const auto& [port, flow] : flows_) {
    EXPECT_EQ(flow.received, flow.sent) << port;
    if (flow.next.protocol == kProtocolUdp) {
      EXPECT_EQ(flow.datagrams_received, flow.datagrams_sent) << "boundaries of datagrams stay";
    }
  }
  EXPECT_LT(writes_ * 3, segments_) << "and most of them in company";
}

INSTANTIATE_TEST_SUITE_P(Seeds, RoundTrip, ::testing::Range(1, 21));

}  // namespace
}  // namespace entresol::layer::inner
