// Runs a test script against one instance, as a node would: the manifest's limits, timers and holds, faults and rest, but
// under virtual time, and with the same randomness in each run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/kit/script.h"
#include "service/program.h"

namespace entresol::cli::kit {

struct Failure {
  unsigned line = 0;
  std::string expected;  // the line, as it was written
  std::string came;
  std::vector<std::string> backtrace;  // of a fault
};

struct Outcome {
  unsigned expectations = 0;  // that held
  std::optional<Failure> failure;
};

// Ends at the first failure: what comes behind it rests on it.
Outcome run_script(const Script& script, const service::Manifest& manifest,
                   std::unique_ptr<service::Program> program);

// "it took longer than limits.batch allows (1 ms): …"
std::string to_text(const service::Fault& fault, const service::Limits& limits);

}  // namespace entresol::cli::kit
