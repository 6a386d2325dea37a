// Stateless reset (docs/wire.md section 8; RFC 9000 section 10.3): a member that has lost its state
// can still compute, from a secret that it kept, the token that it gave its peer for an index.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"
#include "crypto/secret.h"
#include "security/handshake.h"
#include "wire/record.h"

namespace entresol::security::native {

struct Reset {
  wire::WireId id;
  ResetToken token{};
};

// The token for an own index: BLAKE2s-128 under `secret` of the index as 4 octets.
ResetToken reset_token(const crypto::SecretBytes<32>& secret, std::uint32_t index);

base::DropReason parse(base::ByteView message, Reset& out);  // handshake_malformed
base::Bytes emit(const Reset& reset);

}  // namespace entresol::security::native
