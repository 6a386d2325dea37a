// What the kit's verbs share: the service's folder, the compiler, and the sandbox that its module is tried in.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cli/output.h"
#include "config/service_file.h"
#include "service/modules/module_program.h"

namespace entresol::cli::kit {

// Where the kit's files are: below the prefix that this binary is installed in, or in the tree that it was built in.
struct Kit {
  std::string include;    // folder with entresol/service.h
  std::string templates;  // folder with common/, c/ and c++/
};
base::Result<Kit> find_kit();

struct Project {
  std::string folder;  // as it was given; "." is here
  std::string manifest_file;
  config::ServiceFile service;
  std::vector<std::string> sources;  // *.c and *.cc of the folder, in order

  std::string path(const std::string& file) const;  // of a file in the folder, for people too
};
base::Result<Project> open_project(const std::string& folder);

// Compiles and links. What the compiler says goes to standard error as it is; the error is then only that there was one.
base::Result<void> compile(const Project& project);
// compile(), if there is no module, or a source or the manifest is newer. A folder without sources is left as it is.
base::Result<void> compile_if_old(const Project& project);

// A module that has passed the checks of a node, and those against its manifest.
struct Checked {
  std::unique_ptr<service::modules::Sandbox> sandbox;
  std::shared_ptr<const service::sandbox::Prepared> code;
  std::size_t module_size = 0, code_size = 0;  // octets
  base::Duration compile_time{};
  std::vector<std::string> calls;  // of the host, which it imports
  std::size_t memory = 0;          // octets that an instance has after its start
  std::size_t payload_room = 0;    // octets, of one batch
};
base::Result<Checked> check_module(const Project& project);

// Moves the sandbox's clock by the time that the calling thread computes, not by the time that passes: a busy machine ends
// no call early.
class Budget {
 public:
  explicit Budget(service::sandbox::Engine& engine);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

std::string human_size(std::size_t octets);  // "12.3 KiB"
base::Error fault_error(const Project& project, const service::Fault& fault);

}  // namespace entresol::cli::kit
