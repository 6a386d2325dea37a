// Probes (docs/wire.md section 8): a question to a node and its answer, to measure the way to it without a handshake. The
// node keeps nothing for them.
//
// They prove little: whoever sees a question and knows the node's public key can answer it. What is attached to is proved
// by the handshake that follows.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/drop.h"
#include "crypto/hash.h"

namespace entresol::security::native {

struct Probe {
  bool answer = false;
  std::uint64_t nonce = 0;  // of the question; nobody can guess it
  crypto::Mac128 mac{};
};

base::DropReason parse(base::ByteView message, Probe& out);  // handshake_malformed
base::Bytes emit(const Probe& probe);

// What one node is asked with, and answers with: from its static public key.
class ProbeKeys {
 public:
  explicit ProbeKeys(const std::array<std::uint8_t, 32>& node);
  Probe question(std::uint64_t nonce) const { return made(false, nonce); }
  Probe answer(std::uint64_t nonce) const { return made(true, nonce); }
  // Whether it is meant for this node, or is from it.
  bool proves(const Probe& probe) const;

 private:
  Probe made(bool answer, std::uint64_t nonce) const;
  crypto::Blake2sMac question_;
  crypto::Blake2sMac answer_;
};

}  // namespace entresol::security::native
