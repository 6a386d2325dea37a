#include "layer/inner/checksum.h"

#include "layer/inner/ip.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace entresol::layer::inner {
namespace {

// What is left of a loop, and machines without AVX2: 64-bit words, each split in two so that no
// carry is lost.
std::uint64_t sum_words(const std::uint8_t* p, std::size_t n) {
  std::uint64_t even = 0;
  std::uint64_t odd = 0;
  for (; n >= 8; p += 8, n -= 8) {
    const std::uint64_t v = base::load_le64(p);
    even += v & 0xffffffffu;
    odd += v >> 32;
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, p,
              n);  // fewer than 8, as if padded with zeros (RFC 1071: one octet of zero at the end)
  return even + odd + (rest & 0xffffffffu) + (rest >> 32);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) std::uint64_t sum_avx2(const std::uint8_t* p, std::size_t n) {
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i even[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  __m256i odd[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (; n >= 64; p += 64, n -= 64) {
    for (int i = 0; i < 2; ++i) {
      const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p) + i);
      even[i] = _mm256_add_epi64(even[i], _mm256_and_si256(v, low));
      odd[i] = _mm256_add_epi64(odd[i], _mm256_srli_epi64(v, 32));
    }
  }
  const __m256i all =
      _mm256_add_epi64(_mm256_add_epi64(even[0], even[1]), _mm256_add_epi64(odd[0], odd[1]));
  alignas(32) std::uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + sum_words(p, n);
}
#endif

}  // namespace

std::uint64_t OnesSum::sum_long(const std::uint8_t* p, std::size_t n) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return sum_avx2(p, n);
#endif
  return sum_words(p, n);
}

bool checksum_valid(const IpPacket& ip) {
  std::uint16_t offset = 0;
  if (ip.is_fragment || ip.has_routing_header || !checksum_offset(ip.protocol, offset))
    return false;
  base::ByteView segment = ip.payload();
  if (ip.protocol == kProtocolUdp) {
    segment = segment.first(base::load_be16(segment.data() + 4));
    if (base::load_be16(segment.data() + offset) == 0) return ip.version == 4;
  }
  OnesSum sum = pseudo_header(ip.bytes.data(), ip.version, ip.protocol);
  sum.add32(static_cast<std::uint32_t>(segment.size()));
  sum.add(segment);
  return sum.checksum() == 0;
}

}  // namespace entresol::layer::inner
