// What bench_sandbox and bench_tenants share: the services of reference/modules, native and sandboxed, as the product makes
// instances of them, and a worker with a service thread behind a crossing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "reference/bell.h"
#include "reference/options.h"
#include "security/test_random.h"
#include "service/instance.h"
#include "service/modules/module_program.h"
#include "service/native_program.h"
#include "service/remote.h"
#include "service/service_thread.h"
#include "service/verdict.h"

extern "C" {
const entresol_service* entresol_service_table(void);
const entresol_service* entresol_service_filter(void);
const entresol_service* entresol_service_balancer(void);
const entresol_service* entresol_service_counter(void);
const entresol_service* entresol_service_limiter(void);
const entresol_service* entresol_service_empty(void);
}

namespace entresol::bench {

// In the order of ENTRESOL_BENCH_SERVICES; bench_wasmtime_loop has the first five, in this order too.
inline constexpr std::array kServices = {entresol_service_table,    entresol_service_filter,
                                         entresol_service_balancer, entresol_service_counter,
                                         entresol_service_limiter,  entresol_service_empty};
inline constexpr std::array kServiceNames = {"table",   "filter",  "balancer",
                                             "counter", "limiter", "empty"};
inline constexpr std::size_t kMixed = 5;
inline constexpr std::size_t kPackets = 256;  // as many as a worker hands over at once

inline base::TimePoint now() {
  return base::TimePoint(std::chrono::steady_clock::now().time_since_epoch());
}
inline double ns_since(base::TimePoint began) {
  return static_cast<double>((now() - began).count());
}

// Modules, the engine's timer, and instances as a node makes them: with a clock, for their budget.
class Services {
 public:
  explicit Services(std::uint32_t instances) {
    auto made = service::modules::Sandbox::create({.instances = instances});
    if (!made) Options::fail(made.error().message);
    sandbox_ = std::move(*made);
    std::stringstream paths(ENTRESOL_BENCH_SERVICES);
    for (std::string path; std::getline(paths, path, ',');) {
      std::ifstream file(path, std::ios::binary);
      auto prepared = sandbox_->prepare(base::Bytes{std::istreambuf_iterator<char>(file), {}});
      if (!prepared) Options::fail(path + ": " + prepared.error().message);
      prepared_.push_back(std::move(*prepared));
    }
    timer_ = std::thread([this] {
      while (!stop_) {
        std::this_thread::sleep_for(service::modules::Sandbox::kTick);
        sandbox_->engine().tick();
      }
    });
  }
  ~Services() {
    stop_ = true;
    timer_.join();
  }
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  static service::Manifest manifest(std::size_t which) {
    using service::Field;
    service::Manifest out;
    out.id = static_cast<std::uint32_t>(which + 1);
    out.name = kServiceNames[which];
    out.fields = service::fields_of({Field::kSource, Field::kDestination, Field::kFlow,
                                     Field::kInnerProtocol, Field::kInnerFlags, Field::kPort});
    out.limits.cpu_permille = 1000;
    out.limits.waiting = 65536;
    out.limits.packets = UINT32_MAX;
    out.limits.octets = UINT64_MAX;
    // Whoever shares the machine may take a thread's CPU for longer than a call may last.
    out.limits.batch = std::chrono::seconds(1);
    return out;
  }
  std::unique_ptr<service::Instance> make(std::size_t which, bool native) {
    service::Manifest wanted = manifest(which);
    std::unique_ptr<service::Program> program;
    if (native) {
      program = std::make_unique<service::NativeProgram>(*kServices[which]());
    } else {
      program = std::make_unique<service::modules::ModuleProgram>(prepared_[which], wanted.limits);
    }
    return std::make_unique<service::Instance>(std::move(wanted), std::move(program), random_, now,
                                               nullptr);
  }

 private:
  std::unique_ptr<service::modules::Sandbox> sandbox_;
  std::vector<std::shared_ptr<const service::sandbox::Prepared>> prepared_;
  security::SeededRandom random_{1};
  std::atomic<bool> stop_{false};
  std::thread timer_;
};

// As bench_wasmtime_loop makes them.
inline std::vector<entresol_packet> make_packets(std::mt19937& random) {
  std::vector<std::uint8_t> octets(kPackets * sizeof(entresol_packet));
  for (auto& byte : octets) byte = static_cast<std::uint8_t>(random());
  constexpr std::uint16_t kPorts[] = {22, 53, 80, 443, 443, 443, 3210, 5432};
  std::vector<entresol_packet> packets(kPackets);
  std::memcpy(packets.data(), octets.data(), octets.size());
  for (entresol_packet& packet : packets) {
    packet.port = kPorts[random() % std::size(kPorts)];
    packet.inner_protocol = random() % 4 == 0 ? 17 : 6;
  }
  return packets;
}

// A worker and a service thread, each with a CPU of its own.
class Path {
 public:
  static constexpr std::size_t kSlots = 1024;
  static constexpr std::size_t kFlows = 4 * kSlots;

  Path() : remote_(crossing_, kSlots), thread_(crossing_) {
    crossing_.wake_thread = [this] { thread_bell_.ring(); };
    crossing_.wake_worker = [this] { worker_bell_.ring(); };
  }
  ~Path() { stop(); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  // Nanoseconds that the service thread takes for it.
  double add(std::unique_ptr<service::Instance> instance) {
    const auto number = static_cast<std::uint32_t>(services_.size());
    services_.push_back(&remote_.add(instance->manifest(), number));
    const base::TimePoint began = now();
    thread_.add(number, std::move(instance), began, 0);
    return ns_since(began);
  }
  // Before begin(), or instead of it.
  service::ServiceThread& thread() { return thread_; }
  service::Crossing& crossing() { return crossing_; }

  void begin() {
    make_flows();
    pin_to_cpu(0);
    running_ = std::thread([this] { serve(); });
  }
  void stop() {
    if (!running_.joinable()) return;
    stop_ = true;
    thread_bell_.ring();
    running_.join();
  }

  // The next `n` packets, each the first of its flow, to the services that `which` names in turn.
  template <typename Which>
  void send(std::size_t n, Which which) {
    for (std::size_t i = 0; i < n; ++i) {
      layer::forwarding::Miss& miss = flows_[sent_ % kFlows];
      miss.taken = false;
      service::RemoteService& service = *services_[which(sent_)];
      entresol_packet shown = service::show(miss.view, service.manifest);
      shown.handle = static_cast<std::uint32_t>(++sent_);
      remote_.submit(service, miss, shown);
      if (!miss.taken) Options::fail("a packet was refused");
    }
    remote_.flush();
  }
  // Takes what is there; waits if nothing is.
  void take() {
    returned_.clear();
    remote_.release_given();
    remote_.collect(returned_, 128, now());
    if (returned_.empty())
      worker_bell_.wait(looked_, crossing_.worker_sleeps, [&] { return !remote_.ready(); });
    else
      looked_ = 0;
    for (const auto& each : returned_)
      if (each.drop == base::DropReason::service_unavailable) Options::fail("not asked");
    taken_ += returned_.size();
  }
  std::size_t under_way() const { return sent_ - taken_; }
  std::size_t taken() const { return taken_; }
  std::uint64_t thread_allocations() const { return thread_allocations_; }

 private:
  void make_flows() {
    std::mt19937 random(1);
    const std::vector<entresol_packet> packets = make_packets(random);
    for (std::size_t i = 0; i < kFlows; ++i) {
      const entresol_packet& like = packets[i % kPackets];
      wire::Header header;
      header.service = 1;
      header.next_protocol = wire::next_protocol::kSealed;
      header.flow_id = static_cast<std::uint32_t>(i + 1);
      header.source = service::from_author(like.source);
      header.destination = service::from_author(like.destination);
      octets_.push_back(wire::emit_packet(header, base::Bytes(64, 1)));
      if (wire::HeaderView::parse(octets_.back(), flows_.emplace_back().view) !=
          base::DropReason::none)
        Options::fail("a packet of the bench is none");
    }
    returned_.reserve(256);
  }
  void serve();

  service::Crossing crossing_{kSlots, 2048};
  service::Remote remote_;
  service::ServiceThread thread_;
  Bell thread_bell_, worker_bell_;
  std::vector<service::RemoteService*> services_;
  std::vector<base::Bytes> octets_;
  std::vector<layer::forwarding::Miss> flows_;
  std::vector<layer::forwarding::Returned> returned_;
  std::size_t sent_ = 0, taken_ = 0;
  unsigned looked_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> thread_allocations_{0};
  std::thread running_;
};

inline void Path::serve() {
  pin_to_cpu(1);
  unsigned looked = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    if (thread_.pass(now(), 0)) {
      looked = 0;
      thread_allocations_.store(allocations, std::memory_order_relaxed);
      continue;
    }
    thread_bell_.wait(looked, crossing_.thread_sleeps,
                      [&] { return thread_.idle() && !stop_.load(); });
  }
}

}  // namespace entresol::bench
