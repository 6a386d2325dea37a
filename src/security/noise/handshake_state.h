// The two messages of Noise IK and IKpsk2 (revision 34, sections 5.3, 7.5 and 9):
//
//   <- s
//   ...
//   -> e, es, s, ss, payload
//   <- e, ee, se, [psk], payload
//
// The first is read in two steps, so that a receiver can stop at a static key that it does not
// know. A function that returns false leaves the state unusable: work on a copy where it may go on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "crypto/aead_suite.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "security/noise/symmetric_state.h"

namespace entresol::security::noise {

enum class Pattern : std::uint8_t { kIK, kIKpsk2 };
using Psk = crypto::SecretBytes<32>;
using PublicKey = crypto::X25519PublicKey;

inline constexpr std::size_t kKey = 32;
inline constexpr std::size_t kSealedKey = kKey + kTag;

class HandshakeState {
 public:
  // `own` outlives the state and its copies.
  static HandshakeState initiator(Pattern pattern, crypto::AeadSuite suite, base::ByteView prologue,
                                  const crypto::X25519KeyPair& own, const PublicKey& remote);
  static HandshakeState responder(Pattern pattern, crypto::AeadSuite suite, base::ByteView prologue,
                                  const crypto::X25519KeyPair& own);

  // Plain header octets that are to be authenticated; before the message's first token.
  void mix_hash(base::ByteView header) { symmetric_.mix_hash(header); }

  // Appends e, sealed s and sealed payload. False if the remote key is of small order.
  [[nodiscard]] bool write_first(const crypto::X25519KeyPair& ephemeral, base::ByteView payload,
                                 base::Bytes& out);
  [[nodiscard]] bool read_first_static(base::ByteView e, base::ByteView sealed_static);
  [[nodiscard]] bool read_first_payload(base::ByteView sealed, base::Bytes& payload);

  // `psk` is looked at with IKpsk2 only.
  [[nodiscard]] bool write_second(const crypto::X25519KeyPair& ephemeral, const Psk& psk,
                                  base::ByteView payload, base::Bytes& out);
  [[nodiscard]] bool read_second(base::ByteView e, const Psk& psk, base::ByteView sealed,
                                 base::Bytes& payload);

  const PublicKey& remote_static() const { return remote_static_; }
  const crypto::Hash256& hash() const { return symmetric_.hash(); }
  // The initiator's sending key first. After the second message.
  std::pair<crypto::SecretBytes<32>, crypto::SecretBytes<32>> split() const {
    return symmetric_.split();
  }

 private:
  HandshakeState(Pattern pattern, crypto::AeadSuite suite, base::ByteView prologue,
                 const crypto::X25519KeyPair& own);
  void mix_ephemeral(base::ByteView e);
  [[nodiscard]] bool mix_dh(const crypto::X25519SecretKey& secret, const PublicKey& peer);

  Pattern pattern_;
  SymmetricState symmetric_;
  const crypto::X25519KeyPair* own_;
  crypto::X25519KeyPair ephemeral_;
  PublicKey remote_static_{};
  PublicKey remote_ephemeral_{};
};

}  // namespace entresol::security::noise
