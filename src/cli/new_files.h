// Files and directories that are made together: all of them are there in the end, or none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace entresol::cli {

// Takes back what was made with it, newest first, unless keep() was called. What was there before is never touched.
class NewFiles {
 public:
  NewFiles() = default;
  ~NewFiles();
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  // With the directories above it that are missing. One that exists is fine, and stays.
  base::Result<void> directory(const std::string& path, unsigned mode = 0755);
  // kKeyExists if there is anything at `path`.
  base::Result<void> secret(const std::string& path, std::string_view text);  // mode 0600
  base::Result<void> open(const std::string& path, std::string_view text);    // mode 0644
  // Somebody else is about to make it.
  void expect(const std::string& path) { made_.push_back(path); }
  void keep() { made_.clear(); }

 private:
  std::vector<std::string> made_;
};

}  // namespace entresol::cli
