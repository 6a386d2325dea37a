// A TLS identity that parses parses again to the same pin; a pin that parses prints as text that parses to the same value.
// fuzzes: http/identity.h
#include "http/identity.h"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol::http;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto pin = parse_pin(text)) {
    if (parse_pin(to_text(*pin)) != *pin) std::abort();
  }
  if (const auto identity = parse_identity(text)) {
    const auto again = parse_identity(identity->pem);
    if (!again || again->pin != identity->pin) std::abort();
  }
  return 0;
}
