// The buffers of one worker's receive bursts. Every buffer holds the largest thing that UDP_GRO can
// hand over, with room in front and behind, so that a packet can be rewritten, given a longer
// header or decrypted in place.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/endpoint.h"
#include "io/endpoint_text.h"

namespace entresol::io {

inline constexpr std::size_t kRxHeadroom = 64;    // writable bytes in front of RxBurst::data
inline constexpr std::size_t kRxTailroom = 1664;  // writable bytes behind data[65535]
inline constexpr std::size_t kRxBufferSize = 65536;

// One of this machine's addresses: where a packet arrived, and so where its answer leaves from.
// `interface` is used when sending only if the address is link-local, where it is the zone; other
// answers may leave by another interface.
struct LocalAddress {
  Address address{};            // :: for "the kernel chooses"
  std::uint32_t interface = 0;  // index; 0: unknown
  friend bool operator==(const LocalAddress&, const LocalAddress&) = default;
};

// One datagram, or a train of datagrams of one sender that the kernel coalesced: all but the last
// are `segment_size` long. Owned by the ring, writable, valid until the next receive() into the
// same ring.
struct RxBurst {
  std::uint8_t* data;
  std::uint32_t length;        // of all segments together
  std::uint16_t segment_size;  // == length when not coalesced; 0 only for an empty datagram
  std::uint8_t traffic_class;  // DSCP and ECN as received, the same for all segments
  base::Endpoint from;
  LocalAddress local;
};

class UdpSocket;

// Not thread-safe; one for each worker (a worker's sockets may share it, one receive() at a time).
class RxRing {
 public:
  static constexpr unsigned kMost = 64;

  explicit RxRing(unsigned buffers = kMost);  // 1 to kMost; 66 KiB of address space each
  ~RxRing();
  RxRing(const RxRing&) = delete;
  RxRing& operator=(const RxRing&) = delete;

  unsigned buffers() const { return buffers_; }

 private:
  friend class UdpSocket;
  struct Control {
    alignas(8) std::uint8_t bytes[160];
  };
  std::uint8_t* buffer(unsigned i) const { return storage_ + i * kStride + kRxHeadroom; }
  // The buffers that the next call offers: all while datagrams come singly; few while they come as
  // long trains, so that what one call reads is still in the cache when it is worked on.
  unsigned offer() const { return offer_; }
  void prepare(unsigned count);
  void adapt(std::size_t bytes, std::size_t messages);

  // 27 cache lines beyond 64 KiB: heads of consecutive buffers fall into different sets of the
  // first-level cache.
  static constexpr std::size_t kStride = kRxHeadroom + kRxBufferSize + kRxTailroom;
  static_assert(kStride % 4096 == 27 * 64);

  unsigned buffers_;
  unsigned offer_;
  unsigned quiet_calls_ = 0;
  // The first buffers, which long trains use, share one huge page; the others are touched as needed.
  void* memory_;
  std::size_t mapped_;
  std::uint8_t* storage_;
  std::vector<mmsghdr> messages_;
  std::vector<iovec> iovecs_;
  std::vector<sockaddr_storage> names_;
  std::vector<Control> controls_;
  std::vector<RxBurst> bursts_;
};

}  // namespace entresol::io
