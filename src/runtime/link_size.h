// How large a link's packets may be over an underlay of a given MTU.
#pragma once

#include <cstdint>
#include <string>

#include "base/error_codes.h"
#include "base/result.h"
#include "layer/forwarding/tables.h"

namespace entresol::runtime {

inline constexpr std::uint16_t kLeastInnerMtu = 1280;  // RFC 8200 section 5

// Plaintext octets of a native record in one UDP datagram. kUnderlayTooSmall if applications would not get 1280.
inline base::Result<std::uint16_t> link_max_packet(std::uint16_t underlay_mtu, bool ipv6) {
  const int headers = (ipv6 ? 40 : 20) + 8;
  const int max_packet = underlay_mtu - headers -
                         static_cast<int>(security::kNativeRecordHeader + security::kRecordTag);
  const int needed = kLeastInnerMtu + static_cast<int>(layer::forwarding::kSealedOverhead) + 2;
  if (max_packet < needed)
    return base::fail(base::code::kUnderlayTooSmall,
                      "an underlay of " + std::to_string(underlay_mtu) + " leaves " +
                          std::to_string(max_packet - (needed - kLeastInnerMtu)) +
                          " octets to applications, who need 1280; the least is " +
                          std::to_string(underlay_mtu + needed - max_packet));
  return static_cast<std::uint16_t>(max_packet);
}

}  // namespace entresol::runtime
