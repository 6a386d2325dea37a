// Service 1, IP delivery: a packet goes to the member that its destination names.
#pragma once

#include "entresol/service.h"

namespace entresol::services {

class IpDelivery final : public sdk::Service {
 public:
  static constexpr sdk::ServiceId kId = 1;
  sdk::Manifest manifest() const override;
  void decide(const sdk::Batch& batch) override;
};

}  // namespace entresol::services
