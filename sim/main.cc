// entresol_sim [--seed N] [--seeds N]: runs seeds N, N + 1 … of the small simulation, one line each.
// entresol_sim --layer …: of a whole layer. Exit code 1 if anything did not hold.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "layer_run.h"
#include "simulation.h"

namespace {

using entresol::sim::LayerOptions;

constexpr std::string_view kUsage =
    "Usage: entresol_sim [--seed N] [--seeds N]\n"
    "       entresol_sim --layer [--seed N] [--seeds N] [--nodes N] [--hosts N] [--hours N]\n"
    "                    [--lifetime SECONDS] [--trouble SECONDS] [--no-faults] [--no-traffic] "
    "[--table]\n";

struct Asked {
  LayerOptions options;
  bool layer = false, table = false;
  unsigned long long seeds = 1;
};

// False: it is no such option, or has no number.
bool take(Asked& asked, std::string_view option, const char* value, bool& used) {
  LayerOptions& o = asked.options;
  if (option == "--layer") return asked.layer = true;
  if (option == "--table") return asked.table = true;
  if (option == "--no-faults") return !(o.faults = false);
  if (option == "--no-traffic") return !(o.traffic = false);
  if (value == nullptr) return false;
  used = true;
  char* end = nullptr;
  if (option == "--hours") {
    o.hours = std::strtod(value, &end);
    return *end == '\0' && o.hours > 0;
  }
  const unsigned long long number = std::strtoull(value, &end, 10);
  if (*end != '\0' || end == value) return false;
  if (option == "--seed")
    o.seed = number;
  else if (option == "--seeds" || option == "--count")
    asked.seeds = number;
  else if (option == "--nodes")
    o.nodes = number;
  else if (option == "--hosts")
    o.hosts = number;
  else if (option == "--lifetime")
    o.certificate_lifetime = static_cast<std::int64_t>(number);
  else if (option == "--trouble")
    o.trouble = std::chrono::seconds(number);
  else
    return false;
  return o.nodes > 0 && o.hosts > 1;
}

bool run(const Asked& asked, LayerOptions options) {
  if (!asked.layer) {
    const auto outcome = entresol::sim::run(options.seed);
    std::fputs(entresol::sim::to_text(options.seed, outcome).c_str(), stdout);
    return outcome.violations.empty();
  }
  const auto outcome = entresol::sim::run_layer(options);
  std::fputs(entresol::sim::to_text(options, outcome).c_str(), stdout);
  if (asked.table) std::fputs(entresol::sim::table(options, outcome).c_str(), stdout);
  std::fflush(stdout);
  return outcome.violations.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  for (int i = 1; i < argc; ++i) {
    bool used = false;
    if (!take(asked, argv[i], i + 1 < argc ? argv[i + 1] : nullptr, used)) {
      std::fputs(kUsage.data(), stderr);
      return 2;
    }
    i += static_cast<int>(used);
  }
  bool held = true;
  for (unsigned long long i = 0; i < asked.seeds; ++i) {
    held = run(asked, asked.options) && held;
    ++asked.options.seed;
  }
  return held ? 0 : 1;
}
