// For this folder's tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string_view>

#include "base/bytes.h"

namespace entresol::crypto {

inline base::Bytes hex(std::string_view text) {
  base::Bytes out;
  EXPECT_TRUE(base::from_hex(text, out)) << text;
  return out;
}

template <std::size_t N>
std::array<std::uint8_t, N> hex_array(std::string_view text) {
  base::Bytes bytes = hex(text);
  std::array<std::uint8_t, N> out{};
  EXPECT_EQ(bytes.size(), N);
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), out.begin());
  return out;
}

inline base::ByteView text_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline base::Bytes random_bytes(std::mt19937_64& random, std::size_t n) {
  base::Bytes out(n);
  for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(random());
  return out;
}

}  // namespace entresol::crypto
