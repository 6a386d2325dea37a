#include "security/noise/symmetric_state.h"

#include <algorithm>

#include "crypto/aead.h"

namespace entresol::security::noise {

void CipherState::set_key(const crypto::SecretBytes<32>& key) {
  key_ = key;
  n_ = 0;
  has_key_ = true;
}

// Section 12.3 and 12.4: four zero octets, then the counter; little-endian for ChaChaPoly,
// big-endian for AESGCM.
std::array<std::uint8_t, 12> CipherState::nonce() const {
  std::array<std::uint8_t, 12> nonce{};
  if (suite_ == crypto::AeadSuite::kAes256Gcm) {
    base::store_be64(nonce.data() + 4, n_);
  } else {
    base::store_le64(nonce.data() + 4, n_);
  }
  return nonce;
}

void CipherState::encrypt(base::ByteView associated, base::ByteView plain, base::Bytes& out) {
  if (!has_key_) {
    out.insert(out.end(), plain.begin(), plain.end());
    return;
  }
  const std::size_t at = out.size();
  out.resize(at + plain.size() + kTag);
  const crypto::Aead aead(suite_, key_);
  aead.seal(nonce().data(), associated, plain.data(), plain.size(), out.data() + at,
            out.data() + at + plain.size());
  ++n_;
}

bool CipherState::decrypt(base::ByteView associated, base::ByteView sealed, base::Bytes& plain) {
  if (!has_key_) {
    plain.assign(sealed.begin(), sealed.end());
    return true;
  }
  if (sealed.size() < kTag) return false;
  base::Bytes opened(sealed.size() - kTag);
  const crypto::Aead aead(suite_, key_);
  if (!aead.open(nonce().data(), associated, sealed.data(), opened.size(), opened.data(),
                 sealed.data() + opened.size())) {
    return false;
  }
  ++n_;
  plain = std::move(opened);
  return true;
}

SymmetricState::SymmetricState(std::string_view protocol_name, crypto::AeadSuite suite)
    : hash_{}, cipher_(suite) {
  const base::ByteView name(reinterpret_cast<const std::uint8_t*>(protocol_name.data()),
                            protocol_name.size());
  if (name.size() <= hash_.size()) {
    std::copy(name.begin(), name.end(), hash_.begin());
  } else {
    hash_ = crypto::blake2s(name);
  }
  chaining_key_ = crypto::SecretBytes<32>(hash_);
}

void SymmetricState::mix_key(base::ByteView input) {
  const auto outputs =
      crypto::hkdf_blake2s<2>(std::span<const std::uint8_t, 32>(chaining_key_), input);
  chaining_key_ = outputs[0];
  cipher_.set_key(outputs[1]);
}

void SymmetricState::mix_hash(base::ByteView data) {
  hash_ = crypto::blake2s(hash_, data);
}

void SymmetricState::mix_key_and_hash(base::ByteView input) {
  const auto outputs =
      crypto::hkdf_blake2s<3>(std::span<const std::uint8_t, 32>(chaining_key_), input);
  chaining_key_ = outputs[0];
  mix_hash(std::span<const std::uint8_t, 32>(outputs[1]));
  cipher_.set_key(outputs[2]);
}

void SymmetricState::encrypt_and_hash(base::ByteView plain, base::Bytes& out) {
  const std::size_t at = out.size();
  cipher_.encrypt(hash_, plain, out);
  mix_hash(base::ByteView(out).subspan(at));
}

bool SymmetricState::decrypt_and_hash(base::ByteView sealed, base::Bytes& plain) {
  if (!cipher_.decrypt(hash_, sealed, plain)) return false;
  mix_hash(sealed);
  return true;
}

std::pair<crypto::SecretBytes<32>, crypto::SecretBytes<32>> SymmetricState::split() const {
  auto outputs = crypto::hkdf_blake2s<2>(std::span<const std::uint8_t, 32>(chaining_key_), {});
  return {outputs[0], outputs[1]};
}

}  // namespace entresol::security::noise
