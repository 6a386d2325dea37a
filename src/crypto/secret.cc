#include "crypto/secret.h"

#include <sodium.h>

namespace entresol::crypto {

bool constant_time_equal(base::ByteView a, base::ByteView b) noexcept {
  if (a.size() != b.size()) return false;
  return a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace entresol::crypto
