// One demo at a time: its namespaces have fixed names. A file in /run says where the demo's files are and whether it was
// kept; it is locked while a demo runs, so that one that was killed is told from one that runs.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace entresol::cli::demo {

// What the file says of the demo that there is, or was.
struct Record {
  std::string folder;  // empty: there is none
  pid_t pid = 0;
  bool kept = false;
};

class Claim {
 public:
  Claim() = default;  // of nothing
  ~Claim();
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&& other) noexcept;

  // The machine for one demo. kDemoExists if one runs, kSystemCall. What is recorded may be a demo that was kept or killed.
  static base::Result<Claim> take();
  // Ends the demo that runs, as Ctrl-C would, and waits until it has cleaned up; one that does not is killed.
  static void end_running();

  const Record& record() const { return record_; }
  // A new folder for this demo, mode 0700, of a name that nobody knows beforehand; it is recorded.
  base::Result<void> begin();
  void keep();     // folder and record stay
  void release();  // removes the recorded folder and the record

 private:
  base::Result<void> write();
  int fd_ = -1;
  Record record_;
};

}  // namespace entresol::cli::demo
