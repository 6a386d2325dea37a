#include "layer/inner/segment.h"

#include <algorithm>
#include <cstring>

namespace entresol::layer::inner {
namespace {

using base::DropReason;

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kCwr = 0x80;

}  // namespace

DropReason Segmenter::start(base::MutableBytes packet, const IpPacket& ip, const Offload& offload,
                            Checksums checksums) {
  count_ = index_ = 0;
  left_ = 0;
  const InnerTravel travel = choose_form(ip);
  prefix_ = travel.prefix;
  whole_ = travel.stays == 0;
  version_ = ip.version;
  protocol_ = ip.protocol;
  identification_ =
      version_ == 4 ? static_cast<std::uint16_t>(ip.identification) : std::uint16_t{0};
  ip_header_ = ip.header_length;
  gso_ = offload.gso != Gso::kNone;
  l4_header_ = gso_ ? ip.l4_header_length : 0;
  unfinished_ = offload.needs_checksum;
  finish_ = false;
  if (gso_) {
    if (!unfinished_allowed(ip)) return DropReason::inside_malformed;
    if (ip_header_ + l4_header_ > kMaxHeaders) return DropReason::inside_malformed;
    std::memcpy(headers_.data(), packet.data(), ip_header_ + l4_header_);
    prepare_sum(packet.data(), ip);
    sequence_ = protocol_ == kProtocolTcp ? base::load_be32(packet.data() + ip_header_ + 4) : 0;
    // A routing header's final destination is not where a receiver that completes the sum would
    // look for it.
    finish_ = checksums == Checksums::kFinish || ip.has_routing_header;
    unfinished_ = !finish_;
  } else if (unfinished_) {
    std::uint16_t field = 0;
    const bool octet_says_it =
        checksum_offset(protocol_, field) && offload.checksum_start == ip_header_ &&
        offload.checksum_offset == field && unfinished_allowed(ip) && !ip.has_routing_header;
    if (!octet_says_it || checksums == Checksums::kFinish) {
      finish_checksum(packet, offload.checksum_start, offload.checksum_offset);
      unfinished_ = false;
    }
  }

  prefix_.checksum_unfinished = unfinished_;
  const std::size_t headers = ip_header_ + l4_header_;
  at_ = packet.data() + headers;
  left_ = packet.size() - headers;
  first_payload_ = gso_ ? std::min<std::size_t>(offload.gso_size, left_) : left_;
  count_ = gso_ && left_ != 0 ? (left_ + first_payload_ - 1) / first_payload_ : 1;
  return DropReason::none;
}

void Segmenter::prepare_sum(const std::uint8_t* packet, const IpPacket& ip) {
  pseudo_ = OnesSum{};
  if (!ip.has_options) {
    pseudo_ = pseudo_header(packet, version_, protocol_);
    return;
  }
  // Source routes and routing headers change the destination that counts, so it is taken from the
  // kernel's own sum, less the length in it.
  std::uint16_t field = 0;
  checksum_offset(protocol_, field);
  pseudo_.add16(base::load_be16(packet + ip_header_ + field));
  pseudo_.add16(static_cast<std::uint16_t>(~ip.payload_size()));
}

bool Segmenter::next(Segment& out) {
  if (index_ == count_) return false;
  const bool last = index_ + 1 == count_;
  const std::size_t payload = last ? left_ : first_payload_;
  std::uint8_t* l4 = at_ - l4_header_;
  std::uint8_t* body = whole_ ? l4 - ip_header_ : l4;
  if (gso_) {
    if (index_ != 0) {
      const std::size_t from = whole_ ? 0 : ip_header_;
      std::memcpy(body, headers_.data() + from, ip_header_ + l4_header_ - from);
    }
    if (whole_) write_network(body, ip_header_ + l4_header_ + payload);
    write_transport(l4, l4_header_ + payload, last);
  }
  out.identification =
      version_ == 4 ? static_cast<std::uint16_t>(identification_ + index_) : std::uint16_t{0};
  if (prefix_.form == wire::InnerForm::payload_behind_id) {
    prefix_.identification =
        (std::uint32_t{out.identification} << 16) | (prefix_.identification & 0xffff);
  }
  std::uint8_t* begin = body - prefix_.size();
  prefix_.emit(begin);
  out.plaintext = {begin, static_cast<std::size_t>(at_ - begin) + payload};
  out.unfinished = unfinished_;
  at_ += payload;
  left_ -= payload;
  ++index_;
  return true;
}

void Segmenter::write_network(std::uint8_t* header, std::size_t total) const {
  if (version_ == 6) {
    base::store_be16(header + 4, static_cast<std::uint16_t>(total - 40));
    return;
  }
  base::store_be16(header + 2, static_cast<std::uint16_t>(total));
  base::store_be16(header + 4, static_cast<std::uint16_t>(identification_ + index_));
  write_ipv4_checksum(header, ip_header_);
}

void Segmenter::write_transport(std::uint8_t* l4, std::size_t l4_size, bool last) {
  std::size_t field = 6;
  if (protocol_ == kProtocolTcp) {
    field = 16;
    const std::size_t sent = index_ * first_payload_;
    base::store_be32(l4 + 4, sequence_ + static_cast<std::uint32_t>(sent));
    if (!last) l4[13] &= static_cast<std::uint8_t>(~(kFin | kPsh));
    if (index_ != 0) l4[13] &= static_cast<std::uint8_t>(~kCwr);
  } else {
    base::store_be16(l4 + 4, static_cast<std::uint16_t>(l4_size));
  }
  OnesSum sum = pseudo_;
  sum.add32(static_cast<std::uint32_t>(l4_size));
  base::store_be16(l4 + field, sum.folded());
  if (finish_) finish_checksum({l4, l4_size}, 0, field);
}

}  // namespace entresol::layer::inner
