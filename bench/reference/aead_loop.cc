// The fastest loop of the two AES-256-GCM operations of a forwarding node alone: open a record with
// the key of one link, seal its plaintext with the key of another. The product's forwarding path is
// measured against it.
//
// As in the product, a batch of 64 records is brought into the receive buffer first (there by the
// kernel, here by memcpy from a store of sealed records, outside the timed part), so that packets
// are warm and keys are not. Prints one JSON object: nanoseconds per packet for both operations
// together.
#include <openssl/evp.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "reference/gcm.h"
#include "reference/options.h"

namespace entresol::bench {
namespace {

constexpr std::size_t kBatch = 64;

struct Plan {
  std::size_t plaintext;  // bytes sealed in a record
  std::size_t links;
  double seconds;
  std::size_t ahead;  // prefetching distance in packets, 0 for none
  bool in_place;      // seal in the receive buffer instead of into the send buffer
};

struct Result {
  double mean_ns = 0;
  double median_ns = 0;
  std::uint64_t packets = 0;
};

// Tables of many keys on 2 MiB pages: a random walk over them would miss the TLB otherwise.
template <typename T>
class HugeTable {
 public:
  explicit HugeTable(std::size_t size) : size_(size) {
    bytes_ = (size * sizeof(T) + kPage - 1) / kPage * kPage;
    void* memory = std::aligned_alloc(kPage, bytes_);
    if (memory == nullptr) Options::fail("out of memory");
    madvise(memory, bytes_, MADV_HUGEPAGE);
    items_ = static_cast<T*>(memory);
    std::uninitialized_default_construct_n(items_, size_);
  }
  HugeTable(const HugeTable&) = delete;
  HugeTable& operator=(const HugeTable&) = delete;
  ~HugeTable() {
    std::destroy_n(items_, size_);
    std::free(items_);
  }
  T& operator[](std::size_t at) { return items_[at]; }
  const T& operator[](std::size_t at) const { return items_[at]; }

 private:
  static constexpr std::size_t kPage = 2 << 20;
  std::size_t size_;
  std::size_t bytes_ = 0;
  T* items_ = nullptr;
};

class IpsecMb {
 public:
  struct Key {
    alignas(64) GcmKey data;
  };
  void prepare(Key& key, std::uint32_t number) const { gcm_.expand(key.data, number); }
  void seal(Key& key, std::uint8_t* to, const std::uint8_t* from, std::size_t size,
            const std::uint8_t* header, std::uint8_t* tag) const {
    gcm_.seal(key.data, to, from, size, header, tag);
  }
  bool open(Key& key, std::uint8_t* to, const std::uint8_t* from, std::size_t size,
            const std::uint8_t* header, const std::uint8_t* tag) const {
    return gcm_.open(key.data, to, from, size, header, tag);
  }
  // Round keys lie first, powers of the hash key last, the first power at the very end.
  void prefetch(const Key& key, std::size_t size) const {
    const auto* at = reinterpret_cast<const char*>(&key.data);
    const std::size_t powers = std::min<std::size_t>(48, size / 16 + 2) * 16;
    for (std::size_t i = 0; i < 256; i += 64) __builtin_prefetch(at + i);
    for (std::size_t i = sizeof(GcmKey) - powers; i < sizeof(GcmKey); i += 64) {
      __builtin_prefetch(at + i);
    }
  }

 private:
  Gcm gcm_;
};

class OpensslEvp {
 public:
  struct Key {
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> seal{EVP_CIPHER_CTX_new(),
                                                                         &EVP_CIPHER_CTX_free};
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> open{EVP_CIPHER_CTX_new(),
                                                                         &EVP_CIPHER_CTX_free};
  };
  void prepare(Key& key, std::uint32_t number) const {
    std::uint8_t bytes[32] = {};
    std::memcpy(bytes, &number, sizeof number);
    bytes[31] = 0x5a;
    EVP_EncryptInit_ex(key.seal.get(), EVP_aes_256_gcm(), nullptr, bytes, nullptr);
    EVP_DecryptInit_ex(key.open.get(), EVP_aes_256_gcm(), nullptr, bytes, nullptr);
  }
  void seal(Key& key, std::uint8_t* to, const std::uint8_t* from, std::size_t size,
            const std::uint8_t* header, std::uint8_t* tag) const {
    std::uint8_t iv[12] = {};
    std::memcpy(iv + 4, header + 8, 4);
    int done = 0;
    EVP_EncryptInit_ex(key.seal.get(), nullptr, nullptr, nullptr, iv);
    EVP_EncryptUpdate(key.seal.get(), nullptr, &done, header, kHeaderSize);
    EVP_EncryptUpdate(key.seal.get(), to, &done, from, static_cast<int>(size));
    EVP_EncryptFinal_ex(key.seal.get(), to + size, &done);
    EVP_CIPHER_CTX_ctrl(key.seal.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag);
  }
  bool open(Key& key, std::uint8_t* to, const std::uint8_t* from, std::size_t size,
            const std::uint8_t* header, const std::uint8_t* tag) const {
    std::uint8_t iv[12] = {};
    std::memcpy(iv + 4, header + 8, 4);
    int done = 0;
    EVP_DecryptInit_ex(key.open.get(), nullptr, nullptr, nullptr, iv);
    EVP_DecryptUpdate(key.open.get(), nullptr, &done, header, kHeaderSize);
    EVP_DecryptUpdate(key.open.get(), to, &done, from, static_cast<int>(size));
    EVP_CIPHER_CTX_ctrl(key.open.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize,
                        const_cast<std::uint8_t*>(tag));
    return EVP_DecryptFinal_ex(key.open.get(), to + size, &done) > 0;
  }
  void prefetch(const Key&, std::size_t) const {}
};

template <typename Aead>
class Loop {
 public:
  explicit Loop(const Plan& plan)
      : plan_(plan),
        record_(plan.plaintext + kRecordOverhead),
        in_(plan.links),
        out_(plan.links),
        store_(std::max<std::size_t>(plan.links, 1024) * record_),
        received_(kBatch * record_ + 64),
        sent_(kBatch * record_ + 64) {
    for (std::uint32_t i = 0; i < plan.links; ++i) {
      aead_.prepare(in_[i], 2 * i);
      aead_.prepare(out_[i], 2 * i + 1);
    }
    fill_store();
    choose_order();
  }

  Result run() {
    using Clock = std::chrono::steady_clock;
    std::vector<double> per_batch;
    double total_ns = 0;
    std::uint64_t batches = 0;
    const auto warm_until = Clock::now() + std::chrono::milliseconds(100);
    const auto end = warm_until + std::chrono::duration<double>(plan_.seconds);
    std::size_t next = 0;
    for (auto now = Clock::now(); now < end || batches < 64; now = Clock::now()) {
      receive(next);
      const auto start = Clock::now();
      if (!forward()) Options::fail("a record did not open");
      const double ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
      next = (next + kBatch) % (order_.size() - kBatch);
      if (start < warm_until) continue;
      total_ns += ns;
      ++batches;
      if (batches % 16 == 0) per_batch.push_back(ns / kBatch);
    }
    std::nth_element(per_batch.begin(),
                     per_batch.begin() + static_cast<std::ptrdiff_t>(per_batch.size() / 2),
                     per_batch.end());
    return {total_ns / static_cast<double>(batches * kBatch),
            per_batch.empty() ? 0 : per_batch[per_batch.size() / 2], batches * kBatch};
  }

 private:
  void fill_store() {
    for (std::size_t i = 0; i * record_ < store_.size(); ++i) {
      std::uint8_t* at = &store_[i * record_];
      const auto link = static_cast<std::uint32_t>(i % plan_.links);
      store_header(at, {0x14, link, static_cast<std::uint32_t>(i)});
      aead_.seal(in_[link], at + kHeaderSize, at + kHeaderSize, plan_.plaintext, at,
                 at + kHeaderSize + plan_.plaintext);
    }
  }

  void choose_order() {
    std::mt19937 random(7);
    const std::size_t records = store_.size() / record_;
    order_.resize(std::max<std::size_t>(records * 4, 1 << 16));
    egress_.resize(plan_.links);
    for (auto& entry : order_) entry = static_cast<std::uint32_t>(random() % records);
    if (plan_.links == 1) {
      for (std::size_t i = 0; i < order_.size(); ++i) {
        order_[i] = static_cast<std::uint32_t>(i % records);
      }
    }
    std::iota(egress_.begin(), egress_.end(), 0U);
    std::shuffle(egress_.begin(), egress_.end(), random);
  }

  void receive(std::size_t first) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::memcpy(&received_[i * record_], &store_[order_[first + i] * record_], record_);
    }
  }

  void prefetch(std::size_t slot) const {
    const std::uint32_t link = load_header(&received_[slot * record_]).index;
    aead_.prefetch(in_[link], plan_.plaintext);
    aead_.prefetch(out_[egress_[link]], plan_.plaintext);
  }

  bool forward() {
    bool good = true;
    std::uint8_t* const to = plan_.in_place ? received_.data() : sent_.data();
    for (std::size_t i = 0; i < plan_.ahead; ++i) prefetch(i);
    for (std::size_t i = 0; i < kBatch; ++i) {
      if (plan_.ahead != 0 && i + plan_.ahead < kBatch) prefetch(i + plan_.ahead);
      std::uint8_t* const record = &received_[i * record_];
      std::uint8_t* const body = record + kHeaderSize;
      const RecordHeader header = load_header(record);
      good &= aead_.open(in_[header.index], body, body, plan_.plaintext, record,
                         body + plan_.plaintext);
      const std::uint32_t egress = egress_[header.index];
      std::uint8_t* const sealed = to + i * record_;
      store_header(sealed, {header.type, egress, counter_++});
      aead_.seal(out_[egress], sealed + kHeaderSize, body, plan_.plaintext, sealed,
                 sealed + kHeaderSize + plan_.plaintext);
    }
    return good;
  }

  Plan plan_;
  Aead aead_;
  std::size_t record_;
  HugeTable<typename Aead::Key> in_, out_;
  std::vector<std::uint8_t> store_, received_, sent_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> egress_;
  std::uint32_t counter_ = 0;
};

// A node meets its links in whatever order packets come, so each thread has keys and buffers of its
// own.
template <typename Aead>
std::vector<Result> run_threads(const Plan& plan, int threads, int first_cpu) {
  std::vector<Result> results(static_cast<std::size_t>(threads));
  std::vector<std::jthread> running;
  running.reserve(results.size());
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      pin_to_cpu(first_cpu < 0 ? -1 : first_cpu + t);
      Loop<Aead> loop(plan);
      results[static_cast<std::size_t>(t)] = loop.run();
    });
  }
  running.clear();
  return results;
}

int run_loop(int argc, char** argv) {
  Options options(argc, argv);
  const std::string library = options.text("library", "ipsec-mb");
  const int size = static_cast<int>(options.number("size", 64));
  const int family = static_cast<int>(options.number("family", 6));
  const int threads = static_cast<int>(options.number("threads", 1));
  const int first_cpu = static_cast<int>(options.number("cpu", 0));
  Plan plan{};
  plan.plaintext =
      static_cast<std::size_t>(options.number("plaintext", size - (family == 4 ? 20 : 40) + 82));
  plan.links = static_cast<std::size_t>(options.number("links", 1));
  plan.seconds = options.number("seconds", 0.5);
  plan.ahead = static_cast<std::size_t>(options.number("ahead", plan.links > 4096 ? 6
                                                                : plan.links > 64 ? 2
                                                                                  : 0));
  plan.in_place = options.number("in-place", 0) != 0;
  options.refuse_unknown();
  if (plan.links == 0 || plan.ahead > kBatch) Options::fail("--links or --ahead out of range");
  const auto results = library == "openssl" ? run_threads<OpensslEvp>(plan, threads, first_cpu)
                                            : run_threads<IpsecMb>(plan, threads, first_cpu);
  double mean = 0, median = 0;
  std::uint64_t packets = 0;
  for (const Result& result : results) {
    mean += result.mean_ns / threads;
    median += result.median_ns / threads;
    packets += result.packets;
  }
  std::printf(
      "{\"program\": \"aead_loop\", \"library\": \"%s\", \"size\": %d, \"family\": %d, "
      "\"plaintext\": %zu, \"links\": %zu, \"threads\": %d, \"packets\": %llu, "
      "\"ns_per_packet\": %.2f, \"median_ns\": %.2f}\n",
      library.c_str(), size, family, plan.plaintext, plan.links, threads,
      static_cast<unsigned long long>(packets), mean, median);
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run_loop(argc, argv);
}
