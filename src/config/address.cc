#include "config/address.h"

#include <algorithm>

#include "base/error_codes.h"
#include "io/endpoint_text.h"

namespace entresol::config {
namespace {

constexpr std::size_t kMaxName = 253, kMaxLabel = 63;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// RFC 1123 section 2.1, in lower case. The last label is no number, so that no mistyped address is a name.
bool is_dns_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxName) return false;
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view label = text.substr(begin, end - begin);
    const bool fits = !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
                      label.back() != '-' && std::ranges::all_of(label, [](char c) {
                        return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-';
                      });
    if (!fits) return false;
    if (end == text.size()) return !std::ranges::all_of(label, is_digit);
    begin = end + 1;
  }
}

}  // namespace

base::Result<Address> parse_address(std::string_view text) {
  const auto bad = [&] {
    return base::fail(base::code::kConfigBadValue,
                      "'" + std::string(text) +
                          "' is not where a server is: write 192.0.2.1:4851, "
                          "[2001:db8::1]:4851 or controller.example:4851");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  // The port's form, and addresses, are io's.
  const auto port = io::parse_endpoint(text.substr(colon));
  if (!port || port->port == 0) return bad();
  if (const auto endpoint = io::parse_endpoint(text)) {
    if (io::is_unspecified(endpoint->address)) return bad();
    return Address{io::to_text(endpoint->address), endpoint->port};
  }
  std::string name(text.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!is_dns_name(name)) return bad();
  return Address{std::move(name), port->port};
}

std::string to_text(const Address& address) {
  const std::string port = ":" + std::to_string(address.port);
  return address.host.find(':') == std::string::npos ? address.host + port
                                                     : "[" + address.host + "]" + port;
}

}  // namespace entresol::config
