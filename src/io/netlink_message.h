// One rtnetlink request being written, and the attributes of an answer being read. For netlink.cc
// alone.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "io/endpoint_text.h"

namespace entresol::io {

class NetlinkMessage {
 public:
  NetlinkMessage(std::uint16_t type, std::uint16_t flags);

  // The fixed part (ifinfomsg, rtmsg …), once, before any attribute.
  template <typename T>
  void body(const T& value) {
    append(&value, sizeof value);
  }
  void attribute(std::uint16_t type, const void* data, std::size_t size);
  void attribute_u32(std::uint16_t type, std::uint32_t value) {
    attribute(type, &value, sizeof value);
  }
  void attribute_u8(std::uint16_t type, std::uint8_t value) {
    attribute(type, &value, sizeof value);
  }
  void attribute_text(std::uint16_t type, std::string_view text);  // with its final zero
  void attribute_address(std::uint16_t type, const Address& address);
  std::size_t begin_nested(std::uint16_t type);
  void end_nested(std::size_t begun);

  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  template <typename T>
  T& body_as() {
    return *reinterpret_cast<T*>(bytes_.data() + NLMSG_HDRLEN);
  }
  std::span<const std::uint8_t> finish(std::uint32_t sequence);

 private:
  void append(const void* data, std::size_t size);  // padded to four bytes
  std::vector<std::uint8_t> bytes_;
};

struct NetlinkAttribute {
  std::uint16_t type;
  std::span<const std::uint8_t> value;
  std::uint32_t u32() const;               // 0 if it is no 32-bit value
  std::optional<Address> address() const;  // 4 or 16 bytes
};

// The fixed part of an answer; nullptr if the answer is shorter.
template <typename T>
const T* netlink_body(const nlmsghdr& header) {
  if (header.nlmsg_len < NLMSG_LENGTH(sizeof(T))) return nullptr;
  return reinterpret_cast<const T*>(reinterpret_cast<const std::uint8_t*>(&header) + NLMSG_HDRLEN);
}

using AttributeVisitor = std::function<void(const NetlinkAttribute&)>;
void visit_attributes(std::span<const std::uint8_t> bytes, const AttributeVisitor& visit);
// The attributes behind a fixed part of `body_size` bytes.
void visit_attributes(const nlmsghdr& header, std::size_t body_size, const AttributeVisitor& visit);

}  // namespace entresol::io
