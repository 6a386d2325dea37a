#include "security/wireguard/handshake.h"

#include <algorithm>

#include "security/wireguard/messages.h"

namespace entresol::security::wireguard {
namespace {

using base::DropReason;

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::uint64_t kTai64Base = (std::uint64_t{1} << 62) + 10;  // TAI was 10 s ahead in 1970
constexpr std::uint32_t kWhitener = (1u << 24) - 1;

base::ByteView prologue() {
  return {reinterpret_cast<const std::uint8_t*>(kIdentifier.data()), kIdentifier.size()};
}

base::Bytes begin(std::uint32_t type, std::uint32_t sender) {
  base::Bytes out(8);
  base::store_le32(out.data(), type);
  base::store_le32(out.data() + kSenderOffset, sender);
  return out;
}

void add_macs(base::Bytes& message) {
  message.resize(message.size() + cookie::kMacs);
}

}  // namespace

cookie::Labels Handshake::labels() const {
  return {kMac1Label, kCookieLabel};
}

DropReason Handshake::classify(base::ByteView message, MessageKind& kind) const {
  if (message.size() < 4) return DropReason::handshake_malformed;
  std::size_t size = 0;
  switch (base::load_le32(message.data())) {  // the three reserved octets are zero
    case kInitiationType:
      kind = MessageKind::kInitiation;
      size = kInitiationSize;
      break;
    case kResponseType:
      kind = MessageKind::kResponse;
      size = kResponseSize;
      break;
    case kCookieReplyType:
      kind = MessageKind::kCookieReply;
      size = kCookieReplySize;
      break;
    default:
      return DropReason::handshake_malformed;
  }
  return message.size() == size ? DropReason::none : DropReason::handshake_malformed;
}

DropReason Handshake::check_header(MessageKind, base::ByteView) const {
  return DropReason::none;
}

std::uint32_t Handshake::sender_index(base::ByteView message) const {
  return base::load_le32(message.data() + kSenderOffset);
}

std::uint32_t Handshake::receiver_index(MessageKind kind, base::ByteView message) const {
  return base::load_le32(message.data() + (kind == MessageKind::kResponse ? kResponseReceiverOffset
                                                                          : kCookieReceiverOffset));
}

cookie::Prefix Handshake::cookie_prefix(std::uint32_t receiver_index) const {
  cookie::Prefix prefix;
  base::store_le32(prefix.data(), kCookieReplyType);
  base::store_le32(prefix.data() + kCookieReceiverOffset, receiver_index);
  return prefix;
}

Timestamp Handshake::timestamp(std::int64_t unix_nanos, const Timestamp& last) const {
  const auto seconds = unix_nanos / kNanos - (unix_nanos % kNanos < 0 ? 1 : 0);
  const auto nanos = static_cast<std::uint32_t>(unix_nanos - seconds * kNanos);
  Timestamp out{};
  base::store_be64(out.data(), kTai64Base + static_cast<std::uint64_t>(seconds));
  base::store_be32(out.data() + 8, nanos & ~kWhitener);
  if (out > last) return out;
  out = last;
  for (std::size_t i = out.size(); i-- > 0;) {
    if (++out[i] != 0) break;
  }
  return out;
}

noise::HandshakeState Handshake::initiator(const noise::PublicKey& remote,
                                           const HandshakeNames&) const {
  return noise::HandshakeState::initiator(
      noise::Pattern::kIKpsk2, crypto::AeadSuite::kChaCha20Poly1305, prologue(), own_, remote);
}

noise::HandshakeState Handshake::responder(const HandshakeNames&) const {
  return noise::HandshakeState::responder(noise::Pattern::kIKpsk2,
                                          crypto::AeadSuite::kChaCha20Poly1305, prologue(), own_);
}

base::Bytes Handshake::write_initiation(noise::HandshakeState& state, std::uint32_t sender,
                                        const crypto::X25519KeyPair& ephemeral,
                                        const HandshakeContent& content) const {
  base::Bytes out = begin(kInitiationType, sender);
  if (!state.write_first(ephemeral, content.timestamp, out)) return {};
  add_macs(out);
  return out;
}

base::Bytes Handshake::write_response(noise::HandshakeState& state, std::uint32_t sender,
                                      std::uint32_t receiver,
                                      const crypto::X25519KeyPair& ephemeral, const noise::Psk& psk,
                                      const HandshakeContent&) const {
  base::Bytes out = begin(kResponseType, sender);
  out.resize(kResponseEphemeralOffset);
  base::store_le32(out.data() + kResponseReceiverOffset, receiver);
  if (!state.write_second(ephemeral, psk, {}, out)) return {};
  add_macs(out);
  return out;
}

DropReason Handshake::read_static(noise::HandshakeState& state, base::ByteView m) const {
  return state.read_first_static(m.subspan(kInitiationEphemeralOffset, noise::kKey),
                                 m.subspan(kInitiationStaticOffset, noise::kSealedKey))
             ? DropReason::none
             : DropReason::handshake_forged;
}

DropReason Handshake::read_content(noise::HandshakeState& state, base::ByteView m,
                                   HandshakeContent& content) const {
  base::Bytes timestamp;
  if (!state.read_first_payload(m.subspan(kInitiationTimestampOffset, kTimestampSize + noise::kTag),
                                timestamp)) {
    return DropReason::handshake_forged;
  }
  std::copy(timestamp.begin(), timestamp.end(), content.timestamp.begin());
  return DropReason::none;
}

DropReason Handshake::read_response(noise::HandshakeState& state, base::ByteView m,
                                    const noise::Psk& psk, HandshakeContent&) const {
  base::Bytes nothing;
  return state.read_second(m.subspan(kResponseEphemeralOffset, noise::kKey), psk,
                           m.subspan(kResponseEmptyOffset, noise::kTag), nothing)
             ? DropReason::none
             : DropReason::handshake_forged;
}

}  // namespace entresol::security::wireguard
