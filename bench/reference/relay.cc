// Bare UDP relays: what sockets allow when nothing is decided on the way. With --aead 1 each record
// is opened with the key of the link it came from and sealed with the key of the link it leaves on.
//
//   one   recv and send, one datagram a call
//   mmsg  recvmmsg in, GSO out: for packets that do not coalesce
//   gro   UDP_GRO in, GSO out: for trains; whatever is done to a segment is done in the receive
//   buffer
//
// Link i sends from anywhere with receiver index i and is forwarded to port OUT + i. Runs until
// SIGTERM, then prints one JSON object.
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "reference/gcm.h"
#include "reference/options.h"
#include "reference/udp.h"

namespace entresol::bench {
namespace {

class Links {
 public:
  Links(std::size_t count, bool aead) : aead_(aead), in_(count), out_(count), counter_(count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      gcm_.expand(in_[i], 2 * i);
      gcm_.expand(out_[i], 2 * i + 1);
    }
  }
  std::size_t count() const { return in_.size(); }

  // The link a record belongs to; count() where it cannot be forwarded.
  std::size_t of(const std::uint8_t* record, std::size_t size) const {
    if (in_.size() == 1 && !aead_) return 0;
    if (size < kRecordOverhead) return count();
    const std::size_t index = load_header(record).index;
    return index < count() ? index : count();
  }

  bool reseal(std::size_t link, std::uint8_t* record, std::size_t size) {
    if (!aead_) return true;
    std::uint8_t* const body = record + kHeaderSize;
    const std::size_t plaintext = size - kRecordOverhead;
    std::uint8_t* const tag = body + plaintext;
    if (!gcm_.open(in_[link], body, body, plaintext, record, tag)) return false;
    store_header(record, {0x14, static_cast<std::uint32_t>(link), counter_[link]++});
    gcm_.seal(out_[link], body, body, plaintext, record, tag);
    return true;
  }

 private:
  Gcm gcm_;
  bool aead_;
  std::vector<GcmKey> in_, out_;
  std::vector<std::uint32_t> counter_;
};

struct Relay {
  int in;                     // UDP socket, bound; sends as well where there are many links
  std::vector<Address> next;  // by link
  Links& links;
  bool connected;  // one link: `out` is connected
  int out;
  std::size_t slot;  // largest datagram
  std::size_t batch;
  std::uint64_t forwarded = 0;
  std::uint64_t refused = 0;

  const Address* to(std::size_t link) const { return connected ? nullptr : &next[link]; }
};

void relay_one(Relay& relay) {
  std::vector<std::uint8_t> buffer(relay.slot);
  while (!stop_requested) {
    const ssize_t got = recv(relay.in, buffer.data(), buffer.size(), 0);
    if (got <= 0) continue;
    const auto size = static_cast<std::size_t>(got);
    const std::size_t link = relay.links.of(buffer.data(), size);
    if (link == relay.links.count() || !relay.links.reseal(link, buffer.data(), size)) {
      ++relay.refused;
      continue;
    }
    const Address* to = relay.to(link);
    if (sendto(relay.out, buffer.data(), size, 0, to ? to->get() : nullptr, to ? to->size : 0) >= 0)
      ++relay.forwarded;
  }
}

// Datagrams of one link that wait for their GSO call.
struct Bundle {
  std::array<iovec, kMaxTrainSegments> parts;
  std::size_t count = 0;
  std::size_t bytes = 0;
  bool ended = false;  // a shorter segment can only be the last
};

void flush(Relay& relay, std::size_t link, Bundle& bundle) {
  if (bundle.count == 0) return;
  SegmentControl control;
  const std::size_t segment = bundle.count > 1 ? bundle.parts[0].iov_len : 0;
  const msghdr message =
      train_message(bundle.parts.data(), bundle.count, segment, relay.to(link), control);
  if (sendmsg(relay.out, &message, 0) >= 0) relay.forwarded += bundle.count;
  bundle = Bundle{.parts = bundle.parts};
}

void append(Relay& relay, std::size_t link, Bundle& bundle, std::uint8_t* data, std::size_t size) {
  if (bundle.count != 0 && (bundle.ended || size > bundle.parts[0].iov_len ||
                            bundle.count == kMaxTrainSegments || bundle.bytes + size > kMaxTrain)) {
    flush(relay, link, bundle);
  }
  bundle.ended = bundle.count != 0 && size < bundle.parts[0].iov_len;
  bundle.parts[bundle.count++] = {data, size};
  bundle.bytes += size;
}

void relay_mmsg(Relay& relay) {
  std::vector<std::uint8_t> buffer(relay.slot * relay.batch);
  std::vector<iovec> iov(relay.batch);
  std::vector<mmsghdr> messages(relay.batch);
  for (std::size_t i = 0; i < relay.batch; ++i) {
    iov[i] = {&buffer[i * relay.slot], relay.slot};
    messages[i].msg_hdr.msg_iov = &iov[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  std::vector<Bundle> bundles(relay.links.count());
  std::vector<std::size_t> touched;
  while (!stop_requested) {
    const int got = recvmmsg(relay.in, messages.data(), static_cast<unsigned>(relay.batch),
                             MSG_WAITFORONE, nullptr);
    for (int i = 0; i < got; ++i) {
      auto* data = static_cast<std::uint8_t*>(iov[static_cast<std::size_t>(i)].iov_base);
      const std::size_t size = messages[static_cast<std::size_t>(i)].msg_len;
      const std::size_t link = relay.links.of(data, size);
      if (link == relay.links.count() || !relay.links.reseal(link, data, size)) {
        ++relay.refused;
        continue;
      }
      if (bundles[link].count == 0) touched.push_back(link);
      append(relay, link, bundles[link], data, size);
    }
    for (const std::size_t link : touched) flush(relay, link, bundles[link]);
    touched.clear();
  }
}

// Forwards the runs of one link inside a train that was received whole.
void forward_train(Relay& relay, std::uint8_t* data, std::size_t size, std::size_t segment) {
  std::size_t run_start = 0;
  std::size_t run_link = relay.links.count();
  auto end_run = [&](std::size_t end) {
    if (run_link == relay.links.count() || end == run_start) return;
    for (std::size_t at = run_start; at < end;) {
      const std::size_t most = std::min(kMaxTrainSegments, kMaxTrain / segment) * segment;
      const std::size_t part = std::min(end - at, most);
      if (send_train(relay.out, relay.to(run_link), data + at, part, segment))
        relay.forwarded += (part + segment - 1) / segment;
      at += part;
    }
  };
  for (std::size_t at = 0; at < size; at += segment) {
    const std::size_t length = std::min(segment, size - at);
    std::size_t link = relay.links.of(data + at, length);
    if (link != relay.links.count() && !relay.links.reseal(link, data + at, length)) {
      link = relay.links.count();
    }
    if (link == relay.links.count()) ++relay.refused;
    if (link != run_link) {
      end_run(at);
      run_start = at;
      run_link = link;
    }
  }
  end_run(size);
}

void relay_gro(Relay& relay) {
  std::vector<std::uint8_t> buffer(1 << 16);
  while (!stop_requested) {
    iovec iov{buffer.data(), buffer.size()};
    SegmentControl control;
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(relay.in, &message, 0);
    if (got <= 0) continue;
    const auto size = static_cast<std::size_t>(got);
    const std::size_t segment = train_segment(message, size);
    forward_train(relay, buffer.data(), size, segment);
  }
}

int run_relay(int argc, char** argv) {
  Options options(argc, argv);
  const std::string kind = options.text("kind", "gro");
  const auto count = static_cast<std::size_t>(options.number("links", 1));
  const Address local = parse_address(options.text("listen"));
  const std::string out = options.text("out");
  Links links(count, options.number("aead", 0) != 0);
  pin_to_cpu(static_cast<int>(options.number("cpu", -1)));
  const auto batch = static_cast<std::size_t>(options.number("batch", count == 1 ? 256 : 1024));
  const auto slot = static_cast<std::size_t>(options.number("slot", 1536));
  options.refuse_unknown();
  stop_on_signal();
  std::vector<Address> next;
  next.reserve(count);
  for (unsigned i = 0; i < count; ++i) next.push_back(parse_address(out, i));
  const int in = open_udp(local, kind == "gro");
  int sending = in;
  if (count == 1) {
    Address any = local;
    reinterpret_cast<sockaddr_in*>(&any.bytes)->sin_port = 0;
    sending = open_udp(any, false);
    connect_udp(sending, next[0]);
  }
  Relay relay{in, next, links, count == 1, sending, slot, batch};
  std::fprintf(stderr, "ready\n");
  if (kind == "one") {
    relay_one(relay);
  } else if (kind == "mmsg") {
    relay_mmsg(relay);
  } else if (kind == "gro") {
    relay_gro(relay);
  } else {
    Options::fail("--kind one|mmsg|gro");
  }
  std::printf(
      "{\"program\": \"relay\", \"kind\": \"%s\", \"forwarded\": %llu, \"refused\": %llu}\n",
      kind.c_str(), static_cast<unsigned long long>(relay.forwarded),
      static_cast<unsigned long long>(relay.refused));
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run_relay(argc, argv);
}
