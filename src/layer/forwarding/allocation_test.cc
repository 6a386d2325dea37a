// The pipeline allocates nothing per packet: operator new is counted in this program.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "layer/forwarding/test_bench.h"

namespace {
std::size_t allocations = 0;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // new below is malloc
#endif
void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, std::align_val_t alignment) {
  ++allocations;
  const auto a = static_cast<std::size_t>(alignment);
  if (void* p = std::aligned_alloc(a, (n + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace entresol::layer::forwarding {
namespace {

using test::Bench;
using test::Bytes;

// 200 records of many flows, some of them new, sealed beforehand.
std::vector<Bytes> some_records(Bench& bench, std::size_t from, std::uint32_t first_flow) {
  std::vector<Bytes> out;
  for (std::uint32_t i = 0; i < 200; ++i)
    out.push_back(
        bench.seal(from, bench.packet(10, static_cast<std::uint8_t>(11 + i % 3),
                                      i % 10 == 0 ? first_flow + i : i % 7, 100 + i % 2 * 900)));
  return out;
}

TEST(Allocations, ThereAreNoneInSteadyState) {
  Bench bench;
  const std::size_t a = bench.add_neighbour(10);
  bench.add_neighbour(11);
  bench.add_neighbour(12);
  bench.local.record = false;
  bench.tables.layers[0].names.place(test::name_of(13), kSelf);
  for (std::uint32_t round = 0; round < 20; ++round) {
    std::vector<Bytes> records = some_records(bench, a, 1000 * round);
    std::vector<InBurst> bursts;
    for (Bytes& record : records)
      bursts.push_back({record.data(), static_cast<std::uint32_t>(record.size()), 0, 0,
                        bench.neighbours[a].path});
    std::size_t sent = 0;
    const std::size_t before = allocations;
    bench.pipeline.process(bursts, bench.now,
                           [&](std::span<const OutBurst> out) { sent += out.size(); });
    const std::size_t made = allocations - before;
    EXPECT_GT(sent, 0u);
    if (round > 0) {
      EXPECT_EQ(made, 0u) << "round " << round;
    }
    bench.pipeline.clear_reports();
  }
  EXPECT_EQ(bench.pipeline.counters().forwarded + bench.local.taken, 4000u);
}

}  // namespace
}  // namespace entresol::layer::forwarding
