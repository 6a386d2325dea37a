// A join token as people pass it on: where the controller is, which key it has, and a secret that admits one member.
//
//   "ent1." ‖ base64url of
//     version = 1 (8) | endpoints (8: 1 to 4) | each: host, port (16)
//                     | SHA-256 of the controller's public key (SubjectPublicKeyInfo) (256) | secret (128)
//   host: 4, IPv4 address (32)  |  6, IPv6 address (128)  |  1, length (8), DNS name
//
// Each token has one text only. Whoever has it can join, once: it travels as a password does.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

namespace entresol::layer::directory {

inline constexpr std::string_view kTokenPrefix = "ent1.";
inline constexpr std::size_t kMaxTokenEndpoints = 4;

using TokenSecret = crypto::SecretBytes<16>;

struct TokenEndpoint {
  std::string host;  // an IPv4 or IPv6 address (RFC 5952), or a DNS name in lower case
  std::uint16_t port = 0;
  friend bool operator==(const TokenEndpoint&, const TokenEndpoint&) = default;
};

struct JoinToken {
  std::vector<TokenEndpoint> endpoints;  // tried in this order
  crypto::Hash256 controller{};          // SHA-256 of its SubjectPublicKeyInfo
  TokenSecret secret;
  friend bool operator==(const JoinToken&, const JoinToken&) = default;
};

// kConfigBadValue for an endpoint that a token cannot carry, or none, or more than four.
base::Result<std::string> emit_token(const JoinToken& token);
// White space around the text is ignored. Error: kTokenMalformed, which never quotes the text.
base::Result<JoinToken> parse_token(std::string_view text);

// What the controller's store keeps of a secret.
crypto::Hash256 hash_of(const TokenSecret& secret);

}  // namespace entresol::layer::directory
