#include "security/native/handshake.h"

#include <algorithm>

#include "security/native/messages.h"
#include "security/native/payload.h"

namespace entresol::security::native {
namespace {

using base::DropReason;

std::uint32_t index_at(base::ByteView m, std::size_t at) {
  return base::load_be32(m.data() + at) >> 8;
}
bool zero_behind_index(base::ByteView m, std::size_t at) {
  return m[at + 3] == 0;
}
bool zero_behind_type(base::ByteView m) {
  return m[1] == 0 && m[2] == 0 && m[3] == 0;
}

base::ByteView sealed_payload(base::ByteView m, std::size_t at) {
  return m.subspan(at, m.size() - at - cookie::kMacs);
}

}  // namespace

cookie::Labels Handshake::labels() const {
  return {kMac1Label, kCookieLabel};
}

DropReason Handshake::classify(base::ByteView m, MessageKind& kind) const {
  if (m.empty() || m.size() > kMessageMaximum) return DropReason::handshake_malformed;
  bool fits = false;
  switch (m[0]) {
    case kInitiationType:
      kind = MessageKind::kInitiation;
      fits = m.size() >= kInitiationMinimum;
      break;
    case kResponseType:
      kind = MessageKind::kResponse;
      fits = m.size() >= kResponseMinimum;
      break;
    case kCookieReplyType:
      kind = MessageKind::kCookieReply;
      fits = m.size() == kCookieReplySize && zero_behind_type(m) &&
             zero_behind_index(m, kCookieReceiverOffset);
      break;
    case kResetType:
      kind = MessageKind::kReset;
      fits = m.size() == kResetSize && zero_behind_type(m);
      break;
    default:
      break;
  }
  return fits ? DropReason::none : DropReason::handshake_malformed;
}

DropReason Handshake::check_header(MessageKind kind, base::ByteView m) const {
  if (m[kVersionOffset] != kVersion ||
      m[kSuiteOffset] != static_cast<std::uint8_t>(parameters_.suite) ||
      m[kPurposeOffset] != static_cast<std::uint8_t>(parameters_.purpose)) {
    return DropReason::handshake_suite;
  }
  const bool zeros =
      zero_behind_index(m, kSenderOffset) &&
      (kind != MessageKind::kResponse || zero_behind_index(m, kResponseReceiverOffset));
  return zeros ? DropReason::none : DropReason::handshake_malformed;
}

std::uint32_t Handshake::sender_index(base::ByteView m) const {
  return index_at(m, kSenderOffset);
}

std::uint32_t Handshake::receiver_index(MessageKind kind, base::ByteView m) const {
  return index_at(m,
                  kind == MessageKind::kResponse ? kResponseReceiverOffset : kCookieReceiverOffset);
}

cookie::Prefix Handshake::cookie_prefix(std::uint32_t receiver_index) const {
  cookie::Prefix prefix{kCookieReplyType};
  base::store_be32(prefix.data() + kCookieReceiverOffset, receiver_index << 8);
  return prefix;
}

Timestamp Handshake::timestamp(std::int64_t unix_nanos, const Timestamp& last) const {
  const std::uint64_t now = unix_nanos < 0 ? 0 : static_cast<std::uint64_t>(unix_nanos);
  Timestamp out{};
  base::store_be64(out.data(), std::max(now, base::load_be64(last.data()) + 1));
  return out;
}

base::Bytes Handshake::prologue(const HandshakeNames& names) const {
  base::Bytes out(kPrologue.begin(), kPrologue.end());
  base::ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(parameters_.suite));
  writer.u8(static_cast<std::uint8_t>(parameters_.purpose));
  writer.bytes(parameters_.layer_id);
  if (parameters_.purpose == Purpose::kSession) {
    writer.bytes(names.initiator);
    writer.bytes(names.responder);
  }
  return out;
}

noise::HandshakeState Handshake::initiator(const noise::PublicKey& remote,
                                           const HandshakeNames& names) const {
  return noise::HandshakeState::initiator(noise::Pattern::kIK, parameters_.suite, prologue(names),
                                          own_, remote);
}

noise::HandshakeState Handshake::responder(const HandshakeNames& names) const {
  return noise::HandshakeState::responder(noise::Pattern::kIK, parameters_.suite, prologue(names),
                                          own_);
}

base::Bytes Handshake::begin(std::uint8_t type, std::uint32_t sender) const {
  base::Bytes out = {type, kVersion, static_cast<std::uint8_t>(parameters_.suite),
                     static_cast<std::uint8_t>(parameters_.purpose)};
  base::ByteWriter(out).u32(sender << 8);
  return out;
}

base::Bytes Handshake::write_initiation(noise::HandshakeState& state, std::uint32_t sender,
                                        const crypto::X25519KeyPair& ephemeral,
                                        const HandshakeContent& content) const {
  base::Bytes out = begin(kInitiationType, sender), payload;
  emit({base::load_be64(content.timestamp.data()), content.shown, content.reset_token}, payload);
  state.mix_hash(out);
  if (!state.write_first(ephemeral, payload, out)) return {};
  out.resize(out.size() + cookie::kMacs);
  return out;
}

base::Bytes Handshake::write_response(noise::HandshakeState& state, std::uint32_t sender,
                                      std::uint32_t receiver,
                                      const crypto::X25519KeyPair& ephemeral, const noise::Psk& psk,
                                      const HandshakeContent& content) const {
  base::Bytes out = begin(kResponseType, sender), payload;
  base::ByteWriter(out).u32(receiver << 8);
  emit({std::nullopt, content.shown, content.reset_token}, payload);
  state.mix_hash(out);
  if (!state.write_second(ephemeral, psk, payload, out)) return {};
  out.resize(out.size() + cookie::kMacs);
  return out;
}

DropReason Handshake::read_static(noise::HandshakeState& state, base::ByteView m) const {
  state.mix_hash(m.first(kInitiationHeader));
  return state.read_first_static(m.subspan(kInitiationHeader, noise::kKey),
                                 m.subspan(kInitiationStaticOffset, noise::kSealedKey))
             ? DropReason::none
             : DropReason::handshake_forged;
}

DropReason Handshake::read_content(noise::HandshakeState& state, base::ByteView m,
                                   HandshakeContent& content) const {
  base::Bytes text;
  if (!state.read_first_payload(sealed_payload(m, kInitiationPayloadOffset), text)) {
    return DropReason::handshake_forged;
  }
  Payload payload;
  const DropReason reason = parse(text, true, payload);
  if (reason != DropReason::none) return reason;
  content = {};
  base::store_be64(content.timestamp.data(), *payload.timestamp);
  content.shown = std::move(payload.shown);
  content.reset_token = payload.reset_token;
  return DropReason::none;
}

DropReason Handshake::read_response(noise::HandshakeState& state, base::ByteView m,
                                    const noise::Psk& psk, HandshakeContent& content) const {
  state.mix_hash(m.first(kResponseHeader));
  base::Bytes text;
  if (!state.read_second(m.subspan(kResponseHeader, noise::kKey), psk,
                         sealed_payload(m, kResponsePayloadOffset), text)) {
    return DropReason::handshake_forged;
  }
  Payload payload;
  const DropReason reason = parse(text, false, payload);
  if (reason != DropReason::none) return reason;
  content = {};
  content.shown = std::move(payload.shown);
  content.reset_token = payload.reset_token;
  return DropReason::none;
}

}  // namespace entresol::security::native
