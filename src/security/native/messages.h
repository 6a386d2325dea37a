// The native messages 0x10 to 0x13, 0x17 and 0x18, their sizes and offsets (docs/wire.md section 8). Integers are
// big-endian; an index has 24 bits and is followed by a zero octet.
//
//   initiation                      response                        cookie reply (64)
//    0  0x10                         0  0x11                         0  0x12, zero (3)
//    1  version, suite, purpose      1  version, suite, purpose      4  receiver, zero
//    4  sender, zero                 4  sender, zero                 8  nonce (24)
//    8  ephemeral (32)               8  receiver, zero              32  cookie (16 + 16)
//   40  static (32 + 16)            12  ephemeral (32)
//   88  payload (n + 16)            44  payload (n + 16)            reset (24)
//       mac1, mac2                      mac1, mac2                   0  0x13, zero (3)
//                                                                    4  wire id
//   probe, and its answer (28)                                       8  token (16)
//    0  0x17, or 0x18; zero (3)
//    4  nonce (8)
//   12  mac (16)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace entresol::security::native {

inline constexpr std::uint8_t kInitiationType = 0x10;
inline constexpr std::uint8_t kResponseType = 0x11;
inline constexpr std::uint8_t kCookieReplyType = 0x12;
inline constexpr std::uint8_t kResetType = 0x13;
inline constexpr std::uint8_t kProbeType = 0x17;
inline constexpr std::uint8_t kProbeAnswerType = 0x18;
inline constexpr std::uint8_t kVersion = 1;

inline constexpr std::size_t kInitiationMinimum = 164;
inline constexpr std::size_t kResponseMinimum = 104;
inline constexpr std::size_t kMessageMaximum = 8192;  // three objects of any sensible size fit
inline constexpr std::size_t kCookieReplySize = 64;
inline constexpr std::size_t kResetSize = 24;
inline constexpr std::size_t kProbeSize = 28;  // of an answer too: it is never the longer one

inline constexpr std::size_t kVersionOffset = 1;
inline constexpr std::size_t kSuiteOffset = 2;
inline constexpr std::size_t kPurposeOffset = 3;
inline constexpr std::size_t kSenderOffset = 4;
inline constexpr std::size_t kInitiationHeader = 8;  // what MixHash authenticates
inline constexpr std::size_t kResponseReceiverOffset = 8;
inline constexpr std::size_t kResponseHeader = 12;
inline constexpr std::size_t kCookieReceiverOffset = 4;
inline constexpr std::size_t kInitiationStaticOffset = 40;
inline constexpr std::size_t kInitiationPayloadOffset = 88;
inline constexpr std::size_t kResponsePayloadOffset = 44;
inline constexpr std::size_t kResetWireIdOffset = 4;
inline constexpr std::size_t kResetTokenOffset = 8;
inline constexpr std::size_t kProbeNonceOffset = 4;
inline constexpr std::size_t kProbeMacOffset = 12;

inline constexpr std::string_view kPrologue = "entresol v1";
inline constexpr std::string_view kMac1Label = "entresol mac1";
inline constexpr std::string_view kCookieLabel = "entresol cookie";
inline constexpr std::string_view kProbeLabel = "entresol probe";

}  // namespace entresol::security::native
