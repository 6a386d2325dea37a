// What services of a running node use of what they may, and the restart of one.
#include <algorithm>
#include <cstdio>
#include <thread>

#include "cli/commands.h"
#include "cli/running.h"

namespace entresol::cli {
namespace {

constexpr auto kInterval = std::chrono::seconds(1);

// "1.5 MiB"
std::string octets(double n) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  for (; n >= 1024 && unit + 1 < std::size(kUnits); ++unit) n /= 1024;
  char out[32];
  std::snprintf(out, sizeof out, unit == 0 || n >= 100 ? "%.0f %s" : "%.1f %s", n, kUnits[unit]);
  return out;
}

std::string fixed(double n) {
  char out[32];
  std::snprintf(out, sizeof out, "%.1f", n);
  return out;
}

// The busiest first; of equals, the one that was asked about more packets.
std::vector<Json> by_cpu(const Json& status) {
  const Json& services = part_of(status, "services");
  std::vector<Json> out(services.begin(), services.end());
  std::stable_sort(out.begin(), out.end(), [](const Json& a, const Json& b) {
    const double first = number_of(a, "cpu_percent"), second = number_of(b, "cpu_percent");
    return first != second ? first > second : number_of(a, "packets") > number_of(b, "packets");
  });
  return out;
}

std::string coloured(const std::string& standing) {
  return standing == "running" ? standing : red(standing);
}

std::vector<std::string> row(const Json& service) {
  const Json& limits = part_of(service, "limits");
  const auto count = [&](const char* key) { return human_count(number_of(service, key)); };
  std::vector<std::string> out = {text_of(service, "name"), coloured(text_of(service, "standing"))};
  if (limits.empty()) {
    // Part of the node: it has no budget, and what it does is the node's own work.
    for (int i = 0; i < 5; ++i) out.emplace_back("-");
  } else {
    out.push_back(fixed(number_of(service, "cpu_percent")) + " of " +
                  human_count(number_of(limits, "cpu_percent")));
    out.push_back(count("packets_per_second") + " of " +
                  human_count(number_of(limits, "packets_per_second")));
    out.push_back(count("batches_per_second"));
    out.push_back(octets(number_of(service, "memory")) + " of " +
                  octets(number_of(limits, "memory")));
    out.push_back(octets(number_of(service, "stored")) + " of " +
                  octets(number_of(limits, "ephemeral")));
  }
  const double down = number_of(service, "fallbacks") - number_of(service, "throttled");
  out.push_back(count("faults"));
  out.push_back(count("queue_full"));
  out.push_back(count("over_rate"));
  out.push_back(count("throttled"));
  out.push_back(human_count(std::max(0.0, down)));
  return out;
}

void print_services(const Global& global, const Json& status) {
  std::vector<std::vector<std::string>> rows{{"SERVICE", "STANDING", "CPU %", "PACKETS/S",
                                              "BATCHES/S", "MEMORY", "STORE", "FAULTS", "FULL",
                                              "RATE", "TIME", "DOWN"}};
  const std::vector<Json> services = by_cpu(status);
  for (const Json& service : services) rows.push_back(row(service));
  print_table(rows);
  std::printf("%s\n", dim("packets lost: FULL too many waited, RATE beyond packets or octets a "
                          "second, TIME its share of a core was used up, DOWN after a fault")
                          .c_str());
  for (const Json& service : services) {
    const Json& fault = part_of(service, "last_fault");
    const std::string name = text_of(service, "name");
    if (fault.empty() || text_of(service, "standing") == "running") continue;
    const std::string where = texts_of(fault, "backtrace");
    std::printf("\n%s  %s%s\n", bold(name).c_str(), text_of(fault, "what").c_str(),
                where.empty() ? "" : (", at " + where).c_str());
    if (text_of(service, "standing") == "quarantined")
      next(global, "entresol service restart " + name, "ends its quarantine");
  }
}

}  // namespace

int top_services(const Global& global, const std::string& control, bool once) {
  const bool live = !once && !global.json && on_terminal();
  for (;;) {
    auto answer = ask_control(control, {{"command", "status"}});
    if (!answer) return report(global, answer.error());
    if (global.json) {
      print(Json(by_cpu(*answer)));
      return runtime::kExitOk;
    }
    if (live) std::printf("\033[H\033[2J");
    print_services(global, *answer);
    if (!live) return runtime::kExitOk;
    std::printf("%s\n", dim("every second; Ctrl-C ends it").c_str());
    std::fflush(stdout);
    std::this_thread::sleep_for(kInterval);
  }
}

int restart_service(const Global& global, const std::string& control, const std::string& which) {
  auto answer = ask_control(control, {{"command", "service_restart"}, {"service", which}});
  if (!answer) return report(global, answer.error());
  const std::string standing = text_of(*answer, "standing");
  if (global.json) {
    print(*answer);
  } else {
    std::printf("%s was %s, and is %s\n", bold(text_of(*answer, "service")).c_str(),
                text_of(*answer, "was").c_str(), coloured(standing).c_str());
    next(global, "entresol service top", "shows what it uses, and whether it faults again");
  }
  return standing == "running" ? runtime::kExitOk : runtime::kExitDegraded;
}

}  // namespace entresol::cli
