// What a call of a service costs through service::Instance::packets, which is what a node calls, native and sandboxed, in
// batches of 32 packets: beside it stands bench_wasmtime_loop batch. And the way of packets from a worker to a service
// thread and back, beside bench_echo.
//
//   batch   every service, native and in the sandbox, a round of each in turn; the parts of a crossing
//   path    ns a packet in batches of 32 with --window under way; the round trip of single packets, both sides asleep
//
// Prints one JSON object.
#include "product/allocations.h"

#include <algorithm>
#include <cstdio>

#include "product/services.h"

namespace entresol::bench {
namespace {

constexpr std::uint32_t kBatch = 32;
constexpr int kRepeats = 64;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

struct Room {
  std::vector<entresol_packet> packets;
  std::vector<entresol_verdict> verdicts = std::vector<entresol_verdict>(kPackets);
  std::vector<std::uint8_t> out = std::vector<std::uint8_t>(ENTRESOL_OUT_SIZE);
};

// Nanoseconds a packet of one round.
double round(service::Instance& instance, Room& room) {
  const base::TimePoint began = now();
  for (int repeat = 0; repeat < kRepeats; ++repeat)
    for (std::size_t i = 0; i < kPackets; i += kBatch) {
      const entresol_batch batch{kBatch,         0, &room.packets[i], &room.verdicts[i], nullptr,
                                 room.out.data()};
      if (!instance.packets(batch, began, 0)) Options::fail("an instance was not asked");
    }
  return ns_since(began) / (kRepeats * kPackets);
}

// What is copied a batch, between places as far apart as a module's: packets in, verdicts cleared and out.
double copies(Room& room, std::vector<std::uint8_t>& module) {
  const base::TimePoint began = now();
  for (int repeat = 0; repeat < kRepeats; ++repeat)
    for (std::size_t i = 0; i < kPackets; i += kBatch) {
      std::uint8_t* const verdicts = module.data() + ENTRESOL_BATCH * sizeof(entresol_packet);
      std::memcpy(module.data(), &room.packets[i], kBatch * sizeof(entresol_packet));
      std::memset(verdicts, 0, kBatch * sizeof(entresol_verdict));
      asm volatile("" ::: "memory");
      std::memcpy(static_cast<void*>(&room.verdicts[i]), verdicts,
                  kBatch * sizeof(entresol_verdict));
      asm volatile("" ::: "memory");
    }
  return ns_since(began) / (kRepeats * kPackets);
}

double checks(const service::Instance& instance, Room& room) {
  const base::TimePoint began = now();
  for (int repeat = 0; repeat < kRepeats; ++repeat)
    for (entresol_verdict& verdict : room.verdicts)
      if (!instance.check(verdict)) Options::fail("a verdict of the bench cannot be carried out");
  return ns_since(began) / (kRepeats * kPackets);
}

void run_batch(double seconds) {
  Services services(64);
  std::mt19937 random(1);
  Room room{make_packets(random)};
  Room native_room = room;
  std::vector<std::uint8_t> module(64 << 10);
  std::printf("{\"symbol\": \"service::Instance::packets\", \"services\": {");
  std::uint64_t allocated = 0, asked = 0;
  for (std::size_t which = 0; which < kServices.size(); ++which) {
    const auto sandboxed = services.make(which, false);
    const auto native = services.make(which, true);
    sandboxed->start(now(), 0);
    native->start(now(), 0);
    std::vector<double> theirs, ours;
    round(*native, native_room);
    round(*sandboxed, room);
    const std::uint64_t before = allocations;
    const double rounds = seconds * 1e9 / (kRepeats * kPackets * 10);
    theirs.reserve(static_cast<std::size_t>(rounds) + 1);
    ours.reserve(static_cast<std::size_t>(rounds) + 1);
    const std::uint64_t reserved = allocations - before;
    const base::TimePoint began = now();
    while (ours.size() < theirs.capacity() && ns_since(began) < seconds * 1e9) {
      theirs.push_back(round(*native, native_room));
      ours.push_back(round(*sandboxed, room));
      asked += 2 * kRepeats * kPackets;
    }
    allocated += allocations - before - reserved;
    if (which != 4 && std::memcmp(room.verdicts.data(), native_room.verdicts.data(),
                                  kPackets * sizeof(entresol_verdict)) != 0)
      Options::fail(std::string(kServiceNames[which]) + ": native and sandboxed verdicts differ");
    std::printf("%s\"%s\": {\"ns_per_packet\": %.3f, \"native_ns\": %.3f}", which == 0 ? "" : ", ",
                kServiceNames[which], median(ours), median(theirs));
  }
  std::vector<double> copied, checked;
  const auto instance = services.make(0, true);
  for (int i = 0; i < 200; ++i) {
    copied.push_back(copies(room, module));
    checked.push_back(checks(*instance, room));
  }
  std::printf("}, \"copies_ns\": %.3f, \"checks_ns\": %.3f, \"allocations\": %.2f}\n",
              median(copied), median(checked),
              1e6 * static_cast<double>(allocated) / static_cast<double>(asked));
}

void run_path(double seconds, std::size_t window, std::size_t count, bool native) {
  Services services(64);
  Path path;
  path.add(services.make(0, native));
  path.begin();
  const auto which = [](std::size_t) { return 0; };
  const auto turn = [&] {
    if (path.under_way() + kBatch <= window) path.send(kBatch, which);
    path.take();
  };
  for (int i = 0; i < 10'000; ++i) turn();
  const std::uint64_t before = allocations + path.thread_allocations();
  const std::size_t already = path.taken();
  const base::TimePoint began = now();
  while (ns_since(began) < seconds * 1e9)
    for (int i = 0; i < 64; ++i) turn();
  const auto packets = static_cast<double>(path.taken() - already);
  const double ns = ns_since(began) / packets;
  const std::uint64_t allocated = allocations + path.thread_allocations() - before;
  while (path.under_way() > 0) path.take();
  std::vector<double> trips;
  for (std::size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    const base::TimePoint sent = now();
    path.send(1, which);
    while (path.under_way() > 0) path.take();
    trips.push_back(ns_since(sent) / 1e3);
  }
  path.stop();
  std::sort(trips.begin(), trips.end());
  std::printf(
      "{\"symbol\": \"service::ServiceThread::pass\", \"ns_per_packet\": %.2f, \"p50_us\": %.2f, "
      "\"p99_us\": %.2f, \"allocations\": %.2f}\n",
      ns, trips[trips.size() / 2], trips[trips.size() * 99 / 100],
      1e6 * static_cast<double>(allocated) / packets);
}

int run(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what != "batch" && what != "path") Options::fail("sandbox batch|path [--NAME VALUE...]");
  Options options(argc, argv, 2);
  const double seconds = options.number("seconds", 1);
  const auto window = static_cast<std::size_t>(options.number("window", 256));
  const auto count = static_cast<std::size_t>(options.number("count", 2000));
  const bool native = options.number("native", 0) != 0;
  options.refuse_unknown();
  what == "batch" ? run_batch(seconds) : run_path(seconds, window, count, native);
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run(argc, argv);
}
