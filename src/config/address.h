// Where a server is, as people write it: an IP address or a DNS name, and a port. The name is resolved by whoever connects.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace entresol::config {

struct Address {
  std::string host;  // an IPv4 or IPv6 address (RFC 5952), or a DNS name in lower case
  std::uint16_t port = 0;
  friend bool operator==(const Address&, const Address&) = default;
};

// "192.0.2.1:4851", "[2001:db8::1]:4851", "controller.example:4851" (RFC 1123 names, without a final dot). Error:
// kConfigBadValue, which quotes the text.
base::Result<Address> parse_address(std::string_view text);

std::string to_text(const Address& address);

}  // namespace entresol::config
