#include "cli/new_files.h"

#include <filesystem>

#include "io/files.h"

namespace entresol::cli {
namespace {

base::Result<void> write_new(std::vector<std::string>& made, const std::string& path,
                             std::string_view text, mode_t mode) {
  auto written = io::write_text_file(path, text, {mode, false});
  if (written) made.push_back(path);
  return written;
}

}  // namespace

NewFiles::~NewFiles() {
  for (auto path = made_.rbegin(); path != made_.rend(); ++path) {
    std::error_code nobody_is_left_to_tell;
    std::filesystem::remove_all(*path, nobody_is_left_to_tell);
  }
}

base::Result<void> NewFiles::directory(const std::string& path, unsigned mode) {
  std::vector<std::string> missing;
  std::error_code unknown;
  for (std::filesystem::path at = std::filesystem::path(path).lexically_normal();
       !at.empty() && !std::filesystem::exists(at, unknown); at = at.parent_path())
    missing.push_back(at.string());
  auto done = io::make_directories(path, static_cast<mode_t>(mode));
  // Also when it failed half-way: what was missing before is not there by anybody else's doing.
  made_.insert(made_.end(), missing.rbegin(), missing.rend());
  return done;
}

base::Result<void> NewFiles::secret(const std::string& path, std::string_view text) {
  return write_new(made_, path, text, 0600);
}

base::Result<void> NewFiles::open(const std::string& path, std::string_view text) {
  return write_new(made_, path, text, 0644);
}

}  // namespace entresol::cli
