// A text as a QR code that a terminal shows and a phone's camera reads.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace entresol::cli {

// Lines of half blocks in black on white, whatever colours the terminal has, with the quiet zone of four modules that ISO/IEC
// 18004 asks for. A text of N octets gives a square of about sqrt(8 N) modules: a WireGuard client's file some 70 columns and
// 35 lines. kConfigBadValue for more than 2,331 octets (version 40, error correction M).
base::Result<std::string> qr_code(std::string_view text);

}  // namespace entresol::cli
