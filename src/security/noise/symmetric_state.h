// Noise's CipherState and SymmetricState (Noise Protocol Framework, revision 34, sections 5.1 and
// 5.2) with BLAKE2s and either AEAD. Copies are whole states: a message is tried on a copy, so that
// a forged one leaves nothing behind.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "crypto/aead_suite.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

namespace entresol::security::noise {

inline constexpr std::size_t kTag = 16;

class CipherState {
 public:
  explicit CipherState(crypto::AeadSuite suite) : suite_(suite) {}
  CipherState(crypto::AeadSuite suite, const crypto::SecretBytes<32>& key)
      : suite_(suite), key_(key), has_key_(true) {}

  void set_key(const crypto::SecretBytes<32>& key);
  bool has_key() const { return has_key_; }
  // Appends the sealed text, or the text itself while there is no key.
  void encrypt(base::ByteView associated, base::ByteView plain, base::Bytes& out);
  // Replaces `plain`. False, with nothing changed, if it does not authenticate.
  [[nodiscard]] bool decrypt(base::ByteView associated, base::ByteView sealed, base::Bytes& plain);

 private:
  std::array<std::uint8_t, 12> nonce() const;

  crypto::AeadSuite suite_;
  crypto::SecretBytes<32> key_;
  std::uint64_t n_ = 0;
  bool has_key_ = false;
};

class SymmetricState {
 public:
  SymmetricState(std::string_view protocol_name, crypto::AeadSuite suite);

  void mix_key(base::ByteView input);
  void mix_hash(base::ByteView data);
  void mix_key_and_hash(base::ByteView input);
  void encrypt_and_hash(base::ByteView plain, base::Bytes& out);
  [[nodiscard]] bool decrypt_and_hash(base::ByteView sealed, base::Bytes& plain);
  // The initiator's sending key first.
  std::pair<crypto::SecretBytes<32>, crypto::SecretBytes<32>> split() const;
  const crypto::Hash256& hash() const { return hash_; }

 private:
  crypto::SecretBytes<32> chaining_key_;
  crypto::Hash256 hash_;
  CipherState cipher_;
};

}  // namespace entresol::security::noise
