// For this folder's sources only. libsodium picks its fastest implementations in sodium_init();
// whoever calls one of its dispatching functions comes here first. Nothing that this room computes
// depends on libsodium's random generator.
#pragma once

#include <sodium.h>

#include <stdexcept>

namespace entresol::crypto::detail {

// Cheap after the first call. Throws std::runtime_error if libsodium cannot start.
inline void ensure_sodium() {
  static const bool ready = [] {
    if (sodium_init() < 0) throw std::runtime_error("libsodium does not start");
    return true;
  }();
  static_cast<void>(ready);
}

}  // namespace entresol::crypto::detail
