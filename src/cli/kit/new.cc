#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "base/error_codes.h"
#include "cli/kit/kit.h"
#include "cli/kit/workshop.h"
#include "cli/new_files.h"
#include "io/entropy.h"
#include "io/files.h"

namespace entresol::cli::kit {
namespace {

namespace code = base::code;

constexpr std::string_view kTemplateName = "hello";
constexpr std::string_view kTemplateId = "0x80000001";
constexpr std::size_t kMaxTemplate = 64 << 10;

void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// A service's name as part of a name in C.
std::string identifier_of(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// Private, and hardly anybody else's.
std::string own_id() {
  io::SystemRandom random;
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", random.u32() | service::kPrivateIds);
  return text;
}

base::Result<std::string> filled_in(const std::string& file, const std::string& name,
                                    const std::string& id, bool is_source) {
  auto text = io::read_text_file(file, kMaxTemplate);
  if (!text) return text;
  if (is_source) {
    for (const std::string_view macro : {"ENTRESOL_SERVICE(", "ENTRESOL_SERVICE_CLASS("})
      replace_all(*text, std::string(macro) + std::string(kTemplateName),
                  std::string(macro) + identifier_of(name));
    // What remains are comments.
    replace_all(*text, std::string(kTemplateName) + ":", name + ":");
  } else {
    replace_all(*text, kTemplateName, name);
  }
  replace_all(*text, kTemplateId, id);
  return text;
}

base::Result<void> make(const Kit& kit, const NewOptions& options, const std::string& folder) {
  struct Part {
    std::string from, to;
  };
  const std::string ending = options.language == "c" ? ".c" : ".cc";
  const std::string hello(kTemplateName);
  const std::string source = options.language + "/" + hello + ending;
  const std::array<Part, 5> parts = {
      Part{"common/service.yaml", "service.yaml"}, Part{source, options.name + ending},
      Part{"common/tests/" + hello + ".script", "tests/" + options.name + ".script"},
      Part{"common/README.md", "README.md"}, Part{"common/gitignore", ".gitignore"}};
  const std::string id = own_id();
  NewFiles files;
  if (auto made = files.directory(folder + "/tests"); !made) return made;
  for (const Part& part : parts) {
    auto text = filled_in(kit.templates + "/" + part.from, options.name, id, part.from == source);
    if (!text) return tl::unexpected(text.error());
    if (auto made = files.open(folder + "/" + part.to, *text); !made) return made;
  }
  files.keep();
  return {};
}

}  // namespace

int new_service(const Global& global, const NewOptions& options) {
  const std::string& name = options.name;
  // The manifest's own rule decides.
  if (auto named = config::parse_service("service: \"" + name + "\"\nid: 1\n", "NAME");
      !named || name.find('"') != std::string::npos)
    return report(global, {std::string(code::kUsage),
                           "'" + name +
                               "' is no name of a service: 1 to 32 of a-z, 0-9, '-' and "
                               "'_', the first not '-'"});
  const std::string folder = options.folder.empty() ? name : options.folder;
  std::error_code unknown;
  if (std::filesystem::exists(folder, unknown))
    return report(global, {std::string(code::kKitExists), folder + ": is there already"});
  auto kit = find_kit();
  if (!kit) return report(global, kit.error());
  if (auto made = make(*kit, options, folder); !made) return report(global, made.error());
  if (global.json) {
    print(Json{{"service", name}, {"language", options.language}, {"folder", folder}});
    return runtime::kExitOk;
  }
  std::printf("%s: service.yaml, %s%s, tests/%s.script, README.md\n", bold(folder).c_str(),
              name.c_str(), options.language == "c" ? ".c" : ".cc", name.c_str());
  next(global, "cd " + folder + " && entresol service build", "compile it, and check it");
  return runtime::kExitOk;
}

}  // namespace entresol::cli::kit
