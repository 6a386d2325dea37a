// Published vectors: tests/vectors/noise_ik.json, whose "source" names where they are from.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "security/noise/handshake_state.h"

namespace entresol::security::noise {
namespace {

using crypto::AeadSuite;

base::Bytes hex(const nlohmann::json& text) {
  base::Bytes out;
  EXPECT_TRUE(base::from_hex(text.get<std::string>(), out));
  return out;
}

crypto::X25519KeyPair keypair(const nlohmann::json& text) {
  const base::Bytes secret = hex(text);
  return crypto::x25519_keypair(std::span<const std::uint8_t, 32>(secret.data(), 32));
}

void run_vector(const nlohmann::json& v) {
  const std::string name = v.at("protocol_name");
  SCOPED_TRACE(name);
  const Pattern pattern = name.find("psk2") == std::string::npos ? Pattern::kIK : Pattern::kIKpsk2;
  const AeadSuite suite = name.find("AESGCM") == std::string::npos ? AeadSuite::kChaCha20Poly1305
                                                                   : AeadSuite::kAes256Gcm;
  const auto init_static = keypair(v.at("init_static")), resp_static = keypair(v.at("resp_static"));
  ASSERT_EQ(hex(v.at("init_remote_static")),
            base::Bytes(resp_static.public_key.begin(), resp_static.public_key.end()));
  Psk psk;
  if (pattern == Pattern::kIKpsk2) {
    const base::Bytes bytes = hex(v.at("init_psks").at(0));
    psk = Psk(std::span<const std::uint8_t, 32>(bytes.data(), 32));
  }
  auto a = HandshakeState::initiator(pattern, suite, hex(v.at("init_prologue")), init_static,
                                     resp_static.public_key);
  auto b = HandshakeState::responder(pattern, suite, hex(v.at("resp_prologue")), resp_static);
  const auto& messages = v.at("messages");

  base::Bytes first, payload;
  ASSERT_TRUE(
      a.write_first(keypair(v.at("init_ephemeral")), hex(messages[0].at("payload")), first));
  EXPECT_EQ(first, hex(messages[0].at("ciphertext")));
  const base::ByteView f(first);
  ASSERT_TRUE(b.read_first_static(f.first(kKey), f.subspan(kKey, kSealedKey)));
  EXPECT_EQ(b.remote_static(), init_static.public_key);
  ASSERT_TRUE(b.read_first_payload(f.subspan(kKey + kSealedKey), payload));
  EXPECT_EQ(payload, hex(messages[0].at("payload")));

  base::Bytes second;
  ASSERT_TRUE(
      b.write_second(keypair(v.at("resp_ephemeral")), psk, hex(messages[1].at("payload")), second));
  EXPECT_EQ(second, hex(messages[1].at("ciphertext")));
  const base::ByteView s(second);
  ASSERT_TRUE(a.read_second(s.first(kKey), psk, s.subspan(kKey), payload));
  EXPECT_EQ(payload, hex(messages[1].at("payload")));
  EXPECT_EQ(a.hash(), b.hash());
  if (v.contains("handshake_hash")) {
    EXPECT_EQ(base::Bytes(a.hash().begin(), a.hash().end()), hex(v.at("handshake_hash")));
  }

  const auto keys = a.split();
  EXPECT_TRUE(keys == b.split());
  CipherState from_initiator(suite, keys.first), from_responder(suite, keys.second);
  for (std::size_t i = 2; i < messages.size(); ++i) {
    base::Bytes sealed;
    (i % 2 == 0 ? from_initiator : from_responder)
        .encrypt({}, hex(messages[i].at("payload")), sealed);
    EXPECT_EQ(sealed, hex(messages[i].at("ciphertext")));
  }
}

TEST(Noise, PublishedVectors) {
  std::ifstream file("tests/vectors/noise_ik.json");
  ASSERT_TRUE(file) << "run from the repository's root";
  const auto document = nlohmann::json::parse(file);
  ASSERT_GE(document.at("vectors").size(), 5u);
  for (const auto& v : document.at("vectors")) run_vector(v);
}

TEST(Noise, RefusesEveryBitFlipOfBothMessages) {
  std::array<std::uint8_t, 32> seed{};
  const auto key = [&](std::uint8_t n) {
    seed[0] = n;
    return crypto::x25519_keypair(seed);
  };
  const auto i = key(1), r = key(2), ei = key(3), er = key(4);
  const Psk psk;
  auto a = HandshakeState::initiator(Pattern::kIK, AeadSuite::kAes256Gcm, {}, i, r.public_key);
  const auto b = HandshakeState::responder(Pattern::kIK, AeadSuite::kAes256Gcm, {}, r);
  base::Bytes first, second, payload;
  const base::Bytes text = {1, 2, 3};
  ASSERT_TRUE(a.write_first(ei, text, first));
  const auto read = [&](const base::Bytes& m, HandshakeState& state) {
    const base::ByteView view(m);
    return state.read_first_static(view.first(kKey), view.subspan(kKey, kSealedKey)) &&
           state.read_first_payload(view.subspan(kKey + kSealedKey), payload);
  };
  for (std::size_t bit = 0; bit < first.size() * 8; bit += 3) {
    base::Bytes flipped = first;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    auto copy = b;
    EXPECT_FALSE(read(flipped, copy)) << bit;
  }
  auto responder = b;
  ASSERT_TRUE(read(first, responder));
  ASSERT_TRUE(responder.write_second(er, psk, text, second));
  for (std::size_t bit = 0; bit < second.size() * 8; bit += 3) {
    base::Bytes flipped = second;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    auto copy = a;
    const base::ByteView view(flipped);
    EXPECT_FALSE(copy.read_second(view.first(kKey), psk, view.subspan(kKey), payload)) << bit;
  }
}

TEST(Noise, RefusesKeysOfSmallOrder) {
  const std::array<std::uint8_t, 32> seed{5};
  const auto own = crypto::x25519_keypair(seed);
  base::Bytes out;
  auto a = HandshakeState::initiator(Pattern::kIK, AeadSuite::kAes256Gcm, {}, own, PublicKey{});
  EXPECT_FALSE(a.write_first(own, {}, out));
}

}  // namespace
}  // namespace entresol::security::noise
