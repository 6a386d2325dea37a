#include "layer/directory/token.h"

#include <algorithm>

#include "base/error_codes.h"
#include "layer/directory/base64url.h"
#include "wire/name.h"

namespace entresol::layer::directory {
namespace {

using base::ByteReader;
using base::ByteView;
using base::ByteWriter;

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxText = 2048;
constexpr std::size_t kMaxDnsName = 253;
enum class HostKind : std::uint8_t { kDns = 1, kIpv4 = 4, kIpv6 = 6 };

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// RFC 1123 section 2.1, in lower case and without a final dot. The last label is no number, so that no IPv4 address is a
// DNS name.
bool is_dns_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxDnsName) return false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view label = text.substr(begin, end - begin);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return false;
    if (!std::ranges::all_of(
            label, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-'; }))
      return false;
    if (end == text.size()) return !std::ranges::all_of(label, is_digit);
    begin = end + 1;
  }
  return false;
}

std::string ipv4_text(ByteView octets) {
  std::string out;
  for (std::uint8_t octet : octets) out += (out.empty() ? "" : ".") + std::to_string(octet);
  return out;
}

// The one text that ipv4_text gives.
bool ipv4_octets(std::string_view text, base::Bytes& out) {
  out.clear();
  unsigned value = 0;
  std::size_t digits = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_digit(text[i])) {
      value = value * 10 + static_cast<unsigned>(text[i] - '0');
      if (++digits > 3 || value > 255) return false;
    } else if (i == text.size() || text[i] == '.') {
      if (digits == 0) return false;
      out.push_back(static_cast<std::uint8_t>(value));
      value = 0;
      digits = 0;
    } else {
      return false;
    }
  }
  return out.size() == 4 && ipv4_text(out) == text;
}

bool is_mapped(ByteView address) {
  return std::ranges::all_of(address.first(10), [](std::uint8_t o) { return o == 0; }) &&
         address[10] == 0xff && address[11] == 0xff;
}

bool put_host(ByteWriter& out, const std::string& host) {
  base::Bytes ipv4;
  if (host.find(':') != std::string::npos) {
    const auto address = wire::name_from_text(host);
    if (!address || is_mapped(address->octets)) return false;
    out.u8(static_cast<std::uint8_t>(HostKind::kIpv6));
    out.bytes(address->octets);
  } else if (ipv4_octets(host, ipv4)) {
    out.u8(static_cast<std::uint8_t>(HostKind::kIpv4));
    out.bytes(ipv4);
  } else {
    if (!is_dns_name(host)) return false;
    out.u8(static_cast<std::uint8_t>(HostKind::kDns));
    out.u8(static_cast<std::uint8_t>(host.size()));
    out.bytes({reinterpret_cast<const std::uint8_t*>(host.data()), host.size()});
  }
  return true;
}

// Empty: what stands there is no host.
std::string get_host(ByteReader& in) {
  switch (static_cast<HostKind>(in.u8())) {
    case HostKind::kIpv4: {
      const ByteView octets = in.view(4);
      return in.ok() ? ipv4_text(octets) : std::string();
    }
    case HostKind::kIpv6: {
      const wire::Name address{in.array<16>()};
      return in.ok() && !is_mapped(address.octets) ? wire::to_string(address) : std::string();
    }
    case HostKind::kDns: {
      const ByteView octets = in.view(in.u8());
      std::string name(reinterpret_cast<const char*>(octets.data()), octets.size());
      return is_dns_name(name) ? name : std::string();
    }
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

auto malformed(std::string_view what) {
  return base::fail(base::code::kTokenMalformed, "not a join token: " + std::string(what));
}

}  // namespace

base::Result<std::string> emit_token(const JoinToken& token) {
  if (token.endpoints.empty() || token.endpoints.size() > kMaxTokenEndpoints)
    return base::fail(base::code::kConfigBadValue,
                      "a token carries 1 to 4 endpoints of the controller, not " +
                          std::to_string(token.endpoints.size()));
  base::Bytes octets;
  ByteWriter out(octets);
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(token.endpoints.size()));
  for (const TokenEndpoint& endpoint : token.endpoints) {
    if (!put_host(out, endpoint.host) || endpoint.port == 0)
      return base::fail(base::code::kConfigBadValue,
                        "'" + endpoint.host + "' port " + std::to_string(endpoint.port) +
                            " cannot stand in a token: give an address or a DNS name in lower "
                            "case, and a port");
    out.u16(endpoint.port);
  }
  out.bytes(token.controller);
  out.bytes(token.secret);
  std::string text = std::string(kTokenPrefix) + to_base64url(octets);
  crypto::wipe(octets.data(), octets.size());
  return text;
}

base::Result<JoinToken> parse_token(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return malformed("there is nothing");
  if (!text.starts_with(kTokenPrefix)) {
    if (text.starts_with("ent") && text.size() > 4 && is_digit(text[3]) && text[4] == '.')
      return malformed("it is of version " + std::string(1, text[3]) + ", this program knows 1");
    return malformed("it does not begin with '" + std::string(kTokenPrefix) + "'");
  }
  if (text.size() > kMaxText) return malformed("it is longer than any token");
  base::Bytes octets;
  if (!from_base64url(text.substr(kTokenPrefix.size()), octets))
    return malformed("it was cut, or has a character that does not belong there");
  ByteReader in(octets);
  if (in.u8() != kVersion) return malformed("its version is not 1");
  JoinToken token;
  const std::size_t count = in.u8();
  if (count == 0 || count > kMaxTokenEndpoints)
    return malformed("it has " + std::to_string(count) + " endpoints, where 1 to 4 are allowed");
  for (std::size_t i = 0; i < count; ++i) {
    TokenEndpoint endpoint;
    endpoint.host = get_host(in);
    endpoint.port = in.u16();
    if (!in.ok()) return malformed("it was cut");
    if (endpoint.host.empty() || endpoint.port == 0)
      return malformed("endpoint " + std::to_string(i + 1) + " is neither address nor name");
    token.endpoints.push_back(std::move(endpoint));
  }
  token.controller = in.array<32>();
  token.secret = TokenSecret(in.array<16>());
  if (!in.ok()) return malformed("it was cut");
  if (!in.done()) return malformed("there is more behind it");
  crypto::wipe(octets.data(), octets.size());
  return token;
}

crypto::Hash256 hash_of(const TokenSecret& secret) {
  return crypto::sha256(std::span<const std::uint8_t, 16>(secret));
}

}  // namespace entresol::layer::directory
