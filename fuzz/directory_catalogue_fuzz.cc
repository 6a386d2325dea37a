// Any octets as a catalogue of services and as one version of a service: what parses is made of exactly these octets.
// fuzzes: layer/directory/catalogue.h
#include "layer/directory/catalogue.h"

#include <algorithm>
#include <cstdlib>

using namespace entresol;
using namespace entresol::layer::directory;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView octets(data, size);
  if (const auto entries = parse_catalogue(octets)) {
    require(std::ranges::equal(emit_catalogue(*entries), octets));
    for (const CatalogueEntry& entry : *entries) require(entry.id != 0 && !entry.name.empty());
  }
  if (const auto version = parse_version(octets))
    require(std::ranges::equal(emit_version(*version), octets));
  return 0;
}
