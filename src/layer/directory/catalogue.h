// The layer's services as its controller keeps them, and as nodes are told: the catalogue, octet by octet in docs/wire.md
// section 9. The operator's statement about it (CatalogueStatement) says whether to believe it.
//
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "layer/membership/object.h"

namespace entresol::layer::directory {

inline constexpr std::uint32_t kPrivateServices = 0x80000000u;  // ids from here on are nobody's yet
inline constexpr std::size_t kMaxServices = 256;
inline constexpr std::size_t kMaxServiceName = 32;
inline constexpr std::size_t kMaxServiceNodes = 64;  // named ones
inline constexpr std::size_t kMaxServiceConfig = 64;
inline constexpr std::size_t kMaxServiceValue = 4096;                // octets
inline constexpr std::size_t kMaxPackage = std::size_t{4} << 20;     // octets
inline constexpr std::size_t kMaxPackages = std::size_t{256} << 20;  // of all together
inline constexpr std::size_t kMaxCatalogue = std::size_t{1} << 20;

// One version of a service: which package, and what the operator has set.
struct ServiceVersion {
  std::uint32_t version = 0;
  crypto::Hash256 package{};  // SHA-256 of it
  crypto::Hash256 module{};   // of the module in it
  std::uint32_t size = 0;     // octets of the package
  std::map<std::string, std::string> config;
  friend bool operator==(const ServiceVersion&, const ServiceVersion&) = default;
};

struct ServiceRecord {
  std::uint32_t id = 0;
  std::string name;
  membership::Key publisher{};  // of the id, for good
  ServiceVersion current;
  std::optional<ServiceVersion> previous;  // to go back to
  std::uint32_t highest = 0;               // version that was ever published
  std::vector<wire::Name> nodes;           // that run it; empty: every node
  base::UnixSeconds created_at = 0;
  base::UnixSeconds changed_at = 0;
  base::UnixSeconds removed_at = 0;  // 0: it is not
  std::uint64_t revision = 0;        // of the catalogue that it changed last
  friend bool operator==(const ServiceRecord&, const ServiceRecord&) = default;
};

// A package that a version names.
struct PackageRecord {
  crypto::Hash256 hash{};
  std::shared_ptr<const base::Bytes> octets;  // never null
  friend bool operator==(const PackageRecord& a, const PackageRecord& b) {
    return a.hash == b.hash && *a.octets == *b.octets;
  }
};

// What a node reads of a service.
struct CatalogueEntry {
  std::uint32_t id = 0;
  std::string name;
  membership::Key publisher{};
  ServiceVersion current;
  std::optional<crypto::Hash256> previous;  // its package is kept
  std::vector<wire::Name> nodes;
  bool meant_for(const wire::Name& node) const;
  friend bool operator==(const CatalogueEntry&, const CatalogueEntry&) = default;
};

// Entries in order of their ids, with no more than the constants above allow.
base::Bytes emit_catalogue(const std::vector<CatalogueEntry>& entries);
// kCertificateMalformed. What parses is emitted as the same octets.
base::Result<std::vector<CatalogueEntry>> parse_catalogue(base::ByteView octets);

// A version by itself, for the store. kCertificateMalformed.
base::Bytes emit_version(const ServiceVersion& version);
base::Result<ServiceVersion> parse_version(base::ByteView octets);

}  // namespace entresol::layer::directory
