// What a service says of itself before it runs: who it is, what it wants to see, and what it may use. Read from its
// service.yaml by config/service_file.h.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace entresol::service {

using ServiceId = std::uint32_t;
inline constexpr ServiceId kPrivateIds = 0x80000000u;  // and above

// Parts of entresol_packet. What is not listed is zero there.
enum class Field : std::uint32_t {
  kSource = 1u << 0,
  kDestination = 1u << 1,
  kFlow = 1u << 2,
  kInnerProtocol = 1u << 3,
  kInnerFlags = 1u << 4,
  kPort = 1u << 5,
  kNextProtocol = 1u << 6,
  kTrafficClass = 1u << 7,
  kLength = 1u << 8,
};
inline constexpr std::size_t kMaxConfigText = 4096;
inline constexpr std::array<std::string_view, 9> kFieldNames = {
    "source", "destination",   "flow",          "inner_protocol", "inner_flags",
    "port",   "next_protocol", "traffic_class", "length"};
using Fields = std::uint32_t;
inline constexpr Fields fields_of(std::initializer_list<Field> list) {
  Fields all = 0;
  for (Field field : list) all |= static_cast<Fields>(field);
  return all;
}
// These differ among the packets of a flow and are no part of what a kept verdict is compared by.
inline constexpr Fields kNeverKept = fields_of({Field::kTrafficClass, Field::kLength});

// Calls that are there for those alone who ask for them.
enum class Use : std::uint32_t {
  kCrypto = 1u << 0,  // hashes, MACs, signatures, AEAD
};
inline constexpr std::array<std::string_view, 1> kUseNames = {"crypto"};

// Of one instance. What is beyond costs the instance its own packets or calls, and nobody else.
struct Limits {
  std::size_t memory = 1 << 20;      // octets of a module's memory
  base::Duration batch{1'000'000};   // of one call; then it is ended as by a trap
  std::uint32_t cpu_permille = 100;  // of a second of one core
  std::size_t ephemeral = 64 << 10;  // octets of keys and values, with 64 for each entry
  std::size_t stable = 0;            // the same of the stable store
  std::uint32_t timers = 16;
  std::uint32_t held = 64;           // packets
  std::uint32_t log_lines = 10;      // a second
  std::uint32_t withdrawals = 10;    // a second
  std::uint32_t waiting = 256;       // packets on their way to a service thread
  std::uint32_t packets = 100'000;   // a second: shown to it, and copies beyond the first
  std::uint64_t octets = 100 << 20;  // a second, of these
  friend bool operator==(const Limits&, const Limits&) = default;
};

enum class MetricKind : std::uint8_t { kCounter, kGauge, kHistogram };
struct Metric {
  std::string name;
  MetricKind kind = MetricKind::kCounter;
  std::string help;
};

enum class ConfigType : std::uint8_t { kText, kInteger, kBoolean };
struct ConfigKey {
  std::string name;
  ConfigType type = ConfigType::kText;
  std::string otherwise;                       // the value that holds if the operator sets none
  std::uint64_t least = 0, most = UINT64_MAX;  // of an integer; of a text: its octets
  std::string help;
  // What is wrong with a value; empty: nothing.
  std::string wrong(std::string_view value) const;
};
using ConfigValues = std::map<std::string, std::string>;

// What becomes of packets while the service cannot be asked.
enum class Fallback : std::uint8_t {
  kDrop,
  kDeliver,  // to their destination; never of a service that filters
};

struct Manifest {
  ServiceId id = 0;
  std::uint32_t version = 1;  // a new version makes all kept verdicts void
  std::string name;
  Fields fields = 0;
  bool payload = false;
  std::uint32_t uses = 0;  // of Use
  Limits limits;
  Fallback fallback = Fallback::kDrop;
  std::vector<Metric> metrics;    // by number
  std::vector<ConfigKey> config;  // what an operator may set

  bool asks_for(Field field) const { return (fields & static_cast<Fields>(field)) != 0; }
  bool may(Use use) const { return (uses & static_cast<std::uint32_t>(use)) != 0; }
  const ConfigKey* find_config(std::string_view key) const;
  // Why these values cannot be the service's configuration; empty: they can.
  std::string wrong(const ConfigValues& values) const;
  bool may_keep() const { return !payload && (fields & kNeverKept) == 0; }
};

}  // namespace entresol::service
