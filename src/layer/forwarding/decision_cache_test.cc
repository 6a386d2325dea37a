#include "layer/forwarding/decision_cache.h"

#include <gtest/gtest.h>

#include <set>

namespace entresol::layer::forwarding {
namespace {

base::Bytes packet_of(std::uint32_t flow) {
  wire::Header header;
  header.next_protocol = wire::next_protocol::kSealed;
  header.layer = 0xabcdef01;
  header.service = wire::service::kIpDelivery;
  header.flow_id = flow;
  header.inner_protocol = 6;
  header.opener = true;
  header.responder_port = 443;
  header.source.octets.fill(1);
  header.destination.octets.fill(2);
  return wire::emit_packet(header, base::Bytes(40));
}

DecisionKey key_of(std::uint32_t flow, std::uint32_t ingress = 1) {
  return DecisionKey::of(packet_of(flow).data(), LinkId(ingress));
}

Decision* put(DecisionCache& cache, const DecisionKey& key, std::uint32_t egress,
              std::uint32_t batch = 1) {
  Decision* decision = cache.insert(key, cache.hash(key));
  decision->epoch = 1;
  decision->egress = LinkId(egress);
  decision->last_used = batch;
  return decision;
}

TEST(DecisionCache, FindsWhatWasKeptAndNothingElse) {
  DecisionCache cache(64, 7);
  const DecisionKey key = key_of(1);
  EXPECT_EQ(cache.find(key, cache.hash(key)), nullptr);
  put(cache, key, 5);
  Decision* found = cache.find(key, cache.hash(key));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->egress, LinkId(5));
  cache.clear();
  EXPECT_EQ(cache.find(key, cache.hash(key)), nullptr);
}

// Everything that a service can be shown is part of the key: TTL, traffic class and payload length are not.
TEST(DecisionKey, ComparesEveryFieldThatCanMatter) {
  const base::Bytes packet = packet_of(1);
  const DecisionKey key = DecisionKey::of(packet.data(), LinkId(1));
  const std::set<std::size_t> ignored = {wire::offset::kTtl, wire::offset::kTrafficClass,
                                         wire::offset::kPayloadLength,
                                         wire::offset::kPayloadLength + 1};
  for (std::size_t i = 0; i < wire::kHeaderSize; ++i) {
    base::Bytes other = packet;
    other[i] ^= 0x40;
    EXPECT_EQ(DecisionKey::of(other.data(), LinkId(1)) == key, ignored.contains(i))
        << "octet " << i;
  }
  EXPECT_FALSE(DecisionKey::of(packet.data(), LinkId(2)) == key);
}

TEST(DecisionCache, TheLeastRecentlyUsedOfItsSetGoesFirst) {
  DecisionCache cache(8, 7);
  ASSERT_EQ(cache.capacity(), 8u);
  std::vector<DecisionKey> same_set;
  for (std::uint32_t flow = 1; same_set.size() < 5; ++flow)
    if ((cache.hash(key_of(flow)) & 4) == 0) same_set.push_back(key_of(flow));
  for (std::uint32_t i = 0; i < 4; ++i) put(cache, same_set[i], i, 10 + i);
  EXPECT_EQ(cache.evictions(), 0u);
  cache.find(same_set[0], cache.hash(same_set[0]))->last_used = 20;
  put(cache, same_set[4], 4, 21);
  EXPECT_EQ(cache.evictions(), 1u);
  EXPECT_NE(cache.find(same_set[0], cache.hash(same_set[0])), nullptr);
  EXPECT_EQ(cache.find(same_set[1], cache.hash(same_set[1])), nullptr);
  EXPECT_NE(cache.find(same_set[4], cache.hash(same_set[4])), nullptr);
}

TEST(DecisionCache, AnEntryThatNoLongerHoldsIsReusedFirst) {
  DecisionCache cache(8, 7);
  std::vector<DecisionKey> same_set;
  for (std::uint32_t flow = 1; same_set.size() < 5; ++flow)
    if ((cache.hash(key_of(flow)) & 4) == 0) same_set.push_back(key_of(flow));
  for (std::uint32_t i = 0; i < 4; ++i) put(cache, same_set[i], i, i);
  cache.find(same_set[3], cache.hash(same_set[3]))->epoch = 0;
  put(cache, same_set[4], 4, 9);
  EXPECT_EQ(cache.evictions(), 0u);
  for (std::size_t i : {0u, 1u, 2u, 4u})
    EXPECT_NE(cache.find(same_set[i], cache.hash(same_set[i])), nullptr);
}

// One set of 32768 entries holds a thousandth of the flows of a scan, not all of them.
TEST(DecisionCache, NeighbouringFlowsSpreadOverTheSets) {
  DecisionCache cache(32768, 99);
  for (std::uint32_t flow = 0; flow < 8192; ++flow) put(cache, key_of(flow), 1);
  EXPECT_LT(cache.evictions(), 100u);
  DecisionCache other(32768, 100);
  std::size_t same = 0;
  for (std::uint32_t flow = 0; flow < 1000; ++flow)
    same += cache.hash(key_of(flow)) % 8192 == other.hash(key_of(flow)) % 8192;
  EXPECT_LT(same, 20u) << "the seed does not matter";
}

}  // namespace
}  // namespace entresol::layer::forwarding
