// Items of a native handshake: what parses is written back to the same meaning, and to the same
// octets unless items were skipped. Resets are written back to the same octets.
// fuzzes: security/native/payload.h
// fuzzes: security/native/reset.h
#include <algorithm>
#include <cstdlib>

#include "security/native/payload.h"
#include "security/native/reset.h"

namespace {

using namespace entresol;
using namespace entresol::security;

bool same(const native::Payload& a, const native::Payload& b) {
  return a.timestamp == b.timestamp && a.reset_token == b.reset_token &&
         a.shown.certificate == b.shown.certificate &&
         a.shown.registration == b.shown.registration && a.shown.grant == b.shown.grant &&
         a.shown.link_size == b.shown.link_size;
}

void payload(base::ByteView input, bool initiation) {
  native::Payload value, again;
  if (native::parse(input, initiation, value) != base::DropReason::none) return;
  base::Bytes bytes;
  native::emit(value, bytes);
  if (bytes.size() != native::size(value) || bytes.size() > input.size()) std::abort();
  if (native::parse(bytes, initiation, again) != base::DropReason::none) std::abort();
  if (!same(value, again)) std::abort();
  if (bytes.size() == input.size() && !std::equal(bytes.begin(), bytes.end(), input.begin())) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  payload(input, true);
  payload(input, false);
  native::Reset reset;
  if (native::parse(input, reset) == base::DropReason::none) {
    const base::Bytes bytes = native::emit(reset);
    if (!std::equal(bytes.begin(), bytes.end(), input.begin(), input.end())) std::abort();
  }
  return 0;
}
