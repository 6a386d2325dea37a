// A UDP socket for bursts: what the kernel coalesced (UDP_GRO) comes in as one burst, what has one
// size and one destination goes out as one call (UDP_SEGMENT). udp(7); Linux
// Documentation/networking/segmentation-offloads.rst.
//
//   auto socket = UdpSocket::open({.bind = endpoint});
//   RxRing ring;
//   for (RxBurst& burst : socket->receive(ring)) …          // non-blocking; empty when nothing
//   waits TxProgress done = socket->send(bursts);                 // non-blocking; done.bursts of
//   them are dealt with
//
// Addresses are IPv6 or IPv4-mapped (base/endpoint.h), whatever the family of the socket. Not
// thread-safe; every worker has its own (share_port). All memory is allocated by open(): none per
// packet.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/endpoint.h"
#include "base/result.h"
#include "io/fd.h"
#include "io/rx_ring.h"

namespace entresol::io {

enum class Family : std::uint8_t {
  kBoth,  // one IPv6 socket that carries IPv4 too; IPv4 alone where the kernel has no IPv6
  kV4,
  kV6,
};

struct UdpOptions {
  base::Endpoint bind =
      {};  // :: or 0.0.0.0: every address; port 0: the kernel chooses, see local()
  Family family = Family::kBoth;   // an address in `bind` that is not :: decides by itself
  int buffer_bytes = 7 << 20;      // of each direction, beyond the system's limit if rights allow
  bool gro = true;                 // false: one datagram a burst
  bool gso = true;                 // false: one datagram a message
  bool share_port = false;         // SO_REUSEPORT
  std::uint32_t mark = 0;          // SO_MARK for policy routing; needs CAP_NET_ADMIN when not 0
  std::uint32_t busy_poll_us = 0;  // SO_BUSY_POLL
};

// What leaves for one destination: segments of `segment_size`, the last may be shorter. Any number
// of them: the socket divides what the kernel would refuse (64 segments, 65507 bytes).
struct TxBurst {
  const std::uint8_t* data = nullptr;  // the caller's, until send() returns
  std::uint32_t length = 0;
  std::uint16_t segment_size = 0;  // 0 or >= length: a single datagram
  std::uint8_t traffic_class = 0;
  // false: DF set and no fragments; what exceeds the interface's MTU is dropped and counted as too
  // big. Learned path MTUs are ignored, so that nobody can shrink a link by forged ICMP: the layer
  // above probes. true: the kernel fragments. Mixing both in one send() costs a system call for
  // each change.
  bool fragment = false;
  base::Endpoint to;
  LocalAddress local;  // :: : the kernel chooses
};

// `bursts` are done: sent, or dropped and counted. If that is not all, the socket's buffer is full:
// wait until it is writable, then go on with the next burst `bytes` further on (a multiple of its
// segment_size).
struct TxProgress {
  std::size_t bursts = 0;
  std::uint32_t bytes = 0;
};

// Datagrams count segments, calls count system calls. Kept by the owning thread.
struct UdpCounters {
  std::uint64_t rx_datagrams = 0, rx_bytes = 0, rx_bursts = 0, rx_calls = 0;
  std::uint64_t rx_errors =
      0;  // truncated, or the call failed for another reason than "nothing there"
  std::uint64_t tx_datagrams = 0, tx_bytes = 0, tx_calls = 0;
  std::uint64_t tx_too_big = 0;      // datagrams beyond the MTU, dropped
  std::uint64_t tx_unreachable = 0;  // no route, host or network unreachable, interface down
  std::uint64_t tx_refused = 0;      // refused by the firewall (EPERM, EACCES)
  std::uint64_t tx_no_buffers = 0;   // ENOBUFS, ENOMEM
  std::uint64_t tx_other_errors = 0;
  std::uint64_t gso_fallbacks = 0;  // GSO calls that were repeated as single datagrams
  std::uint64_t local_fallbacks =
      0;  // messages from another address because the wanted one has gone

  std::uint64_t tx_dropped() const {
    return tx_too_big + tx_unreachable + tx_refused + tx_no_buffers + tx_other_errors;
  }
};

class UdpSocket {
 public:
  // kPortTaken, kNoPermission (port below 1024, mark), kConfigBadValue (address not on this
  // machine, family that the kernel lacks), kSystemCall. Missing GRO or GSO is no error: gro() and
  // gso() say what there is.
  static base::Result<UdpSocket> open(const UdpOptions& options);

  UdpSocket(UdpSocket&&) noexcept;
  UdpSocket& operator=(UdpSocket&&) noexcept;
  ~UdpSocket();

  int fd() const { return fd_.get(); }  // for an EventLoop
  const base::Endpoint& local() const { return local_; }
  bool v4_only() const { return v4_; }  // an IPv4 socket: cannot send to IPv6
  bool gro() const { return gro_; }
  bool gso() const { return gso_; }  // becomes false when the kernel has said that it cannot (EIO)
  int receive_buffer() const;        // bytes, as the kernel counts them
  // Datagrams that arrived while the receive buffer was full, since open().
  std::uint64_t kernel_drops() const;

  // One recvmmsg. The bursts and their bytes are the ring's until its next receive().
  std::span<RxBurst> receive(RxRing& ring);

  // As few sendmmsg as possible. Never blocks. Errors of single destinations drop and count, and
  // never keep the rest.
  TxProgress send(std::span<const TxBurst> bursts);

  const UdpCounters& counters() const { return counters_; }

  // The last datagram that was too big, once: where to, and its size.
  struct TooBig {
    base::Endpoint to;
    std::uint32_t size;
  };
  std::optional<TooBig> take_too_big() { return std::exchange(too_big_, std::nullopt); }

 private:
  struct TxScratch;
  struct Chunk;  // part of a burst that is one message
  UdpSocket();

  base::Result<void> create(const UdpOptions& options);
  base::Result<void> bind_to(const UdpOptions& options);
  void set_buffers(int bytes);
  void set_receive_options(const UdpOptions& options);

  bool read_control(const msghdr& header, RxBurst& burst) const;
  unsigned fill_messages(std::span<const TxBurst> bursts, TxProgress at);
  void fill_message(unsigned slot, const TxBurst& burst, const Chunk& chunk);
  void settle_sent(std::span<const TxBurst> bursts, TxProgress& at, unsigned messages);
  bool recover(std::span<const TxBurst> bursts, TxProgress& at, int error);
  void count_drop(const TxBurst& burst, const Chunk& chunk, int error);
  void set_fragment(bool fragment);

  UniqueFd fd_;
  base::Endpoint local_;
  bool v4_ = false;
  bool gro_ = false;
  bool gso_ = false;
  bool fragment_ = false;
  std::unique_ptr<TxScratch> tx_;
  UdpCounters counters_;
  std::optional<TooBig> too_big_;
};

}  // namespace entresol::io
