#include "cli/kit/workshop.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/error_codes.h"
#include "cli/kit/script_run.h"
#include "cli/place.h"
#include "cli/process.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/files.h"
#include "service/instance.h"

namespace entresol::cli::kit {
namespace {

namespace code = base::code;
namespace fs = std::filesystem;
namespace modules = service::modules;

constexpr std::size_t kMaxModule = 16 << 20;
constexpr auto kPatience = std::chrono::minutes(5);  // with one compilation
constexpr std::uint32_t kHasPackets = 4;             // of entresol_module.callbacks
constexpr std::size_t kNoPayloadRoom = 8;            // what module.h gives who asks for none

constexpr std::string_view kInclude = "include", kTemplates = "share/entresol/templates";

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

constexpr const char* kLinker = "wasm-ld-19";

// Where a program of this name is; empty: nowhere.
std::string on_path(const std::string& program) {
  const char* const path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t size = std::min(rest.find(':'), rest.size());
    std::string file = std::string(rest.substr(0, size)) + "/" + program;
    if (::access(file.c_str(), X_OK) == 0) return file;
    rest.remove_prefix(std::min(size + 1, rest.size()));
  }
  return "";
}

// As in cmake/WasmModule.cmake; warnings are shown and do no harm.
std::vector<std::string> common_flags() {
  return {"--target=wasm32-wasi",
          "-O3",
          "-g1",
          "-Wall",
          "-Wextra",
          "-ffunction-sections",
          "-fdata-sections",
          "-fvisibility=hidden",
          "-mbulk-memory",
          "-msimd128",
          "-mnontrapping-fptoint"};
}

bool is_c(const std::string& source) {
  return source.ends_with(".c");
}

bool is_cpp(const Project& project) {
  return !std::all_of(project.sources.begin(), project.sources.end(), is_c);
}

// What the compiler would look for and not find; empty: everything is there.
std::string missing_tools(bool cpp) {
  std::string out;
  const auto lacks = [&](bool there, std::string_view what, std::string_view package) {
    if (!there)
      out +=
          (out.empty() ? "" : ", ") + std::string(what) + " (package " + std::string(package) + ")";
  };
  const std::string driver = cpp ? "clang++-19" : "clang-19";
  const bool compiler = !on_path(driver).empty();
  lacks(compiler, driver, "clang-19");
  lacks(!on_path(kLinker).empty(), kLinker, "lld-19");
  if (!compiler) return out;
  const auto has = [&](const std::string& option) {
    std::string file = run_program({driver, "--target=wasm32-wasi", option}).output;
    while (file.ends_with('\n')) file.pop_back();
    return file.starts_with('/') && is_there(file);
  };
  lacks(has("-print-file-name=crt1-reactor.o"), "C's library", "wasi-libc");
  lacks(has("-print-libgcc-file-name"), "what the compiler calls", "libclang-rt-19-dev-wasm32");
  if (cpp) lacks(has("-print-file-name=libc++.a"), "C++'s library", "libc++-19-dev-wasm32");
  return out;
}

// Objects, until the module is linked.
class Scratch {
 public:
  Scratch() {
    std::error_code none;
    std::string pattern = (fs::temp_directory_path(none) / "entresol-build-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Scratch() {
    std::error_code nobody_is_left_to_tell;
    if (!path_.empty()) fs::remove_all(path_, nobody_is_left_to_tell);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What it says goes to standard error.
bool run_compiler(const std::vector<std::string>& words) {
  const Finished ran = run_program(words, kPatience);
  std::fwrite(ran.output.data(), 1, ran.output.size(), stderr);
  return ran.code == 0;
}

base::Result<void> compile_all(const Project& project, const Kit& kit, const Scratch& scratch) {
  std::vector<std::string> link = {is_cpp(project) ? "clang++-19" : "clang-19"};
  const std::vector<std::string> common = common_flags();
  link.insert(link.end(), common.begin(), common.end());
  link.insert(link.end(), {"-Wl,--gc-sections", "-Wl,--stack-first", "-Wl,-z,stack-size=65536",
                           "-mexec-model=reactor", "-fuse-ld=" + on_path(kLinker)});
  bool good = true;
  for (const std::string& source : project.sources) {
    std::vector<std::string> words = {is_c(source) ? "clang-19" : "clang++-19"};
    words.insert(words.end(), common.begin(), common.end());
    if (is_c(source)) {
      words.emplace_back("-std=c17");
    } else {
      words.insert(words.end(), {"-std=c++20", "-fno-exceptions", "-fno-rtti"});
    }
    if (::isatty(STDERR_FILENO) != 0) words.emplace_back("-fcolor-diagnostics");
    const std::string object = scratch.path() + "/" + source + ".o";
    // Else the head of a loop has line 0, and that is where a call over its budget ends.
    words.insert(words.end(), {"-mllvm", "-use-unknown-locations=Disable"});
    words.insert(words.end(),
                 {"-I" + kit.include, "-ffile-prefix-map=" + kit.include + "/=",
                  "-fdebug-compilation-dir=.", "-c", project.path(source), "-o", object});
    if (project.folder != ".") words.push_back("-ffile-prefix-map=" + project.folder + "/=");
    good = run_compiler(words) && good;
    link.push_back(object);
  }
  const std::string linked = scratch.path() + "/module.wasm";
  link.insert(link.end(), {"-o", linked});
  if (good && run_compiler(link)) {
    auto octets = io::read_file(linked, kMaxModule);
    if (!octets) return tl::unexpected(octets.error());
    return io::write_file(project.service.module, *octets, {0644, true});
  }
  return base::fail(code::kKitBuild, "'" + project.service.manifest.name + "' does not compile");
}

base::Result<void> fits(const Project& project, const modules::ModuleProgram& program) {
  const service::Manifest& manifest = project.service.manifest;
  if ((program.callbacks() & kHasPackets) == 0)
    return base::fail(code::kKitModule, project.service.module + ": has no packets() to call");
  if (manifest.payload && program.payload_room() <= kNoPayloadRoom)
    return base::fail(code::kKitModule,
                      project.manifest_file +
                          " says `payload: true`, and the module has no room for it: define "
                          "ENTRESOL_PAYLOAD_ROOM, in octets for one batch, before service.h is "
                          "included");
  return {};
}

}  // namespace

base::Result<Kit> find_kit() {
  const fs::path own = fs::path(own_path()).parent_path();
  const fs::path prefix = own.parent_path();
  if (is_there(prefix / kInclude / "entresol/service.h") && is_there(prefix / kTemplates))
    return Kit{(prefix / kInclude).string(), (prefix / kTemplates).string()};
  for (fs::path at = own; at.has_relative_path(); at = at.parent_path())
    if (is_there(at / "sdk/include/entresol/service.h"))
      return Kit{(at / "sdk/include").string(), (at / "sdk/templates").string()};
  return base::fail(code::kKitTools, "entresol/service.h is not below " + prefix.string() +
                                         ": install Entresol whole, with `cmake --install`");
}

std::string Project::path(const std::string& file) const {
  return folder == "." ? file : folder + "/" + file;
}

base::Result<Project> open_project(const std::string& folder) {
  Project out;
  out.folder = fs::path(folder).lexically_normal().string();
  if (out.folder.size() > 1 && out.folder.ends_with('/')) out.folder.pop_back();
  out.manifest_file = out.path("service.yaml");
  if (!is_there(out.manifest_file))
    return base::fail(code::kFileUnreadable,
                      out.manifest_file +
                          ": is not there; `entresol service new NAME` makes a "
                          "service, and the others are run in its folder");
  auto service = config::load_service(out.manifest_file);
  if (!service) return tl::unexpected(service.error());
  out.service = std::move(*service);
  std::error_code unknown;
  for (const auto& entry : fs::directory_iterator(out.folder, unknown)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file(unknown) && (is_c(name) || name.ends_with(".cc")))
      out.sources.push_back(name);
  }
  std::sort(out.sources.begin(), out.sources.end());
  return out;
}

base::Result<void> compile(const Project& project) {
  if (project.sources.empty())
    return base::fail(code::kKitBuild,
                      project.folder + ": has no source, that is no *.c and no *.cc");
  auto kit = find_kit();
  if (!kit) return tl::unexpected(kit.error());
  const std::string driver = is_cpp(project) ? "clang++-19" : "clang-19";
  const auto lacking = [&]() -> base::Result<void> {
    const std::string missing = missing_tools(is_cpp(project));
    if (missing.empty()) return {};
    return base::fail(code::kKitTools, "missing: " + missing);
  };
  // Before, where the compiler would not run; else after it has failed, since asking takes as long as compiling.
  if (on_path(driver).empty() || on_path(kLinker).empty()) return lacking();
  const Scratch scratch;
  if (scratch.path().empty())
    return base::fail(code::kFileUnwritable,
                      "no folder for objects can be made where TMPDIR says, or in /tmp");
  auto compiled = compile_all(project, *kit, scratch);
  if (!compiled && compiled.error().code == code::kKitBuild)
    if (auto missing = lacking(); !missing) return missing;
  return compiled;
}

base::Result<void> compile_if_old(const Project& project) {
  std::error_code unknown;
  if (project.sources.empty()) return {};
  const auto made = fs::last_write_time(project.service.module, unknown);
  bool old = static_cast<bool>(unknown);
  for (const auto& entry : fs::directory_iterator(project.folder, unknown)) {
    const std::string name = entry.path().filename().string();
    const bool counts = is_c(name) || name.ends_with(".cc") || name.ends_with(".h") ||
                        name.ends_with(".hpp") || name == "service.yaml";
    old = old || (counts && entry.last_write_time(unknown) > made);
  }
  return old ? compile(project) : base::Result<void>();
}

base::Result<Checked> check_module(const Project& project) {
  auto wasm = io::read_file(project.service.module, kMaxModule);
  if (!wasm) return tl::unexpected(wasm.error());
  const service::Manifest& manifest = project.service.manifest;
  Checked out;
  auto sandbox = modules::Sandbox::create({.instances = 4});
  if (!sandbox) return tl::unexpected(sandbox.error());
  out.sandbox = std::move(*sandbox);
  const base::TimePoint began = io::now();
  auto module = service::sandbox::Module::compile(out.sandbox->engine(), *wasm);
  out.compile_time = io::now() - began;
  auto code = module ? out.sandbox->prepare(*module) : tl::unexpected(module.error());
  if (!code) {
    code.error().message = project.service.module + ": " + code.error().message;
    return tl::unexpected(code.error());
  }
  out.code = std::move(*code);
  out.module_size = wasm->size();
  out.code_size = module->code_size();
  for (const auto& import : module->imports()) out.calls.push_back(import.name);
  std::sort(out.calls.begin(), out.calls.end());
  auto program = std::make_unique<modules::ModuleProgram>(out.code, manifest.limits);
  const modules::ModuleProgram& said = *program;
  io::SystemRandom random;
  const Budget budget(out.sandbox->engine());
  service::Instance instance(manifest, std::move(program), random, nullptr, nullptr);
  instance.environment().open_stable({}, nullptr);
  instance.start(io::now(), io::unix_nanos());
  if (instance.last_fault()) return tl::unexpected(fault_error(project, *instance.last_fault()));
  out.memory = said.memory();
  out.payload_room = said.payload_room();
  if (auto fit = fits(project, said); !fit) return tl::unexpected(fit.error());
  return out;
}

Budget::Budget(service::sandbox::Engine& engine) {
  clockid_t clock = CLOCK_MONOTONIC;
  ::pthread_getcpuclockid(::pthread_self(), &clock);
  const auto used = [clock] {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  thread_ = std::thread([this, &engine, used] {
    for (auto last = used(); !done_;) {
      std::this_thread::sleep_for(modules::Sandbox::kTick);
      // One at a time, however late it is: several at once would be taken for one long call.
      const auto now = used();
      if (now - last < modules::Sandbox::kTick) continue;
      last = now;
      engine.tick();
    }
  });
}

Budget::~Budget() {
  done_ = true;
  thread_.join();
}

std::string human_size(std::size_t octets) {
  char text[32];
  const double kib = static_cast<double>(octets) / 1024;
  if (octets < 1024) {
    std::snprintf(text, sizeof text, "%zu B", octets);
  } else if (kib < 1024) {
    std::snprintf(text, sizeof text, "%.1f KiB", kib);
  } else {
    std::snprintf(text, sizeof text, "%.1f MiB", kib / 1024);
  }
  return text;
}

base::Error fault_error(const Project& project, const service::Fault& fault) {
  std::string text = "'" + project.service.manifest.name +
                     "' faulted: " + to_text(fault, project.service.manifest.limits);
  for (const std::string& frame : fault.backtrace) text += "; at " + frame;
  return {std::string(code::kKitFault), text};
}

}  // namespace entresol::cli::kit
