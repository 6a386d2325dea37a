// A TUN device that hands over and takes whole trains of segments (IFF_VNET_HDR): Linux
// Documentation/networking/tuntap.rst, virtio 1.2 section 5.1.6. The device is not persistent: it
// goes with its last file descriptor, however the process ends. Setting addresses, MTU and routes
// is netlink.h's.
//
// Not thread-safe. With `multi_queue` several workers open the same name, each its own queue.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "io/fd.h"

namespace entresol::io {

// struct virtio_net_hdr, in the machine's byte order.
struct VirtioNetHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1;  // flags: csum_start and csum_offset hold
  static constexpr std::uint8_t kDataValid = 2;      // flags: the checksum has been verified
  static constexpr std::uint8_t kGsoNone = 0;
  static constexpr std::uint8_t kGsoTcp4 = 1;
  static constexpr std::uint8_t kGsoTcp6 = 4;
  static constexpr std::uint8_t kGsoUdp = 5;  // UDP segments (USO), either family
  static constexpr std::uint8_t kGsoEcn =
      0x80;  // or-ed to a TCP type: CWR in the first segment only

  std::uint8_t flags = 0;
  std::uint8_t gso_type = kGsoNone;
  std::uint16_t header_length =
      0;  // IP and transport header, repeated in front of every segment; a hint
  std::uint16_t gso_size = 0;         // payload bytes of each segment but the last
  std::uint16_t checksum_start = 0;   // from here to the end is summed …
  std::uint16_t checksum_offset = 0;  // … and the sum is stored here, counted from checksum_start
  friend bool operator==(const VirtioNetHeader&, const VirtioNetHeader&) = default;
};
static_assert(sizeof(VirtioNetHeader) == 10);

// What the kernel may hand over unfinished. Asked for at open(); what was got is in
// Tun::offloads().
struct TunOffloads {
  bool checksum = true;  // packets whose checksum is still to be completed
  bool tso = true;       // TCP trains of up to 64 KiB; needs checksum
  bool uso = true;       // UDP trains (Linux 6.2); needs tso
  friend bool operator==(const TunOffloads&, const TunOffloads&) = default;
};

struct TunOptions {
  TunOffloads offloads = {};
  bool multi_queue = false;
};

struct TunCounters {
  std::uint64_t reads = 0, read_bytes = 0;
  std::uint64_t writes = 0, write_bytes = 0;
  std::uint64_t write_failures = 0;
};

class Tun {
 public:
  // `name`: up to 15 bytes, may contain "%d", empty for the kernel's choice. kNoTun where
  // /dev/net/tun is missing, kNoPermission without CAP_NET_ADMIN, kConfigBadValue for a name that
  // is too long or in use, kSystemCall.
  static base::Result<Tun> open(const std::string& name, const TunOptions& options = {});

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  const TunOffloads& offloads() const { return offloads_; }

  // Size for read(): the largest packet there is. (A 64 KiB train with its headers.)
  static constexpr std::size_t kLargestPacket = 65536;

  // One packet, or train, into `buffer`. Its length; 0 when nothing waits; -errno on failure
  // (EBADFD: interface gone). A packet larger than the buffer is cut without notice: give
  // kLargestPacket.
  std::ptrdiff_t read(std::span<std::uint8_t> buffer, VirtioNetHeader& header);

  // One packet, or train, from up to kMostPieces pieces: joined by the kernel, so that a run of
  // segments needs no copy. 0, or the errno: EAGAIN to try later; everything else has dropped the
  // packet (EIO: interface down, EINVAL: header and packet disagree, or an offload that the kernel
  // does not know).
  static constexpr std::size_t kMostPieces = 512;
  int write(const VirtioNetHeader& header, std::span<const iovec> pieces);
  int write(const VirtioNetHeader& header, std::span<const std::uint8_t> packet);

  const TunCounters& counters() const { return counters_; }

 private:
  Tun() = default;
  base::Result<void> set_offloads(const TunOffloads& wanted);

  UniqueFd fd_;
  std::string name_;
  TunOffloads offloads_;
  TunCounters counters_;
};

}  // namespace entresol::io
