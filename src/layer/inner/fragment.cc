#include "layer/inner/fragment.h"

#include <algorithm>
#include <cstring>

#include "layer/inner/checksum.h"

namespace entresol::layer::inner {
namespace {

constexpr std::size_t kFixedHeader = 20;
constexpr std::uint8_t kEndOfOptions = 0, kNoOperation = 1;
constexpr std::uint8_t kCopied = 0x80;
constexpr std::uint16_t kMoreFragments = 0x2000;

// Options without the copied flag belong to the first fragment alone (RFC 791 section 3.1).
void blank_uncopied_options(std::uint8_t* options, std::size_t size) {
  for (std::size_t at = 0; at < size && options[at] != kEndOfOptions;) {
    std::size_t length = 1;
    if (options[at] != kNoOperation) {
      if (at + 1 >= size) return;
      length = options[at + 1];
      if (length < 2 || at + length > size) return;
    }
    if ((options[at] & kCopied) == 0) std::memset(options + at, kNoOperation, length);
    at += length;
  }
}

}  // namespace

Fragmenter::Fragmenter(const IpPacket& ip, std::size_t mtu)
    : ip_(ip), most_((mtu - ip.header_length) & ~std::size_t{7}) {}

std::size_t Fragmenter::next(std::uint8_t* out) {
  if (at_ >= ip_.payload_size()) return 0;
  const std::size_t payload = std::min(most_, ip_.payload_size() - at_);
  write_header(out, payload);
  std::memcpy(out + ip_.header_length, ip_.payload().data() + at_, payload);
  at_ += payload;
  return ip_.header_length + payload;
}

void Fragmenter::write_header(std::uint8_t* out, std::size_t payload) const {
  std::memcpy(out, ip_.bytes.data(), ip_.header_length);
  const std::size_t offset = ip_.fragment_offset + at_;
  if (at_ > 0) blank_uncopied_options(out + kFixedHeader, ip_.header_length - kFixedHeader);
  const bool more = ip_.more_fragments || at_ + payload < ip_.payload_size();
  base::store_be16(out + 2, static_cast<std::uint16_t>(ip_.header_length + payload));
  base::store_be16(out + 6, static_cast<std::uint16_t>(offset / 8 | (more ? kMoreFragments : 0)));
  write_ipv4_checksum(out, ip_.header_length);
}

}  // namespace entresol::layer::inner
