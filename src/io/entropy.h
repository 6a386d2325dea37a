// The kernel's randomness, getrandom(2). Blocks once, early at boot, until the kernel's pool is
// ready; ends the process with a message on standard error if the kernel cannot deliver
// (base/random.h: a source never fails).
#pragma once

#include "base/random.h"

namespace entresol::io {

class SystemRandom final : public base::RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace entresol::io
