#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "security/native/handshake.h"
#include "security/native/messages.h"
#include "security/native/payload.h"
#include "security/native/reset.h"
#include "security/test_random.h"

namespace entresol::security::native {
namespace {

using base::DropReason;

bool same(const Payload& a, const Payload& b) {
  return a.timestamp == b.timestamp && a.reset_token == b.reset_token &&
         a.shown.certificate == b.shown.certificate &&
         a.shown.registration == b.shown.registration && a.shown.grant == b.shown.grant &&
         a.shown.link_size == b.shown.link_size;
}

RC_GTEST_PROP(NativePayload, ParseUndoesEmit, ()) {
  const bool initiation = *rc::gen::arbitrary<bool>();
  Payload payload;
  if (initiation) payload.timestamp = *rc::gen::arbitrary<std::uint64_t>();
  payload.shown.certificate = *rc::gen::arbitrary<base::Bytes>();
  payload.shown.registration = *rc::gen::arbitrary<base::Bytes>();
  payload.shown.grant = *rc::gen::arbitrary<base::Bytes>();
  payload.shown.link_size = *rc::gen::arbitrary<std::uint16_t>();
  if (*rc::gen::arbitrary<bool>()) payload.reset_token = ResetToken{9, 8, 7};
  base::Bytes bytes;
  emit(payload, bytes);
  RC_ASSERT(bytes.size() == size(payload));
  Payload read;
  RC_ASSERT(parse(bytes, initiation, read) == DropReason::none);
  RC_ASSERT(same(read, payload));
}

DropReason parse_hex(const char* text, bool initiation) {
  base::Bytes bytes;
  EXPECT_TRUE(base::from_hex(text, bytes));
  Payload out;
  return parse(bytes, initiation, out);
}

TEST(NativePayload, RefusesWhatTheDocumentRefuses) {
  const auto ok = DropReason::none, bad = DropReason::handshake_malformed;
  EXPECT_EQ(parse_hex("0100080000000000000001", true), ok);
  EXPECT_EQ(parse_hex("", false), ok);
  EXPECT_EQ(parse_hex("", true), bad);                            // no timestamp
  EXPECT_EQ(parse_hex("0100080000000000000001", false), bad);     // timestamp in a response
  EXPECT_EQ(parse_hex("01000700000000000001", true), bad);        // of 7 octets
  EXPECT_EQ(parse_hex("01000900000000000000000001", true), bad);  // of 9
  EXPECT_EQ(parse_hex("02000142"
                      "02000142",
                      false),
            bad);  // twice
  EXPECT_EQ(parse_hex("03000142"
                      "02000142",
                      false),
            bad);                                // descending
  EXPECT_EQ(parse_hex("020000", false), bad);    // empty object
  EXPECT_EQ(parse_hex("02000242", false), bad);  // runs over
  EXPECT_EQ(parse_hex("0200", false), bad);
  EXPECT_EQ(parse_hex("07000142", false), bad);  // unknown, below 128
  EXPECT_EQ(parse_hex("000000", false), bad);
  EXPECT_EQ(parse_hex("7f0000", false), bad);
  EXPECT_EQ(parse_hex("800000"
                      "ff000142",
                      false),
            ok);  // unknown, from 128 on
  EXPECT_EQ(parse_hex("800000"
                      "800000",
                      false),
            bad);
  EXPECT_EQ(parse_hex("06000205dc", false), ok);
  EXPECT_EQ(parse_hex("06000105", false), bad);
  EXPECT_EQ(parse_hex("05000142", false), bad);
}

struct Native : testing::Test {
  SeededRandom random{31};
  crypto::X25519KeyPair a = crypto::x25519_keypair(random.bytes<32>());
  crypto::X25519KeyPair b = crypto::x25519_keypair(random.bytes<32>());
  Parameters parameters{crypto::AeadSuite::kAes256Gcm, Purpose::kSession, random.bytes<32>()};
  HandshakeNames names{{1}, {2}};
  HandshakeContent content() {
    HandshakeContent c;
    c.timestamp = Handshake(a, parameters).timestamp(1'700'000'000'123'456'789, {});
    c.reset_token = ResetToken{5};
    return c;
  }
  // What the responder makes of an initiation that was written with other parameters or changed.
  DropReason read(const base::Bytes& m, const Handshake& bob, const HandshakeNames& expected) {
    MessageKind kind{};
    DropReason reason = bob.classify(m, kind);
    if (reason == DropReason::none) reason = bob.check_header(kind, m);
    auto state = bob.responder(expected);
    HandshakeContent seen;
    if (reason == DropReason::none) reason = bob.read_static(state, m);
    if (reason == DropReason::none) reason = bob.read_content(state, m, seen);
    return reason;
  }
  base::Bytes initiation(const Handshake& alice, const HandshakeNames& said) {
    auto state = alice.initiator(b.public_key, said);
    return alice.write_initiation(state, 0xabcdef, crypto::x25519_keypair(random.bytes<32>()),
                                  content());
  }
};

TEST_F(Native, HandshakeAgreesAndIsTheDocuments) {
  for (auto suite : {crypto::AeadSuite::kAes256Gcm, crypto::AeadSuite::kChaCha20Poly1305}) {
    parameters.suite = suite;
    Handshake alice(a, parameters), bob(b, parameters);
    auto i = alice.initiator(b.public_key, names);
    auto r = bob.responder(names);
    HandshakeContent mine = content(), seen;
    mine.shown.certificate = {1, 2, 3};
    const auto first =
        alice.write_initiation(i, 0xabcdef, crypto::x25519_keypair(random.bytes<32>()), mine);
    EXPECT_EQ(base::to_hex(base::ByteView(first).first(8)),
              suite == crypto::AeadSuite::kAes256Gcm ? "10010102abcdef00" : "10010202abcdef00");
    EXPECT_GE(first.size(), kInitiationMinimum);
    ASSERT_EQ(bob.read_static(r, first), DropReason::none);
    ASSERT_EQ(bob.read_content(r, first, seen), DropReason::none);
    EXPECT_EQ(seen.timestamp, mine.timestamp);
    EXPECT_EQ(seen.shown.certificate, mine.shown.certificate);
    EXPECT_EQ(seen.reset_token, mine.reset_token);
    HandshakeContent answer;
    answer.reset_token = ResetToken{6};
    const auto second = bob.write_response(r, 0x123456, bob.sender_index(first),
                                           crypto::x25519_keypair(random.bytes<32>()), {}, answer);
    EXPECT_EQ(base::to_hex(base::ByteView(second).subspan(4, 8)), "12345600abcdef00");
    EXPECT_GE(second.size(), kResponseMinimum);
    MessageKind kind{};
    ASSERT_EQ(alice.classify(second, kind), DropReason::none);
    ASSERT_EQ(alice.check_header(kind, second), DropReason::none);
    ASSERT_EQ(alice.read_response(i, second, {}, seen), DropReason::none);
    EXPECT_EQ(seen.reset_token, answer.reset_token);
    EXPECT_TRUE(i.split() == r.split());
  }
}

TEST_F(Native, EverythingAgreedIsBound) {
  Handshake alice(a, parameters), bob(b, parameters);
  EXPECT_EQ(read(initiation(alice, names), bob, names), DropReason::none);
  EXPECT_EQ(read(initiation(alice, names), bob, {{1}, {3}}), DropReason::handshake_forged);
  EXPECT_EQ(read(initiation(alice, names), bob, {{3}, {2}}), DropReason::handshake_forged);
  Parameters other = parameters;
  other.layer_id[31] ^= 1;
  EXPECT_EQ(read(initiation(Handshake(a, other), names), bob, names), DropReason::handshake_forged);
  other = parameters;
  other.suite = crypto::AeadSuite::kChaCha20Poly1305;
  EXPECT_EQ(read(initiation(Handshake(a, other), names), bob, names), DropReason::handshake_suite);
  other = parameters;
  other.purpose = Purpose::kLink;
  EXPECT_EQ(read(initiation(Handshake(a, other), names), bob, names), DropReason::handshake_suite);
}

TEST_F(Native, ATamperersHeaderEndsTheHandshake) {
  Handshake alice(a, parameters), bob(b, parameters);
  Parameters chacha = parameters;
  chacha.suite = crypto::AeadSuite::kChaCha20Poly1305;
  const base::Bytes good = initiation(alice, names);
  for (std::size_t bit = 8; bit < kInitiationHeader * 8; ++bit) {
    base::Bytes m = good;
    m[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_NE(read(m, bob, names), DropReason::none) << bit;
    EXPECT_NE(read(m, Handshake(b, chacha), names), DropReason::none) << bit;
  }
}

TEST_F(Native, TimestampRises) {
  Handshake alice(a, parameters);
  const auto t = alice.timestamp(1000, {});
  EXPECT_EQ(base::to_hex(t), "00000000000003e800000000");
  EXPECT_EQ(base::to_hex(alice.timestamp(1000, t)), "00000000000003e900000000");
  EXPECT_GT(alice.timestamp(-5, t), t);
}

TEST(NativeReset, RoundTripAndRefusals) {
  const crypto::SecretBytes<32> secret;
  const Reset reset{wire::wire_id(0xabcdef, 0x12), reset_token(secret, 0xabcdef)};
  const base::Bytes m = emit(reset);
  EXPECT_EQ(m.size(), kResetSize);
  EXPECT_EQ(base::to_hex(base::ByteView(m).first(8)), "13000000abcdef12");
  Reset read;
  ASSERT_EQ(parse(m, read), DropReason::none);
  EXPECT_EQ(read.id, reset.id);
  EXPECT_EQ(read.token, reset.token);
  EXPECT_NE(reset_token(secret, 1), reset_token(secret, 2));
  base::Bytes bad = m;
  bad[2] = 1;
  EXPECT_EQ(parse(bad, read), DropReason::handshake_malformed);
  EXPECT_EQ(parse(base::ByteView(m).first(23), read), DropReason::handshake_malformed);
}

}  // namespace
}  // namespace entresol::security::native
