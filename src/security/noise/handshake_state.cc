#include "security/noise/handshake_state.h"

#include <algorithm>

namespace entresol::security::noise {
namespace {

std::string_view protocol_name(Pattern pattern, crypto::AeadSuite suite) {
  const bool aes = suite == crypto::AeadSuite::kAes256Gcm;
  if (pattern == Pattern::kIK) {
    return aes ? "Noise_IK_25519_AESGCM_BLAKE2s" : "Noise_IK_25519_ChaChaPoly_BLAKE2s";
  }
  return aes ? "Noise_IKpsk2_25519_AESGCM_BLAKE2s" : "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
}

PublicKey key_of(base::ByteView bytes) {
  PublicKey key;
  std::copy_n(bytes.begin(), key.size(), key.begin());
  return key;
}

}  // namespace

HandshakeState::HandshakeState(Pattern pattern, crypto::AeadSuite suite, base::ByteView prologue,
                               const crypto::X25519KeyPair& own)
    : pattern_(pattern), symmetric_(protocol_name(pattern, suite), suite), own_(&own) {
  symmetric_.mix_hash(prologue);
}

HandshakeState HandshakeState::initiator(Pattern pattern, crypto::AeadSuite suite,
                                         base::ByteView prologue, const crypto::X25519KeyPair& own,
                                         const PublicKey& remote) {
  HandshakeState state(pattern, suite, prologue, own);
  state.remote_static_ = remote;
  state.symmetric_.mix_hash(remote);
  return state;
}

HandshakeState HandshakeState::responder(Pattern pattern, crypto::AeadSuite suite,
                                         base::ByteView prologue,
                                         const crypto::X25519KeyPair& own) {
  HandshakeState state(pattern, suite, prologue, own);
  state.symmetric_.mix_hash(own.public_key);
  return state;
}

void HandshakeState::mix_ephemeral(base::ByteView e) {
  symmetric_.mix_hash(e);
  if (pattern_ == Pattern::kIKpsk2) symmetric_.mix_key(e);  // section 9.2
}

bool HandshakeState::mix_dh(const crypto::X25519SecretKey& secret, const PublicKey& peer) {
  crypto::X25519SecretKey shared;
  if (!crypto::x25519(shared, secret, peer)) return false;
  symmetric_.mix_key(std::span<const std::uint8_t, 32>(shared));
  return true;
}

bool HandshakeState::write_first(const crypto::X25519KeyPair& ephemeral, base::ByteView payload,
                                 base::Bytes& out) {
  ephemeral_ = ephemeral;
  out.insert(out.end(), ephemeral_.public_key.begin(), ephemeral_.public_key.end());
  mix_ephemeral(ephemeral_.public_key);
  if (!mix_dh(ephemeral_.secret, remote_static_)) return false;  // es
  symmetric_.encrypt_and_hash(own_->public_key, out);
  if (!mix_dh(own_->secret, remote_static_)) return false;  // ss
  symmetric_.encrypt_and_hash(payload, out);
  return true;
}

bool HandshakeState::read_first_static(base::ByteView e, base::ByteView sealed_static) {
  if (e.size() != kKey || sealed_static.size() != kSealedKey) return false;
  remote_ephemeral_ = key_of(e);
  mix_ephemeral(e);
  if (!mix_dh(own_->secret, remote_ephemeral_)) return false;  // es
  base::Bytes key;
  if (!symmetric_.decrypt_and_hash(sealed_static, key)) return false;
  remote_static_ = key_of(key);
  return true;
}

bool HandshakeState::read_first_payload(base::ByteView sealed, base::Bytes& payload) {
  if (!mix_dh(own_->secret, remote_static_)) return false;  // ss
  return symmetric_.decrypt_and_hash(sealed, payload);
}

bool HandshakeState::write_second(const crypto::X25519KeyPair& ephemeral, const Psk& psk,
                                  base::ByteView payload, base::Bytes& out) {
  ephemeral_ = ephemeral;
  out.insert(out.end(), ephemeral_.public_key.begin(), ephemeral_.public_key.end());
  mix_ephemeral(ephemeral_.public_key);
  if (!mix_dh(ephemeral_.secret, remote_ephemeral_)) return false;  // ee
  if (!mix_dh(ephemeral_.secret, remote_static_)) return false;     // se
  if (pattern_ == Pattern::kIKpsk2) {
    symmetric_.mix_key_and_hash(std::span<const std::uint8_t, 32>(psk));
  }
  symmetric_.encrypt_and_hash(payload, out);
  return true;
}

bool HandshakeState::read_second(base::ByteView e, const Psk& psk, base::ByteView sealed,
                                 base::Bytes& payload) {
  if (e.size() != kKey) return false;
  remote_ephemeral_ = key_of(e);
  mix_ephemeral(e);
  if (!mix_dh(ephemeral_.secret, remote_ephemeral_)) return false;  // ee
  if (!mix_dh(own_->secret, remote_ephemeral_)) return false;       // se
  if (pattern_ == Pattern::kIKpsk2) {
    symmetric_.mix_key_and_hash(std::span<const std::uint8_t, 32>(psk));
  }
  return symmetric_.decrypt_and_hash(sealed, payload);
}

}  // namespace entresol::security::noise
