// What the senders of refused packets are told.
#include <algorithm>

#include "layer/forwarding/pipeline.h"

namespace entresol::layer::forwarding {
namespace {

using base::DropReason;

constexpr double kErrorBurst = 32;

// What the sender of a dropped packet is told; nothing for reasons that are not its business.
struct ErrorText {
  wire::ControlType type;
  std::string_view text;
};
const ErrorText* error_for(DropReason reason) {
  static constexpr ErrorText kNoRoute{wire::ControlType::no_route, "no route to this name"};
  static constexpr ErrorText kService{wire::ControlType::unknown_service, "no such service here"};
  static constexpr ErrorText kTtl{wire::ControlType::ttl_exceeded, ""};
  static constexpr ErrorText kTooBig{wire::ControlType::too_big, ""};
  static constexpr ErrorText kRule{wire::ControlType::refused_by_rule, "refused"};
  static constexpr ErrorText kOption{wire::ControlType::critical_option_unknown, ""};
  switch (reason) {
    case DropReason::no_route:
    case DropReason::link_down:
      return &kNoRoute;
    case DropReason::service_unknown:
      return &kService;
    case DropReason::ttl_exceeded:
      return &kTtl;
    case DropReason::too_big:
      return &kTooBig;
    case DropReason::refused_by_rule:
      return &kRule;
    case DropReason::option_critical_unknown:
      return &kOption;
    default:
      return nullptr;
  }
}

// A guest that slept, or a node, answers the handshake that its packets have asked for: the next ones reach it.
bool keys_may_come(const Link& egress) {
  return egress.kind != LinkKind::kHost && egress.path.remote.port != 0;
}

std::uint32_t info_for(DropReason reason, const wire::HeaderView& view, const Link& egress) {
  switch (reason) {
    case DropReason::too_big:
      return egress.kind == LinkKind::kGuest ? egress.max_packet : inner_mtu(egress.max_packet);
    case DropReason::service_unknown:
      return view.service();
    case DropReason::option_critical_unknown: {
      std::uint32_t info = 0;
      for (wire::OptionView option : view.options())
        if (option.critical()) info = option.option_class() * 256u + option.type();
      return info;
    }
    default:
      return 0;
  }
}

}  // namespace

// On the link that the packet came from: only if its source name was verified there (reasons that come before the source
// check have no text), never about an error, and at a limited rate. What this member sends itself is reported to itself,
// but for a link that has no keys at the moment: who lives here knows of that from the link.
void Pipeline::report_errors(base::TimePoint now) {
  const std::size_t handled = count_;
  for (std::size_t i = 0; i < handled && errors_ < error_room_.size(); ++i) {
    const Packet& packet = packets_[i];
    if (packet.drop == DropReason::none) continue;
    if (packet.drop == DropReason::link_down &&
        (packet.ingress == kSelf || keys_may_come(tables_.links[packet.egress])))
      continue;
    const ErrorText* text = error_for(packet.drop);
    wire::HeaderView view;
    if (text == nullptr ||
        wire::HeaderView::parse(base::ByteView(packet.data, packet.length), view) !=
            DropReason::none ||
        !wire::may_report(view))
      continue;
    const LayerTable& layer = tables_.layers[layer_of(packet.ingress, view.layer())];
    if (!tables_.links[packet.ingress].any_source) {
      const Place* place = layer.names.find(view.source());
      if (place == nullptr || place->link != packet.ingress) continue;
    }
    if (!may_send_error(now)) return;

    wire::Header header;
    header.next_protocol = wire::next_protocol::kControl;
    header.layer = view.layer();
    header.service = view.service();
    header.flow_id = view.flow_id();
    header.source = layer.own;
    header.destination = view.source();
    std::uint32_t info = info_for(packet.drop, view, tables_.links[packet.egress]);
    std::string_view words = text->text;
    if (packet.rule != kNoRule) {
      info = packet.rule;
      words = decider_.rule_name(layer_of(packet.ingress, view.layer()), packet.rule);
    }
    const base::Bytes octets =
        wire::emit_packet(header, wire::emit_error(text->type, info, words, view));
    if (octets.empty() || octets.size() > error_room_[errors_].size()) continue;
    std::copy(octets.begin(), octets.end(), error_room_[errors_].begin());
    Packet& error = packets_[count_];
    error = Packet{};
    error.data = error_room_[errors_].data();
    error.length = static_cast<std::uint32_t>(octets.size());
    error.egress = packet.ingress;
    from_[count_] = nullptr;
    ++errors_;
    ++count_;
    ++counters_.errors_sent;
    hand_over(error, now);
  }
}

// What a decision has refused, for itself or for its rule.
void Pipeline::refuse(Packet& packet, const Decision& decision) {
  drop(packet, decision.drop);
  if (decision.rule == kNoRule) return;
  packet.rule = decision.rule;
  const std::uint32_t wire_layer = base::load_be32(packet.data + wire::offset::kLayer);
  decider_.refused(layer_of(packet.ingress, wire_layer), decision.rule);
}

bool Pipeline::may_send_error(base::TimePoint now) {
  if (error_refill_ == base::TimePoint{}) {
    error_tokens_ = kErrorBurst;
  } else {
    const double passed = std::chrono::duration<double>(now - error_refill_).count();
    error_tokens_ = std::min(kErrorBurst, error_tokens_ + passed * config_.errors_per_second);
  }
  error_refill_ = now;
  if (error_tokens_ < 1) return false;
  error_tokens_ -= 1;
  return true;
}

// An error for somebody whom Local speaks for ends here.
void Pipeline::hand_over(Packet& error, base::TimePoint now) {
  Packet* one = &error;
  if (error.egress == kSelf) {
    local_.to_self(std::span<Packet* const>(&one, 1), now);
    error.done = true;
  } else if (tables_.links[error.egress].kind == LinkKind::kGuest) {
    local_.to_guests(std::span<Packet* const>(&one, 1), now);
  }
}

}  // namespace entresol::layer::forwarding
