// What a member shows about itself inside a native handshake, as the signed objects' bytes
// (docs/wire.md section 8, items 2 to 6). Empty: not shown. WireGuard's handshake carries none.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace entresol::security {

struct Credentials {
  base::Bytes certificate;
  base::Bytes registration;
  base::Bytes grant;
  std::uint16_t link_size = 0;  // largest inner IP packet this end accepts on the link; 0: not said
  // Of what this end shows, counted by its owner, so that it can tell who has not seen the newest. Does not travel.
  std::uint64_t generation = 0;
};

}  // namespace entresol::security
