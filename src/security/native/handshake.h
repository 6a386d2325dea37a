// The native handshake (docs/wire.md section 8): Noise IK whose prologue binds version, suite,
// purpose, layer and a session's names, and whose header octets are authenticated too.
#pragma once

#include "security/handshake.h"
#include "security/protocol.h"

namespace entresol::security::native {

struct Parameters {
  crypto::AeadSuite suite = crypto::AeadSuite::kAes256Gcm;
  Purpose purpose = Purpose::kLink;
  std::array<std::uint8_t, 32> layer_id{};
};

class Handshake final : public HandshakeProtocol {
 public:
  // `own` outlives this and every state that it makes.
  Handshake(const crypto::X25519KeyPair& own, const Parameters& parameters)
      : own_(own), parameters_(parameters) {}

  int index_bits() const override { return 24; }
  cookie::Labels labels() const override;
  base::DropReason classify(base::ByteView message, MessageKind& kind) const override;
  base::DropReason check_header(MessageKind kind, base::ByteView message) const override;
  std::uint32_t sender_index(base::ByteView message) const override;
  std::uint32_t receiver_index(MessageKind kind, base::ByteView message) const override;
  cookie::Prefix cookie_prefix(std::uint32_t receiver_index) const override;
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
  base::Bytes prologue(const HandshakeNames& names) const;
  base::Bytes begin(std::uint8_t type, std::uint32_t sender) const;

  const crypto::X25519KeyPair& own_;
  Parameters parameters_;
};

}  // namespace entresol::security::native
