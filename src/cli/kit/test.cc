#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/error_codes.h"
#include "cli/kit/kit.h"
#include "cli/kit/script_run.h"
#include "cli/kit/workshop.h"
#include "io/files.h"

namespace entresol::cli::kit {
namespace {

namespace code = base::code;
namespace fs = std::filesystem;

constexpr std::size_t kMaxScript = 256 << 10;

std::vector<std::string> scripts_of(const Project& project) {
  std::vector<std::string> out;
  std::error_code unknown;
  for (const auto& entry : fs::directory_iterator(project.path("tests"), unknown))
    if (entry.path().extension() == ".script")
      out.push_back(project.path("tests/" + entry.path().filename().string()));
  std::sort(out.begin(), out.end());
  return out;
}

base::Result<Script> read_script(const Project& project, const std::string& file) {
  auto text = io::read_text_file(file, kMaxScript);
  if (!text) return tl::unexpected(text.error());
  auto script = parse_script(*text, file);
  if (!script) return script;
  if (auto fits = check_script(*script, project.service.manifest, file); !fits)
    return tl::unexpected(fits.error());
  return script;
}

void show(const std::string& file, const Outcome& outcome) {
  if (!outcome.failure) {
    std::printf("%s  %s  %u expectation%s\n", green("passed").c_str(), file.c_str(),
                outcome.expectations, outcome.expectations == 1 ? "" : "s");
    return;
  }
  const Failure& failure = *outcome.failure;
  std::printf("%s  %s:%u: %s\n        came: %s\n", red("failed").c_str(), file.c_str(),
              failure.line, failure.expected.c_str(), failure.came.c_str());
  for (const std::string& frame : failure.backtrace) std::printf("        at %s\n", frame.c_str());
}

Json to_json(const std::string& file, const Outcome& outcome) {
  Json out{{"script", file}, {"passed", !outcome.failure}, {"expectations", outcome.expectations}};
  if (outcome.failure)
    out["failure"] = {{"line", outcome.failure->line},
                      {"expected", outcome.failure->expected},
                      {"came", outcome.failure->came},
                      {"backtrace", outcome.failure->backtrace}};
  return out;
}

}  // namespace

int test(const Global& global, const std::string& folder, const std::vector<std::string>& wanted) {
  auto project = open_project(folder);
  if (!project) return report(global, project.error());
  const std::vector<std::string> files = wanted.empty() ? scripts_of(*project) : wanted;
  if (files.empty())
    return report(global, {std::string(code::kFileUnreadable),
                           project->path("tests") + ": has no *.script; docs/services.md says "
                                                    "what one looks like"});
  // All are read before any is run: a mistake in the last shall not come last.
  std::vector<Script> scripts;
  for (const std::string& file : files) {
    auto script = read_script(*project, file);
    if (!script) return report(global, script.error());
    scripts.push_back(std::move(*script));
  }
  if (auto compiled = compile_if_old(*project); !compiled) return report(global, compiled.error());
  auto checked = check_module(*project);
  if (!checked) return report(global, checked.error());

  const service::Manifest& manifest = project->service.manifest;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (auto fits = check_payloads(scripts[i], checked->payload_room, files[i]); !fits)
      return report(global, fits.error());
  const Budget budget(checked->sandbox->engine());
  Json all = Json::array();
  unsigned failed = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Outcome outcome = run_script(
        scripts[i], manifest,
        std::make_unique<service::modules::ModuleProgram>(checked->code, manifest.limits));
    failed += outcome.failure ? 1 : 0;
    if (global.json) {
      all.push_back(to_json(files[i], outcome));
    } else {
      show(files[i], outcome);
    }
  }
  const auto passed = static_cast<unsigned>(files.size()) - failed;
  if (global.json) {
    print(
        Json{{"service", manifest.name}, {"passed", passed}, {"failed", failed}, {"scripts", all}});
  } else {
    std::printf("%u passed, %u failed\n", passed, failed);
    if (failed == 0)
      next(global, "entresol service bench" + (project->folder == "." ? "" : " " + project->folder),
           "what a packet costs");
  }
  return failed == 0 ? runtime::kExitOk : runtime::kExitError;
}

}  // namespace entresol::cli::kit
