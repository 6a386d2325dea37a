// What a run of a layer has to say to people.
#include <cstdio>

#include "layer_run.h"

namespace entresol::sim {
namespace {

std::string command_of(const LayerOptions& options) {
  std::string out = "entresol_sim --layer --seed " + std::to_string(options.seed) + " --nodes " +
                    std::to_string(options.nodes) + " --hosts " + std::to_string(options.hosts);
  char hours[32];
  std::snprintf(hours, sizeof hours, " --hours %g", options.hours);
  if (options.hours > 0) out += hours;
  if (options.certificate_lifetime != LayerOptions{}.certificate_lifetime)
    out += " --lifetime " + std::to_string(options.certificate_lifetime);
  if (!options.faults) out += " --no-faults";
  if (!options.traffic) out += " --no-traffic";
  return out;
}

unsigned long long llu(std::uint64_t value) {
  return value;
}

}  // namespace

std::string to_text(const LayerOptions& options, const LayerOutcome& outcome) {
  const LayerCounts& c = outcome.counts;
  char line[1024];
  std::snprintf(
      line, sizeof line,
      "seed %llu trace %016llx: %zu nodes, %zu hosts, %.2f h; %llu datagrams, %llu lost, %llu "
      "repeated, "
      "%llu overtaken, %llu partitions, %llu restarts (%llu hosts, %llu nodes, %llu controller), "
      "%llu refusals of a full disk, %llu moves, %llu rekeys; %llu requests, %llu joins, %llu "
      "tokens, "
      "%llu policies, %llu revocations, %llu registrations lost; %llu of %llu packets delivered, "
      "%llu "
      "refused by rules; recovered after %.0f s, registered again after %.0f s\n",
      llu(options.seed), llu(outcome.trace), options.nodes, options.hosts, c.hours,
      llu(c.network.datagrams), llu(c.network.losses), llu(c.network.duplicates),
      llu(c.network.reorderings), llu(c.network.partitions),
      llu(c.host_restarts + c.node_restarts + c.controller_restarts), llu(c.host_restarts),
      llu(c.node_restarts), llu(c.controller_restarts), llu(c.full_disks), llu(c.moves),
      llu(c.rekeys), llu(c.requests), llu(c.joins), llu(c.tokens), llu(c.policies),
      llu(c.revocations), llu(c.registrations_lost), llu(c.delivered), llu(c.sent), llu(c.refused),
      c.recovered_after, c.registered_after);
  std::string text = line;
  for (const std::string& violation : outcome.violations)
    text += "  violated at " + violation + "\n";
  if (!outcome.violations.empty()) text += "  again: " + command_of(options) + "\n";
  return text;
}

std::string table(const LayerOptions& options, const LayerOutcome& outcome) {
  const double host_hours = static_cast<double>(options.hosts) * outcome.counts.hours;
  std::string text = command_of(options) + "\n";
  char line[128];
  std::snprintf(line, sizeof line, "%-12s %16s %16s\n", "kind", "messages/host/h", "octets/host/h");
  text += line;
  Tally all;
  for (std::size_t i = 0; i < kKinds; ++i) {
    const Tally& tally = outcome.tallies[i];
    all.messages += tally.messages;
    all.octets += tally.octets;
    std::snprintf(line, sizeof line, "%-12s %16.1f %16.0f\n",
                  std::string(to_text(static_cast<Kind>(i))).c_str(),
                  static_cast<double>(tally.messages) / host_hours,
                  static_cast<double>(tally.octets) / host_hours);
    text += line;
  }
  std::snprintf(line, sizeof line, "%-12s %16.1f %16.0f\n", "all",
                static_cast<double>(all.messages) / host_hours,
                static_cast<double>(all.octets) / host_hours);
  return text + line;
}

}  // namespace entresol::sim
