// Names for what every security protocol has in common, and RFC 8922's view of one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace entresol::security {

enum class Protocol : std::uint8_t { kNative = 1, kWireGuard = 2 };
enum class Purpose : std::uint8_t { kLink = 1, kSession = 2 };

// RFC 8922 section 5, in the order of its sections 5.1 to 5.3.
enum class Interface : std::uint8_t {
  kIdentityAndPrivateKeys,    // IPK
  kSupportedAlgorithms,       // ALG
  kExtensions,                // EXT
  kSessionCacheManagement,    // CM
  kAuthenticationDelegation,  // AD
  kPreSharedKeyImport,        // PSKI
  kIdentityValidation,        // IV
  kSourceAddressValidation,   // SAV
  kConnectionTermination,     // CT
  kKeyUpdate,                 // KU
  kSharedSecretKeyExport,     // SSKE
  kKeyExpiration,             // KE
  kMobilityEvents,            // ME
};
inline constexpr int kInterfaces = 13;

struct InterfaceReport {
  Interface interface;
  std::string_view code;  // "IPK" ...
  bool supported = false;
  std::string value;  // what a call of it says now, for people; empty if not supported
};

}  // namespace entresol::security
