#include "layer/membership/armor.h"

#include "base/error_codes.h"

namespace entresol::layer::membership {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ENTRESOL ";
constexpr std::string_view kEnd = "-----END ENTRESOL ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kLine = 64;

bool marker(std::string_view line, std::string_view prefix, std::string_view& label) {
  if (!line.starts_with(prefix) || !line.ends_with(kDashes)) return false;
  if (line.size() <= prefix.size() + kDashes.size()) return false;
  label = line.substr(prefix.size(), line.size() - prefix.size() - kDashes.size());
  return true;
}

auto malformed(std::string_view where, std::size_t line, std::string_view what) {
  return base::fail(base::code::kKeyMalformed,
                    std::string(where) + ":" + std::to_string(line) + ": " + std::string(what));
}

}  // namespace

std::string armor(std::string_view label, base::ByteView bytes) {
  std::string out = std::string(kBegin) + std::string(label) + std::string(kDashes) + "\n";
  std::string text = base::to_base64(bytes);
  for (std::size_t i = 0; i < text.size(); i += kLine) out += text.substr(i, kLine) + "\n";
  return out + std::string(kEnd) + std::string(label) + std::string(kDashes) + "\n";
}

base::Result<std::vector<Block>> parse_armor(std::string_view text, std::string_view where) {
  std::vector<Block> blocks;
  std::string open, body;
  bool inside = false;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    std::string_view label;
    if (!inside) {
      if (marker(line, kBegin, label)) {
        inside = true;
        open = label;
        body.clear();
      }
    } else if (marker(line, kEnd, label)) {
      if (label != open) return malformed(where, number, "END does not match BEGIN " + open);
      Block block{open, {}};
      if (!base::from_base64(body, block.bytes)) return malformed(where, number, "not base64");
      blocks.push_back(std::move(block));
      inside = false;
    } else {
      body += line;
    }
  }
  if (inside) return malformed(where, number, "no END line for " + open);
  return blocks;
}

}  // namespace entresol::layer::membership
