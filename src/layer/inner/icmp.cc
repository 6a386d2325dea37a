#include "layer/inner/icmp.h"

#include <algorithm>
#include <cstring>

#include "layer/inner/checksum.h"

namespace entresol::layer::inner {
namespace {

constexpr std::size_t kMaxIpv4Error = 576;
constexpr std::size_t kIcmpHeader = 8;
constexpr std::uint8_t kTtl = 64;
constexpr std::uint8_t kInternetControl = 0xc0;  // DSCP CS6 (RFC 1812 section 5.3.2)

struct TypeCode {
  std::uint8_t type;
  std::uint8_t code;
};

TypeCode type_code(IcmpError error, std::uint8_t version) {
  const bool v4 = version == 4;
  switch (error) {
    case IcmpError::kNoRoute:
      return v4 ? TypeCode{3, 0} : TypeCode{1, 0};
    case IcmpError::kProhibited:
      return v4 ? TypeCode{3, 13} : TypeCode{1, 1};
    case IcmpError::kHostUnreachable:
      return v4 ? TypeCode{3, 1} : TypeCode{1, 3};
    case IcmpError::kPortUnreachable:
      return v4 ? TypeCode{3, 3} : TypeCode{1, 4};
    case IcmpError::kTooBig:
      return v4 ? TypeCode{3, 4} : TypeCode{2, 0};
    case IcmpError::kTimeExceeded:
      return v4 ? TypeCode{11, 0} : TypeCode{3, 0};
  }
  return {3, 0};
}

// Only ICMP's questions and answers are reported on, never its errors, nor what may be one.
bool is_icmp_error(const IpPacket& ip) {
  if (ip.protocol != (ip.version == 4 ? kProtocolIcmp : kProtocolIcmp6)) return false;
  if (!ip.is_icmp) return true;
  if (ip.version == 6) return ip.icmp_type < 128 || ip.icmp_type == 137;
  switch (ip.icmp_type) {
    case 3:
    case 4:
    case 5:
    case 11:
    case 12:
      return true;
    default:
      return false;
  }
}

bool is_one_host(const Address& a, std::uint8_t version) {
  if (version == 4) {
    const std::uint32_t v4 = base::load_be32(a.data() + 12);
    return v4 >> 24 != 0 && v4 >> 24 != 127 && v4 >> 28 < 0xe;
  }
  Address loopback{};
  loopback[15] = 1;
  return a[0] != 0xff && a != Address{} && a != loopback;
}

bool may_report(const IpPacket& ip) {
  return ip.is_first_fragment && !is_icmp_error(ip) && is_one_host(ip.source, ip.version) &&
         is_one_host(ip.destination, ip.version);
}

void write_ipv4(std::uint8_t* h, std::size_t total, const Address& from, const Address& to) {
  h[0] = 0x45;
  h[1] = kInternetControl;
  base::store_be16(h + 2, static_cast<std::uint16_t>(total));
  base::store_be32(h + 4, 0x4000);  // DF: identification 0 (RFC 6864)
  h[8] = kTtl;
  h[9] = kProtocolIcmp;
  std::memcpy(h + 12, from.data() + 12, 4);
  std::memcpy(h + 16, to.data() + 12, 4);
  write_ipv4_checksum(h, 20);
}

void write_ipv6(std::uint8_t* h, std::size_t total, const Address& from, const Address& to) {
  base::store_be32(h, (6u << 28) | (std::uint32_t{kInternetControl} << 20));
  base::store_be16(h + 4, static_cast<std::uint16_t>(total - 40));
  h[6] = kProtocolIcmp6;
  h[7] = kTtl;
  std::memcpy(h + 8, from.data(), 16);
  std::memcpy(h + 24, to.data(), 16);
}

}  // namespace

std::size_t build_icmp_error(IcmpError error, std::uint32_t mtu, base::ByteView offending,
                             const Address& from, base::MutableBytes out) {
  IpPacket ip;
  if (parse_start(offending, ip) != base::DropReason::none || !may_report(ip)) return 0;
  const bool v4 = ip.version == 4;
  const std::size_t header = v4 ? 20 : 40;
  const std::size_t limit = v4 ? kMaxIpv4Error : kMaxIcmpError;
  const std::size_t quote = std::min(offending.size(), limit - header - kIcmpHeader);
  const std::size_t total = header + kIcmpHeader + quote;
  if (out.size() < total) return 0;

  std::uint8_t* icmp = out.data() + header;
  const TypeCode kind = type_code(error, ip.version);
  icmp[0] = kind.type;
  icmp[1] = kind.code;
  base::store_be16(icmp + 2, 0);
  std::uint32_t info = 0;
  if (error == IcmpError::kTooBig) info = v4 ? std::min<std::uint32_t>(mtu, 0xffff) : mtu;
  base::store_be32(icmp + 4, info);
  std::memcpy(icmp + kIcmpHeader, offending.data(), quote);

  OnesSum sum;
  if (v4) {
    write_ipv4(out.data(), total, from, ip.source);
  } else {
    write_ipv6(out.data(), total, from, ip.source);
    sum = pseudo_header(out.data(), 6, kProtocolIcmp6);
    sum.add32(static_cast<std::uint32_t>(total - header));
  }
  sum.add({icmp, total - header});
  base::store_be16(icmp + 2, sum.checksum());
  return total;
}

}  // namespace entresol::layer::inner
