// A bare tunnel, host - node - host: what TUN offloads, GSO and GRO sockets and AES-256-GCM allow
// when there is nothing else. One process a machine, one thread each.
//
//   bare_tunnel host --tun NAME --listen ADDR:PORT --node ADDR:PORT --index 0|1 [--aead
//   full|link|headers|none] bare_tunnel node --listen ADDR:PORT --link ADDR:PORT --link1 ADDR:PORT
//   [--aead ...] [--between 1|2]
//
// --between: of two nodes in a row the first or the second; the first's link1 and the second's link lead to the other.
//
//   TUN read (TSO, USO) -> split in the read buffer -> seal end to end into the send buffer -> seal
//   for the link
//     -> one GSO call for consecutive packets of one size
//   GRO read -> node: open and seal in the receive buffer -> GSO call from there
//   GRO read -> host: open link, open end to end, in place -> join runs of one flow -> one writev
//   to the TUN
//
// Record: link header (12) | end-to-end header (12) | inner packet | end-to-end tag (16) | link tag
// (16). With `headers` the link seals only its first 64 bytes.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "reference/gcm.h"
#include "reference/options.h"
#include "reference/segments.h"
#include "reference/udp.h"

namespace entresol::bench {
namespace {

constexpr unsigned kTunUso4 = 0x20, kTunUso6 = 0x40;  // Linux 6.2
constexpr std::uint32_t kLinkType = 0x14, kEndType = 0x15, kUnfinishedChecksum = 0x100;
constexpr std::size_t kBuffer = 1 << 16;

struct Protection {
  bool link = true;
  bool end_to_end = true;
  std::size_t link_bytes = SIZE_MAX;  // how much of a record the link seals

  std::size_t inside() const { return kHeaderSize * 2 + kTagSize; }  // end of the link's part
  std::size_t overhead() const { return kRecordOverhead * 2; }
};

Protection parse_protection(const std::string& text) {
  if (text == "none") return {false, false};
  if (text == "link") return {true, false};
  if (text == "headers") return {true, true, 64};
  if (text != "full") Options::fail("--aead full|link|headers|none");
  return {};
}

// One direction of a link, or of a session between the two hosts.
struct Lane {
  GcmKey key;
  std::uint32_t counter = 0;
};

// Records that wait for one GSO call: all of one size, but that the last may be shorter.
class Outbox {
 public:
  explicit Outbox(int socket, bool batch) : socket_(socket), batch_(batch), buffer_(kBuffer) {}

  std::uint8_t* place(std::size_t size) {
    if (count_ != 0 && (ended_ || size > segment_ || used_ + size > kMaxTrain ||
                        count_ == kMaxTrainSegments || !batch_)) {
      flush();
    }
    if (count_ == 0) segment_ = size;
    ended_ = size < segment_;
    std::uint8_t* at = buffer_.data() + used_;
    used_ += size;
    ++count_;
    return at;
  }
  void flush() {
    if (count_ != 0) send_train(socket_, nullptr, buffer_.data(), used_, segment_);
    used_ = count_ = 0;
    ended_ = false;
  }

 private:
  int socket_;
  bool batch_;
  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0, count_ = 0, segment_ = 0;
  bool ended_ = false;
};

// Receive buffers for trains, filled several a call.
class Inbox {
 public:
  explicit Inbox(int socket, std::size_t buffers)
      : socket_(socket),
        memory_(buffers * kBuffer),
        iov_(buffers),
        controls_(buffers),
        messages_(buffers) {
    for (std::size_t i = 0; i < buffers; ++i) {
      iov_[i] = {&memory_[i * kBuffer], kBuffer};
      messages_[i].msg_hdr.msg_iov = &iov_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  template <typename OnTrain>
  bool receive(int flags, OnTrain on_train) {
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      messages_[i].msg_hdr.msg_control = &controls_[i];
      messages_[i].msg_hdr.msg_controllen = sizeof controls_[i];
    }
    const int got = recvmmsg(socket_, messages_.data(), static_cast<unsigned>(messages_.size()),
                             flags, nullptr);
    for (int i = 0; i < got; ++i) {
      auto& message = messages_[static_cast<std::size_t>(i)];
      const std::size_t size = message.msg_len;
      if (size == 0) continue;
      on_train(&memory_[static_cast<std::size_t>(i) * kBuffer], size,
               train_segment(message.msg_hdr, size));
    }
    return got > 0;
  }

 private:
  int socket_;
  std::vector<std::uint8_t> memory_;
  std::vector<iovec> iov_;
  std::vector<SegmentControl> controls_;
  std::vector<mmsghdr> messages_;
};

int open_tun(const std::string& name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) Options::fail("cannot open /dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name.c_str());
  if (ioctl(fd, TUNSETIFF, &request) != 0) Options::fail("TUNSETIFF failed");
  const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(fd, TUNSETOFFLOAD, tcp | kTunUso4 | kTunUso6) != 0 &&
      ioctl(fd, TUNSETOFFLOAD, tcp) != 0) {
    Options::fail("TUNSETOFFLOAD failed");
  }
  return fd;
}

class Host {
 public:
  Host(int tun, int socket, std::uint32_t index, const Protection& protection, bool batch)
      : tun_(tun),
        socket_(socket),
        index_(index),
        protection_(protection),
        outbox_(socket, batch),
        inbox_(socket, 8),
        joiner_(tun, batch),
        read_(kBuffer + 256) {
    gcm_.expand(link_out_.key, 2 * index);
    gcm_.expand(link_in_.key, 2 * index + 1);
    gcm_.expand(end_out_.key, 100 + index);
    gcm_.expand(end_in_.key, 100 + (1 - index));
  }

  void run() {
    while (!stop_requested) {
      pollfd ready[2] = {{socket_, POLLIN, 0}, {tun_, POLLIN, 0}};
      if (poll(ready, 2, -1) <= 0) continue;
      if (ready[0].revents & POLLIN) from_network();
      if (ready[1].revents & POLLIN) from_tun();
    }
  }

 private:
  void from_tun() {
    for (int reads = 0; reads < 64; ++reads) {
      VnetHeader vnet;
      iovec iov[2] = {{&vnet, sizeof vnet}, {read_.data(), read_.size()}};
      const ssize_t got = readv(tun_, iov, 2);
      if (got <= static_cast<ssize_t>(sizeof vnet)) break;
      if (!splitter_.start(vnet, read_.data(), static_cast<std::size_t>(got) - sizeof vnet)) {
        continue;
      }
      std::size_t size = 0;
      while (std::uint8_t* packet = splitter_.next(size)) {
        seal(packet, size, splitter_.unfinished_checksum());
      }
    }
    outbox_.flush();
  }

  void seal(const std::uint8_t* packet, std::size_t size, bool unfinished) {
    std::uint8_t* const link = outbox_.place(size + protection_.overhead());
    std::uint8_t* const end = link + kHeaderSize;
    std::uint8_t* const body = end + kHeaderSize;
    store_header(link, {kLinkType, index_, link_out_.counter++});
    store_header(end,
                 {kEndType | (unfinished ? kUnfinishedChecksum : 0), index_, end_out_.counter++});
    if (protection_.end_to_end) {
      gcm_.seal(end_out_.key, body, packet, size, end, body + size);
    } else {
      std::memcpy(body, packet, size);
    }
    if (!protection_.link) return;
    const std::size_t inside = kHeaderSize + size + kTagSize;
    gcm_.seal(link_out_.key, end, end, std::min(inside, protection_.link_bytes), link,
              end + inside);
  }

  void from_network() {
    inbox_.receive(MSG_DONTWAIT, [&](std::uint8_t* data, std::size_t size, std::size_t segment) {
      for (std::size_t at = 0; at < size; at += segment) {
        open(data + at, std::min(segment, size - at));
      }
    });
    joiner_.flush();
  }

  void open(std::uint8_t* link, std::size_t size) {
    if (size < protection_.overhead() + 20) return;
    std::uint8_t* const end = link + kHeaderSize;
    std::uint8_t* const body = end + kHeaderSize;
    const std::size_t inside = size - kRecordOverhead;
    const std::size_t inner = size - protection_.overhead();
    if (protection_.link &&
        !gcm_.open(link_in_.key, end, end, std::min(inside, protection_.link_bytes), link,
                   end + inside)) {
      return;
    }
    if (protection_.end_to_end && !gcm_.open(end_in_.key, body, body, inner, end, body + inner)) {
      return;
    }
    joiner_.add(body, inner, (load_header(end).type & kUnfinishedChecksum) != 0);
  }

  int tun_, socket_;
  std::uint32_t index_;
  Protection protection_;
  Gcm gcm_;
  Lane link_out_, link_in_, end_out_, end_in_;
  Splitter splitter_;
  Outbox outbox_;
  Inbox inbox_;
  Joiner joiner_;
  std::vector<std::uint8_t> read_;
};

class Node {
 public:
  Node(int socket, std::array<Address, 2> links, const Protection& protection, int between)
      : socket_(socket), links_(links), protection_(protection), inbox_(socket, 8) {
    for (std::uint32_t i = 0; i < 2; ++i) {
      gcm_.expand(in_[i].key, 2 * i);
      gcm_.expand(out_[i].key, 2 * i + 1);
    }
    if (between == 0) return;
    const std::uint32_t other = between == 1 ? 1 : 0;
    gcm_.expand(in_[other].key, between == 1 ? 50 : 51);
    gcm_.expand(out_[other].key, between == 1 ? 51 : 50);
    out_index_[other] = 1 - other;  // what the other node calls this link
  }

  void run() {
    while (!stop_requested) {
      inbox_.receive(MSG_WAITFORONE, [&](std::uint8_t* data, std::size_t size,
                                         std::size_t segment) { forward(data, size, segment); });
    }
  }

 private:
  // All segments of a train come from one socket, so from one link; one that does not open ends the
  // train.
  void forward(std::uint8_t* data, std::size_t size, std::size_t segment) {
    if (size < kRecordOverhead) return;
    const std::uint32_t from = load_header(data).index;
    if (from > 1) return;
    const std::uint32_t to = 1 - from;
    std::size_t at = 0;
    for (; at < size; at += segment) {
      if (!reseal(data + at, std::min(segment, size - at), from, to)) break;
    }
    const std::size_t total = std::min(at, size);
    if (total != 0) send_train(socket_, &links_[to], data, total, segment);
  }

  bool reseal(std::uint8_t* record, std::size_t size, std::uint32_t from, std::uint32_t to) {
    if (size < protection_.overhead() || load_header(record).index != from) return false;
    std::uint8_t* const body = record + kHeaderSize;
    std::uint8_t* const tag = record + size - kTagSize;
    const std::size_t sealed = std::min(size - kRecordOverhead, protection_.link_bytes);
    if (protection_.link && !gcm_.open(in_[from].key, body, body, sealed, record, tag)) {
      return false;
    }
    store_header(record, {kLinkType, out_index_[to], out_[to].counter++});
    if (protection_.link) gcm_.seal(out_[to].key, body, body, sealed, record, tag);
    return true;
  }

  int socket_;
  std::array<Address, 2> links_;
  Protection protection_;
  Gcm gcm_;
  std::array<Lane, 2> in_, out_;
  std::array<std::uint32_t, 2> out_index_ = {0, 1};
  Inbox inbox_;
};

int run_host(Options options) {
  const int tun = open_tun(options.text("tun", "bare0"));
  const int socket = open_udp(parse_address(options.text("listen")), true);
  connect_udp(socket, parse_address(options.text("node")));
  const auto index = static_cast<std::uint32_t>(options.number("index", 0));
  const Protection protection = parse_protection(options.text("aead", "full"));
  const bool batch = options.number("batch", 1) != 0;
  options.refuse_unknown();
  if (index > 1) Options::fail("--index 0|1");
  std::fprintf(stderr, "ready\n");
  std::make_unique<Host>(tun, socket, index, protection, batch)->run();
  return 0;
}

int run_node(Options options) {
  const int socket = open_udp(parse_address(options.text("listen")), true);
  const std::array<Address, 2> links = {parse_address(options.text("link")),
                                        parse_address(options.text("link1"))};
  const Protection protection = parse_protection(options.text("aead", "full"));
  const int between = static_cast<int>(options.number("between", 0));
  options.refuse_unknown();
  if (between < 0 || between > 2) Options::fail("--between 1|2");
  std::fprintf(stderr, "ready\n");
  std::make_unique<Node>(socket, links, protection, between)->run();
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  using namespace entresol::bench;
  stop_on_signal();
  const std::string role = argc > 1 ? argv[1] : "";
  if (role == "host") return run_host(Options(argc, argv, 2));
  if (role == "node") return run_node(Options(argc, argv, 2));
  Options::fail("bare_tunnel host|node --name value ...");
}
