// Every packet that is not delivered has one of these reasons, and every reason a counter: in `entresol status`, and as
// entresol_drops_total{reason="..."} for Prometheus. The order is the order of the pipeline.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace entresol::base {

// name, what it means to an operator
#define ENTRESOL_DROP_REASONS(X)                                                               \
  X(none, "not dropped")                                                                       \
  X(record_truncated, "datagram shorter than its record's header and tag")                     \
  X(record_type_unknown, "datagram's first octet names no message type")                       \
  X(record_index_unknown, "receiver index belongs to no live session")                         \
  X(record_replayed, "counter seen before, or older than the replay window")                   \
  X(record_counter_exhausted, "counter beyond what its key may protect")                       \
  X(record_forged, "record does not authenticate")                                             \
  X(record_expired, "key older than it may be used")                                           \
  X(handshake_malformed, "handshake message has the wrong length or an illegal field")         \
  X(handshake_mac1, "mac1 is not for this receiver")                                           \
  X(handshake_cookie, "under load, and no valid cookie: one was sent")                         \
  X(handshake_forged, "handshake does not authenticate")                                       \
  X(handshake_unknown_peer, "static key belongs to nobody admitted")                           \
  X(handshake_replayed, "initiation's timestamp is not newer than the last")                   \
  X(handshake_flood, "initiations from one peer faster than allowed")                          \
  X(probe_flood, "probes faster than they are answered, from one source or in all")            \
  X(handshake_queue_full, "more handshakes waiting than the queue holds")                      \
  X(news_queue_full, "more of what other nodes have told waiting than the queue holds")        \
  X(handshake_unexpected, "response or cookie that answers nothing")                           \
  X(handshake_suite, "peer offers another protocol, version or suite than configured")         \
  X(handshake_certificate, "certificate or key binding does not verify")                       \
  X(name_revoked, "handshake or packet of a member that was revoked")                          \
  X(header_truncated, "packet ends inside its extension header")                               \
  X(header_version, "version is not ours")                                                     \
  X(header_length, "header or payload length disagrees with the packet")                       \
  X(header_reserved, "reserved bit or code point in use")                                      \
  X(option_malformed, "option runs over the header, or its padding is not zero")               \
  X(option_summary, "summary of critical options disagrees with the options")                  \
  X(option_critical_unknown, "critical option that nobody here understands")                   \
  X(layer_unknown, "packet of a layer that this member is not in")                             \
  X(source_not_here, "source name is not registered on the link it came from")                 \
  X(ttl_exceeded, "TTL ran out")                                                               \
  X(service_unknown, "no such service on this node")                                           \
  X(no_route, "destination name is registered nowhere that this node knows")                   \
  X(refused_by_rule, "policy refuses it")                                                      \
  X(refused_by_service, "the service dropped it")                                              \
  X(service_not_entitled, "the service may not send it there, or not so many of it")           \
  X(service_unavailable, "the service rests after a fault, or has used up its time")           \
  X(service_queue_full, "more packets at a service than it may have there")                    \
  X(service_over_rate, "more packets or octets a second than a service's limits allow")        \
  X(service_hold_ended, "a service held it and did not release it in time")                    \
  X(link_down, "egress link has no keys")                                                      \
  X(too_big, "larger than the egress link's configured size")                                  \
  X(queue_full, "egress queue is full")                                                        \
  X(send_failed, "the kernel did not take the datagram")                                       \
  X(session_unknown, "session id belongs to no live end-to-end session")                       \
  X(session_names, "session belongs to other names than the packet's")                         \
  X(inside_malformed, "inner packet is no IP packet, or its lengths disagree")                 \
  X(inside_differs, "inside disagrees with names, protocol, port or opener outside")           \
  X(inside_not_ours, "inner source address is not this member's")                              \
  X(not_opener, "claims to have opened a flow that this end knows as its own, or the reverse") \
  X(destination_unknown, "no member owns the destination address")                             \
  X(session_pending, "queue of a session or link that is still being set up is full")          \
  X(control_malformed, "control message that does not parse")                                  \
  X(tun_failed, "the TUN device did not take the packet")                                      \
  X(address_forged, "guest's inner source is not its own address")

enum class DropReason : std::uint8_t {
#define ENTRESOL_DROP_ENUM(name, meaning) name,
  ENTRESOL_DROP_REASONS(ENTRESOL_DROP_ENUM)
#undef ENTRESOL_DROP_ENUM
      count_
};

inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(DropReason::count_);

struct DropReasonText {
  std::string_view name;
  std::string_view meaning;
};
inline constexpr std::array<DropReasonText, kDropReasons> kDropReasonText = {{
#define ENTRESOL_DROP_TEXT(name, meaning) {#name, meaning},
    ENTRESOL_DROP_REASONS(ENTRESOL_DROP_TEXT)
#undef ENTRESOL_DROP_TEXT
}};

inline std::string_view to_string(DropReason reason) {
  return kDropReasonText[static_cast<std::size_t>(reason)].name;
}

// Owned by one worker; others read it through a snapshot that the worker makes.
class DropCounters {
 public:
  void add(DropReason reason, std::uint64_t n = 1) {
    counts_[static_cast<std::size_t>(reason)] += n;
  }
  std::uint64_t operator[](DropReason reason) const {
    return counts_[static_cast<std::size_t>(reason)];
  }

 private:
  std::array<std::uint64_t, kDropReasons> counts_{};
};

}  // namespace entresol::base
