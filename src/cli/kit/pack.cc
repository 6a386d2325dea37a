#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/error_codes.h"
#include "cli/kit/kit.h"
#include "cli/kit/workshop.h"
#include "io/files.h"
#include "runtime/files.h"
#include "service/packages/package.h"

namespace entresol::cli::kit {
namespace {

namespace code = base::code;
namespace fs = std::filesystem;
using service::packages::Package;
using service::packages::SourceDigest;

constexpr std::size_t kMaxSource = 4 << 20;

// The sources, headers and scripts: what somebody would need to build the module again.
base::Result<std::vector<SourceDigest>> digests(const Project& project) {
  std::vector<std::string> files = project.sources;
  std::error_code unknown;
  for (const auto& entry : fs::directory_iterator(project.folder, unknown)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".h" || ending == ".hpp") files.push_back(entry.path().filename().string());
  }
  std::vector<SourceDigest> out;
  for (const std::string& file : files) {
    auto octets = io::read_file(project.path(file), kMaxSource);
    if (!octets) return tl::unexpected(octets.error());
    out.push_back({file, crypto::sha256(*octets)});
  }
  if (out.size() > Package::kMaxSources)
    return base::fail(code::kKitPackage,
                      "more than " + std::to_string(Package::kMaxSources) + " sources");
  return out;
}

base::Result<base::Bytes> packed(const Project& project, const std::string& key_file) {
  auto identity = runtime::read_identity(key_file);
  if (!identity) return tl::unexpected(identity.error());
  if (project.service.licence.empty())
    return base::fail(code::kConfigMissingKey,
                      project.manifest_file +
                          ": licence: name the licence that others get it under, such as "
                          "Apache-2.0");
  Package package;
  auto manifest = io::read_text_file(project.manifest_file, Package::kMaxManifest);
  if (!manifest) return tl::unexpected(manifest.error());
  package.manifest = std::move(*manifest);
  auto module = io::read_file(project.service.module, Package::kMaxModule);
  if (!module) return tl::unexpected(module.error());
  package.module = std::move(*module);
  auto sources = digests(project);
  if (!sources) return tl::unexpected(sources.error());
  package.sources = std::move(*sources);
  return service::packages::sign_package(std::move(package), identity->identity);
}

// What it asks to see of each packet.
std::vector<std::string> sees(const service::Manifest& manifest) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < service::kFieldNames.size(); ++i)
    if ((manifest.fields & 1u << i) != 0) out.emplace_back(service::kFieldNames[i]);
  if (manifest.payload) out.emplace_back("payload");
  return out;
}

}  // namespace

int pack(const Global& global, const std::string& folder, const std::string& key,
         const std::string& out) {
  auto project = open_project(folder);
  if (!project) return report(global, project.error());
  if (auto compiled = compile_if_old(*project); !compiled) return report(global, compiled.error());
  // What no node would run is not signed.
  if (auto checked = check_module(*project); !checked) return report(global, checked.error());
  auto octets = packed(*project, key);
  if (!octets) return report(global, octets.error());
  const service::Manifest& manifest = project->service.manifest;
  const std::string file =
      out.empty() ? project->path(manifest.name + "-" + std::to_string(manifest.version) + ".esvc")
                  : out;
  if (auto written = io::write_file(file, *octets, {0644, true}); !written)
    return report(global, written.error());
  if (global.json) {
    print(Json{{"service", manifest.name},
               {"version", manifest.version},
               {"file", file},
               {"octets", octets->size()},
               {"sha256", base::to_hex(crypto::sha256(*octets))}});
    return runtime::kExitOk;
  }
  std::printf("%s  %s, signed\n", bold(file).c_str(), human_size(octets->size()).c_str());
  next(global, "entresol service inspect " + file, "what others will see of it");
  return runtime::kExitOk;
}

int inspect(const Global& global, const std::string& file) {
  auto octets = io::read_file(file, Package::kMaxSize);
  if (!octets) return report(global, octets.error());
  auto package = service::packages::parse_package(*octets);
  if (!package) {
    package.error().message = file + ": " + package.error().message;
    return report(global, package.error());
  }
  auto service = config::parse_service(package->manifest, file + "/service.yaml");
  if (!service) return report(global, service.error());
  const service::Manifest& manifest = service->manifest;
  const std::string publisher = base::to_hex(package->publisher);
  const std::string module = base::to_hex(crypto::sha256(package->module));
  if (global.json) {
    Json sources = Json::array();
    for (const SourceDigest& source : package->sources)
      sources.push_back({{"file", source.file}, {"sha256", base::to_hex(source.sha256)}});
    print(Json{{"service", manifest.name},
               {"id", manifest.id},
               {"version", manifest.version},
               {"licence", service->licence},
               {"sees", sees(manifest)},
               {"publisher", publisher},
               {"module", {{"octets", package->module.size()}, {"sha256", module}}},
               {"sources", sources}});
    return runtime::kExitOk;
  }
  std::printf("%s %u, id 0x%08x, licence %s\n", bold(manifest.name).c_str(), manifest.version,
              manifest.id, service->licence.c_str());
  std::string fields;
  for (const std::string& each : sees(manifest)) fields += (fields.empty() ? "" : ", ") + each;
  std::printf("sees       %s\n", fields.empty() ? "nothing" : fields.c_str());
  std::printf("signed by  %s\n", publisher.c_str());
  std::vector<std::vector<std::string>> rows = {{"part", "SHA-256"}, {"module", module}};
  for (const SourceDigest& source : package->sources)
    rows.push_back({source.file, base::to_hex(source.sha256)});
  print_table(rows);
  return runtime::kExitOk;
}

}  // namespace entresol::cli::kit
