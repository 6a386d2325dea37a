// The IPv4 addresses that a layer gives out: the lowest free one first. O(log n) in the number of gaps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "layer/membership/object.h"

namespace entresol::layer::directory {

using membership::Ipv4;

struct Ipv4Pool {
  Ipv4 first{};  // no bit set behind the length
  std::uint8_t length = 32;
  friend bool operator==(const Ipv4Pool&, const Ipv4Pool&) = default;
};

// Where a layer's guests ask for names (DNS), and which are no member's: the last but one of the pool, if that has 16 or
// more, and fd35:LLLL::35 of the layer that some member's name is of.
std::optional<Ipv4> resolver_address(const Ipv4Pool& pool);
wire::Name resolver_name(const wire::Name& member);

class AddressPool {
 public:
  AddressPool() = default;  // gives out nothing
  // Of a prefix shorter than 31 bits, its first and last address are no member's (RFC 919); nor are those reserved, nor the
  // resolver's.
  AddressPool(const Ipv4Pool& pool, const std::vector<Ipv4>& reserved);

  std::optional<Ipv4> lowest() const;
  // An address that is not free, or not of the pool, changes nothing, here and below.
  void take(const Ipv4& address);
  void release(const Ipv4& address);
  std::uint64_t available() const { return available_; }

 private:
  using Address = std::uint32_t;
  struct Bounds {
    Address first = 1, last = 0;  // empty
  };
  std::map<Address, Address>::iterator range_of(Address address);
  Bounds bounds_;
  std::vector<Address> reserved_;
  std::map<Address, Address> free_;  // first and last of each range, none touching another
  std::uint64_t available_ = 0;
};

}  // namespace entresol::layer::directory
