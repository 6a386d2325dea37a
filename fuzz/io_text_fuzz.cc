// An endpoint, address or prefix that parses prints as text that parses to the same value; a prefix contains itself.
// fuzzes: io/endpoint_text.h
#include "io/endpoint_text.h"

#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol::io;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto endpoint = parse_endpoint(text); endpoint && endpoint->address != Address{}) {
    if (parse_endpoint(to_text(*endpoint)) != *endpoint) std::abort();
  }
  if (const auto address = parse_address(text)) {
    if (parse_address(to_text(*address)) != *address) std::abort();
  }
  if (const auto prefix = parse_prefix(text)) {
    if (parse_prefix(to_text(*prefix)) != *prefix) std::abort();
    if (!contains(*prefix, prefix->address) || !overlap(*prefix, *prefix)) std::abort();
  }
  return 0;
}
