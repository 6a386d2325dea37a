// One run of a whole layer: a controller, nodes at their sites, hosts that join with tokens, an operator who sets policies,
// revokes and admits, and applications, on a network and on machines that fail. Then the failures end, and all has to be as it
// should. Everything follows from the seed; the product's own libraries run.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "underlay.h"

namespace entresol::sim {

struct LayerOptions {
  std::uint64_t seed = 1;
  std::size_t nodes = 3, hosts = 20;
  // 0: minutes in which something fails every second or so. Else it is a long run, in which something fails now and then.
  double hours = 0;
  bool faults = true;
  bool traffic = true;
  base::UnixSeconds certificate_lifetime = 900;
  base::Duration trouble = std::chrono::minutes(5);  // how long things fail, in a short run
};

struct LayerCounts {
  UnderlayCounts network;
  std::uint64_t host_restarts = 0, node_restarts = 0, controller_restarts = 0, full_disks = 0;
  std::uint64_t moves = 0, rekeys = 0, joins = 0, revocations = 0, policies = 0, tokens = 0;
  std::uint64_t requests = 0, registrations_lost = 0;
  std::uint64_t sent = 0, delivered = 0;  // applications' packets
  std::uint64_t refused = 0;              // by rules
  // Seconds of virtual time: from the end of the failures until all that may reach each other do; from a loss of all
  // registrations until they were there again.
  double recovered_after = 0, registered_after = 0;
  double hours = 0;  // of virtual time
};

struct LayerOutcome {
  LayerCounts counts;
  std::uint64_t trace = 0;  // hash of every datagram, request and answer that arrived, and when
  std::array<Tally, kKinds> tallies{};
  std::vector<std::string> violations;
};

// What has to hold, else it is among the violations:
//   what the controller has acknowledged (members, revocations, tokens, policies) it knows after each restart;
//   an older registration never takes the place of a newer one, at any node and at the controller;
//   a packet reaches whom it was for, as it was sent, at most once; none that no policy allows which the delivering node may
//   have had in force since it was sent; none of or to somebody of whose revocation that node had told that it knew;
//   at most kLayerRecoverySeconds after the failures have ended all flows that are allowed get through, those that ran before too;
//   when the controller has lost registrations they are there again within one renewal, and then all agree.
inline constexpr int kLayerRecoverySeconds = 120;

LayerOutcome run_layer(const LayerOptions& options);

// One line, and one for each violation; with `command` it says how to see it again.
std::string to_text(const LayerOptions& options, const LayerOutcome& outcome);
// Messages and octets by kind, for each host and hour.
std::string table(const LayerOptions& options, const LayerOutcome& outcome);

}  // namespace entresol::sim
