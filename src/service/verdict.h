// Between the author's structures and the pipeline's.
#pragma once

#include <algorithm>

#include "entresol/service.h"
#include "layer/forwarding/pipeline.h"
#include "service/manifest.h"

namespace entresol::service {

inline constexpr base::Duration kUsualHold = std::chrono::seconds(1);
inline constexpr base::Duration kLongestHold = std::chrono::seconds(60);

inline entresol_name to_author(const wire::Name& name) {
  entresol_name out;
  std::copy(name.octets.begin(), name.octets.end(), out.octets);
  return out;
}
inline wire::Name from_author(const entresol_name& name) {
  wire::Name out;
  std::copy(std::begin(name.octets), std::end(name.octets), out.octets.begin());
  return out;
}

// What a service with this manifest is shown of a packet.
inline entresol_packet show(const wire::HeaderView& view, const Manifest& manifest) {
  entresol_packet packet{};
  if (manifest.asks_for(Field::kSource)) packet.source = to_author(view.source());
  if (manifest.asks_for(Field::kDestination)) packet.destination = to_author(view.destination());
  if (manifest.asks_for(Field::kFlow)) packet.flow = view.flow_id();
  if (manifest.asks_for(Field::kInnerProtocol)) packet.inner_protocol = view.inner_protocol();
  if (manifest.asks_for(Field::kInnerFlags)) packet.inner_flags = view.inner_flags();
  if (manifest.asks_for(Field::kPort)) packet.port = view.responder_port();
  if (manifest.asks_for(Field::kNextProtocol)) packet.next_protocol = view.next_protocol();
  if (manifest.asks_for(Field::kTrafficClass)) packet.traffic_class = view.traffic_class();
  if (manifest.asks_for(Field::kLength))
    packet.length = static_cast<std::uint16_t>(view.payload_size());
  return packet;
}

// A verdict of one destination, or none, for a packet in the pipeline (Miss) or one that comes back (Returned).
template <typename Answer>
void carry_out(const entresol_verdict& verdict, Answer& answer) {
  answer.keep = verdict.keep != 0;
  answer.lifetime_ms = verdict.lifetime_ms;
  switch (verdict.action) {
    case ENTRESOL_DELIVER:
      answer.to = from_author(verdict.to);
      return;
    case ENTRESOL_REFUSE:
      answer.drop = base::DropReason::refused_by_rule;
      return;
    default:
      answer.drop = base::DropReason::refused_by_service;
      return;
  }
}

inline base::TimePoint hold_ends(const entresol_verdict& verdict, base::TimePoint now) {
  const base::Duration asked = std::chrono::milliseconds(verdict.lifetime_ms);
  return now + (verdict.lifetime_ms == 0 ? kUsualHold : std::min(asked, kLongestHold));
}

}  // namespace entresol::service
