// A bounded queue between two threads, one of which only writes and the other only reads. What is written is published in
// groups, so that the two touch each other's cache lines once a group.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace entresol::service {

template <typename T>
class Ring {
 public:
  // `capacity` is a power of two.
  explicit Ring(std::size_t capacity)
      : mask_(capacity - 1), items_(std::make_unique<T[]>(capacity)) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // ---- the writer
  // Where the next one is written; null: full. It counts once push() is called, and is seen after publish().
  T* room() {
    ask_for(&items_[(written_ + kAhead) & mask_]);
    if (written_ - seen_read_ > mask_) {
      seen_read_ = read_.load(std::memory_order_acquire);
      if (written_ - seen_read_ > mask_) return nullptr;
    }
    return &items_[written_ & mask_];
  }
  void push() { ++written_; }
  // Whether there was anything to publish.
  bool publish() {
    if (published_own_ == written_) return false;
    published_own_ = written_;
    published_.store(written_, std::memory_order_release);
    return true;
  }

  // ---- the reader
  // How many can be read now; they stay until pop().
  std::size_t available() {
    seen_published_ = published_.load(std::memory_order_acquire);
    return seen_published_ - read_own_;
  }
  T& operator[](std::size_t i) { return items_[(read_own_ + i) & mask_]; }
  void pop(std::size_t n) {
    read_own_ += n;
    read_.store(read_own_, std::memory_order_release);
  }

  // Of either, or of a third: what was published and not read.
  bool empty() const {
    return published_.load(std::memory_order_acquire) == read_.load(std::memory_order_acquire);
  }
  std::size_t capacity() const { return mask_ + 1; }

 private:
  static constexpr std::size_t kAhead = 8;
  // A place that will be written lies in the reader's cache: it takes 100 ns to get it from there.
  static void ask_for(const T* place) {
#ifdef __x86_64__
    asm volatile("prefetchw %0" : : "m"(*reinterpret_cast<const char*>(place)));
#else
    __builtin_prefetch(place, 1);
#endif
  }

  const std::size_t mask_;
  const std::unique_ptr<T[]> items_;
  alignas(64) std::atomic<std::size_t> published_{0};
  alignas(64) std::atomic<std::size_t> read_{0};
  alignas(64) std::size_t written_ = 0, published_own_ = 0, seen_read_ = 0;
  alignas(64) std::size_t read_own_ = 0, seen_published_ = 0;
};

}  // namespace entresol::service
