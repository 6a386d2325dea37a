// The processes of this machine that the command starts, asks and ends: `entresol run ROLE -c FILE`.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "cli/output.h"

namespace entresol::cli {

struct Service {
  std::string role;  // host, node or controller
  std::string file;
  std::string control;  // its control socket; its log is this path with ".log"
  std::string log() const { return control + ".log"; }
};

// One request and its answer, an object. An error that the answer carries is this function's error.
base::Result<Json> ask_control(const std::string& control, const Json& request,
                               std::chrono::seconds timeout = std::chrono::seconds(10));

struct Started {
  pid_t pid = -1;
  Json status;         // the last one
  bool ready = false;  // false: it runs, and what was waited for has not come in time
};
// Starts the service in a session of its own and waits until `ready` likes its status. kAlreadyRunning; if it ends while
// starting, the error that it has left in its log.
base::Result<Started> start_service(const std::string& program, const Service& service,
                                    const std::function<bool(const Json& status)>& ready);
bool answers(const Json& status);   // it runs: that is enough for a node and a controller
bool attached(const Json& status);  // a host with keys for a node in each of its layers

// Of a service that this process has started.
void end_service(pid_t pid);

}  // namespace entresol::cli
