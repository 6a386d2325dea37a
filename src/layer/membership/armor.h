// Text form of keys and signed objects in files: base64 between BEGIN and END lines. A file may hold several blocks, and
// anything outside of them is comment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "layer/membership/object.h"

namespace entresol::layer::membership {

struct Block {
  std::string label;  // "CERTIFICATE" of "-----BEGIN ENTRESOL CERTIFICATE-----"
  base::Bytes bytes;
};

inline constexpr std::string_view kRootKey = "ROOT KEY";          // Ed25519 seed
inline constexpr std::string_view kOperatorKey = "OPERATOR KEY";  // Ed25519 seed
inline constexpr std::string_view kIdentityKey =
    "IDENTITY KEY";                                      // Ed25519 seed, X25519 private key
inline constexpr std::string_view kRootPublic = "ROOT";  // Ed25519 public key
inline constexpr std::string_view kIdentityPublic =
    "IDENTITY";  // Ed25519 public key, X25519 public key
inline constexpr std::string_view kOperatorPublic = "OPERATOR";  // Ed25519 public key
inline constexpr std::string_view kNameKey = "NAME KEY";         // Ed25519 seed, of a shared name
inline constexpr std::string_view kNamePublic = "NAME";          // Ed25519 public key
inline constexpr std::string_view kCertificate = "CERTIFICATE";
inline constexpr std::string_view kDelegation = "DELEGATION";
inline constexpr std::string_view kRegistration = "REGISTRATION";
inline constexpr std::string_view kGrant = "GRANT";

std::string armor(std::string_view label, base::ByteView bytes);
// `where` names the file in errors. Error: kKeyMalformed with the line.
base::Result<std::vector<Block>> parse_armor(std::string_view text, std::string_view where);

}  // namespace entresol::layer::membership
