#include "service/dispatcher.h"

#include <gtest/gtest.h>

#include <deque>

namespace entresol::service {
namespace {

using layer::forwarding::Miss;

// Answers as told, and remembers what it was shown.
class Probe final : public sdk::Service {
 public:
  Probe(sdk::Manifest manifest, sdk::Verdict verdict, std::vector<sdk::Packet>& seen)
      : manifest_(manifest), verdict_(verdict), seen_(seen) {}
  sdk::Manifest manifest() const override { return manifest_; }
  void decide(const sdk::Batch& batch) override {
    seen_.insert(seen_.end(), batch.packets.begin(), batch.packets.end());
    for (auto& verdict : batch.verdicts) verdict = verdict_;
  }

 private:
  sdk::Manifest manifest_;
  sdk::Verdict verdict_;
  std::vector<sdk::Packet>& seen_;
};

class DispatcherTest : public ::testing::Test {
 protected:
  Miss miss_for(std::uint32_t service) {
    wire::Header header;
    header.service = service;
    header.flow_id = 77;
    header.source.octets.fill(1);
    header.destination.octets.fill(2);
    packets_.push_back(wire::emit_packet(header, {}));
    Miss miss;
    EXPECT_EQ(wire::HeaderView::parse(packets_.back(), miss.view), base::DropReason::none);
    return miss;
  }
  std::deque<base::Bytes> packets_;
  std::vector<sdk::Packet> seen_;
  Dispatcher dispatcher_;
};

TEST_F(DispatcherTest, ShowsOnlyWhatTheManifestLists) {
  sdk::Verdict deliver{sdk::Action::kDeliver, true, {}};
  deliver.to.fill(9);
  dispatcher_.add(std::make_unique<Probe>(
      sdk::Manifest{5, 1, "probe", static_cast<std::uint32_t>(sdk::Field::kDestination)}, deliver,
      seen_));
  Miss miss = miss_for(5);
  dispatcher_.decide(std::span(&miss, 1));
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_[0].destination[0], 2);
  EXPECT_EQ(seen_[0].source[0], 0) << "a field that was not asked for";
  EXPECT_EQ(seen_[0].flow, 0u);
  EXPECT_EQ(miss.to.octets[0], 9);
  EXPECT_TRUE(miss.keep);
}

TEST_F(DispatcherTest, UnknownServiceIsRefused) {
  Miss miss = miss_for(5);
  dispatcher_.decide(std::span(&miss, 1));
  EXPECT_EQ(miss.drop, base::DropReason::service_unknown);
}

TEST_F(DispatcherTest, WhatNamesTheMemberAsksNoService) {
  dispatcher_.add(std::make_unique<Probe>(sdk::Manifest{0, 1, "probe", 0},
                                          sdk::Verdict{sdk::Action::kDrop, false, {}}, seen_));
  Miss miss = miss_for(wire::service::kMember);
  dispatcher_.decide(std::span(&miss, 1));
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(miss.drop, base::DropReason::none);
  EXPECT_EQ(miss.to.octets[0], 2);
}

TEST_F(DispatcherTest, DropAndRefuseHaveReasonsOfTheirOwn) {
  dispatcher_.add(std::make_unique<Probe>(sdk::Manifest{5, 1, "drops", 0},
                                          sdk::Verdict{sdk::Action::kDrop, false, {}}, seen_));
  dispatcher_.add(std::make_unique<Probe>(sdk::Manifest{6, 1, "refuses", 0},
                                          sdk::Verdict{sdk::Action::kRefuse, false, {}}, seen_));
  std::array<Miss, 2> misses{miss_for(5), miss_for(6)};
  dispatcher_.decide(misses);
  EXPECT_EQ(misses[0].drop, base::DropReason::refused_by_service);
  EXPECT_EQ(misses[1].drop, base::DropReason::refused_by_rule);
}

TEST_F(DispatcherTest, ANewServiceMakesKeptDecisionsVoid) {
  const auto before = dispatcher_.generation();
  dispatcher_.add(std::make_unique<Probe>(sdk::Manifest{5, 1, "probe", 0}, sdk::Verdict{}, seen_));
  EXPECT_NE(dispatcher_.generation(), before);
}

}  // namespace
}  // namespace entresol::service
