// TLS as both sides use it: version 1.3 and no other, no tickets, no early data (a server keeps nothing of a session, and
// nothing can be replayed), and who is who by the hash of a key.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <string>

#include "base/result.h"
#include "http/identity.h"

namespace entresol::http {

// kKeyMalformed, kSystemCall.
base::Result<boost::asio::ssl::context> server_context(const Identity& identity);

// The pin that is expected, and what came of it. It must outlive the handshakes.
struct PinCheck {
  Pin expected{};
  bool differed = false;
};
// A handshake ends there, with an alert, if the server's key is another. Certificates are not looked at beyond that: no
// name, no date, no issuer. kSystemCall.
base::Result<boost::asio::ssl::context> client_context(PinCheck& check);

// For where OpenSSL wants a callback: otherwise it asks whoever sits at the terminal.
int no_passphrase(char*, int, int, void*);

std::optional<Pin> pin_of(EVP_PKEY* key);

// The newest entry of OpenSSL's queue of this thread, which is emptied.
std::string take_library_error();

}  // namespace entresol::http
