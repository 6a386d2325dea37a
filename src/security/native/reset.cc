#include "security/native/reset.h"

#include <algorithm>

#include "crypto/hash.h"
#include "security/native/messages.h"

namespace entresol::security::native {

ResetToken reset_token(const crypto::SecretBytes<32>& secret, std::uint32_t index) {
  std::array<std::uint8_t, 4> octets;
  base::store_be32(octets.data(), index);
  return crypto::blake2s_mac(std::span<const std::uint8_t, 32>(secret), octets);
}

base::DropReason parse(base::ByteView message, Reset& out) {
  if (message.size() != kResetSize || base::load_be32(message.data()) != std::uint32_t{kResetType}
                                                                             << 24) {
    return base::DropReason::handshake_malformed;
  }
  out.id.value = base::load_be32(message.data() + kResetWireIdOffset);
  std::copy_n(message.begin() + kResetTokenOffset, out.token.size(), out.token.begin());
  return base::DropReason::none;
}

base::Bytes emit(const Reset& reset) {
  base::Bytes out(kResetSize);
  out[0] = kResetType;
  base::store_be32(out.data() + kResetWireIdOffset, reset.id.value);
  std::copy(reset.token.begin(), reset.token.end(), out.begin() + kResetTokenOffset);
  return out;
}

}  // namespace entresol::security::native
