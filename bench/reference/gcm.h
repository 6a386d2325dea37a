// AES-256-GCM through the direct calls of intel-ipsec-mb, and the record all references share:
// header (12 bytes, authenticated: type, receiver index, counter) | ciphertext | tag (16 bytes).
#pragma once

#include <intel-ipsec-mb.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace entresol::bench {

inline constexpr std::size_t kHeaderSize = 12;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kRecordOverhead = kHeaderSize + kTagSize;

// The library's header leaves out the alignment that its code needs.
struct alignas(64) GcmKey : gcm_key_data {};

// What the receiver needs before it can choose a key.
struct RecordHeader {
  std::uint32_t type;
  std::uint32_t index;
  std::uint32_t counter;
};
static_assert(sizeof(RecordHeader) == kHeaderSize);

inline RecordHeader load_header(const std::uint8_t* at) {
  RecordHeader header;
  std::memcpy(&header, at, sizeof header);
  return header;
}
inline void store_header(std::uint8_t* at, const RecordHeader& header) {
  std::memcpy(at, &header, sizeof header);
}

class Gcm {
 public:
  Gcm() {
    IMB_MGR* manager = alloc_mb_mgr(0);
    if (manager == nullptr) std::abort();
    init_mb_mgr_auto(manager, nullptr);
    seal_ = manager->gcm256_enc;
    open_ = manager->gcm256_dec;
    prepare_ = manager->gcm256_pre;
  }

  // Keys of the references are public knowledge: one per number.
  void expand(GcmKey& key, std::uint32_t number) const {
    alignas(64) std::uint8_t bytes[32] = {};
    std::memcpy(bytes, &number, sizeof number);
    bytes[31] = 0x5a;
    prepare_(bytes, &key);
  }

  void seal(const GcmKey& key, std::uint8_t* to, const std::uint8_t* from, std::size_t size,
            const std::uint8_t* header, std::uint8_t* tag) const {
    alignas(64) gcm_context_data context;
    alignas(16) std::uint8_t iv[12] = {};
    std::memcpy(iv + 4, header + 8, 4);
    seal_(&key, &context, to, from, size, iv, header, kHeaderSize, tag, kTagSize);
  }

  [[nodiscard]] bool open(const GcmKey& key, std::uint8_t* to, const std::uint8_t* from,
                          std::size_t size, const std::uint8_t* header,
                          const std::uint8_t* tag) const {
    alignas(64) gcm_context_data context;
    alignas(16) std::uint8_t iv[12] = {};
    alignas(16) std::uint64_t computed[2];
    std::memcpy(iv + 4, header + 8, 4);
    open_(&key, &context, to, from, size, iv, header, kHeaderSize,
          reinterpret_cast<std::uint8_t*>(computed), kTagSize);
    std::uint64_t expected[2];
    std::memcpy(expected, tag, kTagSize);
    return ((computed[0] ^ expected[0]) | (computed[1] ^ expected[1])) == 0;
  }

 private:
  aes_gcm_enc_dec_t seal_;
  aes_gcm_enc_dec_t open_;
  aes_gcm_pre_t prepare_;
};

}  // namespace entresol::bench
