// Other programs, for the demo: run to the end, or in the background until they are ended. Never through a shell.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace entresol::cli {

struct Finished {
  int code =
      -1;  // exit code; 128 + signal; 127: could not be started; 124: ran out of time and was killed
  std::string output;  // standard output and error
};

Finished run_program(const std::vector<std::string>& arguments,
                     std::chrono::milliseconds limit = std::chrono::seconds(20),
                     const std::string& input = "");

// A background process, in a process group of its own; ended with the object.
class Background {
 public:
  Background() = default;
  // Output goes to `log`.
  Background(const std::vector<std::string>& arguments, const std::string& log);
  ~Background();
  Background(Background&& other) noexcept;
  Background& operator=(Background&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool alive();
  void signal(int number) const;
  void end();                    // SIGTERM, and after two seconds SIGKILL
  void release() { pid_ = -1; }  // goes on by itself

 private:
  pid_t pid_ = -1;
};

}  // namespace entresol::cli
