// What does not come from the socket: packets that this member makes, those for guests that are ready to be sealed, and those
// that come back from services. Each joins the pipeline where its way goes on.
#include <algorithm>

#include "layer/forwarding/pipeline.h"

namespace entresol::layer::forwarding {

using base::DropReason;

std::span<const OutBurst> Pipeline::originate(std::span<const base::MutableBytes> packets,
                                              base::TimePoint now) {
  begin();
  count_ = 0;
  for (base::MutableBytes bytes : packets.first(std::min(packets.size(), kBatch))) {
    Packet& packet = packets_[count_];
    packet = Packet{};
    packet.data = bytes.data();
    packet.length = static_cast<std::uint32_t>(bytes.size());
    packet.ingress = kSelf;
    from_[count_] = nullptr;
    ++count_;
  }
  parse();
  decide(now);
  act(now);
  report_errors(now);
  queue();
  seal();
  count_ = 0;
  return {out_.data(), outs_};
}

std::span<const OutBurst> Pipeline::resume(std::span<Returned> packets, base::TimePoint now) {
  begin();
  count_ = 0;
  for (Returned& returned : packets.first(std::min(packets.size(), kBatch))) {
    Packet& packet = packets_[count_];
    packet = Packet{};
    packet.data = returned.packet.data();
    packet.length = static_cast<std::uint32_t>(returned.packet.size());
    packet.ingress = returned.ingress;
    from_[count_] = nullptr;
    ++count_;
    Miss miss;
    const Link& ingress = tables_.links[packet.ingress];
    if (ingress.generation != returned.ingress_generation ||
        wire::HeaderView::parse(returned.packet, miss.view) != DropReason::none) {
      drop(packet, DropReason::service_hold_ended);
      continue;
    }
    miss.layer = layer_of(packet.ingress, miss.view.layer());
    miss.ingress = packet.ingress;
    miss.drop = returned.drop;
    miss.keep = returned.keep;
    miss.lifetime_ms = returned.lifetime_ms;
    miss.to = returned.to;
    miss.passage = returned.passage;
    packet.hash = cache_.hash(DecisionKey::of(packet.data, packet.ingress));
    keep_and_follow(packet, miss, now);
  }
  act(now);
  report_errors(now);
  queue();
  seal();
  count_ = 0;
  return {out_.data(), outs_};
}

std::span<const OutBurst> Pipeline::keepalive(LinkId link) {
  static std::uint8_t nothing = 0;
  const base::MutableBytes empty(&nothing, 0);
  return to_guest(link, std::span(&empty, 1));
}

std::span<const OutBurst> Pipeline::to_guest(LinkId link,
                                             std::span<const base::MutableBytes> packets) {
  begin();
  count_ = 0;
  for (base::MutableBytes bytes : packets.first(std::min(packets.size(), kBatch))) {
    Packet& packet = packets_[count_++];
    packet = Packet{};
    packet.data = bytes.data();
    packet.length = static_cast<std::uint32_t>(bytes.size());
    packet.egress = link;
  }
  queue();
  seal();
  count_ = 0;
  return {out_.data(), outs_};
}

}  // namespace entresol::layer::forwarding
