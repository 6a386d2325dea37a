// Endpoints between this project's form and Asio's.
#pragma once

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>

#include "base/endpoint.h"

namespace entresol::http {

inline base::Endpoint endpoint_of(const boost::asio::ip::tcp::endpoint& from) {
  const auto address =
      from.address().is_v4()
          ? boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, from.address().to_v4())
          : from.address().to_v6();
  base::Endpoint out;
  const auto bytes = address.to_bytes();
  std::copy(bytes.begin(), bytes.end(), out.address.begin());
  out.port = from.port();
  return out;
}

// A mapped address becomes IPv4.
inline boost::asio::ip::tcp::endpoint endpoint_of(const base::Endpoint& from) {
  namespace ip = boost::asio::ip;
  ip::address_v6::bytes_type bytes;
  std::copy(from.address.begin(), from.address.end(), bytes.begin());
  const ip::address_v6 address(bytes);
  if (address.is_v4_mapped()) return {ip::make_address_v4(ip::v4_mapped, address), from.port};
  return {address, from.port};
}

}  // namespace entresol::http
