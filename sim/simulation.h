// One run of the simulator: hosts around a node, on a network that loses, repeats, delays and overtakes, while members are
// restarted and keys replaced; then the faults end. Everything follows from the seed, and the product's own libraries run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace entresol::sim {

struct Counts {
  std::uint64_t datagrams = 0, losses = 0, duplicates = 0, reorderings = 0, partitions = 0;
  std::uint64_t restarts = 0, rekeys = 0;
  std::uint64_t sent = 0, delivered = 0;  // inner packets
  double recovered_after =
      0;  // seconds of virtual time from the end of the faults until all reach all
};

struct Outcome {
  Counts counts;
  std::uint64_t trace = 0;  // hash of every datagram that arrived, and when
  std::vector<std::string> violations;
};

// What has to hold, else it is among the violations:
//   an inner packet reaches the host that it was for, and nobody else, as it was sent, at most once;
//   at most kRecovery of virtual time after the faults have ended everybody reaches everybody.
inline constexpr int kRecoverySeconds = 40;

Outcome run(std::uint64_t seed);

std::string to_text(std::uint64_t seed,
                    const Outcome& outcome);  // one line, and one for each violation

}  // namespace entresol::sim
