#include <gtest/gtest.h>

#include "security/test_random.h"
#include "security/wireguard/handshake.h"
#include "security/wireguard/messages.h"

namespace entresol::security::wireguard {
namespace {

using base::DropReason;

struct WireGuard : testing::Test {
  SeededRandom random{21};
  crypto::X25519KeyPair a = crypto::x25519_keypair(random.bytes<32>());
  crypto::X25519KeyPair b = crypto::x25519_keypair(random.bytes<32>());
  Handshake alice{a}, bob{b};
};

TEST_F(WireGuard, HandshakeAgrees) {
  const noise::Psk psk(random.bytes<32>());
  HandshakeContent content, seen;
  content.timestamp = alice.timestamp(1'700'000'000'123'456'789, {});
  auto i = alice.initiator(b.public_key, {});
  auto r = bob.responder({});
  const auto first =
      alice.write_initiation(i, 0x01020304, crypto::x25519_keypair(random.bytes<32>()), content);
  ASSERT_EQ(first.size(), kInitiationSize);
  EXPECT_EQ(base::to_hex(base::ByteView(first).first(8)), "0100000004030201");
  MessageKind kind{};
  ASSERT_EQ(bob.classify(first, kind), DropReason::none);
  EXPECT_EQ(kind, MessageKind::kInitiation);
  ASSERT_EQ(bob.read_static(r, first), DropReason::none);
  EXPECT_EQ(r.remote_static(), a.public_key);
  ASSERT_EQ(bob.read_content(r, first, seen), DropReason::none);
  EXPECT_EQ(seen.timestamp, content.timestamp);

  const auto second = bob.write_response(r, 7, bob.sender_index(first),
                                         crypto::x25519_keypair(random.bytes<32>()), psk, {});
  ASSERT_EQ(second.size(), kResponseSize);
  EXPECT_EQ(base::to_hex(base::ByteView(second).first(12)), "020000000700000004030201");
  EXPECT_EQ(alice.receiver_index(MessageKind::kResponse, second), 0x01020304u);
  auto wrong = i;
  EXPECT_EQ(alice.read_response(wrong, second, noise::Psk(), seen), DropReason::handshake_forged);
  ASSERT_EQ(alice.read_response(i, second, psk, seen), DropReason::none);
  EXPECT_TRUE(i.split() == r.split());
}

TEST_F(WireGuard, TimestampIsTai64nAndRises) {
  // 2023-11-14 22:13:20 UTC is TAI64 4000000065 53f10a (2^62 + 10 + 1700000000).
  const auto t = alice.timestamp(1'700'000'000'500'000'000, {});
  EXPECT_EQ(base::to_hex(t), "400000006553f10a1d000000");
  const auto same = alice.timestamp(1'700'000'000'500'000'000, t);
  EXPECT_GT(same, t);
  EXPECT_GT(alice.timestamp(1'600'000'000'000'000'000, same), same);
  Timestamp carry = t;
  carry.back() = carry[10] = 0xff;
  EXPECT_GT(alice.timestamp(0, carry), carry);
}

TEST_F(WireGuard, ClassifiesByTypeAndSize) {
  const auto try_size = [&](std::uint8_t type, std::size_t size) {
    base::Bytes m(size);
    if (size > 0) m[0] = type;
    MessageKind kind{};
    return alice.classify(m, kind) == DropReason::none;
  };
  for (std::size_t size = 0; size < 200; ++size) {
    EXPECT_EQ(try_size(1, size), size == 148);
    EXPECT_EQ(try_size(2, size), size == 92);
    EXPECT_EQ(try_size(3, size), size == 64);
    EXPECT_FALSE(try_size(4, size));
  }
  base::Bytes reserved(148);
  reserved[0] = reserved[3] = 1;
  MessageKind kind{};
  EXPECT_EQ(alice.classify(reserved, kind), DropReason::handshake_malformed);
}

}  // namespace
}  // namespace entresol::security::wireguard
