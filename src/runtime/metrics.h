// Counters in Prometheus' text form, over HTTP and through the control socket.
#pragma once

#include <memory>
#include <string>

#include "base/endpoint.h"
#include "base/result.h"

namespace entresol::runtime {

class Runtime;

// The text exposition format, version 0.0.4. On the loop's thread.
std::string metrics_text(const Runtime& runtime);

// Serves the same at http://ADDRESS/metrics. Its server has a thread of its own and asks the loop's for each answer.
class Metrics {
 public:
  static base::Result<std::unique_ptr<Metrics>> listen(Runtime& runtime,
                                                       const base::Endpoint& address);
  ~Metrics();

 private:
  struct State;
  explicit Metrics(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace entresol::runtime
