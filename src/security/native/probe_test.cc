#include "security/native/probe.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "security/native/messages.h"

namespace entresol::security::native {
namespace {

using base::DropReason;
using Json = nlohmann::json;

base::Bytes hex(const Json& text) {
  const auto digits = text.get<std::string>();
  base::Bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return out;
}

ProbeKeys keys_of(const Json& vector) {
  std::array<std::uint8_t, 32> node{};
  const base::Bytes octets = hex(vector["node"]);
  std::copy_n(octets.begin(), node.size(), node.begin());
  return ProbeKeys(node);
}

// The tests run in the repository's root.
Json vectors() {
  std::ifstream file("tests/vectors/probe.json");
  Json document = Json::parse(file, nullptr, false);
  if (!document.is_object()) ADD_FAILURE() << "probe.json is missing or no JSON";
  return document;
}

TEST(NativeProbe, VectorsBothWays) {
  const Json document = vectors();
  ASSERT_EQ(document["valid"].size(), 2u);
  for (const Json& vector : document["valid"]) {
    const base::Bytes message = hex(vector["message"]);
    Probe probe;
    ASSERT_EQ(parse(message, probe), DropReason::none) << vector["name"];
    EXPECT_EQ(probe.answer, vector["value"]["answer"].get<bool>());
    EXPECT_EQ(probe.nonce, base::load_be64(hex(vector["value"]["nonce"]).data()));
    const ProbeKeys keys = keys_of(vector);
    EXPECT_TRUE(keys.proves(probe)) << vector["name"];
    EXPECT_EQ(emit(probe.answer ? keys.answer(probe.nonce) : keys.question(probe.nonce)), message);
  }
}

TEST(NativeProbe, VectorsThatAreRefused) {
  const Json document = vectors();
  ASSERT_FALSE(document["invalid"].empty());
  for (const Json& vector : document["invalid"]) {
    Probe probe;
    const DropReason reason = parse(hex(vector["message"]), probe);
    if (vector["reason"] == "handshake_malformed") {
      EXPECT_EQ(reason, DropReason::handshake_malformed) << vector["name"];
    } else {
      ASSERT_EQ(reason, DropReason::none) << vector["name"];
      EXPECT_FALSE(keys_of(vector).proves(probe)) << vector["name"];
    }
  }
}

TEST(NativeProbe, EachBitCounts) {
  const ProbeKeys keys({1, 2, 3});
  for (const bool answer : {false, true}) {
    const base::Bytes good = emit(answer ? keys.answer(7) : keys.question(7));
    EXPECT_EQ(good.size(), kProbeSize);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      base::Bytes m = good;
      m[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      Probe probe;
      EXPECT_FALSE(parse(m, probe) == DropReason::none && keys.proves(probe)) << bit;
    }
  }
}

}  // namespace
}  // namespace entresol::security::native
