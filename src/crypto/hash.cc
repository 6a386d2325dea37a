#include "crypto/hash.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace entresol::crypto {
namespace {

using base::ByteView;

constexpr std::array<std::uint32_t, 8> kIv = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// RFC 7693 section 2.7.
constexpr std::uint8_t kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                         {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                         {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                         {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                         {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                         {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                         {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                         {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                         {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                         {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

using Words = std::array<std::uint32_t, 16>;

[[gnu::always_inline]] inline void mix(Words& v, int a, int b, int c, int d, std::uint32_t x,
                                       std::uint32_t y) {
  v[a] = v[a] + v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] = v[c] + v[d];
  v[b] = std::rotr(v[b] ^ v[c], 12);
  v[a] = v[a] + v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 8);
  v[c] = v[c] + v[d];
  v[b] = std::rotr(v[b] ^ v[c], 7);
}

template <std::size_t R>
[[gnu::always_inline]] inline void round(Words& v, const Words& m) {
  constexpr auto& s = kSigma[R];
  mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
  mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
  mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
  mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
  mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
  mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
  mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
  mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
}

}  // namespace

Blake2s::Blake2s(std::size_t digest_size, ByteView key) noexcept : h_(kIv) {
  if (digest_size == 0 || digest_size > kMaxSize || key.size() > kMaxSize) std::abort();
  digest_size_ = static_cast<std::uint32_t>(digest_size);
  h_[0] ^= 0x01010000u ^ static_cast<std::uint32_t>(key.size() << 8) ^ digest_size_;
  if (!key.empty()) {
    buffer_.fill(0);
    std::memcpy(buffer_.data(), key.data(), key.size());
    filled_ = kBlockSize;
  }
}

void Blake2s::update(ByteView bytes) noexcept {
  const std::uint8_t* p = bytes.data();
  std::size_t n = bytes.size();
  if (n == 0) return;
  std::size_t room = kBlockSize - filled_;
  if (n > room) {
    if (filled_ > 0) {
      std::memcpy(buffer_.data() + filled_, p, room);
      compress(buffer_.data(), kBlockSize, false);
      p += room;
      n -= room;
      filled_ = 0;
    }
    for (; n > kBlockSize; p += kBlockSize, n -= kBlockSize) compress(p, kBlockSize, false);
  }
  std::memcpy(buffer_.data() + filled_, p, n);
  filled_ += static_cast<std::uint32_t>(n);
}

void Blake2s::finish(std::uint8_t* out) noexcept {
  std::memset(buffer_.data() + filled_, 0, kBlockSize - filled_);
  compress(buffer_.data(), filled_, true);
  std::memcpy(out, h_.data(), digest_size_);  // little-endian words, on a little-endian machine
}

// RFC 7693 section 3.2. `n` of the block's bytes count.
void Blake2s::compress(const std::uint8_t* block, std::uint32_t n, bool last) noexcept {
  Words m, v;
  std::memcpy(m.data(), block, sizeof m);
  length_ += n;
  for (int i = 0; i < 8; ++i) {
    v[i] = h_[i];
    v[i + 8] = kIv[i];
  }
  v[12] ^= static_cast<std::uint32_t>(length_);
  v[13] ^= static_cast<std::uint32_t>(length_ >> 32);
  if (last) v[14] = ~v[14];
  [&]<std::size_t... R>(std::index_sequence<R...>) {
    (round<R>(v, m), ...);
  }(std::make_index_sequence<10>());
  for (int i = 0; i < 8; ++i) h_[i] ^= v[i] ^ v[i + 8];
}

Hash256 blake2s(ByteView a, ByteView b, ByteView c) noexcept {
  Blake2s hash;
  hash.update(a);
  hash.update(b);
  hash.update(c);
  Hash256 out;
  hash.finish(out.data());
  return out;
}

Mac128 blake2s_mac(ByteView key, ByteView a, ByteView b) noexcept {
  Mac128 out;
  Blake2s hash(out.size(), key);
  hash.update(a);
  hash.update(b);
  hash.finish(out.data());
  return out;
}

Blake2sMac::Blake2sMac(ByteView key) noexcept : keyed_(Mac128{}.size(), key), after_key_(keyed_) {
  if (key.empty()) std::abort();
  after_key_.compress(after_key_.buffer_.data(), Blake2s::kBlockSize, false);
  after_key_.filled_ = 0;
}

Mac128 Blake2sMac::operator()(ByteView a, ByteView b) const noexcept {
  Blake2s hash = a.empty() && b.empty() ? keyed_ : after_key_;
  hash.update(a);
  hash.update(b);
  Mac128 out;
  hash.finish(out.data());
  return out;
}

Hash256 hmac_blake2s(ByteView key, ByteView a, ByteView b, ByteView c) noexcept {
  SecretBytes<Blake2s::kBlockSize> pad;
  if (key.size() > pad.size()) {
    Hash256 shorter = blake2s(key);
    std::memcpy(pad.data(), shorter.data(), shorter.size());
    wipe(shorter.data(), shorter.size());
  } else if (!key.empty()) {
    std::memcpy(pad.data(), key.data(), key.size());
  }
  for (std::uint8_t& byte : pad) byte ^= 0x36;
  Blake2s inner;
  inner.update(pad);
  inner.update(a);
  inner.update(b);
  inner.update(c);
  Hash256 digest;
  inner.finish(digest.data());
  for (std::uint8_t& byte : pad) byte ^= 0x36 ^ 0x5c;
  Hash256 out = blake2s(pad, digest);
  wipe(digest.data(), digest.size());
  return out;
}

void detail::hkdf_blake2s(ByteView chaining_key, ByteView input,
                          std::span<SecretBytes<32>> outputs) noexcept {
  SecretBytes<32> key(hmac_blake2s(chaining_key, input));
  ByteView previous;
  std::uint8_t count = 0;
  for (SecretBytes<32>& output : outputs) {
    ++count;
    output = SecretBytes<32>(hmac_blake2s(key, previous, ByteView(&count, 1)));
    previous = output;
  }
}

Hash256 sha256(ByteView a, ByteView b, ByteView c) noexcept {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (ByteView part : {a, b, c}) {
    if (!part.empty()) crypto_hash_sha256_update(&state, part.data(), part.size());
  }
  Hash256 out;
  crypto_hash_sha256_final(&state, out.data());
  return out;
}

Hash256 hmac_sha256(ByteView key, ByteView a, ByteView b, ByteView c) noexcept {
  crypto_auth_hmacsha256_state state;
  const std::uint8_t none = 0;  // libsodium wants an address even for nothing
  crypto_auth_hmacsha256_init(&state, key.empty() ? &none : key.data(), key.size());
  for (ByteView part : {a, b, c}) {
    if (!part.empty()) crypto_auth_hmacsha256_update(&state, part.data(), part.size());
  }
  Hash256 out;
  crypto_auth_hmacsha256_final(&state, out.data());
  return out;
}

SecretBytes<32> hkdf_sha256_extract(ByteView salt, ByteView input) noexcept {
  return SecretBytes<32>(hmac_sha256(salt, input));
}

void hkdf_sha256_expand(std::span<const std::uint8_t, 32> key, ByteView info,
                        base::MutableBytes out) noexcept {
  if (out.size() > 255 * 32) std::abort();
  SecretBytes<32> block;
  ByteView previous;
  std::uint8_t count = 0;
  while (!out.empty()) {
    ++count;
    block = SecretBytes<32>(hmac_sha256(key, previous, info, ByteView(&count, 1)));
    previous = block;
    std::size_t n = std::min(out.size(), block.size());
    std::memcpy(out.data(), block.data(), n);
    out = out.subspan(n);
  }
}

}  // namespace entresol::crypto
