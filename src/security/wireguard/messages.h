// WireGuard's messages 1 to 3, their sizes and offsets (paper section 5.4). Integers are
// little-endian, but the timestamp (TAI64N) is big-endian.
//
//   initiation (148)                response (92)                   cookie reply (64)
//    0  1, reserved (3)              0  2, reserved (3)              0  3, reserved (3)
//    4  sender                       4  sender                       4  receiver
//    8  ephemeral (32)               8  receiver                     8  nonce (24)
//   40  static (32 + 16)            12  ephemeral (32)              32  cookie (16 + 16)
//   88  timestamp (12 + 16)         44  nothing (0 + 16)
//  116  mac1, mac2                  60  mac1, mac2
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace entresol::security::wireguard {

inline constexpr std::uint32_t kInitiationType = 1;
inline constexpr std::uint32_t kResponseType = 2;
inline constexpr std::uint32_t kCookieReplyType = 3;

inline constexpr std::size_t kInitiationSize = 148;
inline constexpr std::size_t kResponseSize = 92;
inline constexpr std::size_t kCookieReplySize = 64;
inline constexpr std::size_t kTimestampSize = 12;

inline constexpr std::size_t kSenderOffset = 4;  // initiation, response
inline constexpr std::size_t kResponseReceiverOffset = 8;
inline constexpr std::size_t kCookieReceiverOffset = 4;
inline constexpr std::size_t kInitiationEphemeralOffset = 8;
inline constexpr std::size_t kInitiationStaticOffset = 40;
inline constexpr std::size_t kInitiationTimestampOffset = 88;
inline constexpr std::size_t kResponseEphemeralOffset = 12;
inline constexpr std::size_t kResponseEmptyOffset = 44;

inline constexpr std::string_view kIdentifier = "WireGuard v1 zx2c4 Jason@zx2c4.com";
inline constexpr std::string_view kMac1Label = "mac1----";
inline constexpr std::string_view kCookieLabel = "cookie--";

}  // namespace entresol::security::wireguard
