// Any text as a file of blocks: what parses comes back from its own armor, and errors name the file.
// fuzzes: layer/membership/armor.h
#include "layer/membership/armor.h"

#include <cstdlib>

namespace {

using namespace entresol;
using namespace entresol::layer::membership;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto blocks = parse_armor(text, "file");
  if (!blocks) {
    require(blocks.error().message.starts_with("file:"));
    return 0;
  }
  std::string again;
  for (const Block& block : *blocks) again += armor(block.label, block.bytes);
  const auto back = parse_armor(again, "file");
  require(back && back->size() == blocks->size());
  for (std::size_t i = 0; i < back->size(); ++i) {
    require((*back)[i].label == (*blocks)[i].label);
    require((*back)[i].bytes == (*blocks)[i].bytes);
  }
  return 0;
}
