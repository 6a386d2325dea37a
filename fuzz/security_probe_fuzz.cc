// Probes and their answers: what parses is written back to the same octets, and what proves itself to be of a node is what
// that node would have written.
// fuzzes: security/native/probe.h
#include "security/native/probe.h"

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol;
  using namespace entresol::security;
  static const native::ProbeKeys keys({1, 2, 3});
  const base::ByteView input(data, size);
  native::Probe probe;
  if (native::parse(input, probe) != base::DropReason::none) return 0;
  const base::Bytes bytes = native::emit(probe);
  if (!std::equal(bytes.begin(), bytes.end(), input.begin(), input.end())) std::abort();
  const native::Probe own = probe.answer ? keys.answer(probe.nonce) : keys.question(probe.nonce);
  if (keys.proves(probe) != (native::emit(own) == bytes)) std::abort();
  if (!keys.proves(own)) std::abort();
  return 0;
}
