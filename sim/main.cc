// entresol_sim [--seed N] [--count N]: runs seeds N, N + 1 …, one line each. Exit code 1 if anything did not hold.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "simulation.h"

int main(int argc, char** argv) {
  unsigned long long seed = 1, count = 1;
  for (int i = 1; i < argc; ++i) {
    unsigned long long* value = std::strcmp(argv[i], "--seed") == 0    ? &seed
                                : std::strcmp(argv[i], "--count") == 0 ? &count
                                                                       : nullptr;
    char* end = nullptr;
    if (value != nullptr && i + 1 < argc) *value = std::strtoull(argv[++i], &end, 10);
    if (end == nullptr || *end != '\0' || *argv[i] == '\0') {
      std::fprintf(stderr, "Usage: entresol_sim [--seed N] [--count N]\n");
      return 2;
    }
  }
  bool held = true;
  for (unsigned long long i = seed; i < seed + count; ++i) {
    const entresol::sim::Outcome outcome = entresol::sim::run(i);
    std::fputs(entresol::sim::to_text(i, outcome).c_str(), stdout);
    held = held && outcome.violations.empty();
  }
  return held ? 0 : 1;
}
