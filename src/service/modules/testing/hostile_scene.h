// A module that nobody trusts beside a good one, on one service thread, stepped by the test's thread under virtual time:
// both get packets, and what became of each is counted. The time of calls is the thread's own, as in a node.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>
#include <time.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "security/test_random.h"
#include "service/dispatcher.h"
#include "service/modules/module_program.h"
#include "service/service_thread.h"
#include "wire/header.h"

namespace entresol::service::modules::test {

inline base::TimePoint time_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return base::TimePoint(std::chrono::seconds(time.tv_sec) +
                         std::chrono::nanoseconds(time.tv_nsec));
}

// Ends what runs too long, by the time that the thread which made it has had.
class CpuTicker {
 public:
  explicit CpuTicker(sandbox::Engine& engine) {
    clockid_t clock{};
    pthread_getcpuclockid(pthread_self(), &clock);
    thread_ = std::thread([this, &engine, clock] {
      for (base::TimePoint ticked = time_of(clock); !done_; std::this_thread::yield())
        for (; ticked + Sandbox::kTick <= time_of(clock); ticked += Sandbox::kTick) engine.tick();
    });
  }
  ~CpuTicker() {
    done_ = true;
    thread_.join();
  }
  CpuTicker(const CpuTicker&) = delete;
  CpuTicker& operator=(const CpuTicker&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

// What became of the packets of one service.
struct Tally {
  std::size_t sent = 0, delivered = 0;  // delivered: with copies
  std::map<base::DropReason, std::size_t> drops;
  std::size_t dropped() const {
    std::size_t all = 0;
    for (const auto& [reason, packets] : drops) all += packets;
    return all;
  }
};

class HostileScene {
 public:
  using Code = std::shared_ptr<const sandbox::Prepared>;
  static constexpr ServiceId kGood = 5, kHostile = 6;
  static constexpr std::size_t kSlots = 4096;

  explicit HostileScene(Code good) : crossing_(kSlots, 2048), remote_(crossing_, kSlots) {
    crossing_.wake_thread = [] {};
    crossing_.wake_worker = [] {};
    Manifest manifest;
    manifest.name = "good";
    manifest.id = kGood;
    manifest.fields = fields_of({Field::kDestination, Field::kFlow});
    // What it does is little; what the machine does meanwhile is not its fault.
    manifest.limits.batch = std::chrono::milliseconds(100);
    manifest.limits.cpu_permille = 1000;
    add(manifest, std::move(good), 0);
  }
  void add_hostile(Manifest manifest, Code code) {
    manifest.id = kHostile;
    manifest.name = "hostile";
    manifest.fields |= fields_of({Field::kSource, Field::kDestination, Field::kFlow, Field::kPort});
    add(manifest, std::move(code), 1);
  }

  void send(ServiceId service, std::uint32_t flow, std::uint32_t link) {
    wire::Header header;
    header.service = service;
    header.next_protocol = wire::next_protocol::kSealed;
    header.flow_id = flow;
    header.destination.octets.fill(2);
    const base::Bytes payload(40, 0);
    const base::Bytes packet = wire::emit_packet(header, payload);
    layer::forwarding::Miss miss;
    EXPECT_EQ(wire::HeaderView::parse(packet, miss.view), base::DropReason::none);
    miss.ingress = layer::forwarding::LinkId(link);
    dispatcher_.decide(std::span(&miss, 1), now_);
    Tally& tally = tallies_[service];
    ++tally.sent;
    if (miss.drop != base::DropReason::none) ++tally.drops[miss.drop];
  }
  // Some packets for both, until all that comes back has come back.
  void round(std::uint32_t packets) {
    for (std::uint32_t i = 0; i < packets; ++i) {
      send(kHostile, i, 2);
      send(kGood, 0, 1);
    }
    settle();
  }
  void settle() {
    for (bool passed = true; passed;) {
      passed = thread_.pass(now_, unix_nanos());
      while (collect() > 0) passed = true;
    }
  }
  void advance(base::Duration time) { now_ += time; }

  Tally& tally(ServiceId service) { return tallies_[service]; }
  Instance& hostile() { return *thread_.find(1); }
  Instance& good() { return *thread_.find(0); }
  RemoteService& remote(ServiceId service) { return *dispatcher_.find_remote(service); }
  std::size_t lines() const { return lines_; }
  std::size_t away() const { return remote_.away(); }
  ServiceThread& thread() { return thread_; }
  base::TimePoint now() const { return now_; }
  std::int64_t unix_nanos() const { return now_.time_since_epoch().count(); }

  // A loss of the good one's, or a fault; empty: it has noticed nothing.
  std::string harm() {
    const Tally& good_one = tallies_[kGood];
    const Usage& usage = good().usage();
    if (good_one.delivered + remote(kGood).held != good_one.sent)
      return "of " + std::to_string(good_one.sent) + " packets of the good one " +
             std::to_string(good_one.delivered) + " were delivered";
    if (usage.faults + usage.fallbacks + usage.invalid + usage.throttled != 0)
      return "the good one has faults or fallbacks";
    return "";
  }

 private:
  void add(const Manifest& manifest, Code code, std::uint32_t number) {
    auto instance = std::make_unique<Instance>(
        manifest, std::make_unique<ModuleProgram>(std::move(code), manifest.limits), random_,
        [] { return time_of(CLOCK_THREAD_CPUTIME_ID); },
        [this](std::uint32_t, std::string_view) { ++lines_; });
    thread_.add(number, std::move(instance), now_, unix_nanos());
    dispatcher_.add(manifest, remote_, number);
  }
  std::size_t collect() {
    const auto back = dispatcher_.returned(now_, unix_nanos());
    for (const layer::forwarding::Returned& each : back) {
      wire::HeaderView view;
      EXPECT_EQ(wire::HeaderView::parse(each.packet, view), base::DropReason::none);
      Tally& tally = tallies_[view.service()];
      if (each.drop == base::DropReason::none) {
        ++tally.delivered;
      } else {
        ++tally.drops[each.drop];
      }
    }
    return back.size();
  }

  security::SeededRandom random_{5};
  base::TimePoint now_{std::chrono::seconds(100)};
  Crossing crossing_;
  Remote remote_;
  Dispatcher dispatcher_;
  std::map<ServiceId, Tally> tallies_;
  std::size_t lines_ = 0;
  ServiceThread thread_{crossing_};
};

}  // namespace entresol::service::modules::test
