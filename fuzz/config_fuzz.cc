// Configuration files: whatever a person or a broken disk has put there gives a value or one error with its place.
// fuzzes: config/address.h
// fuzzes: config/config.h
// fuzzes: config/registry.h
// fuzzes: config/service_file.h
// fuzzes: config/yaml.h
#include "config/config.h"

#include <cstdlib>
#include <string_view>

#include "config/address.h"
#include "config/registry.h"
#include "config/service_file.h"
#include "config/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto host = entresol::config::parse_host(text, "f.yaml");
  if (!host && !host.error().message.starts_with("f.yaml")) std::abort();
  const auto node = entresol::config::parse_node(text, "f.yaml");
  if (!node && !node.error().message.starts_with("f.yaml")) std::abort();
  const auto controller = entresol::config::parse_controller(text, "f.yaml");
  if (!controller && !controller.error().message.starts_with("f.yaml")) std::abort();
  const auto service = entresol::config::parse_service(text, "f.yaml");
  if (!service && !service.error().message.starts_with("f.yaml")) std::abort();
  const auto registry = entresol::config::parse_registry(text, "f.yaml");
  if (!registry && !registry.error().message.starts_with("f.yaml")) std::abort();
  // Each address has one text.
  if (const auto address = entresol::config::parse_address(text)) {
    const auto again = entresol::config::parse_address(to_text(*address));
    if (!again || *again != *address) std::abort();
  }
  return 0;
}
