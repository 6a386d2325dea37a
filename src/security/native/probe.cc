#include "security/native/probe.h"

#include <algorithm>

#include "security/native/messages.h"

namespace entresol::security::native {
namespace {

crypto::Hash256 key_of(std::string_view label, const std::array<std::uint8_t, 32>& node) {
  return crypto::blake2s({reinterpret_cast<const std::uint8_t*>(label.data()), label.size()}, node);
}

}  // namespace

base::DropReason parse(base::ByteView message, Probe& out) {
  if (message.size() != kProbeSize) return base::DropReason::handshake_malformed;
  const std::uint32_t first = base::load_be32(message.data());
  if (first != std::uint32_t{kProbeType} << 24 && first != std::uint32_t{kProbeAnswerType} << 24)
    return base::DropReason::handshake_malformed;
  out.answer = message[0] == kProbeAnswerType;
  out.nonce = base::load_be64(message.data() + kProbeNonceOffset);
  std::copy_n(message.begin() + kProbeMacOffset, out.mac.size(), out.mac.begin());
  return base::DropReason::none;
}

base::Bytes emit(const Probe& probe) {
  base::Bytes out(kProbeSize);
  out[0] = probe.answer ? kProbeAnswerType : kProbeType;
  base::store_be64(out.data() + kProbeNonceOffset, probe.nonce);
  std::copy(probe.mac.begin(), probe.mac.end(), out.begin() + kProbeMacOffset);
  return out;
}

ProbeKeys::ProbeKeys(const std::array<std::uint8_t, 32>& node)
    : question_(key_of(kMac1Label, node)), answer_(key_of(kProbeLabel, node)) {}

Probe ProbeKeys::made(bool answer, std::uint64_t nonce) const {
  std::array<std::uint8_t, kProbeMacOffset> head{answer ? kProbeAnswerType : kProbeType};
  base::store_be64(head.data() + kProbeNonceOffset, nonce);
  return {answer, nonce, (answer ? answer_ : question_)(head)};
}

bool ProbeKeys::proves(const Probe& probe) const {
  return crypto::constant_time_equal(made(probe.answer, probe.nonce).mac, probe.mac);
}

}  // namespace entresol::security::native
