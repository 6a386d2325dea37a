// WireGuard's protection against floods of handshakes (paper section 5.4.4 and 5.4.7), with the
// labels as parameters: mac1 shows that a message is meant for this receiver, mac2 that its sender
// can be reached where it says that it is.
//
// A message ends with mac1 (16) and mac2 (16). A cookie reply is 64 octets: 8 that belong to the
// protocol, nonce (24), XChaCha20-Poly1305(cookie (16)) and tag; the associated data is the mac1
// that is answered.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

namespace entresol::security::cookie {

inline constexpr std::size_t kMac = 16;
inline constexpr std::size_t kMacs = 2 * kMac;
inline constexpr std::size_t kCookie = 16;
inline constexpr std::size_t kReplyPrefix = 8;
inline constexpr std::size_t kNonce = 24;
inline constexpr std::size_t kReply = kReplyPrefix + kNonce + kCookie + 16;
inline constexpr base::Duration kLifetime = std::chrono::seconds(120);

struct Labels {
  std::string_view mac1;
  std::string_view cookie;
};

using PublicKey = std::array<std::uint8_t, 32>;
using Prefix = std::array<std::uint8_t, kReplyPrefix>;

// The receiver's side.
class Checker {
 public:
  Checker(const PublicKey& own, const Labels& labels);

  // False too if the message is shorter than its macs.
  bool mac1_ok(base::ByteView message) const;
  // True if mac2 was made with the cookie that `source` was given under the present secret.
  bool mac2_ok(base::ByteView message, const base::Endpoint& source, base::TimePoint now) const;
  // Answers a message whose mac1 is right. Draws a new secret if the present one is too old.
  base::Bytes reply(base::ByteView message, const Prefix& prefix, const base::Endpoint& source,
                    base::TimePoint now, base::RandomSource& random);

 private:
  crypto::Mac128 cookie_of(const base::Endpoint& source) const;

  crypto::Hash256 mac1_key_;
  crypto::Hash256 seal_key_;
  crypto::SecretBytes<32> secret_;
  std::optional<base::TimePoint> secret_since_;
};

// The sender's side, one for each peer.
class Jar {
 public:
  Jar(const PublicKey& peer, const Labels& labels);

  // Fills the last 32 octets of `message`; mac2 stays zero without a cookie that is still good.
  void sign(base::MutableBytes message, base::TimePoint now);
  // False if the reply does not answer what was signed last. Each message is answered once.
  [[nodiscard]] bool accept(base::ByteView reply, base::TimePoint now);
  bool has_cookie(base::TimePoint now) const;
  bool holds_cookie() const { return cookie_since_.has_value(); }  // good or not

 private:
  crypto::Hash256 mac1_key_;
  crypto::Hash256 seal_key_;
  std::optional<crypto::Mac128> last_mac1_;
  std::array<std::uint8_t, kCookie> cookie_{};
  std::optional<base::TimePoint> cookie_since_;
};

}  // namespace entresol::security::cookie
