#include "io/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/udp_tx_scratch.h"

namespace entresol::io {
namespace {

constexpr std::uint32_t kMostSegments = 64;  // UDP_MAX_SEGMENTS of the oldest kernels that have GSO
constexpr std::uint32_t kMostBytes = 65507;  // 65535 - IPv4 header - UDP header

template <typename T>
T control_value(const cmsghdr* control) {
  T value;
  std::memcpy(&value, CMSG_DATA(control), sizeof value);
  return value;
}

// Appends control messages to a zeroed buffer and keeps msg_controllen in step.
class ControlWriter {
 public:
  ControlWriter(std::uint8_t* buffer, msghdr& header) : buffer_(buffer), header_(header) {
    header_.msg_controllen = 0;
  }
  template <typename T>
  void add(int level, int type, const T& value) {
    auto* control = reinterpret_cast<cmsghdr*>(buffer_ + header_.msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(control), &value, sizeof value);
    header_.msg_controllen += CMSG_SPACE(sizeof value);
  }

 private:
  std::uint8_t* buffer_;
  msghdr& header_;
};

void add_local(ControlWriter& control, const LocalAddress& local) {
  if (is_v4(local.address)) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.address.data() + 12, 4);
    control.add(IPPROTO_IP, IP_PKTINFO, info);
    return;
  }
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, local.address.data(), 16);
  if (is_link_local(local.address)) info.ipi6_ifindex = local.interface;
  control.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
}

void read_v4_local(const in_pktinfo& info, LocalAddress& local) {
  local.address = {};
  local.address[10] = local.address[11] = 0xff;
  std::memcpy(local.address.data() + 12, &info.ipi_spec_dst, 4);
  local.interface = static_cast<std::uint32_t>(info.ipi_ifindex);
}

void read_v6_local(const in6_pktinfo& info, LocalAddress& local) {
  std::memcpy(local.address.data(), &info.ipi6_addr, 16);
  local.interface = info.ipi6_ifindex;
}

}  // namespace

// ---- in

std::span<RxBurst> UdpSocket::receive(RxRing& ring) {
  const unsigned offer = ring.offer();
  ring.prepare(offer);
  int got;
  do {
    ++counters_.rx_calls;
    got = ::recvmmsg(fd_.get(), ring.messages_.data(), offer, MSG_DONTWAIT, nullptr);
  } while (got < 0 && (errno == EINTR || errno == ECONNREFUSED));
  if (got <= 0) {
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) ++counters_.rx_errors;
    return {};
  }

  unsigned kept = 0;
  std::size_t bytes = 0;
  for (unsigned i = 0; i < static_cast<unsigned>(got); ++i) {
    const mmsghdr& message = ring.messages_[i];
    bytes += message.msg_len;
    RxBurst& burst = ring.bursts_[kept];
    burst.data = ring.buffer(i);
    burst.length = message.msg_len;
    burst.from = from_sockaddr(ring.names_[i]);
    if (!read_control(message.msg_hdr, burst)) {
      ++counters_.rx_errors;
      continue;
    }
    counters_.rx_datagrams +=
        burst.segment_size == 0 ? 1 : (burst.length + burst.segment_size - 1) / burst.segment_size;
    ++kept;
  }
  counters_.rx_bytes += bytes;
  counters_.rx_bursts += kept;
  ring.adapt(bytes, static_cast<std::size_t>(got));
  return {ring.bursts_.data(), kept};
}

bool UdpSocket::read_control(const msghdr& header, RxBurst& burst) const {
  burst.segment_size = static_cast<std::uint16_t>(burst.length);
  burst.traffic_class = 0;
  burst.local = {};
  if (header.msg_flags & MSG_TRUNC) return false;
  msghdr& walk = const_cast<msghdr&>(header);  // CMSG_NXTHDR takes it so, and does not write
  for (cmsghdr* c = CMSG_FIRSTHDR(&walk); c != nullptr; c = CMSG_NXTHDR(&walk, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      const int size = control_value<int>(c);
      if (size > 0 && static_cast<std::uint32_t>(size) < burst.length) {
        burst.segment_size = static_cast<std::uint16_t>(size);
      }
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      burst.traffic_class = control_value<std::uint8_t>(c);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      burst.traffic_class = static_cast<std::uint8_t>(control_value<int>(c));
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      read_v4_local(control_value<in_pktinfo>(c), burst.local);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      read_v6_local(control_value<in6_pktinfo>(c), burst.local);
    }
  }
  return true;
}

// ---- out: bursts → chunks (what one message can carry) → sendmmsg → recovery of the chunk that
// failed, if one did

TxProgress UdpSocket::send(std::span<const TxBurst> bursts) {
  tx_->single_burst = tx_->any_local_burst = tx_->retried_burst = TxScratch::kNone;
  TxProgress at;
  while (at.bursts < bursts.size()) {
    const unsigned messages = fill_messages(bursts, at);
    set_fragment(bursts[at.bursts].fragment);
    ++counters_.tx_calls;
    const int sent =
        ::sendmmsg(fd_.get(), tx_->messages.data(), messages, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      settle_sent(bursts, at, static_cast<unsigned>(sent));
    } else if (!recover(bursts, at, errno)) {
      break;
    }
  }
  return at;
}

// Messages from `at` on: as many as fit, up to the first burst that wants the other fragmentation.
unsigned UdpSocket::fill_messages(std::span<const TxBurst> bursts, TxProgress at) {
  const bool fragment = bursts[at.bursts].fragment;
  unsigned slot = 0;
  while (slot < TxScratch::kMessages && at.bursts < bursts.size()) {
    const TxBurst& burst = bursts[at.bursts];
    if (burst.fragment != fragment) break;
    const std::uint32_t rest = burst.length - at.bytes;
    const std::uint32_t size = burst.segment_size == 0 ? rest : burst.segment_size;
    std::uint32_t most = 1;
    if (gso_ && at.bursts != tx_->single_burst && size < rest) {
      most = std::clamp(kMostBytes / size, 1u, kMostSegments);
    }
    Chunk& chunk = tx_->chunks[slot];
    chunk.burst = static_cast<std::uint32_t>(at.bursts);
    chunk.offset = at.bytes;
    chunk.length = std::min(rest, size * most);
    chunk.segments = size == 0 ? 1 : (chunk.length + size - 1) / size;
    chunk.has_local = at.bursts != tx_->any_local_burst && burst.local.address != Address{} &&
                      is_v4(burst.local.address) == is_v4(burst.to.address);
    fill_message(slot++, burst, chunk);
    at.bytes += chunk.length;
    if (at.bytes >= burst.length) at = {at.bursts + 1, 0};
  }
  return slot;
}

void UdpSocket::fill_message(unsigned slot, const TxBurst& burst, const Chunk& chunk) {
  msghdr& header = tx_->messages[slot].msg_hdr;
  iovec& piece = tx_->iovecs[slot];
  piece.iov_base = const_cast<std::uint8_t*>(burst.data + chunk.offset);
  piece.iov_len = chunk.length;
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_name = &tx_->names[slot];
  header.msg_namelen = to_sockaddr(burst.to, v4_, burst.local.interface, tx_->names[slot]);
  header.msg_control = tx_->controls[slot].bytes;
  header.msg_flags = 0;

  ControlWriter control(tx_->controls[slot].bytes, header);
  if (chunk.segments > 1) control.add(IPPROTO_UDP, UDP_SEGMENT, burst.segment_size);
  if (burst.traffic_class != 0) {
    const int value = burst.traffic_class;
    if (is_v4(burst.to.address)) {
      control.add(IPPROTO_IP, IP_TOS, value);
    } else {
      control.add(IPPROTO_IPV6, IPV6_TCLASS, value);
    }
  }
  if (chunk.has_local) add_local(control, burst.local);
  if (header.msg_controllen == 0) header.msg_control = nullptr;
}

void UdpSocket::settle_sent(std::span<const TxBurst> bursts, TxProgress& at, unsigned messages) {
  for (unsigned i = 0; i < messages; ++i) {
    counters_.tx_datagrams += tx_->chunks[i].segments;
    counters_.tx_bytes += tx_->chunks[i].length;
    counters_.local_fallbacks += tx_->chunks[i].burst == tx_->any_local_burst;
  }
  const Chunk& last = tx_->chunks[messages - 1];
  at = {last.burst, last.offset + last.length};
  if (at.bytes >= bursts[last.burst].length) at = {at.bursts + 1, 0};
}

// The first message failed. Changes how it is sent, or drops it; false if the caller has to wait.
bool UdpSocket::recover(std::span<const TxBurst> bursts, TxProgress& at, int error) {
  const Chunk& chunk = tx_->chunks[0];
  if (error == EAGAIN || error == EWOULDBLOCK) return false;
  if (error == EINTR) return true;
  // An ICMP error of an earlier datagram, reported and thereby cleared.
  if ((error == ECONNREFUSED || error == EPROTO) && tx_->retried_burst != chunk.burst) {
    tx_->retried_burst = chunk.burst;
    return true;
  }
  // Segments beyond the route's MTU fail the whole call: EMSGSIZE, EINVAL before Linux 6.9. All
  // segments but the last have one size, so smaller trains would fail as well; singles let the
  // short last one through, and may be fragmented.
  if (chunk.segments > 1 && (error == EMSGSIZE || error == EINVAL || error == EIO)) {
    if (error == EIO) gso_ = false;  // the device cannot complete checksums
    tx_->single_burst = chunk.burst;
    ++counters_.gso_fallbacks;
    return true;
  }
  // IPv4 says ENETUNREACH for a source address that is not this machine's, IPv6 EINVAL.
  const bool address_gone = error == EINVAL || error == EADDRNOTAVAIL || error == ENODEV ||
                            error == ENETUNREACH || error == EHOSTUNREACH;
  if (chunk.has_local && address_gone) {
    tx_->any_local_burst = chunk.burst;
    return true;
  }
  count_drop(bursts[chunk.burst], chunk, error);
  at = {chunk.burst, chunk.offset + chunk.length};
  if (at.bytes >= bursts[chunk.burst].length) at = {at.bursts + 1, 0};
  return true;
}

void UdpSocket::count_drop(const TxBurst& burst, const Chunk& chunk, int error) {
  switch (error) {
    case EMSGSIZE:
      counters_.tx_too_big += chunk.segments;
      too_big_ = TooBig{burst.to, chunk.length};
      break;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EAFNOSUPPORT:
    case ECONNREFUSED:
      counters_.tx_unreachable += chunk.segments;
      break;
    case EPERM:
    case EACCES:
      counters_.tx_refused += chunk.segments;
      break;
    case ENOBUFS:
    case ENOMEM:
      counters_.tx_no_buffers += chunk.segments;
      break;
    default:
      counters_.tx_other_errors += chunk.segments;
  }
}

}  // namespace entresol::io
