#include "services/ip_delivery/ip_delivery.h"

#include "entresol/service.hpp"

namespace {

struct IpDelivery {
  void packets(entresol::Host, entresol::Batch batch) const {
    for (const auto [packet, verdict] : batch) entresol::deliver(verdict, packet.destination);
  }
};

}  // namespace

ENTRESOL_SERVICE_CLASS(ip_delivery, IpDelivery)
