// What the author of a service writes against. A service is code behind a 32-bit id: packets name the id in their extension
// header, a node runs the service for the first packet of a flow, and keeps its verdict for the following ones.
//
// A service sees a batch of packets, each as the header fields that its manifest lists, and gives one verdict a packet. The
// same source builds native and, later, as a portable module; therefore plain types only, and nothing of the host's.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace entresol::sdk {

using Name = std::array<std::uint8_t, 16>;  // prints as an IPv6 address
using ServiceId = std::uint32_t;

// Fields of the extension header that a service may ask for (docs/wire.md section 3). What is not asked for is not shown
// (it reads as zero), so it cannot have mattered to a verdict that is kept.
enum class Field : std::uint32_t {
  kSource = 1u << 0,
  kDestination = 1u << 1,
  kFlow = 1u << 2,
  kInnerProtocol = 1u << 3,
  kInnerFlags = 1u << 4,
  kPort = 1u << 5,
  kNextProtocol = 1u << 6,
};

struct Manifest {
  ServiceId id = 0;
  std::uint32_t version = 1;  // a new version makes all kept verdicts void
  std::string_view name;      // for people; static storage
  std::uint32_t fields = 0;   // of Field, or-ed
};

struct Packet {
  Name source{};
  Name destination{};
  std::uint32_t flow = 0;
  std::uint16_t port = 0;  // of the side that did not open the flow
  std::uint8_t inner_protocol = 0;
  std::uint8_t inner_flags = 0;
  std::uint8_t next_protocol = 0;
};

enum class Action : std::uint8_t {
  kDrop,     // silently
  kRefuse,   // the sender is told
  kDeliver,  // to the member `to`
};

// How long the verdict holds: for this packet, or for all packets of the flow until something that it rests on changes. A
// kept verdict may vanish at any time, so a service must give it again when asked again.
struct Verdict {
  Action action = Action::kDrop;
  bool keep = false;
  Name to{};
};

using Decision = Verdict;  // a verdict that is kept

struct Batch {
  std::span<const Packet> packets;
  std::span<Verdict> verdicts;  // as many, all kDrop at first
};

class Service {
 public:
  virtual ~Service() = default;
  virtual Manifest manifest() const = 0;
  // Called by one thread at a time. Must not keep references to the batch.
  virtual void decide(const Batch& batch) = 0;
};

}  // namespace entresol::sdk
