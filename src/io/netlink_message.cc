#include "io/netlink_message.h"

#include <algorithm>

namespace entresol::io {

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags) : bytes_(NLMSG_HDRLEN) {
  bytes_.reserve(256);
  header().nlmsg_type = type;
  header().nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
}

void NetlinkMessage::append(const void* data, std::size_t size) {
  const auto* from = static_cast<const std::uint8_t*>(data);
  bytes_.insert(bytes_.end(), from, from + size);
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

void NetlinkMessage::attribute(std::uint16_t type, const void* data, std::size_t size) {
  const rtattr head{static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
  append(&head, sizeof head);
  append(data, size);
}

void NetlinkMessage::attribute_text(std::uint16_t type, std::string_view text) {
  std::vector<char> copy(text.begin(), text.end());
  copy.push_back('\0');
  attribute(type, copy.data(), copy.size());
}

void NetlinkMessage::attribute_address(std::uint16_t type, const Address& address) {
  if (is_v4(address)) {
    attribute(type, address.data() + 12, 4);
  } else {
    attribute(type, address.data(), 16);
  }
}

std::size_t NetlinkMessage::begin_nested(std::uint16_t type) {
  const std::size_t begun = bytes_.size();
  attribute(type, nullptr, 0);
  return begun;
}

void NetlinkMessage::end_nested(std::size_t begun) {
  rtattr head{};
  std::memcpy(&head, bytes_.data() + begun, sizeof head);
  head.rta_len = static_cast<std::uint16_t>(bytes_.size() - begun);
  std::memcpy(bytes_.data() + begun, &head, sizeof head);
}

std::span<const std::uint8_t> NetlinkMessage::finish(std::uint32_t sequence) {
  header().nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
  header().nlmsg_seq = sequence;
  return bytes_;
}

std::uint32_t NetlinkAttribute::u32() const {
  std::uint32_t out = 0;
  if (value.size() == sizeof out) std::memcpy(&out, value.data(), sizeof out);
  return out;
}

std::optional<Address> NetlinkAttribute::address() const {
  Address out{};
  if (value.size() == 4) {
    out[10] = out[11] = 0xff;
    std::copy(value.begin(), value.end(), out.begin() + 12);
  } else if (value.size() == 16) {
    std::copy(value.begin(), value.end(), out.begin());
  } else {
    return std::nullopt;
  }
  return out;
}

void visit_attributes(std::span<const std::uint8_t> bytes, const AttributeVisitor& visit) {
  while (bytes.size() >= sizeof(rtattr)) {
    rtattr head{};
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.rta_len < sizeof head || head.rta_len > bytes.size()) return;
    const auto type = static_cast<std::uint16_t>(head.rta_type & NLA_TYPE_MASK);
    visit({type, bytes.subspan(RTA_LENGTH(0), head.rta_len - RTA_LENGTH(0))});
    bytes = bytes.subspan(std::min<std::size_t>(RTA_ALIGN(head.rta_len), bytes.size()));
  }
}

void visit_attributes(const nlmsghdr& header, std::size_t body_size,
                      const AttributeVisitor& visit) {
  const std::size_t start = NLMSG_SPACE(body_size);
  if (header.nlmsg_len < start) return;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
  visit_attributes(std::span<const std::uint8_t>(bytes + start, header.nlmsg_len - start), visit);
}

}  // namespace entresol::io
