#include "security/record.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <vector>

#include "crypto/hash.h"
#include "security/lanes.h"
#include "security/test_random.h"

namespace entresol::security {
namespace {

using base::DropReason;

// Everything ever accepted, kept for good.
class NaiveWindow {
 public:
  bool commit(std::uint64_t counter) {
    if (!seen_.empty() && *seen_.rbegin() > counter && *seen_.rbegin() - counter >= kReplayWindow) {
      return false;
    }
    return seen_.insert(counter).second;
  }

 private:
  std::set<std::uint64_t> seen_;
};

void compare_windows(std::uint64_t start, const std::vector<std::int32_t>& steps) {
  ReplayWindow window;
  NaiveWindow model;
  std::uint64_t at = start;
  for (std::int32_t step : steps) {
    at += static_cast<std::uint64_t>(std::int64_t{step});
    const bool fresh = window.fresh(at);
    const bool expected = model.commit(at);
    RC_ASSERT(fresh == expected);
    RC_ASSERT(window.commit(at) == expected);
    RC_ASSERT(!window.fresh(at));
  }
}

RC_GTEST_PROP(ReplayWindow, AgreesWithNaiveModelNearby, ()) {
  const auto steps = *rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(-90, 100));
  compare_windows(std::uint64_t{1} << 27, steps);
}

RC_GTEST_PROP(ReplayWindow, AgreesWithNaiveModelAtItsEdges, ()) {
  const auto steps = *rc::gen::container<std::vector<std::int32_t>>(rc::gen::oneOf(
      rc::gen::inRange(-3, 3), rc::gen::inRange(-8195, -8188), rc::gen::inRange(8125, 8260),
      rc::gen::inRange(-70, 70), rc::gen::inRange(0, 200000)));
  compare_windows(*rc::gen::element<std::uint64_t>(std::uint64_t{1} << 32, kNativeMaxRecords,
                                                   kWireGuardMaxRecords - (1u << 30)),
                  steps);
}

TEST(ReplayWindow, StartsAnywhereAndReachesTheLastCounter) {
  ReplayWindow window;
  EXPECT_TRUE(window.commit(5));
  EXPECT_TRUE(window.commit(0));
  EXPECT_FALSE(window.commit(0));
  EXPECT_TRUE(window.commit(~std::uint64_t{0}));
  EXPECT_FALSE(window.commit(~std::uint64_t{0}));
  EXPECT_TRUE(window.commit(~std::uint64_t{0} - (kReplayWindow - 1)));
  EXPECT_FALSE(window.fresh(~std::uint64_t{0} - kReplayWindow));
  EXPECT_FALSE(window.commit(5));
}

TEST(ReplayWindow, EveryPositionOfTheWindowOnce) {
  for (std::uint64_t start : {8192u, 8255u, 8256u, 8257u, 100001u}) {
    ReplayWindow window;
    ASSERT_TRUE(window.commit(start));
    for (std::uint64_t back = 1; back < kReplayWindow; ++back) {
      ASSERT_TRUE(window.commit(start - back)) << start << ' ' << back;
      ASSERT_FALSE(window.commit(start - back));
    }
    ASSERT_FALSE(window.fresh(start - kReplayWindow));
  }
}

struct Pair {
  SendLane send;
  ReceiveLane receive;
};

constexpr std::uint8_t kLane = 0x21;

Pair make_pair_of(Protocol protocol, crypto::AeadSuite suite) {
  std::array<std::uint8_t, 32> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  const crypto::SecretBytes<32> secret{bytes};
  Pair pair;
  pair.send.key = lane_key(protocol, suite, secret, kLane);
  pair.send.protocol = protocol;
  pair.send.wire_id = protocol == Protocol::kNative ? 0xabcdefu << 8 | kLane : 0x89abcdefu;
  pair.receive.key = lane_key(protocol, suite, secret, kLane);
  return pair;
}

DropReason open_any(Protocol protocol, ReceiveLane& lane, base::Bytes& record, std::size_t& n) {
  const DropReason reason = record_header_ok(protocol, record.data(), record.size());
  if (reason != DropReason::none) return reason;
  return protocol == Protocol::kNative
             ? open_native_record(lane, record.data(), record.size(), n)
             : open_wireguard_record(lane, record.data(), record.size(), n);
}

struct Kind {
  Protocol protocol;
  crypto::AeadSuite suite;
};
class Record : public testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(
    All, Record,
    testing::Values(Kind{Protocol::kNative, crypto::AeadSuite::kAes256Gcm},
                    Kind{Protocol::kNative, crypto::AeadSuite::kChaCha20Poly1305},
                    Kind{Protocol::kWireGuard, crypto::AeadSuite::kChaCha20Poly1305}));

TEST_P(Record, SealsInPlaceAndApartToTheSameBytes) {
  const auto [protocol, suite] = GetParam();
  SeededRandom random(3);
  Pair apart = make_pair_of(protocol, suite), in_place = make_pair_of(protocol, suite);
  const std::size_t header = record_header(protocol);
  for (std::size_t n : {0u, 1u, 15u, 16u, 17u, 64u, 1399u, 1400u, 9000u}) {
    base::Bytes plain(n);
    random.fill(plain);
    base::Bytes record(record_size(protocol, n));
    ASSERT_EQ(seal_record(apart.send, plain.data(), n, record.data()), record.size());

    base::Bytes buffer(record_size(protocol, n));
    std::copy(plain.begin(), plain.end(), buffer.begin() + static_cast<std::ptrdiff_t>(header));
    ASSERT_EQ(seal_record(in_place.send, buffer.data() + header, n, buffer.data()), buffer.size());
    ASSERT_EQ(buffer, record);

    std::size_t length = 0;
    ASSERT_EQ(open_any(protocol, apart.receive, record, length), DropReason::none);
    ASSERT_EQ(length, record.size() - header - kRecordTag);
    ASSERT_TRUE(std::equal(plain.begin(), plain.end(), record.data() + header));
    for (std::size_t i = n; i < length; ++i) ASSERT_EQ(record[header + i], 0);
  }
}

TEST_P(Record, RefusesEveryBitFlip) {
  const auto [protocol, suite] = GetParam();
  Pair pair = make_pair_of(protocol, suite);
  const base::Bytes plain(48, 0x5a);
  base::Bytes record(record_size(protocol, plain.size()));
  seal_record(pair.send, plain.data(), plain.size(), record.data());
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    // The receiver index of WireGuard is not authenticated: it only finds the key.
    if (protocol == Protocol::kWireGuard && bit >= 32 && bit < 64) continue;
    base::Bytes flipped = record;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    std::size_t n = 0;
    const DropReason reason = open_any(protocol, pair.receive, flipped, n);
    ASSERT_NE(reason, DropReason::none) << bit;
    if (bit < 8) {
      ASSERT_EQ(reason, DropReason::record_type_unknown);
    }
    if (bit >= 8 && bit < 32) {
      ASSERT_EQ(reason, DropReason::header_reserved);
    }
    if (bit >= 128) {
      ASSERT_EQ(reason, DropReason::record_forged);
    }
  }
  std::size_t n = 0;
  base::Bytes copy = record;
  EXPECT_EQ(open_any(protocol, pair.receive, copy, n), DropReason::none);
  copy = record;
  EXPECT_EQ(open_any(protocol, pair.receive, copy, n), DropReason::record_replayed);
}

TEST_P(Record, RefusesEveryTruncation) {
  const auto [protocol, suite] = GetParam();
  Pair pair = make_pair_of(protocol, suite);
  base::Bytes record(record_size(protocol, 32));
  const base::Bytes plain(32, 1);
  seal_record(pair.send, plain.data(), plain.size(), record.data());
  for (std::size_t size = 0; size < record.size(); ++size) {
    base::Bytes cut(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(size));
    std::size_t n = 0;
    ASSERT_EQ(open_any(protocol, pair.receive, cut, n), size < record_header(protocol) + kRecordTag
                                                            ? DropReason::record_truncated
                                                            : DropReason::record_forged);
  }
}

TEST_P(Record, StopsAtTheLastCounter) {
  const auto [protocol, suite] = GetParam();
  Pair pair = make_pair_of(protocol, suite);
  const std::uint64_t max =
      protocol == Protocol::kNative ? kNativeMaxRecords : kWireGuardMaxRecords;
  pair.send.next = max - 2;
  base::Bytes record(record_size(protocol, 0));
  std::size_t n = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(seal_record(pair.send, nullptr, 0, record.data()), record.size());
    ASSERT_EQ(open_any(protocol, pair.receive, record, n), DropReason::none);
    ASSERT_EQ(n, 0u);
  }
  EXPECT_EQ(seal_record(pair.send, nullptr, 0, record.data()), 0u);
  if (protocol == Protocol::kNative) {
    base::store_be32(record.data() + 8, static_cast<std::uint32_t>(max));
  } else {
    base::store_le64(record.data() + 8, max);
  }
  EXPECT_EQ(open_any(protocol, pair.receive, record, n), DropReason::record_counter_exhausted);
}

TEST(Record, NativeHeaderIsTheDocuments) {
  Pair pair = make_pair_of(Protocol::kNative, crypto::AeadSuite::kAes256Gcm);
  pair.send.next = 0x01020304;
  base::Bytes record(record_size(Protocol::kNative, 0));
  seal_record(pair.send, nullptr, 0, record.data());
  EXPECT_EQ(base::to_hex({record.data(), 12}), "14000000abcdef2101020304");
}

// Worked out step by step from the document, not through derive_lane's own code.
TEST(Record, LaneKeyAndNonceAreTheDocuments) {
  std::array<std::uint8_t, 32> secret;
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i);
  const std::string label = "entresol lane\x21";
  const base::ByteView input(reinterpret_cast<const std::uint8_t*>(label.data()), label.size());
  const crypto::Hash256 extracted = crypto::hmac_blake2s(secret, input);
  const std::uint8_t one = 1, two = 2;
  const crypto::Hash256 key = crypto::hmac_blake2s(extracted, {&one, 1});
  const crypto::Hash256 iv = crypto::hmac_blake2s(extracted, key, {&two, 1});

  Pair pair = make_pair_of(Protocol::kNative, crypto::AeadSuite::kAes256Gcm);
  pair.send.next = 0x0a0b0c0d;
  base::Bytes record(record_size(Protocol::kNative, 5));
  const base::Bytes plain = {1, 2, 3, 4, 5};
  seal_record(pair.send, plain.data(), plain.size(), record.data());

  std::array<std::uint8_t, 12> nonce;
  std::copy_n(iv.begin(), 12, nonce.begin());
  nonce[8] ^= 0x0a, nonce[9] ^= 0x0b, nonce[10] ^= 0x0c, nonce[11] ^= 0x0d;
  crypto::Aead aead(crypto::AeadSuite::kAes256Gcm, key);
  base::Bytes expected(5 + 16);
  aead.seal(nonce.data(), {record.data(), 12}, plain.data(), 5, expected.data(),
            expected.data() + 5);
  EXPECT_EQ(base::to_hex({record.data() + 12, 21}), base::to_hex(expected));
}

TEST(Record, LanesAndSuitesDiffer) {
  Pair pair = make_pair_of(Protocol::kNative, crypto::AeadSuite::kAes256Gcm);
  Pair other = make_pair_of(Protocol::kNative, crypto::AeadSuite::kChaCha20Poly1305);
  std::array<std::uint8_t, 32> secret;
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i);
  ReceiveLane neighbour{derive_lane(secret, crypto::AeadSuite::kAes256Gcm, kLane + 1), {}};
  base::Bytes record(record_size(Protocol::kNative, 0));
  std::size_t n = 0;
  seal_record(pair.send, nullptr, 0, record.data());
  base::Bytes copy = record;
  EXPECT_EQ(open_any(Protocol::kNative, neighbour, copy, n), DropReason::record_forged);
  copy = record;
  EXPECT_EQ(open_any(Protocol::kNative, other.receive, copy, n), DropReason::record_forged);
}

TEST(Record, WireGuardPadsButNotBeyondTheLink) {
  EXPECT_EQ(record_size(Protocol::kWireGuard, 0), 32u);
  EXPECT_EQ(record_size(Protocol::kWireGuard, 1), 48u);
  EXPECT_EQ(record_size(Protocol::kWireGuard, 1418, 1420), 32u + 1420);
  EXPECT_EQ(record_size(Protocol::kWireGuard, 1420, 1420), 32u + 1420);
  EXPECT_EQ(record_size(Protocol::kWireGuard, 1500, 1420), 32u + 1500);
  EXPECT_EQ(record_size(Protocol::kNative, 1), 29u);
}

TEST(Record, SessionBindsTheCanonicalForm) {
  Pair pair = make_pair_of(Protocol::kNative, crypto::AeadSuite::kAes256Gcm);
  base::Bytes canonical(88, 7);
  base::Bytes packet = {9, 8, 7, 6};
  base::Bytes sealed(packet.size() + kRecordTag);
  ASSERT_TRUE(seal_session(pair.send, canonical, packet.data(), packet.size(), sealed.data()));
  EXPECT_EQ(pair.send.next, 1u);
  base::Bytes copy = sealed, other = canonical;
  other[40] ^= 1;
  EXPECT_EQ(open_session(pair.receive, 0, other, copy.data(), copy.size()),
            DropReason::record_forged);
  copy = sealed;
  EXPECT_EQ(open_session(pair.receive, 1, canonical, copy.data(), copy.size()),
            DropReason::record_forged);
  copy = sealed;
  EXPECT_EQ(open_session(pair.receive, 0, canonical, copy.data(), copy.size()), DropReason::none);
  EXPECT_TRUE(std::equal(packet.begin(), packet.end(), copy.begin()));
  copy = sealed;
  EXPECT_EQ(open_session(pair.receive, 0, canonical, copy.data(), copy.size()),
            DropReason::record_replayed);
  EXPECT_EQ(open_session(pair.receive, 1u << 28, canonical, copy.data(), copy.size()),
            DropReason::record_counter_exhausted);
  EXPECT_EQ(open_session(pair.receive, 2, canonical, copy.data(), 15),
            DropReason::record_truncated);
  pair.send.next = kNativeMaxRecords;
  EXPECT_FALSE(seal_session(pair.send, canonical, packet.data(), packet.size(), sealed.data()));
}

}  // namespace
}  // namespace entresol::security
