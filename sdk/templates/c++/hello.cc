// hello: lets packets through to the member that they name, but for one port, which it refuses and counts.
//
// service.yaml says what it sees and what an operator may set. The interface is entresol/service.hpp.
#include "entresol/service.hpp"

namespace {

enum Metric : std::uint32_t { kRefused };   // number in the manifest's list
constexpr std::uint16_t kPortIsClosed = 7;  // a reason for people, in logs

// One instance; its members are gone after a fault.
class Service {
 public:
  void configure(entresol::Host host) { closed_port_ = host.config_number("closed_port", 0); }

  void packets(entresol::Host host, entresol::Batch batch) {
    for (const auto [packet, verdict] : batch) {
      if (packet.port != closed_port_) {
        entresol::deliver(verdict, packet.destination);  // kept for the rest of the flow
        continue;
      }
      entresol::refuse(verdict, kPortIsClosed);
      host.metric(kRefused);
      if (++refused_ == 1) host.log(ENTRESOL_LOG_INFO, "the first flow was refused");
    }
  }

 private:
  std::uint64_t closed_port_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace

ENTRESOL_SERVICE_CLASS(hello, Service)
