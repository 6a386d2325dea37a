#include "layer/directory/base64url.h"

namespace entresol::layer::directory {

std::string to_base64url(base::ByteView bytes) {
  std::string text = base::to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

bool from_base64url(std::string_view text, base::Bytes& out) {
  std::string standard(text);
  for (char& c : standard) {
    if (c == '+' || c == '/' || c == '=') return false;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  standard.append((4 - standard.size() % 4) % 4, '=');
  return base::from_base64(standard, out);
}

}  // namespace entresol::layer::directory
