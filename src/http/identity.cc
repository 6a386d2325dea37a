#include "http/identity.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/error_codes.h"
#include "http/tls.h"

namespace entresol::http {
namespace {

namespace code = base::code;

constexpr std::string_view kPinPrefix = "sha256:";

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free>>;

Certificate sign_itself(EVP_PKEY* key, const Pin& pin) {
  Certificate certificate(X509_new());
  if (!certificate) return nullptr;
  X509* x = certificate.get();
  const auto serial = base::load_be64(pin.data()) >> 1 | 1;
  X509_NAME* name = X509_get_subject_name(x);
  const auto* text = reinterpret_cast<const unsigned char*>("entresol");
  // RFC 5280, section 4.1.2.5: no end that is known.
  const bool made = X509_set_version(x, X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial) == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20000101000000Z") == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "99991231235959Z") == 1 &&
                    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
                    X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
                    X509_sign(x, key, EVP_sha256()) > 0;
  if (!made) return nullptr;
  return certificate;
}

Memory reader(const std::string& pem) {
  return Memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

auto no_identity(const std::string& what) {
  return base::fail(code::kKeyMalformed, "not a TLS identity: " + what);
}

}  // namespace

base::Result<Identity> make_identity() {
  const auto failed = [] {
    return base::fail(code::kSystemCall, "cannot make a TLS identity: " + take_library_error());
  };
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return failed();
  Identity identity;
  const auto pin = pin_of(key.get());
  if (!pin) return failed();
  identity.pin = *pin;
  const Certificate certificate = sign_itself(key.get(), identity.pin);
  const Memory out(BIO_new(BIO_s_secmem()));
  if (!certificate || !out ||
      PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1 ||
      PEM_write_bio_X509(out.get(), certificate.get()) != 1)
    return failed();
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  identity.pem.assign(text, static_cast<std::size_t>(size));
  return identity;
}

base::Result<Identity> parse_identity(std::string pem) {
  constexpr std::size_t kLongest = 64 * 1024;
  if (pem.size() > kLongest) return no_identity("it is too long");
  const Key key(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, no_passphrase, nullptr));
  if (!key) return no_identity("no private key in PEM: " + take_library_error());
  const Certificate certificate(
      PEM_read_bio_X509(reader(pem).get(), nullptr, no_passphrase, nullptr));
  if (!certificate) return no_identity("no certificate in PEM: " + take_library_error());
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    take_library_error();
    return no_identity("the certificate is another key's");
  }
  const auto pin = pin_of(key.get());
  if (!pin) return no_identity("its key cannot be written: " + take_library_error());
  take_library_error();  // what PEM has skipped
  return Identity{std::move(pem), *pin};
}

std::string to_text(const Pin& pin) {
  return std::string(kPinPrefix) + base::to_hex(pin);
}

base::Result<Pin> parse_pin(std::string_view text) {
  base::Bytes bytes;
  Pin pin;
  if (!text.starts_with(kPinPrefix) || !base::from_hex(text.substr(kPinPrefix.size()), bytes) ||
      bytes.size() != pin.size())
    return base::fail(code::kConfigBadValue,
                      "not the hash of a key (sha256: and 64 hexadecimal digits)");
  std::copy(bytes.begin(), bytes.end(), pin.begin());
  return pin;
}

}  // namespace entresol::http
