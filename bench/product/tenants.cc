// Thousands of instances of the five services in turn at one service thread, a random one for each packet, which is
// bench_wasmtime_loop's order: what service::ServiceThread::pass takes a packet, with jobs put into its ring before and
// verdicts taken after, outside the timed part. Then the whole way between two threads. --native 1: the same, native.
//
// Prints one JSON object: ns a packet, allocations per million packets, time to make and start an instance with compiled code
// at hand, memory an instance after a batch of 32 packets, million packets a second of the whole way.
#include "product/allocations.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>

#include "product/services.h"

namespace entresol::bench {
namespace {

constexpr std::uint32_t kBatch = 32;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

double resident_kib() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

class Tenants {
 public:
  Tenants(std::size_t count, bool native)
      : count_(count), native_(native), services_(static_cast<std::uint32_t>(count + 8)) {}

  void start() {
    touch_all();
    malloc_trim(0);
    const double before = resident_kib();
    std::vector<double> starts;
    starts.reserve(count_);
    for (std::size_t i = 0; i < count_; ++i) {
      const base::TimePoint began = now();
      auto instance = services_.make(i % kMixed, native_);
      const double made = ns_since(began);
      starts.push_back((made + path_.add(std::move(instance))) / 1e3);
    }
    for (std::size_t i = 0; i < count_; ++i) {
      put(i, kBatch, [&](std::size_t) { return static_cast<std::uint32_t>(i); });
      pass();
    }
    start_us = median(std::move(starts));
    used_kib = (resident_kib() - before) / static_cast<double>(count_);
  }

  void measure(double seconds) {
    const std::size_t in_round = std::max<std::size_t>(count_ * 2, 20'000) / kPackets * kPackets;
    order_.resize(in_round);
    for (auto& tenant : order_) tenant = static_cast<std::uint32_t>(random_() % count_);
    std::vector<double> rounds;
    rounds.reserve(100'000);
    std::uint64_t asked = 0, before = 0;
    const base::TimePoint began = now();
    while (rounds.size() < 4 || ns_since(began) < seconds * 1e9) {
      if (rounds.size() == 2) before = allocations, asked = 0;
      double ns = 0;
      for (std::size_t at = 0; at < in_round; at += kPackets) {
        put(at, kPackets, [&](std::size_t i) { return order_[i]; });
        ns += pass();
      }
      rounds.push_back(ns / static_cast<double>(in_round));
      asked += in_round;
    }
    allocated = 1e6 * static_cast<double>(allocations - before) / static_cast<double>(asked);
    ns_per_packet = median(std::move(rounds));
  }

  void measure_path(double seconds) {
    path_.begin();
    const auto which = [&](std::size_t i) { return order_[i % order_.size()]; };
    const auto turn = [&] {
      if (path_.under_way() + kBatch <= Path::kSlots / 2) path_.send(kBatch, which);
      path_.take();
    };
    for (int i = 0; i < 1000; ++i) turn();
    const std::size_t already = path_.taken();
    const base::TimePoint began = now();
    while (ns_since(began) < seconds * 1e9)
      for (int i = 0; i < 64; ++i) turn();
    path_mpps = static_cast<double>(path_.taken() - already) / ns_since(began) * 1e3;
    while (path_.under_way() > 0) path_.take();
    path_.stop();
  }

  double start_us = 0, used_kib = 0, ns_per_packet = 0, allocated = 0, path_mpps = 0;

 private:
  // Once each, so that code and shared pages are there before memory is counted.
  void touch_all() {
    std::vector<entresol_verdict> verdicts(kBatch);
    std::vector<std::uint8_t> out(ENTRESOL_OUT_SIZE);
    for (std::size_t i = 0; i < kMixed; ++i) {
      const auto first = services_.make(i, native_);
      first->start(now(), 0);
      const entresol_batch batch{kBatch, 0, packets_.data(), verdicts.data(), nullptr, out.data()};
      if (!first->packets(batch, now(), 0)) Options::fail("an instance was not asked");
    }
  }
  // The crossing's worker side, without a worker.
  template <typename Tenant>
  void put(std::size_t at, std::size_t n, Tenant tenant) {
    for (std::size_t i = 0; i < n; ++i) {
      service::Job& job = *path_.crossing().jobs.room();
      job = {static_cast<std::uint32_t>(i), tenant(at + i), packets_[(at + i) % kPackets]};
      path_.crossing().jobs.push();
    }
    path_.crossing().jobs.publish();
  }
  double pass() {
    const base::TimePoint began = now();
    path_.thread().pass(began, 0);
    const double ns = ns_since(began);
    auto& done = path_.crossing().done;
    const std::size_t n = done.available();
    for (std::size_t i = 0; i < n; ++i)
      if (done[i].kind != service::DoneKind::kVerdict) Options::fail("an instance was not asked");
    done.pop(n);
    return ns;
  }

  std::size_t count_;
  bool native_;
  Services services_;
  std::mt19937 random_{1};
  std::vector<entresol_packet> packets_ = make_packets(random_);
  std::vector<std::uint32_t> order_;
  Path path_;
};

int run(int argc, char** argv) {
  Options options(argc, argv);
  const auto count = static_cast<std::size_t>(options.number("tenants", 1000));
  const double seconds = options.number("seconds", 1);
  const bool native = options.number("native", 0) != 0;
  options.refuse_unknown();
  if (count == 0 || count > 20'000) Options::fail("--tenants: 1 to 20000");
  Tenants tenants(count, native);
  tenants.start();
  tenants.measure(seconds);
  tenants.measure_path(seconds);
  std::printf(
      "{\"symbol\": \"service::ServiceThread::pass\", \"tenants\": %zu, \"ns_per_packet\": %.1f, "
      "\"allocations\": %.2f, \"start_us\": %.2f, \"used_kib\": %.2f, \"path_mpps\": %.3f}\n",
      count, tenants.ns_per_packet, tenants.allocated, tenants.start_us, tenants.used_kib,
      tenants.path_mpps);
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run(argc, argv);
}
