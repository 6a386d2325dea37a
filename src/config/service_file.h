// A service's manifest, service.yaml, as values. docs/services.md lists every key.
//
// Errors carry file, line and column: kConfigSyntax, kConfigUnknownKey, kConfigBadValue, kConfigMissingKey.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "service/manifest.h"

namespace entresol::config {

struct ServiceFile {
  service::Manifest manifest;
  std::string module;   // file, as seen from where the manifest is seen from
  std::string licence;  // for people, such as an SPDX identifier; may be empty
};

// `file` is what errors call it, and where `module` is looked for beside.
base::Result<ServiceFile> parse_service(std::string_view yaml, const std::string& file);
base::Result<ServiceFile> load_service(const std::string& file);

}  // namespace entresol::config
