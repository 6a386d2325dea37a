// What a handshake protocol does for the association: it reads and writes the messages. All that
// happens between them (retries, cookies, timers, keys) is the association's and alike for both.
// Implemented in wireguard/ and native/. Control side: virtual calls and allocation are allowed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/drop.h"
#include "security/cookie/cookie.h"
#include "security/credentials.h"
#include "security/noise/handshake_state.h"

namespace entresol::security {

enum class MessageKind : std::uint8_t { kInitiation, kResponse, kCookieReply, kReset };

// Compared octet by octet; WireGuard's is TAI64N, the native one has 8 octets, then zeros.
using Timestamp = std::array<std::uint8_t, 12>;
using ResetToken = std::array<std::uint8_t, 16>;

// What the sealed payloads of the two messages say.
struct HandshakeContent {
  Timestamp timestamp{};                  // initiation
  Credentials shown;                      // native
  std::optional<ResetToken> reset_token;  // native
};

// The names that a session joins, in the order of its handshake; zero for links.
struct HandshakeNames {
  std::array<std::uint8_t, 16> initiator{};
  std::array<std::uint8_t, 16> responder{};
};

class HandshakeProtocol {
 public:
  virtual ~HandshakeProtocol() = default;

  virtual int index_bits() const = 0;
  virtual cookie::Labels labels() const = 0;
  // Type and length: handshake_malformed if they do not fit.
  virtual base::DropReason classify(base::ByteView message, MessageKind& kind) const = 0;
  // Whether an initiation or response is of the version, suite and purpose that this end is
  // configured for: handshake_suite, or handshake_malformed for octets that have to be zero.
  virtual base::DropReason check_header(MessageKind kind, base::ByteView message) const = 0;
  virtual std::uint32_t sender_index(base::ByteView message) const = 0;  // initiation, response
  virtual std::uint32_t receiver_index(MessageKind kind, base::ByteView message) const = 0;
  virtual cookie::Prefix cookie_prefix(std::uint32_t receiver_index) const = 0;
  // Of now, but above `last`.
  virtual Timestamp timestamp(std::int64_t unix_nanos, const Timestamp& last) const = 0;

  virtual noise::HandshakeState initiator(const noise::PublicKey& remote,
                                          const HandshakeNames& names) const = 0;
  virtual noise::HandshakeState responder(const HandshakeNames& names) const = 0;

  // Whole messages with room for the macs at their end. Empty if the peer's key is of small order.
  virtual base::Bytes write_initiation(noise::HandshakeState& state, std::uint32_t sender,
                                       const crypto::X25519KeyPair& ephemeral,
                                       const HandshakeContent& content) const = 0;
  virtual base::Bytes write_response(noise::HandshakeState& state, std::uint32_t sender,
                                     std::uint32_t receiver, const crypto::X25519KeyPair& ephemeral,
                                     const noise::Psk& psk,
                                     const HandshakeContent& content) const = 0;

  // Messages that classify() and check_header() have passed. The first is read in two steps: who,
  // then what.
  virtual base::DropReason read_static(noise::HandshakeState& state,
                                       base::ByteView initiation) const = 0;
  virtual base::DropReason read_content(noise::HandshakeState& state, base::ByteView initiation,
                                        HandshakeContent& content) const = 0;
  virtual base::DropReason read_response(noise::HandshakeState& state, base::ByteView response,
                                         const noise::Psk& psk,
                                         HandshakeContent& content) const = 0;
};

}  // namespace entresol::security
