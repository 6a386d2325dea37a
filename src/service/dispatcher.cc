#include "service/dispatcher.h"

namespace entresol::service {
namespace {

using base::DropReason;
using layer::forwarding::Miss;

bool asks_for(const sdk::Manifest& manifest, sdk::Field field) {
  return (manifest.fields & static_cast<std::uint32_t>(field)) != 0;
}

sdk::Packet show(const wire::HeaderView& view, const sdk::Manifest& manifest) {
  sdk::Packet packet;
  if (asks_for(manifest, sdk::Field::kSource)) packet.source = view.source().octets;
  if (asks_for(manifest, sdk::Field::kDestination)) packet.destination = view.destination().octets;
  if (asks_for(manifest, sdk::Field::kFlow)) packet.flow = view.flow_id();
  if (asks_for(manifest, sdk::Field::kInnerProtocol)) packet.inner_protocol = view.inner_protocol();
  if (asks_for(manifest, sdk::Field::kInnerFlags)) packet.inner_flags = view.inner_flags();
  if (asks_for(manifest, sdk::Field::kPort)) packet.port = view.responder_port();
  if (asks_for(manifest, sdk::Field::kNextProtocol)) packet.next_protocol = view.next_protocol();
  return packet;
}

void take(const sdk::Verdict& verdict, Miss& miss) {
  miss.keep = verdict.keep;
  switch (verdict.action) {
    case sdk::Action::kDeliver:
      miss.to = wire::Name{verdict.to};
      return;
    case sdk::Action::kRefuse:
      miss.drop = DropReason::refused_by_rule;
      return;
    case sdk::Action::kDrop:
      miss.drop = DropReason::refused_by_service;
      return;
  }
  miss.drop = DropReason::refused_by_service;
}

}  // namespace

void Dispatcher::add(std::unique_ptr<sdk::Service> service) {
  const sdk::Manifest manifest = service->manifest();
  Entry& entry = entries_[manifest.id];
  entry.service = std::move(service);
  entry.usage = Usage{manifest, 0, 0};
  // So that no batch allocates.
  entry.misses.reserve(layer::forwarding::kBatch);
  entry.packets.reserve(layer::forwarding::kBatch);
  entry.verdicts.reserve(layer::forwarding::kBatch);
  ++generation_;
}

void Dispatcher::decide(std::span<Miss> misses) {
  for (std::size_t i = 0; i < misses.size(); ++i) {
    Miss& miss = misses[i];
    if (!rules_.allow(miss)) continue;
    if (miss.view.service() == wire::service::kMember) {
      // Control and session set-up go to the member that they name; no service is asked.
      miss.to = miss.view.destination();
      miss.keep = true;
      continue;
    }
    auto found = entries_.find(miss.view.service());
    if (found == entries_.end()) {
      miss.drop = DropReason::service_unknown;
      miss.keep = true;
      continue;
    }
    found->second.misses.push_back(i);
  }
  for (auto& [id, entry] : entries_)
    if (!entry.misses.empty()) run(entry, misses);
}

void Dispatcher::run(Entry& entry, std::span<Miss> misses) {
  entry.packets.clear();
  for (std::size_t i : entry.misses)
    entry.packets.push_back(show(misses[i].view, entry.usage.manifest));
  entry.verdicts.assign(entry.misses.size(), sdk::Verdict{});
  entry.service->decide({entry.packets, entry.verdicts});
  for (std::size_t k = 0; k < entry.misses.size(); ++k)
    take(entry.verdicts[k], misses[entry.misses[k]]);
  entry.usage.packets += entry.misses.size();
  ++entry.usage.batches;
  entry.misses.clear();
}

std::vector<Dispatcher::Usage> Dispatcher::usage() const {
  std::vector<Usage> out;
  out.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) out.push_back(entry.usage);
  return out;
}

}  // namespace entresol::service
