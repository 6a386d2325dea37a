// From the keys of a handshake to the lanes that records use: derived for native protocols, the key
// itself for WireGuard.
#pragma once

#include <algorithm>
#include <memory>

#include "security/association.h"
#include "security/record.h"

namespace entresol::security {

inline LaneKey lane_key(Protocol protocol, crypto::AeadSuite suite,
                        const crypto::SecretBytes<32>& secret, std::uint8_t lane) {
  if (protocol == Protocol::kWireGuard) return LaneKey{crypto::Aead(suite, secret), {}};
  std::array<std::uint8_t, 32> bytes;
  std::copy(secret.begin(), secret.end(), bytes.begin());
  LaneKey key = derive_lane(bytes, suite, lane);
  crypto::wipe(bytes.data(), bytes.size());
  return key;
}

inline std::unique_ptr<ReceiveLane> receive_lane(Protocol protocol, crypto::AeadSuite suite,
                                                 const crypto::SecretBytes<32>& secret,
                                                 std::uint8_t lane) {
  return std::make_unique<ReceiveLane>(ReceiveLane{lane_key(protocol, suite, secret, lane), {}});
}

inline std::unique_ptr<SendLane> send_lane(const Keys& keys, std::uint8_t lane) {
  auto out = std::make_unique<SendLane>();
  out->key = lane_key(keys.protocol, keys.suite, keys.send, lane);
  out->protocol = keys.protocol;
  out->wire_id =
      keys.protocol == Protocol::kNative ? keys.remote_index << 8 | lane : keys.remote_index;
  return out;
}

}  // namespace entresol::security
