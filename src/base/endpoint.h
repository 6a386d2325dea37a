// Where a member can be reached in the layer below: an attachment here, a location there. In the UDP underlay it is an
// address and a port (IPv4 as ::ffff:a.b.c.d); in a layer above it is a name, with port 0. The pure rooms store it and hand
// it back; what it means is the business of the room that sends.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string_view>

namespace entresol::base {

struct Endpoint {
  std::array<std::uint8_t, 16> address{};
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace entresol::base

template <>
struct std::hash<entresol::base::Endpoint> {
  std::size_t operator()(const entresol::base::Endpoint& e) const noexcept {
    return std::hash<std::string_view>{}(
               {reinterpret_cast<const char*>(e.address.data()), e.address.size()}) *
               31 +
           e.port;
  }
};
