// Traffic for the measurements: who sends, who receives and counts, who asks for a round trip.
//
//   source  N links, each from a port of its own; trains by GSO, or plain datagrams; as fast as
//   possible or paced
//           (open loop: what is late is sent late, never left out, and offered counts it)
//   sink    counts what arrives in a window that begins `warmup` after the first datagram
//   ping    ICMP echo, one at a time, idle in between; prints the median
//
// Each prints one JSON object at its end.
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "reference/gcm.h"
#include "reference/options.h"
#include "reference/udp.h"

namespace entresol::bench {
namespace {

// A train of records that open with the key of the link, or of plain bytes with its index.
std::vector<std::uint8_t> make_train(const Gcm& gcm, std::uint32_t link, std::size_t size,
                                     std::size_t segments, bool aead) {
  std::vector<std::uint8_t> train(size * segments, 0xa5);
  if (size < kHeaderSize || (aead && size < kRecordOverhead)) return train;
  GcmKey key;
  gcm.expand(key, 2 * link);
  for (std::size_t i = 0; i < segments; ++i) {
    std::uint8_t* record = &train[i * size];
    store_header(record, {0x14, link, static_cast<std::uint32_t>(i)});
    std::uint8_t* body = record + kHeaderSize;
    const std::size_t plaintext = size - kRecordOverhead;
    if (aead) gcm.seal(key, body, body, plaintext, record, body + plaintext);
  }
  return train;
}

struct Sender {
  std::vector<int> sockets;
  std::vector<std::vector<std::uint8_t>> trains;
  std::size_t size;
  std::size_t segments;
  bool gso;
  std::uint64_t sent = 0;
  std::uint64_t failed = 0;

  // Sends one train of link `at` as one GSO call, or datagram by datagram.
  void send_one(std::size_t at) {
    if (gso) {
      const bool good =
          send_train(sockets[at], nullptr, trains[at].data(), trains[at].size(), size);
      (good ? sent : failed) += segments;
      return;
    }
    iovec iov[kMaxTrainSegments];
    mmsghdr messages[kMaxTrainSegments]{};
    for (std::size_t i = 0; i < segments; ++i) {
      iov[i] = {&trains[at][i * size], size};
      messages[i].msg_hdr.msg_iov = &iov[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (std::size_t done = 0; done < segments;) {
      const int now =
          sendmmsg(sockets[at], messages + done, static_cast<unsigned>(segments - done), 0);
      if (now <= 0) {
        ++failed;
        ++done;
        continue;
      }
      sent += static_cast<std::uint64_t>(now);
      done += static_cast<std::size_t>(now);
    }
  }
};

void send_until(Sender& sender, double rate, double end) {
  const double begin = monotonic_seconds();
  std::size_t at = 0;
  for (double now = begin; now < end && !stop_requested; now = monotonic_seconds()) {
    if (rate > 0) {
      const auto done = static_cast<double>(sender.sent + sender.failed);
      const double due = begin + done / rate;
      if (due > now) {
        const double wait = std::min(due - now, end - now);
        timespec pause{0, static_cast<long>(std::min(wait, 0.5) * 1e9)};
        if (wait > 20e-6) nanosleep(&pause, nullptr);
        continue;
      }
    }
    sender.send_one(at);
    at = (at + 1) % sender.sockets.size();
  }
}

int run_source(Options options) {
  const auto links = static_cast<std::uint32_t>(options.number("links", 1));
  const std::string from = options.text("from");
  const Address to = parse_address(options.text("to"));
  // A plain application's UDP through a TUN: each link's datagrams go to a port of its own.
  const bool spread = options.number("spread", 0) != 0;
  const std::string to_text = options.text("to");
  Sender sender{};
  sender.size = static_cast<std::size_t>(options.number("size", 64));
  sender.segments = static_cast<std::size_t>(options.number("train", 64));
  sender.segments = std::clamp<std::size_t>(std::min(sender.segments, kMaxTrain / sender.size), 1,
                                            kMaxTrainSegments);
  sender.gso = options.number("gso", 1) != 0;
  const bool aead = options.number("aead", 0) != 0;
  const double rate = options.number("rate", 0);
  const double seconds = options.number("seconds", 2);
  pin_to_cpu(static_cast<int>(options.number("cpu", -1)));
  options.refuse_unknown();
  stop_on_signal();
  const Gcm gcm;
  for (std::uint32_t i = 0; i < links; ++i) {
    sender.sockets.push_back(open_udp(parse_address(from, i), false));
    connect_udp(sender.sockets.back(), spread ? parse_address(to_text, i) : to);
    sender.trains.push_back(make_train(gcm, i, sender.size, sender.segments, aead));
  }
  const double begin = monotonic_seconds();
  send_until(sender, rate, begin + seconds);
  const double took = monotonic_seconds() - begin;
  std::printf(
      "{\"program\": \"source\", \"offered\": %llu, \"failed\": %llu, \"seconds\": %.4f, "
      "\"mpps\": %.5f}\n",
      static_cast<unsigned long long>(sender.sent + sender.failed),
      static_cast<unsigned long long>(sender.failed), took,
      static_cast<double>(sender.sent) / took / 1e6);
  return 0;
}

struct Count {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

// Reads what waits in a socket without copying it, at most `most` calls.
void drain(int fd, Count& count, int most) {
  constexpr unsigned kCalls = 32;
  static mmsghdr messages[kCalls];
  static SegmentControl controls[kCalls];
  for (int i = 0; i < most; ++i) {
    for (unsigned m = 0; m < kCalls; ++m) {
      messages[m].msg_hdr.msg_control = &controls[m];
      messages[m].msg_hdr.msg_controllen = sizeof controls[m];
    }
    const int got = recvmmsg(fd, messages, kCalls, MSG_TRUNC | MSG_DONTWAIT, nullptr);
    for (int m = 0; m < got; ++m) {
      const std::size_t size = messages[m].msg_len;
      const std::size_t segment = train_segment(messages[m].msg_hdr, size);
      count.packets += segment == 0 ? 1 : (size + segment - 1) / segment;
      count.bytes += size;
    }
    if (got < static_cast<int>(kCalls)) return;
  }
}

int run_sink(Options options) {
  const std::string listen = options.text("listen");
  const auto links = static_cast<unsigned>(options.number("links", 1));
  const bool gro = options.number("gro", 1) != 0;
  const double warmup = options.number("warmup", 0.3);
  const double seconds = options.number("seconds", 1);
  const double patience = options.number("patience", 5);
  pin_to_cpu(static_cast<int>(options.number("cpu", -1)));
  options.refuse_unknown();
  stop_on_signal();
  const int events = epoll_create1(EPOLL_CLOEXEC);
  for (unsigned i = 0; i < links; ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = open_udp(parse_address(listen, i), gro);
    epoll_ctl(events, EPOLL_CTL_ADD, event.data.fd, &event);
  }
  std::fprintf(stderr, "ready\n");
  const double started = monotonic_seconds();
  double first = 0, window = 0;
  Count total, before;
  double now = started;
  while (!stop_requested) {
    epoll_event ready[64];
    const int count = epoll_wait(events, ready, 64, 100);
    for (int i = 0; i < count; ++i) drain(ready[i].data.fd, total, 4);
    now = monotonic_seconds();
    if (total.packets == 0) {
      if (now - started > patience) break;
      continue;
    }
    if (first == 0) first = now;
    if (window == 0 && now - first >= warmup) {
      window = now;
      before = total;
    }
    if (window != 0 && now - window >= seconds) break;
  }
  const double took = window != 0 && now > window ? now - window : 1;
  const auto packets = static_cast<double>(window != 0 ? total.packets - before.packets : 0);
  const auto bytes = static_cast<double>(window != 0 ? total.bytes - before.bytes : 0);
  std::printf(
      "{\"program\": \"sink\", \"total\": %llu, \"seconds\": %.4f, \"mpps\": %.5f, "
      "\"gbps\": %.5f}\n",
      static_cast<unsigned long long>(total.packets), took, packets / took / 1e6,
      bytes * 8 / took / 1e9);
  return 0;
}

// Sends one echo request and waits for its reply; seconds, or a negative number when none came.
double echo_once(int fd, bool v6, std::uint16_t sequence) {
  std::uint8_t request[64] = {};
  const auto id = static_cast<std::uint16_t>(getpid());
  request[0] = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  std::memcpy(request + 4, &id, 2);
  std::memcpy(request + 6, &sequence, 2);
  if (!v6) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < sizeof request; i += 2) {
      std::uint16_t word;
      std::memcpy(&word, request + i, 2);
      sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    const auto folded = static_cast<std::uint16_t>(~(sum + (sum >> 16)));
    std::memcpy(request + 2, &folded, 2);
  }
  const double begin = monotonic_seconds();
  if (send(fd, request, sizeof request, 0) < 0) return -1;
  while (monotonic_seconds() - begin < 0.5 && !stop_requested) {
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, 500) <= 0) return -1;
    std::uint8_t reply[512];
    const ssize_t got = recv(fd, reply, sizeof reply, 0);
    const double end = monotonic_seconds();
    const std::size_t skip = v6 ? 0 : static_cast<std::size_t>(reply[0] & 15) * 4;
    if (got < static_cast<ssize_t>(skip + 8)) continue;
    const bool is_reply = reply[skip] == (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
    if (is_reply && std::memcmp(reply + skip + 4, request + 4, 4) == 0) return end - begin;
  }
  return -1;
}

int run_ping(Options options) {
  const Address to = parse_address(options.text("to"));
  const auto count = static_cast<unsigned>(options.number("count", 500));
  const double gap = options.number("gap-us", 1000) * 1e-6;
  options.refuse_unknown();
  stop_on_signal();
  const bool v6 = to.bytes.ss_family == AF_INET6;
  const int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC,
                        v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP));
  Address target = to;
  if (v6) {
    reinterpret_cast<sockaddr_in6*>(&target.bytes)->sin6_port = 0;
  } else {
    reinterpret_cast<sockaddr_in*>(&target.bytes)->sin_port = 0;
  }
  if (fd < 0) Options::fail("raw socket needs CAP_NET_RAW");
  connect_udp(fd, target);
  std::vector<double> trips;
  unsigned lost = 0;
  for (unsigned i = 0; i < count + 20 && !stop_requested; ++i) {
    const double trip = echo_once(fd, v6, static_cast<std::uint16_t>(i));
    if (i < 20) continue;  // the first ones resolve neighbours and shake hands
    if (trip < 0) {
      ++lost;
    } else {
      trips.push_back(trip);
    }
    timespec pause{0, static_cast<long>(gap * 1e9)};
    nanosleep(&pause, nullptr);
  }
  std::sort(trips.begin(), trips.end());
  auto at = [&](double share) {
    if (trips.empty()) return 0.0;
    return trips[static_cast<std::size_t>(share * static_cast<double>(trips.size() - 1))] * 1e6;
  };
  std::printf(
      "{\"program\": \"ping\", \"replies\": %zu, \"lost\": %u, \"p50_us\": %.2f, "
      "\"p99_us\": %.2f}\n",
      trips.size(), lost, at(0.5), at(0.99));
  return trips.empty() ? 1 : 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  using namespace entresol::bench;
  const std::string role = argc > 1 ? argv[1] : "";
  if (role == "source") return run_source(Options(argc, argv, 2));
  if (role == "sink") return run_sink(Options(argc, argv, 2));
  if (role == "ping") return run_ping(Options(argc, argv, 2));
  Options::fail("traffic source|sink|ping --name value ...");
}
