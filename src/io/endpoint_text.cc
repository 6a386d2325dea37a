#include "io/endpoint_text.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/error_codes.h"

namespace entresol::io {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

base::Error bad(std::string_view text, std::string_view why) {
  return base::Error{std::string(base::code::kConfigBadValue),
                     "\"" + std::string(text) + "\" " + std::string(why)};
}

// Decimal digits only: no sign, no space, at most `most`.
std::optional<unsigned> parse_number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || at != end || value > most) return std::nullopt;
  return value;
}

// inet_pton(3) would stop there.
bool has_zero(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

std::optional<Address> parse_v4(std::string_view text) {
  std::array<char, INET_ADDRSTRLEN + 1> copy{};
  if (text.size() >= copy.size() || has_zero(text)) return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  Address out{};
  std::copy(kMapped.begin(), kMapped.end(), out.begin());
  if (::inet_pton(AF_INET, copy.data(), out.data() + 12) != 1) return std::nullopt;
  return out;
}

std::optional<Address> parse_v6(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN + 1> copy{};
  if (text.size() >= copy.size() || has_zero(text)) return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  Address out{};
  if (::inet_pton(AF_INET6, copy.data(), out.data()) != 1) return std::nullopt;
  return out;
}

unsigned offset_bits(const Prefix& prefix) {
  return is_v4(prefix.address) ? 96u : 0u;
}

bool same_leading_bits(const Address& a, const Address& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

bool is_v4(const Address& address) {
  return std::equal(kMapped.begin(), kMapped.end(), address.begin());
}

bool is_link_local(const Address& address) {
  return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

bool is_unspecified(const Address& address) {
  const auto from = address.begin() + (is_v4(address) ? 12 : 0);
  return std::all_of(from, address.end(), [](std::uint8_t b) { return b == 0; });
}

bool contains(const Prefix& prefix, const Address& address) {
  return is_v4(prefix.address) == is_v4(address) &&
         same_leading_bits(prefix.address, address, offset_bits(prefix) + prefix.length);
}

bool overlap(const Prefix& a, const Prefix& b) {
  return a.length <= b.length ? contains(a, b.address) : contains(b, a.address);
}

base::Result<Address> parse_address(std::string_view text) {
  const auto address = text.find(':') == std::string_view::npos ? parse_v4(text) : parse_v6(text);
  if (!address) return tl::unexpected(bad(text, "is not an IPv4 or IPv6 address"));
  return *address;
}

base::Result<base::Endpoint> parse_endpoint(std::string_view text) {
  constexpr std::string_view kForm =
      "is not an endpoint: write 192.0.2.1:4850, [2001:db8::1]:4850 or :4850";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return tl::unexpected(bad(text, kForm));
  const std::string_view host = text.substr(0, colon);
  const auto port = parse_number(text.substr(colon + 1), 65535);
  if (!port)
    return tl::unexpected(bad(text, "has no port between 0 and 65535 after its last colon"));

  base::Endpoint out;
  out.port = static_cast<std::uint16_t>(*port);
  if (host.empty()) return out;
  std::optional<Address> address;
  if (host.front() == '[') {
    if (host.size() >= 2 && host.back() == ']') address = parse_v6(host.substr(1, host.size() - 2));
  } else {
    address = parse_v4(host);
  }
  if (!address) return tl::unexpected(bad(text, kForm));
  out.address = *address;
  return out;
}

base::Result<Prefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return tl::unexpected(bad(text, "is not a prefix: write 10.1.2.0/24 or fd35::/16"));
  const unsigned most = is_v4(*address) ? 32 : 128;
  Prefix out{*address, static_cast<std::uint8_t>(most)};
  if (slash == std::string_view::npos) return out;
  const auto length = parse_number(text.substr(slash + 1), most);
  if (!length) {
    return tl::unexpected(bad(text, "has no length between 0 and " + std::to_string(most)));
  }
  out.length = static_cast<std::uint8_t>(*length);
  for (unsigned bit = offset_bits(out) + out.length; bit < 128; ++bit) {
    if ((out.address[bit / 8] >> (7 - bit % 8)) & 1) {
      return tl::unexpected(bad(text, "has bits set beyond its length"));
    }
  }
  return out;
}

std::string to_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (is_v4(address)) {
    ::inet_ntop(AF_INET, address.data() + 12, out.data(), out.size());
  } else {
    ::inet_ntop(AF_INET6, address.data(), out.data(), out.size());
  }
  return out.data();
}

std::string to_text(const base::Endpoint& endpoint) {
  const std::string host = to_text(endpoint.address);
  const std::string port = std::to_string(endpoint.port);
  return is_v4(endpoint.address) ? host + ":" + port : "[" + host + "]:" + port;
}

std::string to_text(const Prefix& prefix) {
  return to_text(prefix.address) + "/" + std::to_string(prefix.length);
}

}  // namespace entresol::io
