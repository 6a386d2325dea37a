// The way back: joins the opened packets of a burst, where they are consecutive segments of one
// flow, into few large writes to the TUN device (GRO). Nothing is copied: a write is a list of
// spans, the first packet whole and the others' payloads. The rules are Linux's for GRO (RFC 9293,
// RFC 3168; net/ipv4/tcp_offload.c): one flow, same TTL, traffic class, flow label, DF; IPv4
// identifications that count up (any with DF, RFC 6864); same TCP options, acknowledgment, window
// and flags; sequence without a gap; equal sizes but for a shorter last one; PSH and FIN only on
// the last, CWR only on the first. What fits nowhere goes alone. Packets of one flow never overtake
// each other; flows may.
//
// Owned by one worker; no allocation. Packets are patched in place and must live until flush()
// returned.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "layer/inner/ip.h"
#include "layer/inner/offload.h"
#include "layer/inner/rebuild.h"

namespace entresol::layer::inner {

// Laid out as struct iovec.
struct Span {
  std::uint8_t* data;
  std::size_t size;
};

// One write to the TUN device; valid while flush() calls back.
struct TunWrite {
  std::span<const Span>
      with_header;  // virtio header (kVnetHeader octets), packet, payloads of the packets after it
  std::span<const Span> pieces;  // the same without the virtio header
  const Offload& offload;        // what the virtio header says

  std::size_t packets() const { return pieces.size(); }
};

struct CoalesceRules {
  bool tcp = true;
  bool udp = false;                 // the kernel's TUN takes USO (Linux 6.2)
  std::uint16_t max_segments = 64;  // at most Coalescer::kMaxSegments
};

class Coalescer {
 public:
  static constexpr std::size_t kMaxPackets = 256;   // of one burst
  static constexpr std::size_t kMaxSegments = 128;  // of one write

  explicit Coalescer(CoalesceRules rules = {}) : rules_(rules) {}

  // Takes the next packet of the burst, in the order of arrival. False if the burst is full:
  // nothing was taken, flush() and add it again. `packet` satisfies parse().
  bool add(const InsidePacket& packet);

  bool empty() const { return packets_used_ == 0; }

  // Calls write(const TunWrite&) for each write, oldest first, and begins a new burst. `write` must
  // not call add().
  template <typename Write>
  void flush(Write&& write) {
    for (std::uint16_t i = 0; i < groups_used_; ++i) write(finish(groups_[i]));
    reset();
  }

 private:
  static constexpr std::uint16_t kNone = 0xffff;
  static constexpr std::size_t kSlots = 128;

  struct Packet {
    std::uint8_t* payload;  // of the first of a group: the IP header
    std::uint32_t size;
    std::uint16_t next;
  };
  struct Group {
    std::uint8_t* head;  // first packet's IP header
    std::uint32_t next_sequence;
    std::uint32_t l4_size;  // upper layer's octets, header included
    std::uint16_t first;    // packets_
    std::uint16_t last;
    std::uint16_t count;
    std::uint16_t gso_size;
    std::uint16_t ip_header;
    std::uint16_t l4_header;
    std::uint8_t version;
    std::uint8_t protocol;
    std::uint8_t last_flags;  // TCP: PSH and FIN of the last packet
    bool unfinished;          // of the first packet
    bool verified;            // of the first packet: its checksum need not be looked at (again)
  };

  bool joinable(const InsidePacket& packet) const;
  bool join(Group& group, const InsidePacket& packet);
  bool first_verified(Group& group) const;
  std::uint16_t begin(const InsidePacket& packet);
  std::uint16_t store(std::uint8_t* data, std::size_t size);
  void close_flows_between(const IpPacket& ip);
  TunWrite finish(const Group& group);
  void reset();

  static bool network_agrees(const Group& group, const std::uint8_t* header);
  static bool transport_agrees(const Group& group, const std::uint8_t* l4, std::size_t payload);
  static bool same_flow(const Group& group, const IpPacket& ip);
  static void patch_headers(const Group& group);
  bool ends_group(const Group& group, std::size_t payload) const;

  CoalesceRules rules_;
  std::uint16_t packets_used_ = 0;
  std::uint16_t groups_used_ = 0;
  std::array<Packet, kMaxPackets> packets_;
  std::array<Group, kMaxPackets> groups_;
  std::array<std::uint16_t, kSlots> slots_ = empty_slots();  // open group by hash of the flow
  Offload offload_;
  std::array<std::uint8_t, kVnetHeader> vnet_;
  std::array<Span, kMaxSegments + 1> spans_;

  static constexpr std::array<std::uint16_t, kSlots> empty_slots() {
    std::array<std::uint16_t, kSlots> slots{};
    slots.fill(kNone);
    return slots;
  }
};

}  // namespace entresol::layer::inner
