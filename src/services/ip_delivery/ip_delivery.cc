#include "services/ip_delivery/ip_delivery.h"

namespace entresol::services {

sdk::Manifest IpDelivery::manifest() const {
  return {.id = kId,
          .version = 1,
          .name = "ip-delivery",
          .fields = static_cast<std::uint32_t>(sdk::Field::kDestination)};
}

void IpDelivery::decide(const sdk::Batch& batch) {
  for (std::size_t i = 0; i < batch.packets.size(); ++i) {
    sdk::Verdict& verdict = batch.verdicts[i];
    verdict.action = sdk::Action::kDeliver;
    verdict.keep = true;
    verdict.to = batch.packets[i].destination;
  }
}

}  // namespace entresol::services
