// A package of a service, NAME-VERSION.esvc: manifest, module, and what it was made from, signed by its publisher.
// docs/services.md has the form, octet by octet. The same content and key give the same octets.
//
// Pure.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"

namespace entresol::service::packages {

struct SourceDigest {
  std::string file;  // within the service's folder
  crypto::Hash256 sha256{};
  friend bool operator==(const SourceDigest&, const SourceDigest&) = default;
};

struct Package {
  static constexpr std::size_t kMaxManifest = 64 << 10;
  static constexpr std::size_t kMaxModule = 16 << 20;
  static constexpr std::size_t kMaxSources = 1024;
  static constexpr std::size_t kMaxFile = 255;  // octets of a source's name
  static constexpr std::size_t kMaxSize = kMaxModule + (1 << 20);

  crypto::Ed25519PublicKey publisher{};
  std::string manifest;  // service.yaml, as it is
  base::Bytes module;
  std::vector<SourceDigest> sources;  // in order of their names
};

// `publisher` is the key's.
base::Bytes sign_package(Package package, const crypto::Ed25519KeyPair& key);
// kKitPackage: of another form, or not signed by the publisher that it names. Whether to trust that one is another question.
base::Result<Package> parse_package(base::ByteView octets);

}  // namespace entresol::service::packages
