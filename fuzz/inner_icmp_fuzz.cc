// Any octets as the packet that an ICMP error reports: what is built parses, fits, and has a right
// checksum.

// fuzzes: layer/inner/icmp.h
#include "layer/inner/icmp.h"

#include <cstdlib>
#include <vector>

#include "layer/inner/checksum.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol;
  using namespace entresol::layer::inner;
  if (size < 1) return 0;
  const std::vector<std::uint8_t> offending(data + 1, data + size);
  std::vector<std::uint8_t> out(kMaxIcmpError);
  const auto error = static_cast<IcmpError>(data[0] % 6);
  const std::size_t n = build_icmp_error(error, 1360, offending, Address{}, out);
  if (n == 0) return 0;
  out.resize(n);
  IpPacket ip;
  if (parse(out, ip) != base::DropReason::none || !ip.is_icmp) std::abort();
  OnesSum sum;
  if (ip.version == 6) {
    sum = pseudo_header(out.data(), 6, kProtocolIcmp6);
    sum.add32(static_cast<std::uint32_t>(ip.payload_size()));
  }
  sum.add(ip.payload());
  if (sum.checksum() != 0) std::abort();
  IpPacket about;
  if (parse_start(offending, about) != base::DropReason::none) std::abort();
  if (ip.destination != about.source) std::abort();
  return 0;
}
