// Flows that pass services which they do not name, inline and at a service thread.
#include "service/bindings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "layer/membership/test_authority.h"
#include "service/dispatcher.h"
#include "service/service_thread.h"
#include "service/test_program.h"
#include "service/trusted.h"
#include "service/verdict.h"
#include "services/ip_delivery/ip_delivery.h"

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;
using layer::forwarding::Returned;
using layer::membership::Membership;
using layer::membership::Role;
using layer::membership::test::Authority;
using layer::membership::test::kDay;
using layer::membership::test::kNow;
using std::chrono::seconds;

constexpr std::uint8_t kTcp = 6;
constexpr ServiceId kFirst = 21, kSecond = 22;

class BindingsTest : public testing::Test {
 protected:
  BindingsTest()
      : members_(authority_.trust, layer::membership::test::make_identity(authority_.random)),
        crossing_(64, 2048),
        remote_(crossing_, 64),
        thread_(crossing_) {
    crossing_.wake_thread = crossing_.wake_worker = [] {};
    auto own = authority_.certify(members_.identity(), Role::kNode, "node", {100, 64, 0, 1});
    EXPECT_TRUE(members_.set_own(own, 1, kNow + kDay, {}, kNow));
    dispatcher_.add(trusted(*entresol_service_ip_delivery(), "ip-delivery", 1,
                            fields_of({Field::kDestination}), authority_.random));
    alice_ = member("alice", {}, 2);
    bob_ = member("bob", {"web"}, 3);
    carol_ = member("carol", {}, 4);
  }
  wire::Name member(const std::string& label, std::vector<std::string> tags, std::uint8_t number) {
    const auto identity = layer::membership::test::make_identity(authority_.random);
    auto body = authority_.describe(identity, Role::kHost, label, {100, 64, 0, number});
    body.tags = std::move(tags);
    return *members_.learn(authority_.certify(body, authority_.validity),
                           authority_.registration(identity, 1), kNow);
  }
  Manifest manifest(ServiceId id, Fallback fallback = Fallback::kDrop) {
    Manifest out;
    out.id = id;
    out.name = "service-" + std::to_string(id);
    out.fields = fields_of({Field::kDestination});
    out.fallback = fallback;
    return out;
  }
  test::ScriptedProgram& scripted(ServiceId id, std::unique_ptr<Instance>& out) {
    auto program = std::make_unique<test::ScriptedProgram>();
    test::ScriptedProgram& said = *program;
    said.verdict = {.action = ENTRESOL_DELIVER, .keep = 1, .to = to_author(bob_)};
    said.on_call = [this, id] { asked_ += " " + std::to_string(id); };
    out = std::make_unique<Instance>(manifest(id), std::move(program), authority_.random, nullptr,
                                     nullptr);
    return said;
  }
  // Notes that it was asked, and delivers to bob.
  test::ScriptedProgram& add(ServiceId id, Rights rights = rights_of_operator()) {
    std::unique_ptr<Instance> instance;
    auto& said = scripted(id, instance);
    instance->start(now_, 0);
    dispatcher_.add(std::move(instance), std::move(rights));
    asked_.clear();
    return said;
  }
  test::ScriptedProgram& add_remote(ServiceId id, std::uint32_t number,
                                    Rights rights = rights_of_operator()) {
    std::unique_ptr<Instance> instance;
    auto& said = scripted(id, instance);
    thread_.add(number, std::move(instance), now_, 0);
    dispatcher_.add(manifest(id), remote_, number, std::move(rights));
    asked_.clear();
    return said;
  }
  Binding binding(ServiceId service, std::uint32_t order, std::string_view to = "bob",
                  std::string_view from = "*", std::string_view traffic = "any") {
    Binding out;
    out.service = service;
    out.order = order;
    out.flows = *layer::policy::parse_protocol(traffic);
    out.flows.from = *layer::policy::parse_subject(from);
    out.flows.to = *layer::policy::parse_subject(to);
    return out;
  }
  void bind(std::vector<Binding> bindings) {
    dispatcher_.bindings().set(0, std::move(bindings), members_);
  }
  wire::Header flow(const wire::Name& from, const wire::Name& to, std::uint16_t port = 80) {
    wire::Header header;
    header.next_protocol = wire::next_protocol::kSealed;
    header.service = wire::service::kIpDelivery;
    header.inner_protocol = kTcp;
    header.opener = true;
    header.responder_port = port;
    header.source = from;
    header.destination = to;
    return header;
  }
  Miss ask(const wire::Header& header, std::uint8_t number = 0) {
    packets_.push_back(wire::emit_packet(header, base::Bytes(64, number)));
    Miss miss;
    EXPECT_EQ(wire::HeaderView::parse(packets_.back(), miss.view), DropReason::none);
    dispatcher_.decide(std::span(&miss, 1), now_);
    return miss;
  }
  std::vector<Returned> returned() {
    const auto out = dispatcher_.returned(now_, 0);
    for (const Returned& each : out) order_ += std::to_string(each.packet.back());
    return {out.begin(), out.end()};
  }

  Authority authority_{1};
  Membership members_;
  base::TimePoint now_{seconds(100)};
  Crossing crossing_;
  Remote remote_;
  ServiceThread thread_;
  Dispatcher dispatcher_;
  wire::Name alice_, bob_, carol_;
  std::deque<base::Bytes> packets_;
  std::string asked_, order_;
};

TEST_F(BindingsTest, ThoseThatAreBoundAreAskedInTheirOrderAndThenTheOneThatIsNamed) {
  add(kFirst);
  add(kSecond);
  bind({binding(kSecond, 20), binding(kFirst, 10)});
  const Miss miss = ask(flow(alice_, bob_));
  EXPECT_EQ(asked_, " 21 22");
  EXPECT_EQ(dispatcher_.find(1)->usage().packets, 1u) << "IP delivery";
  EXPECT_EQ(miss.drop, DropReason::none);
  EXPECT_EQ(miss.to, bob_);
  EXPECT_TRUE(miss.keep);
  ASSERT_EQ(dispatcher_.bindings().reports().size(), 2u);
  EXPECT_EQ(dispatcher_.bindings().reports()[0].flows, 1u);
}

TEST_F(BindingsTest, ADropEndsTheChainAndIsKept) {
  add(kFirst).verdict = {.action = ENTRESOL_REFUSE, .keep = 1};
  add(kSecond);
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  const Miss miss = ask(flow(alice_, bob_));
  EXPECT_EQ(asked_, " 21");
  EXPECT_EQ(miss.drop, DropReason::refused_by_rule);
  EXPECT_TRUE(miss.keep);
  EXPECT_EQ(dispatcher_.find(1)->usage().packets, 0u);
}

TEST_F(BindingsTest, WhatIsKeptIsWhatAllSayAndForTheShortestTime) {
  auto& first = add(kFirst);
  auto& second = add(kSecond);
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  first.verdict.lifetime_ms = 500;
  second.verdict.lifetime_ms = 200;
  EXPECT_EQ(ask(flow(alice_, bob_)).lifetime_ms, 200u);
  second.verdict.lifetime_ms = 0;
  EXPECT_EQ(ask(flow(alice_, bob_)).lifetime_ms, 500u);
  first.verdict.keep = 0;
  EXPECT_FALSE(ask(flow(alice_, bob_)).keep);
}

TEST_F(BindingsTest, OnlyItsFlowsBothWays) {
  add(kFirst);
  bind({binding(kFirst, 0, "tag:web", "alice", "tcp/80-90")});
  ask(flow(alice_, bob_, 91));
  ask(flow(carol_, bob_));
  ask(flow(alice_, carol_));
  ask(flow(bob_, alice_)) /* bob opens */;
  EXPECT_EQ(asked_, "");
  ask(flow(alice_, bob_, 90));
  EXPECT_EQ(asked_, " 21");
  auto reply = flow(bob_, alice_);
  reply.opener = false;
  ask(reply);
  EXPECT_EQ(asked_, " 21 21");
}

TEST_F(BindingsTest, NamingAnotherServiceOrNoneIsNoWayRound) {
  add(kFirst);
  bind({binding(kFirst, 0)});
  auto header = flow(alice_, bob_);
  header.service = wire::service::kMember;
  EXPECT_EQ(ask(header).to, bob_);
  EXPECT_EQ(asked_, " 21");
  header.service = 99;
  EXPECT_EQ(ask(header).drop, DropReason::service_unknown);
  EXPECT_EQ(asked_, " 21 21");
  header.service = kFirst;
  EXPECT_EQ(ask(header).to, bob_);
  EXPECT_EQ(asked_, " 21 21 21") << "once";
  wire::Header control;
  control.next_protocol = wire::next_protocol::kControl;
  control.source = alice_;
  control.destination = bob_;
  ask(control);
  EXPECT_EQ(asked_, " 21 21 21") << "control messages are no flow";
}

TEST_F(BindingsTest, WhatIsKeptRestsOnAllOfThem) {
  add(kFirst);
  auto& second = add(kSecond);
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  const std::uint16_t chain = ask(flow(alice_, bob_)).passage.chain;
  ASSERT_NE(chain, 0);
  const auto all = dispatcher_.generation(), with = dispatcher_.generation_of(1, chain),
             without = dispatcher_.generation_of(1, 0);
  second.on_packets = [](Environment& environment, const entresol_batch&) {
    environment.withdraw();
  };
  ask(flow(alice_, bob_));
  EXPECT_NE(dispatcher_.generation(), all);
  EXPECT_NE(dispatcher_.generation_of(1, chain), with);
  EXPECT_EQ(dispatcher_.generation_of(1, 0), without) << "flows that do not pass it";
  bind({});
  EXPECT_NE(dispatcher_.generation_of(1, 0), without) << "flows may have other services now";
}

TEST_F(BindingsTest, WhoDeliversElsewhereIsFollowed) {
  add(kFirst).verdict.to = to_author(carol_);
  add(kSecond);
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  EXPECT_EQ(ask(flow(alice_, bob_)).to, carol_) << "the ones behind it let it pass";
}

TEST_F(BindingsTest, OneThatHasGoneLetsNothingPast) {
  add(kFirst);
  bind({binding(kFirst, 10)});
  dispatcher_.remove(kFirst, now_);
  EXPECT_EQ(ask(flow(alice_, bob_)).drop, DropReason::service_unavailable);
}

TEST_F(BindingsTest, WhatFallsBackToItsDestinationGoesOnToTheNext) {
  std::unique_ptr<Instance> instance;
  auto program = std::make_unique<test::ScriptedProgram>();
  program->fault = true;
  instance = std::make_unique<Instance>(manifest(kFirst, Fallback::kDeliver), std::move(program),
                                        authority_.random, nullptr, nullptr);
  dispatcher_.add(std::move(instance));
  add(kSecond).verdict = {.action = ENTRESOL_DROP, .keep = 1};
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  const Miss miss = ask(flow(alice_, bob_));
  EXPECT_EQ(asked_, " 22");
  EXPECT_EQ(miss.drop, DropReason::refused_by_service);
  EXPECT_FALSE(miss.keep) << "the first has not been asked";
}

TEST_F(BindingsTest, WhatIsReleasedOrCopiedGoesOnToTheNext) {
  auto& first = add(kFirst);
  auto& second = add(kSecond);
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  first.verdict = {.action = ENTRESOL_HOLD};
  EXPECT_TRUE(ask(flow(alice_, bob_)).taken);
  EXPECT_EQ(asked_, " 21");
  first.on_timer = [&] {
    dispatcher_.find(kFirst)->environment().release(
        first.seen[0].handle, {.action = ENTRESOL_DELIVER, .to = to_author(bob_)});
  };
  dispatcher_.find(kFirst)->environment().timer_set(1, 1);
  now_ += std::chrono::milliseconds(500);
  auto back = returned();
  EXPECT_TRUE(asked_.ends_with(" 22"));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].to, bob_);

  first.verdict = {.action = ENTRESOL_REPLICATE, .data = 0, .count = 2};
  first.on_packets = [&](Environment&, const entresol_batch& batch) {
    const entresol_name names[] = {to_author(bob_), to_author(carol_)};
    std::memcpy(batch.out, names, sizeof names);
  };
  asked_.clear();
  EXPECT_TRUE(ask(flow(alice_, bob_)).taken);
  back = returned();
  EXPECT_EQ(asked_, " 21 22");
  EXPECT_EQ(second.seen.size(), 3u) << "each copy";
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].to, bob_);
  EXPECT_EQ(back[1].to, carol_);
}

// ---- at a service thread -------------------------------------------------------------------------------------------

TEST_F(BindingsTest, AChainCrossesAndComesBackForEach) {
  add_remote(kFirst, 0);
  add_remote(kSecond, 1);
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  EXPECT_TRUE(ask(flow(alice_, bob_)).taken);
  thread_.pass(now_, 0);
  EXPECT_TRUE(returned().empty()) << "it goes on to the second";
  thread_.pass(now_, 0);
  const auto back = returned();
  EXPECT_EQ(asked_, " 21 22");
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].drop, DropReason::none);
  EXPECT_EQ(back[0].to, bob_);
  EXPECT_TRUE(back[0].keep);
  EXPECT_EQ(remote_.away(), 1u) << "until the next call";
  returned();
  EXPECT_EQ(remote_.away(), 0u);
}

TEST_F(BindingsTest, NothingOvertakesOnTheWayThroughAChain) {
  add_remote(kFirst, 0);
  auto& second = add_remote(kSecond, 1);
  bind({binding(kFirst, 10), binding(kSecond, 20)});
  ask(flow(alice_, bob_), 1);
  thread_.pass(now_, 0);
  returned();  // the first is at the second service
  ask(flow(alice_, bob_), 2);
  thread_.pass(now_, 0);
  const auto first = returned();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_FALSE(first[0].keep) << "a third would overtake the second";
  ask(flow(alice_, bob_), 3);
  std::vector<Returned> rest;
  for (int i = 0; i < 4; ++i) {
    thread_.pass(now_, 0);
    for (const Returned& each : returned()) rest.push_back(each);
  }
  EXPECT_EQ(order_, "123");
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_TRUE(rest[1].keep) << "none is away any more";
  EXPECT_GE(second.seen.size(), 1u);
}

TEST_F(BindingsTest, WhatTheFirstWithdrawsWhileThePacketIsAtTheSecondIsNotKept) {
  auto& first = add_remote(kFirst, 0);
  add_remote(kSecond, 1);
  bind({binding(kFirst, 10), binding(kSecond, 20), binding(kFirst, 10, "carol")});
  ask(flow(alice_, bob_));
  thread_.pass(now_, 0);
  returned();
  first.on_packets = [](Environment& environment, const entresol_batch&) {
    environment.withdraw();
  };
  ask(flow(alice_, carol_));  // another flow
  thread_.pass(now_, 0);
  const auto back = returned();
  ASSERT_FALSE(back.empty());
  for (const Returned& each : back) EXPECT_FALSE(each.keep);
}

TEST_F(BindingsTest, ADropOfTheFirstIsNotAVerdictOfTheSecond) {
  add_remote(kFirst, 0).verdict = {.action = ENTRESOL_DROP, .keep = 1};
  add_remote(kSecond, 1);
  bind({binding(kFirst, 10), binding(kSecond, 20, "bob", "*", "tcp/443")});
  auto header = flow(alice_, bob_);
  ask(header);
  thread_.pass(now_, 0);
  const auto back = returned();
  EXPECT_EQ(asked_, " 21");
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].drop, DropReason::refused_by_service);
  EXPECT_TRUE(back[0].keep);
}

// ---- rights --------------------------------------------------------------------------------------------------------

TEST_F(BindingsTest, WhatAServiceMayNotSendIsDroppedAndCountedWithTheRule) {
  Rights rights;
  rights.copies = 1;
  auto& inline_one = add(kFirst, rights);
  auto& remote_one = add_remote(kSecond, 0, rights);
  for (auto* program : {&inline_one, &remote_one}) {
    const ServiceId id = program == &inline_one ? kFirst : kSecond;
    auto header = flow(alice_, bob_);
    header.service = id;
    const auto outcome = [&] {
      const Miss miss = ask(header);
      if (!miss.taken) return miss.drop;
      thread_.pass(now_, 0);
      const auto back = returned();
      EXPECT_EQ(back.size(), 1u);
      return back.empty() ? DropReason::none : back[0].drop;
    };
    EXPECT_EQ(outcome(), DropReason::none);
    program->verdict = {.action = ENTRESOL_DELIVER, .to = to_author(carol_)};
    EXPECT_EQ(outcome(), DropReason::service_not_entitled);
    program->verdict = {.action = ENTRESOL_DELIVER, .to = to_author(alice_)};
    EXPECT_EQ(outcome(), DropReason::service_not_entitled);
    program->verdict = {.action = ENTRESOL_REPLICATE, .data = 0, .count = 2};
    EXPECT_EQ(outcome(), DropReason::service_not_entitled);
    const std::array<std::uint64_t, 4> expected{0, 1, 1, 1};
    EXPECT_EQ(dispatcher_.violations(id), expected) << id;
  }
}

TEST_F(BindingsTest, TagsAndLabelsOfRightsAreTheMembers) {
  Rights rights;
  rights.consent = {*layer::policy::parse_subject("tag:web")};
  auto& program = add(kFirst, rights);
  bind({});  // says who the members are
  auto header = flow(alice_, carol_);
  header.service = kFirst;
  EXPECT_EQ(ask(header).to, bob_) << "who has agreed";
  program.verdict.to = to_author(alice_);
  EXPECT_EQ(ask(header).drop, DropReason::service_not_entitled);
}

TEST_F(BindingsTest, WhatIsSentOnIsTheOriginal) {
  add_remote(kFirst, 0);
  auto header = flow(alice_, bob_);
  header.service = kFirst;
  ask(header, 7);
  const base::Bytes original = packets_.back();
  thread_.pass(now_, 0);
  const auto back = returned();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_TRUE(std::ranges::equal(back[0].packet, original)) << "source and all";
}

}  // namespace
}  // namespace entresol::service
