// Hosts of a layer, without TUN: each shakes hands with a node as any host does, then those of one process send records
// through it to those of another. What is measured is the node that ships, between them.
//
//   source  host i seals trains of packets for the sink's host i and sends them by GSO, as fast as possible
//   sink    counts what arrives in a window that begins `warmup` after the first record; until then opens all of it
//
// Both derive the hosts' keys from the same numbers and have them certified by the layer's root, whose secret key is
// FOLDER/edge.key (with edge.pub, and the node's file node.member). Packets are the layer's sealed ones: the node sees no
// more than their headers, so their payload need not be a session's. Each prints one JSON object at its end.
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "crypto/x25519.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "layer/membership/membership.h"
#include "reference/options.h"
#include "reference/udp.h"
#include "runtime/files.h"
#include "security/lanes.h"
#include "security/test_random.h"

namespace entresol::bench {
namespace {

namespace membership = layer::membership;

constexpr std::size_t kAroundUdpPayload =
    90;  // of a sealed packet over IPv6: names and fields 56, session 10, UDP 8, tag 16
constexpr base::UnixSeconds kValid = 3600;
constexpr double kHandshakeTime = 10;

template <typename T>
T must(base::Result<T> result) {
  if (!result) Options::fail(result.error().message);
  return std::move(*result);
}

membership::Identity identity_of(std::uint32_t end, std::uint32_t number) {
  security::SeededRandom random(std::uint64_t{end} << 32 | number);
  membership::Identity identity;
  identity.identity = crypto::ed25519_keypair(random.bytes<32>());
  crypto::X25519KeyPair native = crypto::x25519_keypair(random.bytes<32>());
  identity.native_public = native.public_key;
  identity.native_private = native.secret;
  return identity;
}

struct Layer {
  explicit Layer(const std::string& folder)
      : trust(must(runtime::read_root(folder + "/edge.pub"))),
        root(must(runtime::read_signing_key(folder + "/edge.key"))),
        node(must(runtime::read_member(folder + "/node.member"))) {}
  wire::Name name_of(const membership::Identity& identity) const {
    return membership::name_of(trust.layer(), membership::kSuiteEd25519,
                               identity.identity.public_key);
  }
  base::Bytes certify(const membership::Identity& identity, const std::string& label) const {
    const base::UnixSeconds now = io::unix_now();
    membership::Certificate body;
    body.layer = trust.layer();
    body.identity = identity.identity.public_key;
    body.validity = {now - kValid, now + kValid};
    body.label = label;
    body.issuer = root.public_key;
    return membership::sign(body, root)->octets();
  }

  membership::Trust trust;
  crypto::Ed25519KeyPair root;
  runtime::MemberFile node;
};

// One host's link to the node.
class Host {
 public:
  Host(const Layer& layer, std::uint32_t end, std::uint32_t number, const Address& local,
       const Address& node)
      : indices_(random_),
        membership_(layer.trust, identity_of(end, number)),
        machine_(configure(layer), membership_.link_verifier(), random_, indices_) {
    const base::UnixSeconds now = io::unix_now();
    base::Bytes chain = layer.certify(
        membership_.identity(), "bench-" + std::to_string(end) + "-" + std::to_string(number));
    if (auto own = membership_.set_own(
            std::move(chain), static_cast<std::uint64_t>(io::unix_nanos()), now + kValid, {}, now);
        !own)
      Options::fail(own.error().message);
    const wire::Name node_name =
        must(membership_.learn(layer.node.certificate, layer.node.registration, now));
    security::PeerConfig peer;
    peer.key = membership_.find(node_name)->native_key;
    peer.path = security::Path{};  // the socket is connected
    peer.path->remote.port = 1;
    peer.name = node_name;
    peer_ = machine_.add(peer);
    fd_ = open_udp(local, true);
    connect_udp(fd_, node);
  }

  int fd() const { return fd_; }
  bool up() const { return send != nullptr; }
  void connect() {
    security::Events events;
    machine_.connect(peer_, io::now(), io::unix_nanos(), events);
    carry_out(events);
  }
  void tick() {
    if (machine_.next_timer() > io::now()) return;
    security::Events events;
    machine_.on_timer(io::now(), io::unix_nanos(), events);
    carry_out(events);
  }
  void handshake(base::ByteView message) {
    security::Events events;
    machine_.handle(message, security::Path{}, io::now(), io::unix_nanos(), events);
    carry_out(events);
  }
  // An empty record, which tells the node that the keys are in use.
  void confirm() {
    std::uint8_t record[64];
    const std::size_t size = security::seal_record(*send, record, 0, record);
    (void)!::send(fd_, record, size, 0);
  }

  std::unique_ptr<security::SendLane> send;
  std::unique_ptr<security::ReceiveLane> receive;

 private:
  security::Config configure(const Layer& layer) {
    security::Config config;
    config.static_private = membership_.identity().native_private;
    config.layer_id = layer.trust.layer();
    config.reset_secret = crypto::SecretBytes<32>(random_.bytes<32>());
    return config;
  }
  void carry_out(const security::Events& events) {
    for (const security::Event& event : events) {
      if (const auto* message = std::get_if<security::SendMessage>(&event)) {
        (void)!::send(fd_, message->message.data(), message->message.size(), 0);
      } else if (const auto* ready = std::get_if<security::KeysReady>(&event)) {
        receive =
            security::receive_lane(ready->keys.protocol, ready->keys.suite, ready->keys.receive, 0);
        send = security::send_lane(ready->keys, 0);
      }
    }
  }

  io::SystemRandom random_;
  security::IndexAllocator indices_;
  membership::Membership membership_;
  security::Associations machine_;
  security::PeerId peer_;
  int fd_ = -1;
};

bool is_handshake(const std::uint8_t* datagram, std::size_t size) {
  return size > 0 && datagram[0] >= 0x10 && datagram[0] < 0x14;
}

using Hosts = std::vector<std::unique_ptr<Host>>;

Hosts attach(const Layer& layer, std::uint32_t end, std::uint32_t links, const std::string& from,
             const Address& node) {
  Hosts hosts;
  for (std::uint32_t i = 0; i < links; ++i)
    hosts.push_back(std::make_unique<Host>(layer, end, i, parse_address(from, i), node));
  for (auto& host : hosts) host->connect();
  const double until = monotonic_seconds() + kHandshakeTime;
  std::size_t up = 0;
  std::vector<std::uint8_t> buffer(1 << 16);
  while (up < hosts.size()) {
    if (stop_requested || monotonic_seconds() > until)
      Options::fail("the node has not answered all hosts");
    up = 0;
    for (auto& host : hosts) {
      pollfd wait{host->fd(), POLLIN, 0};
      if (!host->up() && poll(&wait, 1, 1) > 0) {
        const ssize_t got = recv(host->fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got > 0) host->handshake({buffer.data(), static_cast<std::size_t>(got)});
        if (host->up()) host->confirm();
      }
      host->tick();
      up += host->up();
    }
  }
  return hosts;
}

// ---- source ------------------------------------------------------------------------------------------------------

base::Bytes packet_for(const Layer& layer, std::uint32_t number, std::size_t payload) {
  wire::Header header;
  header.next_protocol = wire::next_protocol::kSealed;
  header.layer = wire::wire_layer(layer.trust.layer());
  header.service = wire::service::kIpDelivery;
  header.flow_id = 0x1000 + number;
  header.inner_protocol = 17;
  header.opener = true;
  header.responder_port = 20000;
  header.source = layer.name_of(identity_of(0, number));
  header.destination = layer.name_of(identity_of(1, number));
  return wire::emit_packet(header, base::Bytes(payload + kAroundUdpPayload - header.size(), 0xa5));
}

int run_source(Options options) {
  const auto links = static_cast<std::uint32_t>(options.number("links", 1));
  const Layer layer(options.text("folder"));
  const std::string from = options.text("from");
  const Address node = parse_address(options.text("to"));
  const auto payload = static_cast<std::size_t>(options.number("payload", 64));
  auto segments = static_cast<std::size_t>(options.number("train", 64));
  const double seconds = options.number("seconds", 2);
  pin_to_cpu(static_cast<int>(options.number("cpu", -1)));
  options.refuse_unknown();
  stop_on_signal();
  Hosts hosts = attach(layer, 0, links, from, node);
  std::vector<base::Bytes> packets;
  for (std::uint32_t i = 0; i < links; ++i) packets.push_back(packet_for(layer, i, payload));
  const std::size_t size = security::record_size(security::Protocol::kNative, packets[0].size());
  segments = std::clamp<std::size_t>(std::min(segments, kMaxTrain / size), 1, kMaxTrainSegments);
  base::Bytes train(size * segments);
  std::uint64_t sent = 0, failed = 0;
  const double begin = monotonic_seconds(), end = begin + seconds;
  std::uint32_t at = 0;
  while (monotonic_seconds() < end && !stop_requested) {
    Host& host = *hosts[at];
    for (std::size_t s = 0; s < segments; ++s)
      if (security::seal_record(*host.send, packets[at].data(), packets[at].size(),
                                &train[s * size]) == 0)
        Options::fail("counters are used up");
    (send_train(host.fd(), nullptr, train.data(), train.size(), size) ? sent : failed) += segments;
    at = (at + 1) % links;
  }
  const double took = monotonic_seconds() - begin;
  std::printf(
      "{\"program\": \"records source\", \"offered\": %llu, \"failed\": %llu, \"seconds\": %.4f, "
      "\"mpps\": %.5f}\n",
      static_cast<unsigned long long>(sent + failed), static_cast<unsigned long long>(failed), took,
      static_cast<double>(sent) / took / 1e6);
  return 0;
}

// ---- sink --------------------------------------------------------------------------------------------------------

struct Count {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

class Sink {
 public:
  explicit Sink(Hosts& hosts)
      : hosts_(hosts), events_(epoll_create1(EPOLL_CLOEXEC)), buffer_(1 << 16) {
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(events_, EPOLL_CTL_ADD, hosts[i]->fd(), &event);
    }
  }

  // One round: what waits in the sockets. With `open`, records are opened.
  void round(bool open) {
    epoll_event ready[64];
    const int count = epoll_wait(events_, ready, 64, 100);
    for (int i = 0; i < count; ++i) {
      Host& host = *hosts_[ready[i].data.u64];
      if (open) {
        open_waiting(host);
      } else {
        drain(host.fd());
      }
    }
  }

  Count total;
  std::uint64_t opened = 0, refused = 0;

 private:
  void open_waiting(Host& host) {
    iovec iov{buffer_.data(), buffer_.size()};
    SegmentControl control;
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(host.fd(), &message, MSG_DONTWAIT);
    if (got <= 0) return;
    const auto size = static_cast<std::size_t>(got);
    const std::size_t segment = train_segment(message, size);
    for (std::size_t at = 0; at < size; at += segment) {
      const std::size_t length = std::min(segment, size - at);
      std::uint8_t* datagram = &buffer_[at];
      if (is_handshake(datagram, length)) continue;
      std::size_t plain = 0;
      const bool good = length >= wire::kRecordMinimum && datagram[0] == 0x14 &&
                        security::open_native_record(*host.receive, datagram, length, plain) ==
                            base::DropReason::none;
      if (!good) {
        ++refused;
      } else if (plain > 0) {
        ++opened;
        ++total.packets;
        total.bytes += length;
      }
    }
  }

  // Counts without copying.
  void drain(int fd) {
    constexpr unsigned kCalls = 32;
    static mmsghdr messages[kCalls];
    static SegmentControl controls[kCalls];
    for (int i = 0; i < 4; ++i) {
      for (unsigned m = 0; m < kCalls; ++m) {
        messages[m].msg_hdr.msg_control = &controls[m];
        messages[m].msg_hdr.msg_controllen = sizeof controls[m];
      }
      const int got = recvmmsg(fd, messages, kCalls, MSG_TRUNC | MSG_DONTWAIT, nullptr);
      for (int m = 0; m < got; ++m) {
        const std::size_t size = messages[m].msg_len;
        const std::size_t segment = train_segment(messages[m].msg_hdr, size);
        total.packets += segment == 0 ? 1 : (size + segment - 1) / segment;
        total.bytes += size;
      }
      if (got < static_cast<int>(kCalls)) return;
    }
  }

  Hosts& hosts_;
  int events_;
  std::vector<std::uint8_t> buffer_;
};

int run_sink(Options options) {
  const auto links = static_cast<std::uint32_t>(options.number("links", 1));
  const Layer layer(options.text("folder"));
  const std::string from = options.text("from");
  const Address node = parse_address(options.text("to"));
  const double warmup = options.number("warmup", 0.3);
  const double seconds = options.number("seconds", 1);
  const double patience = options.number("patience", 15);
  options.text("payload");
  options.text("train");
  pin_to_cpu(static_cast<int>(options.number("cpu", -1)));
  options.refuse_unknown();
  stop_on_signal();
  Hosts hosts = attach(layer, 1, links, from, node);
  Sink sink(hosts);
  const double started = monotonic_seconds();
  double first = 0, window = 0, now = started;
  Count before;
  while (!stop_requested) {
    sink.round(window == 0);
    now = monotonic_seconds();
    if (sink.total.packets == 0) {
      if (now - started > patience) break;
      continue;
    }
    if (first == 0) first = now;
    if (window == 0 && now - first >= warmup) {
      window = now;
      before = sink.total;
    }
    if (window != 0 && now - window >= seconds) break;
  }
  const double took = window != 0 && now > window ? now - window : 1;
  const auto packets = static_cast<double>(window != 0 ? sink.total.packets - before.packets : 0);
  const auto bytes = static_cast<double>(window != 0 ? sink.total.bytes - before.bytes : 0);
  std::printf(
      "{\"program\": \"records sink\", \"total\": %llu, \"opened\": %llu, \"refused\": %llu, "
      "\"seconds\": %.4f, "
      "\"mpps\": %.5f, \"gbps\": %.5f}\n",
      static_cast<unsigned long long>(sink.total.packets),
      static_cast<unsigned long long>(sink.opened), static_cast<unsigned long long>(sink.refused),
      took, packets / took / 1e6, bytes * 8 / took / 1e9);
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  using namespace entresol::bench;
  const std::string role = argc > 1 ? argv[1] : "";
  if (role == "source") return run_source(Options(argc, argv, 2));
  if (role == "sink") return run_sink(Options(argc, argv, 2));
  Options::fail("records source|sink --name value ...");
}
