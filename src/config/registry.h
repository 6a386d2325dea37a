// The registry of public service ids, which an operator curates: who may publish what under an id below 0x80000000.
// docs/operations.md has the file's form.
//
// Errors carry file, line and column: kConfigSyntax, kConfigUnknownKey, kConfigBadValue, kConfigMissingKey.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/ed25519.h"
#include "service/manifest.h"

namespace entresol::config {

struct RegistryEntry {
  service::ServiceId id = 0;
  std::string name;
  crypto::Ed25519PublicKey publisher{};
};

// In the file's order; no two have one id.
base::Result<std::vector<RegistryEntry>> parse_registry(std::string_view yaml,
                                                        const std::string& file);
base::Result<std::vector<RegistryEntry>> load_registry(const std::string& file);

}  // namespace entresol::config
