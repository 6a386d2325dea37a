// A server's TLS identity: a key, and a certificate that it has signed itself. Who asks it pins the key, so no certificate
// authority and no name in the certificate matters, and the certificate's dates do not either.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

namespace entresol::http {

// SHA-256 of the key's SubjectPublicKeyInfo (as in RFC 7469, section 2.4).
using Pin = crypto::Hash256;

struct Identity {
  std::string pem;  // private key (PKCS #8) and certificate; a secret
  Pin pin{};
};

// A new key (ECDSA, P-256). kSystemCall if the library cannot.
base::Result<Identity> make_identity();
// kKeyMalformed: no private key with its certificate.
base::Result<Identity> parse_identity(std::string pem);

// "sha256:" and 64 hexadecimal digits. kConfigBadValue.
std::string to_text(const Pin& pin);
base::Result<Pin> parse_pin(std::string_view text);

}  // namespace entresol::http
