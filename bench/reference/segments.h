// Segments of what a TUN with virtio-net headers hands over, and runs of segments joined again for
// it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace entresol::bench {

// The header before each packet of a TUN opened with IFF_VNET_HDR, in host byte order:
// virtio 1.2, 5.1.6. (Linux's own header of it is no C++, and Debian 12's does not name UDP
// segmentation yet, which came with Linux 6.2.)
struct VnetHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t hdr_len = 0;
  std::uint16_t gso_size = 0;
  std::uint16_t csum_start = 0;
  std::uint16_t csum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

inline constexpr std::uint8_t kVnetNeedsChecksum = 1;
inline constexpr std::uint8_t kVnetNoGso = 0, kVnetGsoTcp4 = 1, kVnetGsoTcp6 = 4, kVnetGsoUdp = 5;
inline constexpr std::uint8_t kVnetGsoEcn = 0x80;

// Splits one packet read from the TUN, in place. Each segment's headers are written in front of its
// payload, over the end of the segment before, so a segment is valid until the next one is asked
// for. TCP and UDP checksums are left to the receiver: what a segment carries has been
// authenticated as a whole.
class Splitter {
 public:
  // False where the packet is malformed or of a kind that cannot be split.
  bool start(const VnetHeader& vnet, std::uint8_t* packet, std::size_t size);
  // The next segment, or a null pointer. Sizes are equal but for the last.
  std::uint8_t* next(std::size_t& size);
  bool unfinished_checksum() const { return unfinished_; }

 private:
  void write_headers(std::uint8_t* at, std::size_t payload, bool last);

  std::uint8_t* packet_ = nullptr;
  std::size_t size_ = 0;
  std::size_t headers_ = 0;    // IP and transport header
  std::size_t transport_ = 0;  // where the transport header begins
  std::size_t segment_ = 0;    // payload of a segment, 0 where the packet stays whole
  std::size_t at_ = 0;         // payload handed out so far
  std::uint32_t sequence_ = 0;
  std::uint16_t id_ = 0;
  std::uint8_t flags_ = 0;
  bool tcp_ = false;
  bool unfinished_ = false;
  bool done_ = true;
  std::array<std::uint8_t, 128> template_;
};

// Joins consecutive segments of one flow into one write to the TUN, without copying payload.
// Packets handed in must stay where they are until flush().
class Joiner {
 public:
  explicit Joiner(int tun, bool join) : tun_(tun), join_(join) {}
  void add(std::uint8_t* packet, std::size_t size, bool unfinished_checksum);
  void flush();
  std::uint64_t writes() const { return writes_; }

 private:
  struct Shape {
    bool v6 = false;
    bool tcp = false;
    bool joinable = false;
    std::size_t transport = 0;
    std::size_t headers = 0;
    std::size_t payload = 0;
    std::uint32_t sequence = 0;
  };
  static constexpr std::size_t kMaxParts = 512;
  static constexpr std::size_t kMaxUdpParts = 63;  // the kernel refuses more than 64 datagrams

  static Shape shape_of(const std::uint8_t* packet, std::size_t size, bool unfinished);
  bool continues(const Shape& shape, const std::uint8_t* packet) const;
  void finish_headers(VnetHeader& vnet);

  int tun_;
  bool join_;
  std::uint64_t writes_ = 0;
  std::uint8_t* first_ = nullptr;
  std::size_t first_size_ = 0;
  bool unfinished_ = false;
  bool ended_ = false;
  Shape shape_;
  std::size_t total_payload_ = 0;
  std::uint8_t flags_ = 0;
  std::size_t parts_ = 0;  // of iov_, from index 2 on
  std::array<iovec, kMaxParts + 2> iov_;
};

}  // namespace entresol::bench
