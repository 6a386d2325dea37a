#include "crypto/aead_plain.h"

#include <openssl/evp.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "crypto/sodium_init.h"

namespace entresol::crypto {
namespace {

static_assert(kAeadKeySize == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
static_assert(kAeadNonceSize == crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
static_assert(kAeadTagSize == crypto_aead_chacha20poly1305_ietf_ABYTES);

// OpenSSL refuses these calls only for reasons that no packet can cause; to go on would send
// plaintext.
void require(bool done) noexcept {
  if (!done) std::abort();
}

void feed(EVP_CIPHER_CTX* context, std::uint8_t* out, const std::uint8_t* in,
          std::size_t n) noexcept {
  require(n <= INT_MAX);
  int written = 0;
  if (n > 0) require(EVP_CipherUpdate(context, out, &written, in, static_cast<int>(n)) == 1);
}

void gcm_seal(EVP_CIPHER_CTX* context, const std::uint8_t* nonce, base::ByteView aad,
              const std::uint8_t* in, std::size_t n, std::uint8_t* out,
              std::uint8_t* tag) noexcept {
  require(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1);
  feed(context, nullptr, aad.data(), aad.size());
  feed(context, out, in, n);
  int rest = 0;
  std::uint8_t none[16];
  require(EVP_EncryptFinal_ex(context, none, &rest) == 1);
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, tag) == 1);
}

bool gcm_open(EVP_CIPHER_CTX* context, const std::uint8_t* nonce, base::ByteView aad,
              const std::uint8_t* in, std::size_t n, std::uint8_t* out,
              const std::uint8_t* tag) noexcept {
  std::uint8_t expected[kAeadTagSize];
  std::memcpy(expected, tag, sizeof expected);
  require(EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1);
  feed(context, nullptr, aad.data(), aad.size());
  feed(context, out, in, n);
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, expected) == 1);
  int rest = 0;
  std::uint8_t none[16];
  return EVP_DecryptFinal_ex(context, none, &rest) == 1;
}

}  // namespace

void PlainAead::FreeCipher::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

PlainAead::PlainAead(AeadSuite suite, std::span<const std::uint8_t, kAeadKeySize> key)
    : suite_(suite) {
  switch (suite) {
    case AeadSuite::kAes256Gcm:
      aes_.reset(EVP_CIPHER_CTX_new());
      if (!aes_ ||
          EVP_CipherInit_ex(aes_.get(), EVP_aes_256_gcm(), nullptr, key.data(), nullptr, 1) != 1) {
        throw std::runtime_error("OpenSSL has no AES-256-GCM");
      }
      return;
    case AeadSuite::kChaCha20Poly1305:
      detail::ensure_sodium();
      key_ = SecretBytes<kAeadKeySize>(key);
      return;
  }
  std::abort();
}

PlainAead::PlainAead(PlainAead&& other) noexcept
    : key_(std::move(other.key_)),
      aes_(std::move(other.aes_)),
      suite_(std::exchange(other.suite_, AeadSuite{})) {}

PlainAead& PlainAead::operator=(PlainAead&& other) noexcept {
  if (this != &other) {
    key_ = std::move(other.key_);
    aes_ = std::move(other.aes_);
    suite_ = std::exchange(other.suite_, AeadSuite{});
  }
  return *this;
}

void PlainAead::seal(const std::uint8_t* nonce, base::ByteView aad, const std::uint8_t* in,
                     std::size_t n, std::uint8_t* out, std::uint8_t* tag) const noexcept {
  if (suite_ == AeadSuite::kAes256Gcm) {
    gcm_seal(aes_.get(), nonce, aad, in, n, out, tag);
  } else if (suite_ == AeadSuite::kChaCha20Poly1305) {
    std::uint8_t none;  // libsodium wants an address even for nothing
    if (out == nullptr) out = &none;
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, tag, nullptr, detail::moved(in, n, out),
                                                       n, aad.data(), aad.size(), nullptr, nonce,
                                                       key_.data());
  } else {
    std::abort();
  }
}

bool PlainAead::open(const std::uint8_t* nonce, base::ByteView aad, const std::uint8_t* in,
                     std::size_t n, std::uint8_t* out, const std::uint8_t* tag) const noexcept {
  if (suite_ == AeadSuite::kAes256Gcm) return gcm_open(aes_.get(), nonce, aad, in, n, out, tag);
  if (suite_ != AeadSuite::kChaCha20Poly1305) std::abort();
  const std::uint8_t none = 0;
  if (in == nullptr) in = &none;
  return crypto_aead_chacha20poly1305_ietf_decrypt_detached(out, nullptr, detail::moved(in, n, out),
                                                            n, tag, aad.data(), aad.size(), nonce,
                                                            key_.data()) == 0;
}

}  // namespace entresol::crypto
