#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/buffer.hpp>

#include "base/error_codes.h"

namespace entresol::http {
namespace {

namespace ssl = boost::asio::ssl;

auto cannot(const std::string& what) {
  return base::fail(base::code::kSystemCall, "cannot " + what + ": " + take_library_error());
}

bool restrict_to_tls13(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // An idle connection keeps no buffer.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1;
}

// Replaces the whole of certificate verification; that the server has the key, the handshake itself proves.
int check_pin(X509_STORE_CTX* store, void* argument) {
  auto& check = *static_cast<PinCheck*>(argument);
  X509* certificate = X509_STORE_CTX_get0_cert(store);
  EVP_PKEY* key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
  const auto pin = key == nullptr ? std::nullopt : pin_of(key);
  check.differed = pin != check.expected;
  if (!check.differed) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
  return 0;
}

}  // namespace

base::Result<ssl::context> server_context(const Identity& identity) {
  boost::system::error_code failed;
  ssl::context context(ssl::context::tls_server);
  if (!restrict_to_tls13(context.native_handle())) return cannot("set up TLS 1.3");
  SSL_CTX_set_default_passwd_cb(context.native_handle(), no_passphrase);
  const auto pem = boost::asio::buffer(identity.pem);
  context.use_private_key(pem, ssl::context::pem, failed);
  if (!failed) context.use_certificate(pem, ssl::context::pem, failed);
  if (failed || SSL_CTX_check_private_key(context.native_handle()) != 1) {
    take_library_error();
    return base::fail(base::code::kKeyMalformed,
                      "the server's TLS identity is no key with its certificate");
  }
  return context;
}

base::Result<ssl::context> client_context(PinCheck& check) {
  ssl::context context(ssl::context::tls_client);
  if (!restrict_to_tls13(context.native_handle())) return cannot("set up TLS 1.3");
  SSL_CTX_set_verify(context.native_handle(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context.native_handle(), check_pin, &check);
  return context;
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::optional<Pin> pin_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return std::nullopt;
  const Pin pin = crypto::sha256({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return pin;
}

std::string take_library_error() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (error == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "error " + std::to_string(error) : reason;
}

}  // namespace entresol::http
