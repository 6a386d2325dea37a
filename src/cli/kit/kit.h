// The author's kit: `entresol service new|build|test|bench|pack|inspect`. Each verb is a function that returns the exit code;
// `folder` is the service's, with service.yaml in it.
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"

namespace entresol::cli::kit {

// new.cc
struct NewOptions {
  std::string name;
  std::string language = "c++";
  std::string folder;  // empty: NAME, here
};
int new_service(const Global& global, const NewOptions& options);

// build.cc
int build(const Global& global, const std::string& folder);

// test.cc; no scripts: all of FOLDER/tests
int test(const Global& global, const std::string& folder, const std::vector<std::string>& scripts);

// bench.cc
int bench(const Global& global, const std::string& folder);

// pack.cc
int pack(const Global& global, const std::string& folder, const std::string& key,
         const std::string& out);
int inspect(const Global& global, const std::string& file);

}  // namespace entresol::cli::kit
