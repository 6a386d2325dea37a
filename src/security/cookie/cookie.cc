#include "security/cookie/cookie.h"

#include <algorithm>

#include "crypto/xchacha20poly1305.h"

namespace entresol::security::cookie {
namespace {

base::ByteView text(std::string_view label) {
  return {reinterpret_cast<const std::uint8_t*>(label.data()), label.size()};
}

base::ByteView before_mac1(base::ByteView m) {
  return m.first(m.size() - kMacs);
}
base::ByteView mac1_of(base::ByteView m) {
  return m.subspan(m.size() - kMacs, kMac);
}
base::ByteView mac2_of(base::ByteView m) {
  return m.last(kMac);
}

bool fresh(const std::optional<base::TimePoint>& since, base::TimePoint now) {
  return since && now - *since < kLifetime;
}

}  // namespace

Checker::Checker(const PublicKey& own, const Labels& labels)
    : mac1_key_(crypto::blake2s(text(labels.mac1), own)),
      seal_key_(crypto::blake2s(text(labels.cookie), own)) {}

bool Checker::mac1_ok(base::ByteView message) const {
  if (message.size() < kMacs) return false;
  const auto expected = crypto::blake2s_mac(mac1_key_, before_mac1(message));
  return crypto::constant_time_equal(expected, mac1_of(message));
}

crypto::Mac128 Checker::cookie_of(const base::Endpoint& source) const {
  std::array<std::uint8_t, 2> port;
  base::store_be16(port.data(), source.port);
  return crypto::blake2s_mac(std::span<const std::uint8_t, 32>(secret_), source.address, port);
}

bool Checker::mac2_ok(base::ByteView message, const base::Endpoint& source,
                      base::TimePoint now) const {
  if (message.size() < kMacs || !fresh(secret_since_, now)) return false;
  const auto expected =
      crypto::blake2s_mac(cookie_of(source), message.first(message.size() - kMac));
  return crypto::constant_time_equal(expected, mac2_of(message));
}

base::Bytes Checker::reply(base::ByteView message, const Prefix& prefix,
                           const base::Endpoint& source, base::TimePoint now,
                           base::RandomSource& random) {
  if (!fresh(secret_since_, now)) {
    random.fill(std::span<std::uint8_t, 32>(secret_));
    secret_since_ = now;
  }
  base::Bytes out(kReply);
  std::copy(prefix.begin(), prefix.end(), out.begin());
  const auto nonce = random.bytes<kNonce>();
  std::copy(nonce.begin(), nonce.end(), out.begin() + kReplyPrefix);
  crypto::xchacha20poly1305_seal(seal_key_, nonce, mac1_of(message), cookie_of(source),
                                 base::MutableBytes(out).subspan(kReplyPrefix + kNonce));
  return out;
}

Jar::Jar(const PublicKey& peer, const Labels& labels)
    : mac1_key_(crypto::blake2s(text(labels.mac1), peer)),
      seal_key_(crypto::blake2s(text(labels.cookie), peer)) {}

void Jar::sign(base::MutableBytes message, base::TimePoint now) {
  const auto mac1 = crypto::blake2s_mac(mac1_key_, before_mac1(message));
  std::uint8_t* at = message.data() + message.size() - kMacs;
  std::copy(mac1.begin(), mac1.end(), at);
  last_mac1_ = mac1;
  if (has_cookie(now)) {
    const auto mac2 = crypto::blake2s_mac(cookie_, message.first(message.size() - kMac));
    std::copy(mac2.begin(), mac2.end(), at + kMac);
  } else {
    std::fill_n(at + kMac, kMac, std::uint8_t{0});
  }
}

bool Jar::accept(base::ByteView reply, base::TimePoint now) {
  if (reply.size() != kReply || !last_mac1_) return false;
  std::array<std::uint8_t, kCookie> cookie;
  if (!crypto::xchacha20poly1305_open(
          seal_key_, std::span<const std::uint8_t, kNonce>(reply.data() + kReplyPrefix, kNonce),
          *last_mac1_, reply.subspan(kReplyPrefix + kNonce), cookie)) {
    return false;
  }
  cookie_ = cookie;
  cookie_since_ = now;
  last_mac1_.reset();
  return true;
}

bool Jar::has_cookie(base::TimePoint now) const {
  return fresh(cookie_since_, now);
}

}  // namespace entresol::security::cookie
