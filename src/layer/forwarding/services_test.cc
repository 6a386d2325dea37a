// Verdicts that end, that are withdrawn, and packets that come back from whoever decides.
#include <gtest/gtest.h>

#include "layer/forwarding/test_bench.h"

namespace entresol::layer::forwarding {
namespace {

using namespace test;
using std::chrono::milliseconds;

// Takes packets, or keeps verdicts for a time.
class ServicesTest : public ::testing::Test {
 protected:
  class Decider final : public forwarding::Decider {
   public:
    void decide(std::span<Miss> misses, base::TimePoint) override {
      for (Miss& miss : misses) {
        ++asked;
        miss.taken = take;
        miss.keep = true;
        miss.lifetime_ms = lifetime_ms;
        miss.to = miss.view.destination();
        miss.passage.chain = chain;
        if (take)
          taken.push_back({Bytes(miss.view.packet().begin(), miss.view.packet().end()),
                           miss.ingress, miss.ingress_generation});
      }
    }
    std::uint32_t generation() const override { return version; }
    std::uint32_t generation_of(std::uint32_t service, std::uint16_t of_chain) const override {
      if (of_chain != 0) return of_chain == chain ? chain_version : 1;
      return service == other_service ? other_version : 1;
    }
    struct Taken {
      Bytes packet;
      LinkId ingress;
      std::uint32_t ingress_generation;
    };
    std::vector<Taken> taken;
    int asked = 0;
    bool take = false;
    std::uint32_t lifetime_ms = 0, version = 1, other_version = 1;
    std::uint32_t other_service = 9;
    std::uint16_t chain = 0;
    std::uint32_t chain_version = 1;
  };

  // A bench whose pipeline asks this Decider.
  struct OwnBench : Bench {
    explicit OwnBench(forwarding::Decider& services)
        : own(configure(1024, true), tables, services, local) {}
    std::vector<Sent> send(std::size_t who, const Bytes& packet) {
      Bytes datagram = seal(who, packet);
      InBurst burst;
      burst.data = datagram.data();
      burst.length = burst.segment = static_cast<std::uint32_t>(datagram.size());
      burst.path = neighbours[who].path;
      std::vector<Sent> sent;
      own.process(std::span(&burst, 1), now,
                  [&](std::span<const OutBurst> out) { collect(out, sent); });
      return sent;
    }
    Pipeline own;
  };

  ServicesTest() {
    a_ = bench_.add_neighbour(10);
    b_ = bench_.add_neighbour(11);
    c_ = bench_.add_neighbour(12);
  }
  std::vector<Sent> come_back(std::uint8_t to, DropReason drop = DropReason::none,
                              bool keep = false) {
    std::vector<Returned> back;
    for (auto& taken : decider_.taken) {
      Returned each;
      each.packet = taken.packet;
      each.ingress = taken.ingress;
      each.ingress_generation = taken.ingress_generation;
      each.drop = drop;
      each.keep = keep;
      each.to = name_of(to);
      back.push_back(each);
    }
    std::vector<Sent> sent;
    bench_.collect(bench_.own.resume(back, bench_.now), sent);
    decider_.taken.clear();
    return sent;
  }
  std::uint64_t drops(DropReason reason) { return bench_.own.counters().drops[reason]; }

  Decider decider_;
  OwnBench bench_{decider_};
  std::size_t a_ = 0, b_ = 0, c_ = 0;
};

TEST_F(ServicesTest, AKeptVerdictEndsWithItsTime) {
  decider_.lifetime_ms = 100;
  const Bytes packet = bench_.packet(10, 11);
  bench_.send(a_, packet);
  bench_.now += milliseconds(99);
  bench_.send(a_, packet);
  EXPECT_EQ(decider_.asked, 1);
  bench_.now += milliseconds(1);
  bench_.send(a_, packet);
  EXPECT_EQ(decider_.asked, 2);
}

TEST_F(ServicesTest, AVerdictRestsOnTheServicesThatWereAskedBefore) {
  decider_.chain = 3;
  const Bytes packet = bench_.packet(10, 11);
  bench_.send(a_, packet);
  ++decider_.version;
  bench_.send(a_, packet);
  EXPECT_EQ(decider_.asked, 1) << "of another chain";
  ++decider_.version;
  ++decider_.chain_version;
  bench_.send(a_, packet);
  EXPECT_EQ(decider_.asked, 2);
}

TEST_F(ServicesTest, WhatConcernsAnotherServiceLeavesAVerdict) {
  const Bytes packet = bench_.packet(10, 11);
  bench_.send(a_, packet);
  ++decider_.version;
  ++decider_.other_version;
  bench_.send(a_, packet);
  EXPECT_EQ(decider_.asked, 1);
  EXPECT_EQ(bench_.own.counters().refreshed, 1u);
  decider_.other_service = wire::service::kIpDelivery;
  ++decider_.version;
  bench_.send(a_, packet);
  EXPECT_EQ(decider_.asked, 2);
}

TEST_F(ServicesTest, ATakenPacketGoesOnWhenItComesBack) {
  decider_.take = true;
  const Bytes packet = bench_.packet(10, 11);
  EXPECT_TRUE(bench_.send(a_, packet).empty());
  const auto sent = come_back(12);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench_.neighbours[c_].link);
  EXPECT_EQ(sent[0].packet[wire::offset::kTtl], packet[wire::offset::kTtl] - 1);
  EXPECT_EQ(drops(DropReason::none), 0u);
}

TEST_F(ServicesTest, AVerdictThatComesBackIsKept) {
  decider_.take = true;
  const Bytes packet = bench_.packet(10, 11);
  bench_.send(a_, packet);
  come_back(12, DropReason::none, true);
  const auto sent = bench_.send(a_, packet);
  EXPECT_EQ(decider_.asked, 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, bench_.neighbours[c_].link);
}

TEST_F(ServicesTest, ADropThatComesBackIsCounted) {
  decider_.take = true;
  bench_.send(a_, bench_.packet(10, 11));
  EXPECT_TRUE(come_back(11, DropReason::service_hold_ended).empty());
  EXPECT_EQ(drops(DropReason::service_hold_ended), 1u);
}

// The slot may be another member's by then.
TEST_F(ServicesTest, APacketWhoseLinkHasGoneGoesNowhere) {
  decider_.take = true;
  bench_.send(a_, bench_.packet(10, 11));
  bench_.tables.links.changed(bench_.neighbours[a_].link);
  EXPECT_TRUE(come_back(11).empty());
  EXPECT_EQ(drops(DropReason::service_hold_ended), 1u);
}

}  // namespace
}  // namespace entresol::layer::forwarding
