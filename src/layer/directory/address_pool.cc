#include "layer/directory/address_pool.h"

#include <algorithm>

namespace entresol::layer::directory {

std::optional<Ipv4> resolver_address(const Ipv4Pool& pool) {
  constexpr std::uint8_t kLongest = 28;
  if (pool.length > kLongest) return std::nullopt;
  const std::uint64_t size = std::uint64_t{1} << (32 - pool.length);
  Ipv4 out;
  base::store_be32(out.data(),
                   static_cast<std::uint32_t>(base::load_be32(pool.first.data()) + size - 2));
  return out;
}

wire::Name resolver_name(const wire::Name& member) {
  constexpr std::ptrdiff_t kPrefix = 4;
  wire::Name out;
  std::copy_n(member.octets.begin(), kPrefix, out.octets.begin());
  out.octets.back() = 0x35;  // 53
  return out;
}

AddressPool::AddressPool(const Ipv4Pool& pool, const std::vector<Ipv4>& reserved) {
  const Address first = base::load_be32(pool.first.data());
  const std::uint64_t size = std::uint64_t{1} << (32 - std::min<unsigned>(pool.length, 32));
  const Address last = static_cast<Address>(first + (size - 1));
  bounds_ = size > 2 ? Bounds{first + 1, last - 1} : Bounds{first, last};
  free_.emplace(bounds_.first, bounds_.last);
  available_ = std::uint64_t{bounds_.last} - bounds_.first + 1;
  std::vector<Ipv4> all = reserved;
  if (const auto resolver = resolver_address(pool)) all.push_back(*resolver);
  for (const Ipv4& address : all) {
    take(address);
    reserved_.push_back(base::load_be32(address.data()));
  }
}

std::map<AddressPool::Address, AddressPool::Address>::iterator AddressPool::range_of(
    Address address) {
  auto after = free_.upper_bound(address);
  if (after == free_.begin()) return free_.end();
  const auto range = std::prev(after);
  return address <= range->second ? range : free_.end();
}

std::optional<Ipv4> AddressPool::lowest() const {
  if (free_.empty()) return std::nullopt;
  Ipv4 address;
  base::store_be32(address.data(), free_.begin()->first);
  return address;
}

void AddressPool::take(const Ipv4& octets) {
  const Address address = base::load_be32(octets.data());
  const auto range = range_of(address);
  if (range == free_.end()) return;
  const auto [first, last] = *range;
  free_.erase(range);
  if (first < address) free_.emplace(first, address - 1);
  if (address < last) free_.emplace(address + 1, last);
  --available_;
}

void AddressPool::release(const Ipv4& octets) {
  const Address address = base::load_be32(octets.data());
  if (address < bounds_.first || address > bounds_.last || range_of(address) != free_.end()) return;
  if (std::ranges::find(reserved_, address) != reserved_.end()) return;
  Address first = address, last = address;
  auto after = free_.upper_bound(address);
  // Within the bounds neither sum nor difference wraps: an equal neighbour exists only inside of them.
  if (after != free_.end() && after->first == address + 1) {
    last = after->second;
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    if (const auto before = std::prev(after); before->second + 1 == address) {
      first = before->first;
      free_.erase(before);
    }
  }
  free_.emplace(first, last);
  ++available_;
}

}  // namespace entresol::layer::directory
