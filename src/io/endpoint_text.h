// Addresses and endpoints as people write them. In memory every address has 16 bytes, IPv4 as
// ::ffff:a.b.c.d (base/endpoint.h); in text IPv4 is dotted and IPv6 is in the form of RFC 5952.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/endpoint.h"
#include "base/result.h"

namespace entresol::io {

using Address = std::array<std::uint8_t, 16>;

// A network; `length` counts the bits of its own family: 24 for 10.1.2.0/24, although the address
// is stored mapped.
struct Prefix {
  Address address{};
  std::uint8_t length = 0;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

bool is_v4(const Address& address);           // IPv4-mapped
bool is_link_local(const Address& address);   // fe80::/10
bool is_unspecified(const Address& address);  // :: or 0.0.0.0
bool contains(const Prefix& prefix, const Address& address);
bool overlap(const Prefix& a, const Prefix& b);  // one contains the other; never across families

// All errors are kConfigBadValue and quote the text.
// "1.2.3.4:4850", "[::1]:4850", ":4850" (any address: ::), "[::]:0". Brackets are required around
// IPv6; zones ("%eth0") and names are refused.
base::Result<base::Endpoint> parse_endpoint(std::string_view text);
// "1.2.3.4", "::1"
base::Result<Address> parse_address(std::string_view text);
// "10.1.2.0/24", "fd35::/16"; a bare address is a host prefix. Bits beyond the length must be zero.
base::Result<Prefix> parse_prefix(std::string_view text);

std::string to_text(const base::Endpoint& endpoint);  // "1.2.3.4:4850", "[::1]:4850"
std::string to_text(const Address& address);
std::string to_text(const Prefix& prefix);

}  // namespace entresol::io
