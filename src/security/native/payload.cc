#include "security/native/payload.h"

namespace entresol::security::native {
namespace {

using base::DropReason;

enum Item : std::uint8_t {
  kTimestamp = 1,
  kCertificate = 2,
  kRegistration = 3,
  kGrant = 4,
  kResetToken = 5,
  kLinkSize = 6,
  kIgnorable = 128,
};
constexpr std::size_t kItemHeader = 3;

bool read_object(base::ByteView value, base::Bytes& out) {
  out.assign(value.begin(), value.end());
  return !value.empty();
}

bool read_item(std::uint8_t type, base::ByteView value, bool initiation, Payload& out) {
  base::ByteReader reader(value);
  switch (type) {
    case kTimestamp:
      out.timestamp = reader.u64();
      return initiation && reader.done();
    case kCertificate:
      return read_object(value, out.shown.certificate);
    case kRegistration:
      return read_object(value, out.shown.registration);
    case kGrant:
      return read_object(value, out.shown.grant);
    case kResetToken:
      out.reset_token = reader.array<16>();
      return reader.done();
    case kLinkSize:
      out.shown.link_size = reader.u16();
      return reader.done();
    default:
      return type >= kIgnorable;
  }
}

void put(base::Bytes& out, Item type, base::ByteView value) {
  if (value.empty()) return;
  base::ByteWriter writer(out);
  writer.u8(type);
  writer.u16(static_cast<std::uint16_t>(value.size()));
  writer.bytes(value);
}

std::size_t item(std::size_t value) {
  return value == 0 ? 0 : kItemHeader + value;
}

}  // namespace

DropReason parse(base::ByteView payload, bool initiation, Payload& out) {
  out = {};
  base::ByteReader reader(payload);
  int last = -1;
  while (reader.remaining() > 0) {
    const std::uint8_t type = reader.u8();
    const base::ByteView value = reader.view(reader.u16());
    if (!reader.ok() || type <= last || !read_item(type, value, initiation, out)) {
      return DropReason::handshake_malformed;
    }
    last = type;
  }
  return initiation && !out.timestamp ? DropReason::handshake_malformed : DropReason::none;
}

std::size_t size(const Payload& payload) {
  const Credentials& shown = payload.shown;
  return item(payload.timestamp ? 8 : 0) + item(shown.certificate.size()) +
         item(shown.registration.size()) + item(shown.grant.size()) +
         item(payload.reset_token ? 16 : 0) + item(shown.link_size != 0 ? 2 : 0);
}

void emit(const Payload& payload, base::Bytes& out) {
  const Credentials& shown = payload.shown;
  if (payload.timestamp) {
    std::array<std::uint8_t, 8> value;
    base::store_be64(value.data(), *payload.timestamp);
    put(out, kTimestamp, value);
  }
  put(out, kCertificate, shown.certificate);
  put(out, kRegistration, shown.registration);
  put(out, kGrant, shown.grant);
  if (payload.reset_token) put(out, kResetToken, *payload.reset_token);
  if (shown.link_size != 0) {
    std::array<std::uint8_t, 2> value;
    base::store_be16(value.data(), shown.link_size);
    put(out, kLinkSize, value);
  }
}

}  // namespace entresol::security::native
