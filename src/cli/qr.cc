#include "cli/qr.h"

#include <qrencode.h>

#include <memory>

#include "base/error_codes.h"

namespace entresol::cli {
namespace {

constexpr int kQuietZone = 4;  // modules
constexpr const char* kBlackOnWhite = "\033[30;47m";
constexpr const char* kReset = "\033[0m";

}  // namespace

base::Result<std::string> qr_code(std::string_view text) {
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeData(static_cast<int>(text.size()),
                        reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_M),
      QRcode_free);
  if (code == nullptr)
    return base::fail(base::code::kConfigBadValue,
                      "a text of " + std::to_string(text.size()) + " octets fits no QR code");
  const int width = code->width;
  const auto dark = [&](int row, int column) {
    return row >= 0 && row < width && column >= 0 && column < width &&
           (code->data[row * width + column] & 1) != 0;
  };
  std::string out;
  for (int row = -kQuietZone; row < width + kQuietZone; row += 2) {
    out += kBlackOnWhite;
    for (int column = -kQuietZone; column < width + kQuietZone; ++column) {
      const bool upper = dark(row, column), lower = dark(row + 1, column);
      out += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
    }
    out += kReset;
    out += '\n';
  }
  return out;
}

}  // namespace entresol::cli
