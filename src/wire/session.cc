#include "wire/session.h"

#include <cstring>

namespace entresol::wire {
namespace {

using base::DropReason;

constexpr std::size_t kCanonicalLayer = 8;
constexpr std::size_t kCanonicalService = 40;
constexpr std::size_t kCanonicalFlowId = 44;
constexpr std::size_t kCanonicalSession = 48;
constexpr std::size_t kCanonicalSource = 56;
constexpr std::size_t kCanonicalDestination = 72;

// All but the session's octets. Octets 2–5 stand together in the extension header too.
void emit_flow(const LayerId& layer, const std::uint8_t* header, std::uint8_t* at) {
  at[0] = kVersion;
  at[1] = header[offset::kNextProtocol];
  std::memcpy(at + 2, header + offset::kInnerProtocol, 4);
  std::memset(at + 6, 0, 2);
  std::memcpy(at + kCanonicalLayer, layer.data(), kLayerIdSize);
  std::memcpy(at + kCanonicalService, header + offset::kService, 4);
  std::memcpy(at + kCanonicalFlowId, header + offset::kFlowId, 4);
  std::memcpy(at + kCanonicalSource, header + offset::kSource, 2 * kNameSize);
}
static_assert(kCanonicalDestination + kNameSize == kCanonicalSize);
static_assert(offset::kDestination == offset::kSource + kNameSize);

constexpr std::uint8_t kOffloadChecksum = 0x01;
constexpr std::uint8_t kFormVersion = 0x0f;
constexpr std::uint8_t kFormKinds = 0x70;
constexpr std::uint8_t kFormReserved = 0x80;

}  // namespace

CanonicalForm::CanonicalForm(const LayerId& layer, const HeaderView& header) {
  emit_flow(layer, header.header().data(), octets_.data());
}

CanonicalForm::CanonicalForm(const LayerId& layer, const Header& header) {
  std::uint8_t* at = octets_.data();
  at[0] = kVersion;
  at[1] = header.next_protocol;
  at[2] = header.inner_protocol;
  at[3] = static_cast<std::uint8_t>((header.opener ? kInnerOpener : 0) |
                                    (header.fragment ? kInnerFragment : 0));
  base::store_be16(at + 4, header.responder_port);
  std::memcpy(at + kCanonicalLayer, layer.data(), kLayerIdSize);
  base::store_be32(at + kCanonicalService, header.service);
  base::store_be32(at + kCanonicalFlowId, header.flow_id);
  store_name(at + kCanonicalSource, header.source);
  store_name(at + kCanonicalDestination, header.destination);
}

bool has_end_to_end_options(const HeaderView& header) {
  for (OptionView option : header.options()) {
    if (option.end_to_end()) return true;
  }
  return false;
}

std::size_t emit_canonical(const LayerId& layer, const HeaderView& header, SessionHeader session,
                           std::uint8_t* at) {
  emit_flow(layer, header.header().data(), at);
  session.emit(at + kCanonicalSession);
  std::size_t size = kCanonicalSize;
  for (OptionView option : header.options()) {
    if (!option.end_to_end()) continue;
    std::memcpy(at + size, option.octets().data(), option.size());
    size += option.size();
  }
  return size;
}

DropReason SealedPrefix::parse(base::ByteView plaintext, SealedPrefix& out) {
  if (plaintext.size() < 2) return DropReason::inside_malformed;
  const std::uint8_t offload = plaintext[0];
  const std::uint8_t inner = plaintext[1];
  if (offload & ~kOffloadChecksum) return DropReason::inside_malformed;
  if (inner & kFormReserved) return DropReason::inside_malformed;
  SealedPrefix prefix;
  prefix.checksum_unfinished = offload & kOffloadChecksum;
  prefix.ip_version = inner & kFormVersion;
  prefix.form = static_cast<InnerForm>(inner & kFormKinds);
  if (prefix.ip_version != 4 && prefix.ip_version != 6) return DropReason::inside_malformed;
  switch (prefix.form) {
    case InnerForm::payload:
    case InnerForm::whole_packet:
      break;
    case InnerForm::payload_behind_id:
    case InnerForm::payload_dont_fragment:
      if (prefix.ip_version != 4) return DropReason::inside_malformed;
      break;
    default:
      return DropReason::inside_malformed;
  }
  if (plaintext.size() < prefix.size()) return DropReason::inside_malformed;
  if (prefix.form == InnerForm::payload_behind_id)
    prefix.identification = base::load_be32(&plaintext[2]);
  out = prefix;
  return DropReason::none;
}

void SealedPrefix::emit(std::uint8_t* at) const {
  at[0] = checksum_unfinished ? kOffloadChecksum : std::uint8_t{0};
  at[1] = static_cast<std::uint8_t>(ip_version | static_cast<std::uint8_t>(form));
  if (form == InnerForm::payload_behind_id) base::store_be32(at + 2, identification);
}

}  // namespace entresol::wire
