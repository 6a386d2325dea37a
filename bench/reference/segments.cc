#include "reference/segments.h"

#include <netinet/in.h>

#include <cstring>

namespace entresol::bench {
namespace {

constexpr std::uint8_t kFin = 1, kPsh = 8, kCwr = 0x80, kUrg = 0x20, kSyn = 2, kRst = 4;

std::uint16_t load16(const std::uint8_t* at) {
  std::uint16_t value;
  std::memcpy(&value, at, 2);
  return ntohs(value);
}
std::uint32_t load32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, 4);
  return ntohl(value);
}
void store16(std::uint8_t* at, std::size_t value) {
  const std::uint16_t swapped = htons(static_cast<std::uint16_t>(value));
  std::memcpy(at, &swapped, 2);
}
void store32(std::uint8_t* at, std::uint32_t value) {
  const std::uint32_t swapped = htonl(value);
  std::memcpy(at, &swapped, 4);
}

std::uint32_t sum_words(const std::uint8_t* at, std::size_t size, std::uint32_t sum) {
  for (std::size_t i = 0; i + 1 < size; i += 2) sum += load16(at + i);
  return sum;
}
std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

void write_ipv4_checksum(std::uint8_t* ip, std::size_t header) {
  store16(ip + 10, 0);
  store16(ip + 10, static_cast<std::uint16_t>(~fold(sum_words(ip, header, 0))));
}

// What a transport checksum begins with, as the kernel expects it of an unfinished one.
std::uint16_t pseudo_header(const std::uint8_t* ip, bool v6, std::uint8_t protocol,
                            std::size_t size) {
  const std::uint32_t addresses = v6 ? sum_words(ip + 8, 32, 0) : sum_words(ip + 12, 8, 0);
  return fold(addresses + protocol + static_cast<std::uint32_t>(size));
}

}  // namespace

bool Splitter::start(const VnetHeader& vnet, std::uint8_t* packet, std::size_t size) {
  packet_ = packet;
  size_ = size;
  at_ = 0;
  segment_ = 0;
  done_ = false;
  unfinished_ = (vnet.flags & kVnetNeedsChecksum) != 0;
  if (size < 20) return false;
  const std::uint8_t kind = vnet.gso_type & static_cast<std::uint8_t>(~kVnetGsoEcn);
  if (kind == kVnetNoGso) return true;
  transport_ = vnet.csum_start;
  tcp_ = kind == kVnetGsoTcp4 || kind == kVnetGsoTcp6;
  if (!tcp_ && kind != kVnetGsoUdp) return false;
  if (transport_ < 20 || size < transport_ + (tcp_ ? 20U : 8U)) return false;
  headers_ = transport_ + (tcp_ ? static_cast<std::size_t>(packet[transport_ + 12] >> 4) * 4 : 8);
  if (headers_ > template_.size() || headers_ > size || vnet.gso_size == 0) return false;
  segment_ = vnet.gso_size;
  std::memcpy(template_.data(), packet, headers_);
  id_ = load16(packet + 4);
  if (tcp_) {
    sequence_ = load32(packet + transport_ + 4);
    flags_ = packet[transport_ + 13];
  }
  return true;
}

std::uint8_t* Splitter::next(std::size_t& size) {
  if (done_) return nullptr;
  if (segment_ == 0) {
    done_ = true;
    size = size_;
    return packet_;
  }
  const std::size_t left = size_ - headers_ - at_;
  const std::size_t payload = left < segment_ ? left : segment_;
  done_ = payload == left;
  std::uint8_t* at = packet_ + at_;
  write_headers(at, payload, done_);
  at_ += payload;
  size = headers_ + payload;
  return at;
}

void Splitter::write_headers(std::uint8_t* at, std::size_t payload, bool last) {
  std::memcpy(at, template_.data(), headers_);
  const bool v6 = (at[0] >> 4) == 6;
  if (v6) {
    store16(at + 4, headers_ - 40 + payload);
  } else {
    store16(at + 2, headers_ + payload);
    store16(at + 4, id_++);
    write_ipv4_checksum(at, transport_);
  }
  std::uint8_t* const transport = at + transport_;
  if (!tcp_) {
    store16(transport + 4, 8 + payload);
    return;
  }
  store32(transport + 4, sequence_ + static_cast<std::uint32_t>(at_));
  std::uint8_t flags = flags_;
  if (at_ != 0) flags &= static_cast<std::uint8_t>(~kCwr);
  if (!last) flags &= static_cast<std::uint8_t>(~(kFin | kPsh));
  transport[13] = flags;
}

Joiner::Shape Joiner::shape_of(const std::uint8_t* packet, std::size_t size, bool unfinished) {
  Shape shape;
  if (size < 28) return shape;
  std::uint8_t protocol = 0;
  if ((packet[0] >> 4) == 4) {
    shape.transport = static_cast<std::size_t>(packet[0] & 15) * 4;
    protocol = packet[9];
    if ((load16(packet + 6) & 0x3fff) != 0) return shape;  // a fragment
  } else {
    shape.v6 = true;
    shape.transport = 40;
    protocol = packet[6];
  }
  shape.tcp = protocol == IPPROTO_TCP;
  if ((!shape.tcp && protocol != IPPROTO_UDP) || !unfinished) return shape;
  if (size < shape.transport + (shape.tcp ? 20U : 8U)) return shape;
  shape.headers = shape.transport + 8;
  shape.joinable = true;
  if (shape.tcp) {
    const std::uint8_t* transport = packet + shape.transport;
    shape.headers = shape.transport + static_cast<std::size_t>(transport[12] >> 4) * 4;
    shape.sequence = load32(transport + 4);
    shape.joinable = (transport[13] & (kSyn | kRst | kUrg)) == 0;
  }
  if (shape.headers > size) return Shape{};
  shape.payload = size - shape.headers;
  if (shape.payload == 0) shape.joinable = false;
  return shape;
}

// Everything but lengths, ids, checksums, sequence, PSH and FIN has to be the same.
bool Joiner::continues(const Shape& shape, const std::uint8_t* packet) const {
  if (first_ == nullptr || !join_ || ended_ || !shape_.joinable || !shape.joinable) return false;
  if (shape.v6 != shape_.v6 || shape.tcp != shape_.tcp || shape.headers != shape_.headers ||
      shape.transport != shape_.transport || shape.payload > shape_.payload ||
      parts_ == (shape.tcp ? kMaxParts : kMaxUdpParts) ||
      total_payload_ + shape.payload + shape.headers > 65535) {
    return false;
  }
  if (shape.v6) {
    if (std::memcmp(packet, first_, 4) != 0 || std::memcmp(packet + 6, first_ + 6, 34) != 0) {
      return false;
    }
  } else if (std::memcmp(packet, first_, 2) != 0 || std::memcmp(packet + 6, first_ + 6, 4) != 0 ||
             std::memcmp(packet + 12, first_ + 12, shape.transport - 12) != 0) {
    return false;
  }
  const std::uint8_t* a = packet + shape.transport;
  const std::uint8_t* b = first_ + shape.transport;
  if (std::memcmp(a, b, 4) != 0) return false;
  if (!shape.tcp) return true;
  if (shape.sequence != shape_.sequence + static_cast<std::uint32_t>(total_payload_)) return false;
  constexpr std::uint8_t kMayDiffer = kPsh | kFin;
  if (((a[13] ^ flags_) & static_cast<std::uint8_t>(~kMayDiffer)) != 0) return false;
  return std::memcmp(a + 8, b + 8, 5) == 0 && std::memcmp(a + 14, b + 14, 2) == 0 &&
         std::memcmp(a + 18, b + 18, shape.headers - shape.transport - 18) == 0;
}

void Joiner::add(std::uint8_t* packet, std::size_t size, bool unfinished_checksum) {
  const Shape shape = shape_of(packet, size, unfinished_checksum);
  if (continues(shape, packet)) {
    iov_[2 + parts_++] = {packet + shape.headers, shape.payload};
    total_payload_ += shape.payload;
    if (shape.tcp) flags_ |= packet[shape.transport + 13];
  } else {
    flush();
    first_ = packet;
    first_size_ = size;
    unfinished_ = unfinished_checksum;
    shape_ = shape;
    total_payload_ = shape.payload;
    parts_ = 0;
    ended_ = false;
    if (shape.tcp && shape.joinable) flags_ = packet[shape.transport + 13];
  }
  const bool pushed = shape.tcp && shape.joinable && (flags_ & (kPsh | kFin)) != 0;
  if (shape.payload < shape_.payload || pushed) ended_ = true;
}

void Joiner::finish_headers(VnetHeader& vnet) {
  const std::uint8_t protocol = shape_.tcp ? IPPROTO_TCP : IPPROTO_UDP;
  const std::size_t length = shape_.headers - shape_.transport + total_payload_;
  vnet.flags = kVnetNeedsChecksum;
  vnet.csum_start = static_cast<std::uint16_t>(shape_.transport);
  vnet.csum_offset = shape_.tcp ? 16 : 6;
  std::uint8_t* const transport = first_ + shape_.transport;
  store16(transport + vnet.csum_offset, pseudo_header(first_, shape_.v6, protocol, length));
  if (parts_ == 0) return;
  vnet.hdr_len = static_cast<std::uint16_t>(shape_.headers);
  vnet.gso_size = static_cast<std::uint16_t>(shape_.payload);
  vnet.gso_type = !shape_.tcp ? kVnetGsoUdp : shape_.v6 ? kVnetGsoTcp6 : kVnetGsoTcp4;
  if (shape_.tcp) transport[13] = flags_;
  if (!shape_.tcp) store16(transport + 4, length);
  if (shape_.v6) {
    store16(first_ + 4, shape_.headers - 40 + total_payload_);
  } else {
    store16(first_ + 2, shape_.headers + total_payload_);
    write_ipv4_checksum(first_, shape_.transport);
  }
}

void Joiner::flush() {
  if (first_ == nullptr) return;
  VnetHeader vnet{};
  if (unfinished_ && shape_.headers != 0) finish_headers(vnet);
  iov_[0] = {&vnet, sizeof vnet};
  iov_[1] = {first_, first_size_};
  if (writev(tun_, iov_.data(), static_cast<int>(2 + parts_)) >= 0) ++writes_;
  first_ = nullptr;
}

}  // namespace entresol::bench
