// WireGuard's handshake, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, to the bit (paper section 5.4).
#pragma once

#include "security/handshake.h"

namespace entresol::security::wireguard {

class Handshake final : public HandshakeProtocol {
 public:
  // `own` outlives this and every state that it makes.
  explicit Handshake(const crypto::X25519KeyPair& own) : own_(own) {}

  int index_bits() const override { return 32; }
  cookie::Labels labels() const override;
  base::DropReason classify(base::ByteView message, MessageKind& kind) const override;
  base::DropReason check_header(MessageKind kind, base::ByteView message) const override;
  std::uint32_t sender_index(base::ByteView message) const override;
  std::uint32_t receiver_index(MessageKind kind, base::ByteView message) const override;
  cookie::Prefix cookie_prefix(std::uint32_t receiver_index) const override;
  // Nanoseconds are rounded down to 2^24, so that the clock's fine part is not shown.
  Timestamp timestamp(std::int64_t unix_nanos, const Timestamp& last) const override;
  noise::HandshakeState initiator(const noise::PublicKey& remote,
                                  const HandshakeNames& names) const override;
  noise::HandshakeState responder(const HandshakeNames& names) const override;
  base::Bytes write_initiation(noise::HandshakeState& state, std::uint32_t sender,
                               const crypto::X25519KeyPair& ephemeral,
                               const HandshakeContent& content) const override;
  base::Bytes write_response(noise::HandshakeState& state, std::uint32_t sender,
                             std::uint32_t receiver, const crypto::X25519KeyPair& ephemeral,
                             const noise::Psk& psk, const HandshakeContent& content) const override;
  base::DropReason read_static(noise::HandshakeState& state,
                               base::ByteView initiation) const override;
  base::DropReason read_content(noise::HandshakeState& state, base::ByteView initiation,
                                HandshakeContent& content) const override;
  base::DropReason read_response(noise::HandshakeState& state, base::ByteView response,
                                 const noise::Psk& psk, HandshakeContent& content) const override;

 private:
  const crypto::X25519KeyPair& own_;
};

}  // namespace entresol::security::wireguard
