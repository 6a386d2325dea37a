// A bare echo between two threads: requests of 72 octets in a ring of one writer and one reader, answers of 48 in another,
// published in groups of --batch, at most --window of them under way.
//
// Prints one JSON object: nanoseconds a request while there are always some under way; microseconds of single ones, sent
// --count times when both have gone to sleep.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "reference/bell.h"
#include "reference/options.h"

namespace entresol::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Request {
  std::uint32_t slot, number;
  std::uint8_t packet[64];
};
struct Answer {
  std::uint32_t slot, number, kind, handle;
  std::uint8_t verdict[32];
};
static_assert(sizeof(Request) == 72 && sizeof(Answer) == 48);

constexpr std::size_t kPlaces = 1024;
constexpr std::size_t kAtOnce = 256;

// Each side's own indices lie on its own line, with what it last saw of the other's.
template <typename T>
struct Ring {
  std::unique_ptr<T[]> items = std::make_unique<T[]>(kPlaces);
  alignas(64) std::atomic<std::size_t> written{0};
  alignas(64) std::atomic<std::size_t> read{0};
  T& at(std::size_t i) { return items[i & (kPlaces - 1)]; }
  // Places that will be written lie in the reader's cache.
  T& to_write(std::size_t i) {
    __builtin_prefetch(&at(i + 8), 1);
    return at(i);
  }
};

struct Both {
  Ring<Request> requests;
  Ring<Answer> answers;
  alignas(64) std::atomic<bool> server_sleeps{false};
  alignas(64) std::atomic<bool> client_sleeps{false};
  alignas(64) std::atomic<bool> stop{false};
  Bell server, client;
};

void wake(std::atomic<bool>& sleeps, Bell& bell) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleeps.load(std::memory_order_relaxed)) bell.ring();
}

void serve(Both& both, int cpu) {
  pin_to_cpu(cpu);
  std::size_t read = 0, written = 0;
  unsigned looked = 0;
  while (!both.stop.load(std::memory_order_relaxed)) {
    const std::size_t n =
        std::min(both.requests.written.load(std::memory_order_acquire) - read, kAtOnce);
    if (n == 0) {
      both.server.wait(looked, both.server_sleeps, [&] {
        return both.requests.written.load(std::memory_order_acquire) == read && !both.stop;
      });
      continue;
    }
    looked = 0;
    // The client has never more under way than there are places.
    for (std::size_t i = 0; i < n; ++i) {
      const Request& request = both.requests.at(read + i);
      Answer& answer = both.answers.to_write(written + i);
      answer = {request.slot, request.number, 0, request.packet[36], {}};
      std::memcpy(answer.verdict + 16, request.packet + 16, 16);
    }
    read += n;
    written += n;
    both.requests.read.store(read, std::memory_order_release);
    both.answers.written.store(written, std::memory_order_release);
    wake(both.client_sleeps, both.client);
  }
}

class Client {
 public:
  explicit Client(Both& both) : both_(both) {}
  void send(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      Request& request = both_.requests.to_write(sent_ + i);
      request.slot = static_cast<std::uint32_t>(sent_ + i);
      request.number = 0;
      std::memcpy(request.packet, packet_, sizeof packet_);
    }
    sent_ += n;
    both_.requests.written.store(sent_, std::memory_order_release);
    wake(both_.server_sleeps, both_.server);
  }
  // Takes what is there; waits if nothing is.
  void take() {
    const std::size_t n = both_.answers.written.load(std::memory_order_acquire) - taken_;
    if (n == 0) {
      both_.client.wait(looked_, both_.client_sleeps, [&] {
        return both_.answers.written.load(std::memory_order_acquire) == taken_;
      });
      return;
    }
    looked_ = 0;
    for (std::size_t i = 0; i < n; ++i) sum_ += both_.answers.at(taken_ + i).verdict[16];
    taken_ += n;
    both_.answers.read.store(taken_, std::memory_order_release);
  }
  std::size_t under_way() const { return sent_ - taken_; }
  std::size_t taken() const { return taken_; }
  std::uint64_t sum() const { return sum_; }

 private:
  Both& both_;
  std::uint8_t packet_[64]{};
  std::size_t sent_ = 0, taken_ = 0;
  std::uint64_t sum_ = 0;
  unsigned looked_ = 0;
};

int run(int argc, char** argv) {
  Options options(argc, argv);
  const auto batch = static_cast<std::size_t>(options.number("batch", 32));
  const auto window = static_cast<std::size_t>(options.number("window", 256));
  const auto count = static_cast<std::size_t>(options.number("count", 2000));
  const double seconds = options.number("seconds", 1);
  options.refuse_unknown();
  if (batch == 0 || window < batch || window > kPlaces) Options::fail("--batch, --window");
  Both both;
  std::thread server([&] { serve(both, 1); });
  pin_to_cpu(0);
  Client client(both);
  const auto began = Clock::now();
  const auto end = began + std::chrono::duration<double>(seconds);
  while (Clock::now() < end)
    for (int turn = 0; turn < 64; ++turn) {
      if (client.under_way() + batch <= window) client.send(batch);
      client.take();
    }
  const double ns = std::chrono::duration<double, std::nano>(Clock::now() - began).count() /
                    static_cast<double>(client.taken());
  while (client.under_way() > 0) client.take();
  std::vector<double> trips;
  for (std::size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    const auto sent = Clock::now();
    client.send(1);
    while (client.under_way() > 0) client.take();
    trips.push_back(std::chrono::duration<double, std::micro>(Clock::now() - sent).count());
  }
  both.stop = true;
  both.server.ring();
  server.join();
  std::sort(trips.begin(), trips.end());
  std::printf("{\"ns_per_packet\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"sum\": %llu}\n", ns,
              trips[trips.size() / 2], trips[trips.size() * 99 / 100],
              static_cast<unsigned long long>(client.sum()));
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run(argc, argv);
}
