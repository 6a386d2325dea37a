// What lies between a worker and a service thread: packets on their way to instances, verdicts on their way back, and the
// buffers in which the packets wait meanwhile. A packet is copied once, into its buffer; what the instance is shown of it
// travels in the ring.
//
// The worker's part is Remote, the thread's ServiceThread. Each side belongs to one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "entresol/service.h"
#include "service/ring.h"

namespace entresol::service {

struct Job {
  std::uint32_t slot = 0;      // of its buffer
  std::uint32_t instance = 0;  // number at the service thread
  entresol_packet packet{};
};

enum class DoneKind : std::uint8_t {
  kVerdict,     // of the packet in `slot`
  kFallback,    // the instance could not be asked about it
  kRelease,     // of a held packet, by its handle
  kWithdrawal,  // of the instance
};
struct Done {
  DoneKind kind = DoneKind::kVerdict;
  std::uint32_t slot = 0;
  std::uint32_t instance = 0;
  std::uint32_t handle = 0;
  entresol_verdict verdict{};
};

class Crossing {
 public:
  static constexpr std::size_t kMaxNames = ENTRESOL_OUT_SIZE / sizeof(entresol_name);

  // `slots` is a power of two: buffers of `slot_size` octets, and places in the rings. Memory is taken as it is used.
  Crossing(std::size_t slots, std::size_t slot_size)
      : jobs(slots),
        done(2 * slots),
        slot_size_(slot_size),
        octets_(new std::uint8_t[slots * slot_size]),
        names_(slots) {}

  Ring<Job> jobs;   // worker to thread
  Ring<Done> done;  // and back
  // The other side sleeps, and wants wake() when something is published.
  alignas(64) std::atomic<bool> thread_sleeps{false};
  alignas(64) std::atomic<bool> worker_sleeps{false};
  // Whether the side with that flag is to be woken, asked after publishing: it is looked at without being written, so that
  // its line stays shared while both are awake. Who is about to sleep sets it, and then looks at the ring once more.
  static bool to_wake(std::atomic<bool>& sleeps) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return sleeps.load(std::memory_order_relaxed) && sleeps.exchange(false);
  }
  std::function<void()> wake_thread, wake_worker;  // set before the two begin

  std::size_t slot_size() const { return slot_size_; }
  std::uint8_t* buffer(std::uint32_t slot) { return octets_.get() + slot * slot_size_; }
  // Of a verdict that replicates: written by the thread, read by the worker.
  std::vector<entresol_name>& names(std::uint32_t slot) { return names_[slot]; }

 private:
  std::size_t slot_size_;
  std::unique_ptr<std::uint8_t[]> octets_;
  std::vector<std::vector<entresol_name>> names_;
};

}  // namespace entresol::service
