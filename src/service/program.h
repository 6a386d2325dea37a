// The code of one instance: native functions, or a module in a sandbox. It is called with its environment's time set, and
// what it asks for meanwhile lies in the environment afterwards.
//
// One thread at a time; no call may wait.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "entresol/service.h"
#include "service/environment.h"

namespace entresol::service {

// Why an instance ended in a call. Its state is gone.
struct Fault {
  std::string what;  // for people
  std::vector<std::string>
      backtrace;             // innermost first: function, and file and line where they are known
  bool over_budget = false;  // it took longer than it may
};

class Program {
 public:
  virtual ~Program() = default;
  // Makes the instance, or makes it anew; calls its start() and configure(). `environment` outlives it.
  virtual std::optional<Fault> start(Environment& environment) = 0;
  virtual std::optional<Fault> configure() = 0;
  // At most ENTRESOL_BATCH packets. Verdicts are written over whatever was there, as the instance left them, unchecked.
  virtual std::optional<Fault> packets(const entresol_batch& batch) = 0;
  virtual std::optional<Fault> timer(std::uint64_t name) = 0;
  // What packets() will need, asked for before its turn; the object itself has come.
  virtual void prefetch() const {}
  // Octets that the instance holds; 0: not known.
  virtual std::size_t memory() const { return 0; }
};

}  // namespace entresol::service
