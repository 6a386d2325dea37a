#include <cstdio>

#include "cli/kit/kit.h"
#include "cli/kit/workshop.h"

namespace entresol::cli::kit {
namespace {

std::string listed(const std::vector<std::string>& calls) {
  std::string out;
  for (const std::string& call : calls) out += (out.empty() ? "" : ", ") + call;
  return out.empty() ? "nothing" : out;
}

}  // namespace

int build(const Global& global, const std::string& folder) {
  auto project = open_project(folder);
  if (!project) return report(global, project.error());
  if (auto compiled = compile(*project); !compiled) return report(global, compiled.error());
  auto checked = check_module(*project);
  if (!checked) return report(global, checked.error());
  const service::Manifest& manifest = project->service.manifest;
  if (global.json) {
    print(Json{{"service", manifest.name},
               {"module", project->service.module},
               {"octets", checked->module_size},
               {"machine_code", checked->code_size},
               {"memory", checked->memory},
               {"calls", checked->calls}});
    return runtime::kExitOk;
  }
  std::printf("%s  %s, %s of machine code, %s of memory after its start (of %s)\n",
              bold(project->service.module).c_str(), human_size(checked->module_size).c_str(),
              human_size(checked->code_size).c_str(), human_size(checked->memory).c_str(),
              human_size(manifest.limits.memory).c_str());
  std::printf("calls: %s\n", listed(checked->calls).c_str());
  next(global, "entresol service test" + (project->folder == "." ? "" : " " + project->folder),
       "run its scripts");
  return runtime::kExitOk;
}

}  // namespace entresol::cli::kit
