#include "crypto/aead.h"

#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "crypto/aead_vectors.h"
#include "crypto/test_bytes.h"

namespace entresol::crypto {
namespace {

using base::Bytes;
using base::ByteView;

constexpr AeadSuite kSuites[] = {AeadSuite::kAes256Gcm, AeadSuite::kChaCha20Poly1305};

struct Sealed {
  Bytes bytes;
  std::array<std::uint8_t, kAeadTagSize> tag{};
  bool operator==(const Sealed&) const = default;
};

template <typename A>
Sealed seal(const A& aead, const Bytes& nonce, ByteView aad, ByteView plain) {
  Sealed out{Bytes(plain.size()), {}};
  aead.seal(nonce.data(), aad, plain.data(), plain.size(), out.bytes.data(), out.tag.data());
  return out;
}

template <typename A>
bool opens(const A& aead, const Bytes& nonce, ByteView aad, const Sealed& sealed) {
  Bytes out(sealed.bytes.size());
  return aead.open(nonce.data(), aad, sealed.bytes.data(), out.size(), out.data(),
                   sealed.tag.data());
}

template <typename A>
class AeadTest : public ::testing::Test {
 protected:
  A make(AeadSuite suite, ByteView key) {
    return A(suite, std::span<const std::uint8_t, kAeadKeySize>(key));
  }
  void expect_vector(AeadSuite suite, const AeadVector& v) {
    SCOPED_TRACE(v.key);
    A aead = make(suite, hex(v.key));
    Bytes nonce = hex(v.nonce), aad = hex(v.aad), plain = hex(v.plaintext);
    Sealed sealed = seal(aead, nonce, aad, plain);
    EXPECT_EQ(base::to_hex(sealed.bytes), v.ciphertext);
    EXPECT_EQ(base::to_hex(sealed.tag), v.tag);
    Bytes back(plain.size());
    Bytes ciphertext = hex(v.ciphertext), tag = hex(v.tag);
    EXPECT_TRUE(aead.open(nonce.data(), aad, ciphertext.data(), ciphertext.size(), back.data(),
                          tag.data()));
    EXPECT_EQ(back, plain);
  }
  std::mt19937_64 random_{20240601};
};

#if defined(__x86_64__)
using Implementations = ::testing::Types<IpsecMbAead, PlainAead>;
#else
using Implementations = ::testing::Types<PlainAead>;
#endif
TYPED_TEST_SUITE(AeadTest, Implementations);

TYPED_TEST(AeadTest, NistGcm256) {
  for (const AeadVector& v : kNistGcm256) this->expect_vector(AeadSuite::kAes256Gcm, v);
  for (const AeadVector& v : kNistGcm256Refused) {
    Sealed sealed{hex(v.ciphertext), hex_array<kAeadTagSize>(v.tag)};
    auto aead = this->make(AeadSuite::kAes256Gcm, hex(v.key));
    EXPECT_FALSE(opens(aead, hex(v.nonce), hex(v.aad), sealed));
  }
}

TYPED_TEST(AeadTest, Rfc8439) {
  for (const AeadVector& v : kRfc8439) this->expect_vector(AeadSuite::kChaCha20Poly1305, v);
}

TYPED_TEST(AeadTest, RefusesEveryFlippedBit) {
  for (AeadSuite suite : kSuites) {
    auto aead = this->make(suite, random_bytes(this->random_, kAeadKeySize));
    for (std::size_t n : {0u, 1u, 33u, 200u}) {
      Bytes nonce = random_bytes(this->random_, kAeadNonceSize),
            aad = random_bytes(this->random_, 21);
      Sealed good = seal(aead, nonce, aad, random_bytes(this->random_, n));
      ASSERT_TRUE(opens(aead, nonce, aad, good));
      auto refused_when_flipped = [&](auto& bytes) {
        for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
          bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
          EXPECT_FALSE(opens(aead, nonce, aad, good)) << "bit " << bit << " of " << bytes.size();
          bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        }
      };
      refused_when_flipped(good.tag);
      refused_when_flipped(good.bytes);
      refused_when_flipped(nonce);
      refused_when_flipped(aad);
      EXPECT_TRUE(opens(aead, nonce, aad, good));
    }
  }
}

TYPED_TEST(AeadTest, RefusesOtherSizesKeysAndSuites) {
  Bytes key = random_bytes(this->random_, kAeadKeySize), other_key = key;
  other_key[31] ^= 1;
  Bytes nonce = random_bytes(this->random_, kAeadNonceSize), aad = random_bytes(this->random_, 32);
  for (AeadSuite suite : kSuites) {
    Sealed good = seal(this->make(suite, key), nonce, aad, random_bytes(this->random_, 64));
    EXPECT_FALSE(opens(this->make(suite, other_key), nonce, aad, good));
    AeadSuite other = suite == kSuites[0] ? kSuites[1] : kSuites[0];
    EXPECT_FALSE(opens(this->make(other, key), nonce, aad, good));
    EXPECT_FALSE(opens(this->make(suite, key), nonce, ByteView(aad).first(31), good));
    EXPECT_FALSE(opens(this->make(suite, key), nonce, {}, good));
    Sealed shorter = good, longer = good;
    shorter.bytes.pop_back();
    longer.bytes.push_back(0);
    EXPECT_FALSE(opens(this->make(suite, key), nonce, aad, shorter));
    EXPECT_FALSE(opens(this->make(suite, key), nonce, aad, longer));
  }
}

TYPED_TEST(AeadTest, InPlaceAndMovingDown) {
  for (AeadSuite suite : kSuites) {
    auto aead = this->make(suite, random_bytes(this->random_, kAeadKeySize));
    for (std::size_t n = 0; n <= 3000; n += n < 600 ? 1 : 23) {
      Bytes nonce = random_bytes(this->random_, kAeadNonceSize),
            aad = random_bytes(this->random_, 16);
      Bytes plain = random_bytes(this->random_, n);
      Sealed expected = seal(aead, nonce, aad, plain);
      for (std::size_t distance : {0, 1, 2, 16, 20, 31, 64, 100, 257, 1024, 3100}) {
        Bytes buffer(distance + n + 1);
        std::uint8_t *in = buffer.data() + distance, *out = buffer.data();
        std::array<std::uint8_t, kAeadTagSize> tag;
        std::copy(plain.begin(), plain.end(), in);
        aead.seal(nonce.data(), aad, in, n, out, tag.data());
        ASSERT_TRUE(std::equal(expected.bytes.begin(), expected.bytes.end(), out) &&
                    tag == expected.tag)
            << n << " bytes by " << distance;
        std::copy(expected.bytes.begin(), expected.bytes.end(), in);
        ASSERT_TRUE(aead.open(nonce.data(), aad, in, n, out, tag.data()))
            << n << " bytes by " << distance;
        ASSERT_TRUE(std::equal(plain.begin(), plain.end(), out)) << n << " bytes by " << distance;
      }
    }
  }
}

TYPED_TEST(AeadTest, EmptyRangesNeedNoAddress) {
  Bytes nonce(kAeadNonceSize);
  for (AeadSuite suite : kSuites) {
    auto aead = this->make(suite, Bytes(kAeadKeySize, 7));
    std::array<std::uint8_t, kAeadTagSize> tag;
    aead.seal(nonce.data(), {}, nullptr, 0, nullptr, tag.data());
    EXPECT_EQ(tag, seal(aead, nonce, {}, {}).tag);
    EXPECT_TRUE(aead.open(nonce.data(), {}, nullptr, 0, nullptr, tag.data()));
    tag[15] ^= 128;
    EXPECT_FALSE(aead.open(nonce.data(), {}, nullptr, 0, nullptr, tag.data()));
  }
}

// NOLINTBEGIN(bugprone-use-after-move): what a moved-from object does is what this tests.
TYPED_TEST(AeadTest, MovedKeysWorkAndLeaveNothing) {
  Bytes nonce(kAeadNonceSize), plain(100, 1);
  for (AeadSuite suite : kSuites) {
    auto first = this->make(suite, Bytes(kAeadKeySize, 9));
    Sealed expected = seal(first, nonce, {}, plain);
    TypeParam second(std::move(first));
    EXPECT_TRUE(second);
    EXPECT_FALSE(first);
    EXPECT_EQ(seal(second, nonce, {}, plain), expected);
    TypeParam third;
    EXPECT_FALSE(third);
    third = std::move(second);
    EXPECT_EQ(seal(third, nonce, {}, plain), expected);
    EXPECT_FALSE(second);
    EXPECT_DEATH(seal(second, nonce, {}, plain), "");
    EXPECT_DEATH(static_cast<void>(opens(second, nonce, {}, expected)), "");
  }
  EXPECT_DEATH(this->make(AeadSuite{3}, Bytes(kAeadKeySize)), "");
}
// NOLINTEND(bugprone-use-after-move)

// A buffer that ends at the end of a page behind which nothing may be touched, or begins at the
// start of one.
class Guarded {
 public:
  Guarded() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    memory_ = static_cast<std::uint8_t*>(
        mmap(nullptr, 3 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(memory_ + page_, page_, PROT_READ | PROT_WRITE), 0);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(memory_, 3 * page_); }
  std::uint8_t* place(ByteView bytes, bool at_end) {
    std::uint8_t* at = memory_ + page_ + (at_end ? page_ - bytes.size() : 0);
    std::copy(bytes.begin(), bytes.end(), at);
    return at;
  }

 private:
  std::size_t page_;
  std::uint8_t* memory_;
};

TYPED_TEST(AeadTest, TouchesNothingOutside) {
  Guarded nonce_page, aad_page, in_page, out_page, tag_page;
  const Bytes tag_room(kAeadTagSize);
  for (AeadSuite suite : kSuites) {
    auto aead = this->make(suite, random_bytes(this->random_, kAeadKeySize));
    for (bool at_end : {false, true}) {
      for (std::size_t n = 0; n <= 4000; n += n < 300 ? 1 : 37) {
        Bytes nonce = random_bytes(this->random_, kAeadNonceSize);
        Bytes aad = random_bytes(this->random_, n % 67), plain = random_bytes(this->random_, n);
        std::uint8_t* out = out_page.place(Bytes(n), at_end);
        std::uint8_t* tag = tag_page.place(tag_room, at_end);
        std::uint8_t* placed_nonce = nonce_page.place(nonce, at_end);
        ByteView placed_aad(aad_page.place(aad, at_end), aad.size());
        aead.seal(placed_nonce, placed_aad, in_page.place(plain, at_end), n, out, tag);
        std::uint8_t* back = in_page.place(Bytes(n), at_end);
        ASSERT_TRUE(aead.open(placed_nonce, placed_aad, out, n, back, tag)) << n;
        ASSERT_TRUE(std::equal(plain.begin(), plain.end(), back)) << n;
      }
    }
  }
}

#if defined(__x86_64__)

TEST(AeadTwins, AgreeOnRandomPackets) {
  std::mt19937_64 random(8439);
  for (AeadSuite suite : kSuites) {
    for (int round = 0; round < 4000; ++round) {
      Bytes key_bytes = random_bytes(random, kAeadKeySize);
      std::span<const std::uint8_t, kAeadKeySize> key(key_bytes);
      IpsecMbAead fast(suite, key);
      PlainAead plain(suite, key);
      Bytes nonce = random_bytes(random, kAeadNonceSize),
            aad = random_bytes(random, random() % 201);
      Bytes packet = random_bytes(random, random() % 2001);
      Sealed sealed = seal(fast, nonce, aad, packet);
      ASSERT_EQ(sealed, seal(plain, nonce, aad, packet)) << packet.size() << ", " << aad.size();
      Bytes back(packet.size());
      ASSERT_TRUE(fast.open(nonce.data(), aad, sealed.bytes.data(), back.size(), back.data(),
                            sealed.tag.data()));
      ASSERT_EQ(back, packet);
      ASSERT_TRUE(opens(plain, nonce, aad, sealed));
      sealed.tag[random() % kAeadTagSize] ^= 4;
      ASSERT_FALSE(opens(fast, nonce, aad, sealed));
      ASSERT_FALSE(opens(plain, nonce, aad, sealed));
    }
  }
}

TEST(AeadTwins, AgreeOnEverySizeUpToAJumboFrame) {
  std::mt19937_64 random(38);
  Bytes key_bytes = random_bytes(random, kAeadKeySize);
  std::span<const std::uint8_t, kAeadKeySize> key(key_bytes);
  const Bytes packet = random_bytes(random, 9216), aad = random_bytes(random, 16);
  for (AeadSuite suite : kSuites) {
    IpsecMbAead fast(suite, key);
    PlainAead plain(suite, key);
    for (std::size_t n = 0; n <= packet.size(); n += n < 2048 ? 1 : 61) {
      Bytes nonce = random_bytes(random, kAeadNonceSize);
      ByteView part = ByteView(packet).first(n);
      Sealed sealed = seal(fast, nonce, aad, part);
      ASSERT_EQ(sealed, seal(plain, nonce, aad, part)) << n;
      Bytes back(n);
      ASSERT_TRUE(
          fast.open(nonce.data(), aad, sealed.bytes.data(), n, back.data(), sealed.tag.data()))
          << n;
      ASSERT_TRUE(std::equal(back.begin(), back.end(), part.begin())) << n;
      if (n > 0) sealed.bytes[random() % n] ^= 1;
      ASSERT_EQ(opens(fast, nonce, aad, sealed), n == 0) << n;
    }
  }
}

#endif

// Threads come and go while objects pass from one to the next; each thread has its own manager
// underneath.
TYPED_TEST(AeadTest, ThreadsDoNotDisturbEachOther) {
  for (AeadSuite suite : kSuites) {
    for (int generation = 0; generation < 3; ++generation) {
      std::array<bool, 4> good{};
      std::vector<std::thread> threads;
      threads.reserve(good.size());
      for (std::size_t i = 0; i < good.size(); ++i) {
        threads.emplace_back([&, i, aead = this->make(suite, Bytes(kAeadKeySize, 5))] {
          std::mt19937_64 random(i);
          good[i] = true;
          for (int round = 0; round < 300; ++round) {
            Bytes nonce = random_bytes(random, kAeadNonceSize);
            Sealed sealed = seal(aead, nonce, nonce, random_bytes(random, 100 + i * 300));
            good[i] = good[i] && opens(aead, nonce, nonce, sealed);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (bool one : good) EXPECT_TRUE(one);
    }
  }
}

TEST(Aead, IsCompact) {
  EXPECT_LE(sizeof(Aead), 1024u);
  EXPECT_EQ(alignof(Aead) % 64 == 0 || sizeof(Aead) <= 64, true);
}

}  // namespace
}  // namespace entresol::crypto
