// Handshake messages for an association in one of its states: fresh, initiation sent, established,
// under load. Input: protocol and state (1), which message to start from (1), then octets that are
// XORed into it, or the message itself. mac1 is made right, as anyone can.
// fuzzes: security/association.h
#include <algorithm>
#include <cstdlib>
#include <variant>

#include "security/association.h"
#include "security/cookie/cookie.h"

namespace {

using namespace entresol;
using namespace entresol::security;

class Counter final : public base::RandomSource {
 public:
  explicit Counter(std::uint8_t seed) : next_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    for (auto& octet : out) octet = static_cast<std::uint8_t>((next_ += 97) >> 5);
  }

 private:
  std::uint32_t next_;
};

class Anybody final : public Verifier {
 public:
  Credentials credentials(const Path&) override { return {{1}, {2}, {}, 1400}; }
  base::DropReason admit(const PublicKey&, const Credentials&, const Path&, base::UnixSeconds,
                         wire::Name&) override {
    return base::DropReason::none;
  }
};

struct End {
  End(Protocol protocol, std::uint8_t seed, bool loaded)
      : random(seed),
        indices(random),
        table(config(protocol, seed, loaded), &anybody, random, indices) {}
  static Config config(Protocol protocol, std::uint8_t seed, bool loaded) {
    Config c;
    c.protocol = protocol;
    c.static_private.data()[0] = c.static_private.data()[9] = seed;
    c.reset_secret.data()[0] = seed;
    c.max_peers = 4;
    if (loaded) c.handshakes_per_second_before_load = 0;
    return c;
  }
  Counter random;
  IndexAllocator indices;
  Anybody anybody;
  Associations table;
};

base::Bytes message_of(Events& events) {
  base::Bytes out;
  for (Event& event : events) {
    if (auto* send = std::get_if<SendMessage>(&event)) out = send->message;
  }
  events.clear();
  return out;
}

Path path(std::uint8_t from, std::uint8_t to) {
  Path p;
  p.remote.address[15] = from;
  p.local.address[15] = to;
  return p;
}

constexpr base::TimePoint kNow{std::chrono::hours(1)};
constexpr std::int64_t kUnix = 1'800'000'000'000'000'000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Protocol protocol = (data[0] & 1) != 0 ? Protocol::kWireGuard : Protocol::kNative;
  const int state = data[0] >> 1 & 3;  // 0 fresh, 1 initiation sent, 2 established, 3 under load
  const int start = data[1] % 5;  // 0 nothing, 1 initiation, 2 response, 3 cookie reply, 4 reset
  const bool sign = (data[1] & 0x80) == 0;
  End us(protocol, 1, state == 3), them(protocol, 2, start == 3);
  const PeerId peer = us.table.add({them.table.static_public(), {}, path(2, 1), {}, {}});
  const PeerId back = them.table.add({us.table.static_public(), {}, path(1, 2), {}, {}});
  Events events;
  base::Bytes first, response;
  if (state != 0) {
    us.table.connect(peer, kNow, kUnix, events);
    first = message_of(events);
    them.table.handle(first, path(1, 2), kNow, kUnix, events);
    response = message_of(events);
  }
  if (state == 2) us.table.handle(response, path(2, 1), kNow, kUnix, events);
  events.clear();

  base::Bytes message;
  if (start == 1) {
    them.table.rekey(back, kNow, kUnix, events);
    message = message_of(events);
  } else if (start == 2 || start == 3) {
    message = response;  // a cookie reply if they are under load
  } else if (start == 4) {
    const auto present = us.table.state(peer);
    base::Bytes record(28);
    record[0] = 0x14;
    record[6] = 1;
    if (present->has_keys) message = them.table.reset_for(record, kNow);
  }
  const base::ByteView input(data + 2, size - 2);
  if (message.empty())
    message.assign(input.begin(), input.end());
  else
    for (std::size_t i = 0; i < std::min(message.size(), input.size()); ++i) message[i] ^= input[i];

  const bool handshake = !message.empty() && (message[0] == 1 || message[0] == 2 ||
                                              message[0] == 0x10 || message[0] == 0x11);
  if (sign && handshake && message.size() >= cookie::kMacs) {
    cookie::Jar jar(us.table.static_public(),
                    protocol == Protocol::kNative
                        ? cookie::Labels{"entresol mac1", "entresol cookie"}
                        : cookie::Labels{"mac1----", "cookie--"});
    jar.sign(message, kNow);
  }
  us.table.recognise(message);
  const auto later = kNow + std::chrono::seconds(1);
  const auto reason = us.table.handle(message, path(2, 1), later, kUnix + 1'000'000'000, events);
  // Who is refused gets nothing but a cookie, and that is shorter than what it answers.
  if (reason != base::DropReason::none) {
    for (const Event& event : events) {
      const auto* send = std::get_if<SendMessage>(&event);
      if (reason != base::DropReason::handshake_cookie || send == nullptr) std::abort();
      if (send->message.size() >= message.size()) std::abort();
    }
  }
  us.table.reset_for(message, later);
  us.table.on_timer(later + std::chrono::minutes(1), kUnix, events);
  for (PeerId id : us.table.peers()) us.table.remove(id, events);
  if (us.indices.in_use() != 0) std::abort();
  return 0;
}
