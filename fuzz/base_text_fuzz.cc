// What decodes encodes back to the same text: hexadecimal but for its case, base64 exactly.
// fuzzes: base/bytes.h
#include "base/bytes.h"

#include <cctype>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol::base;
  std::string text(reinterpret_cast<const char*>(data), size);
  Bytes bytes;
  if (from_base64(text, bytes) && to_base64(bytes) != text) std::abort();
  if (from_hex(text, bytes)) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (to_hex(bytes) != text) std::abort();
  }
  return 0;
}
