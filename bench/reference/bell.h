// How a thread that has nothing to do waits for another one: it looks again for a while, says that it sleeps, looks once
// more, and sleeps in the kernel. Both sides of every comparison wait so.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace entresol::bench {

class Bell {
 public:
  Bell() : fd_(eventfd(0, EFD_CLOEXEC)) {}
  ~Bell() { close(fd_); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() {
    const std::uint64_t one = 1;
    (void)!write(fd_, &one, sizeof one);
  }
  // One look in vain: `sleeps` tells the other side, `idle` looks once more.
  template <typename Idle>
  void wait(unsigned& looked, std::atomic<bool>& sleeps, Idle idle) {
    if (++looked < kLooks) {
      __builtin_ia32_pause();
      return;
    }
    looked = 0;
    sleeps.store(true, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::uint64_t rung = 0;
    if (idle()) (void)!read(fd_, &rung, sizeof rung);
    sleeps.store(false, std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned kLooks = 500;
  int fd_;
};

}  // namespace entresol::bench
